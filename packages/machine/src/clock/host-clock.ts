import { TimerClock } from './timer-queue.ts'

/** Virtual time that follows the host's while the machine runs and stands still while it is paused. */
export class HostClock extends TimerClock {
  #offset: number
  #pausedAt: number | undefined
  readonly #onSchedule: (deadline: number) => void

  readonly #wallOffset: number

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

  pause(): void {
    this.#pausedAt ??= this.now()
  }

  resume(): void {
    if (this.#pausedAt === undefined) return
    this.#offset = HostClock.#host() - this.#pausedAt
    this.#pausedAt = undefined
  }
}
