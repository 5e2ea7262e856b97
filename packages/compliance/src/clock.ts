import type { Clock } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'

export interface ClockSubject {
  clock: Clock
  /** Lets at least `ns` of virtual time pass and runs what falls due: a sleep for a real clock, a step for a deterministic one. */
  pass(ns: number): void | Promise<void>
}

const MS = 1_000_000

const laws: Law<ClockSubject>[] = [
  {
    name: 'virtual time is a finite number that never goes back, and passes',
    async check({ clock, pass }, violated) {
      let last = clock.now()
      if (!Number.isFinite(last) || last < 0) violated(`now() is ${last}`)
      const first = last
      for (let step = 0; step < 5; step++) {
        await pass(2 * MS)
        const now = clock.now()
        if (now < last) violated(`${last} was followed by ${now}`)
        last = now
      }
      if (last - first < 10 * MS) violated(`10 ms passed as ${last - first} ns`)
      if (!Number.isFinite(clock.wallClock())) violated(`wallClock() is ${clock.wallClock()}`)
    },
  },
  {
    name: 'a timer fires once, not before its deadline',
    async check({ clock, pass }, violated) {
      const deadline = clock.now() + 5 * MS
      const fired: number[] = []
      clock.schedule(deadline, () => fired.push(clock.now()))
      await pass(1 * MS)
      if (fired.length > 0 && fired[0]! < deadline) violated(`fired at ${fired[0]}, before ${deadline}`)
      await pass(20 * MS)
      await pass(5 * MS)
      if (fired.length !== 1) violated(`fired ${fired.length} times`)
      if (fired.length > 0 && fired[0]! < deadline) violated(`fired at ${fired[0]}, before ${deadline}`)
    },
  },
  {
    name: 'a cancelled timer does not fire, and cancelling again or late does nothing',
    async check({ clock, pass }, violated) {
      let fired = 0
      const timer = clock.schedule(clock.now() + 2 * MS, () => fired++)
      timer.cancel()
      timer.cancel()
      await pass(10 * MS)
      if (fired !== 0) violated('it fired')
      const late = clock.schedule(clock.now() + 1 * MS, () => fired++)
      await pass(10 * MS)
      late.cancel()
      if (fired !== 1) violated(`the second timer fired ${fired} times`)
    },
  },
  {
    name: 'timers fire in the order of their deadlines',
    async check({ clock, pass }, violated) {
      const order: number[] = []
      const now = clock.now()
      for (const at of [30, 10, 20]) clock.schedule(now + at * MS, () => order.push(at))
      await pass(60 * MS)
      if (order.join() !== '10,20,30') violated(`order ${order.join()}`)
    },
  },
  {
    name: 'a deadline in the past fires soon, and a callback can schedule the next',
    async check({ clock, pass }, violated) {
      let fired = 0
      clock.schedule(clock.now() - 1, () => {
        fired++
        clock.schedule(clock.now() + 1 * MS, () => fired++)
      })
      await pass(10 * MS)
      await pass(10 * MS)
      if (fired !== 2) violated(`${fired} of 2 fired`)
    },
  },
]

/** Laws of Clock. */
export const clockSuite: Suite<ClockSubject> = { name: 'Clock', laws }
