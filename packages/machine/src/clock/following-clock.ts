import { TimerClock } from './timer-queue.ts'

/** Doubles that carry a HostClock to other threads: host nanoseconds at virtual time 0, virtual time while paused (NaN: it runs). */
export const CLOCK_OFFSET = 0
export const CLOCK_PAUSED_AT = 1

/** The virtual time of the first thread's HostClock, with timers of this thread's own. */
export class FollowingClock extends TimerClock {
  readonly #shared: Float64Array
  /** Nanoseconds from this thread's host time to the first thread's. */
  readonly #skew: number
  readonly #wallOffset: number

  constructor(shared: Float64Array, timeOrigin: number, wallOffset: number) {
    super()
    this.#shared = shared
    this.#skew = (performance.timeOrigin - timeOrigin) * 1e6
    this.#wallOffset = wallOffset
  }

  now(): number {
    const pausedAt = this.#shared[CLOCK_PAUSED_AT]!
    return Number.isNaN(pausedAt) ? performance.now() * 1e6 + this.#skew - this.#shared[CLOCK_OFFSET]! : pausedAt
  }

  wallClock(): number {
    return Date.now() + this.#wallOffset
  }
}
