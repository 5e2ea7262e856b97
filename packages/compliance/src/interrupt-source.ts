import type { InterruptSource } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'

export interface InterruptSourceSubject {
  /** Initialised and unmasked, with nothing requested. */
  source: InterruptSource
  /** Requests one edge-triggered interrupt. */
  request(): void
  /** Vector that `request` leads to. */
  vector: number
  /** Ends the interrupt in service (EOI). */
  endOfInterrupt(): void
}

const laws: Law<InterruptSourceSubject>[] = [
  {
    name: 'with nothing requested nothing is pending, and acknowledge is -1 or a spurious vector',
    check({ source }, violated) {
      if (source.pending()) violated('pending')
      const vector = source.acknowledge()
      if (!Number.isInteger(vector) || vector < -1 || vector > 255) violated(`acknowledge gave ${vector}`)
      if (source.pending()) violated('pending after acknowledge')
    },
  },
  {
    name: 'asking whether one is pending changes nothing',
    check({ source, request, vector }, violated) {
      request()
      for (let times = 0; times < 3; times++) if (!source.pending()) violated('not pending')
      if (source.acknowledge() !== vector) violated('another vector')
    },
  },
  {
    name: 'a request is acknowledged once',
    check({ source, request, vector }, violated) {
      request()
      const first = source.acknowledge()
      if (first !== vector) violated(`vector ${first}`)
      if (source.pending()) violated('still pending')
    },
  },
  {
    name: 'after the end of interrupt the next request is delivered',
    check({ source, request, endOfInterrupt, vector }, violated) {
      for (let times = 0; times < 3; times++) {
        request()
        if (!source.pending()) violated(`request ${times} is not pending`)
        if (source.acknowledge() !== vector) violated(`request ${times} gave another vector`)
        endOfInterrupt()
        if (source.pending()) violated('pending after the end of interrupt')
      }
    },
  },
  {
    name: 'a request while one of the same priority is in service waits for its end',
    check({ source, request, endOfInterrupt, vector }, violated) {
      request()
      source.acknowledge()
      request()
      if (source.pending()) violated('pending while in service')
      endOfInterrupt()
      if (!source.pending()) violated('the waiting request is lost')
      else if (source.acknowledge() !== vector) violated('another vector')
    },
  },
]

/** Laws of InterruptSource. */
export const interruptSourceSuite: Suite<InterruptSourceSubject> = { name: 'InterruptSource', laws }
