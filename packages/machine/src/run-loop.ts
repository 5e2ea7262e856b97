import type { Vcpu, VcpuExit } from '@entresol/interfaces'
import type { HostClock } from './clock/host-clock.ts'
import { InstructionClock } from './clock/instruction-clock.ts'
import { yieldToHost } from './yield.ts'

/** Instructions a vCPU runs before timers are looked at. */
const SLICE = 100_000
/** Milliseconds of running before the event loop gets a turn. */
const TURN = 8
/**
 * Instructions a vCPU runs between turns of the event loop while the host works for it: it may be polling for the result. Not fewer, and the
 * slice that began the work goes on, because a driver that has more to ask for should get one interrupt for many answers.
 */
const SHORT_SLICE = 50_000

/** Milliseconds before a deadline that are waited for actively; a timer fires at most 1 ms late for it. */
const SPIN = 0.1

/** vCPUs in other threads, and what this one must tell them. */
export interface OtherThreads {
  /** Around a slice of a vCPU here. */
  enter(): void
  leave(): void
  /** This thread is about to sleep: false when another one wants something of it; whoever does afterwards wakes it. */
  rest(): boolean
}

export interface RunLoopHost {
  /** Those of this thread. */
  readonly vcpus: readonly Vcpu[]
  readonly others: OtherThreads | undefined
  readonly clock: HostClock | InstructionClock
  /** Vcpu n of `vcpus` has run for so long and stands still. */
  readonly ran?: ((n: number, milliseconds: number) => void) | undefined
  /** A vCPU left for another reason than its slice or HLT. */
  exited(vcpu: Vcpu, exit: VcpuExit): void
}

/** Runs the vCPUs of this thread in turn. An idle machine sleeps until its next timer or until `wake`. */
export class RunLoop {
  readonly #host: RunLoopHost
  #running = false
  #wake: (() => void) | undefined
  #woken = false
  #hostWork = 0
  #failure: { readonly error: unknown } | undefined
  #finished: Promise<void> = Promise.resolve()

  constructor(host: RunLoopHost) {
    this.#host = host
  }

  get running(): boolean {
    return this.#running
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#finished = this.#loop()
  }

  /** Resolves when no guest instruction runs any more. */
  async stop(): Promise<void> {
    this.#running = false
    this.wake()
    await this.#finished
  }

  /** Ends `start` from inside an exit, without waiting. */
  halt(): void {
    this.#running = false
    this.wake()
  }

  /** Ends `start` with an error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.wake()
  }

  /** Something happened that a sleeping machine must see. */
  wake(): void {
    this.#woken = true
    this.#wake?.()
  }

  /** An operation of the host began that the guest may be polling for: turns become short until as many have ended. */
  hostWorkBegins(): void {
    this.#hostWork++
  }

  hostWorkEnds(): void {
    this.#hostWork--
    this.wake()
  }

  async #loop(): Promise<void> {
    const { clock } = this.#host
    await yieldToHost()
    while (this.#running) {
      const turnEnd = performance.now() + (this.#hostWork ? 0 : TURN)
      let idle = false
      do {
        this.#woken = false
        clock.runDue()
        idle = this.#round()
      } while (this.#running && !idle && !this.#hostWork && performance.now() < turnEnd)
      if (this.#failure) throw this.#failure.error
      if (!this.#running) break
      if (idle && !this.#woken) await this.#sleep()
      else await yieldToHost()
    }
  }

  /** One slice of every vCPU; true when all wait for an interrupt. */
  #round(): boolean {
    const { others, ran } = this.#host
    let idle = true
    for (const [n, vcpu] of this.#host.vcpus.entries()) {
      others?.enter()
      const start = ran ? performance.now() : 0
      const exit = vcpu.run(this.#hostWork ? SHORT_SLICE : SLICE)
      ran?.(n, performance.now() - start)
      others?.leave()
      if (exit.reason === 'halt') continue
      idle = false
      if (exit.reason !== 'slice') this.#host.exited(vcpu, exit)
      if (!this.#running) return false
    }
    return idle && !this.#woken
  }

  async #sleep(): Promise<void> {
    const { clock } = this.#host
    const deadline = clock.nextDeadline()
    if (clock instanceof InstructionClock && deadline !== Infinity) {
      clock.skipTo(deadline)
      await yieldToHost()
      return
    }
    const milliseconds = (deadline - clock.now()) / 1e6
    if (milliseconds <= 0) return
    // Timers of the host have millisecond steps. Turns of the event loop reach a deadline exactly, but burn the host's CPU: only the last bit.
    if (milliseconds < SPIN) return yieldToHost()
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#host.others?.rest() === false) resolve()
      if (deadline !== Infinity) timer = setTimeout(resolve, Math.min(Math.ceil(milliseconds - SPIN), 0x7fffffff))
    })
    this.#wake = undefined
    clearTimeout(timer)
  }
}
