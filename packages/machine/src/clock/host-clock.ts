import { TimerClock } from './timer-queue.ts'
import { CLOCK_OFFSET, CLOCK_PAUSED_AT } from './following-clock.ts'

/** Virtual time that follows the host's while the machine runs and stands still while it is paused. */
export class HostClock extends TimerClock {
  #offset: number
  #pausedAt: number | undefined
  readonly #onSchedule: (deadline: number) => void

  readonly #wallOffset: number
  #shared: Float64Array | undefined

  /** `wallBase`: wall-clock time now, in milliseconds since the epoch, if not the host's. */
  constructor(onSchedule: (deadline: number) => void, wallBase?: number) {
    super()
    this.#wallOffset = wallBase === undefined ? 0 : wallBase - Date.now()
    this.#onSchedule = onSchedule
    this.#offset = HostClock.#host()
    this.#pausedAt = 0
  }

  static #host(): number {
    return performance.now() * 1e6
  }

  now(): number {
    return this.#pausedAt ?? HostClock.#host() - this.#offset
  }

  wallClock(): number {
    return Date.now() + this.#wallOffset
  }

  protected override scheduled(deadline: number): void {
    this.#onSchedule(deadline)
  }

  /** Tells FollowingClocks of other threads what this one does, in CLOCK_* doubles. */
  share(doubles: Float64Array): void {
    this.#shared = doubles
    this.#publish()
  }

  #publish(): void {
    if (!this.#shared) return
    this.#shared[CLOCK_OFFSET] = this.#offset
    this.#shared[CLOCK_PAUSED_AT] = this.#pausedAt ?? NaN
  }

  pause(): void {
    this.#pausedAt ??= this.now()
    this.#publish()
  }

  resume(): void {
    if (this.#pausedAt === undefined) return
    this.#offset = HostClock.#host() - this.#pausedAt
    this.#pausedAt = undefined
    this.#publish()
  }
}
