import { TimerClock } from './timer-queue.ts'

/** Virtual time that follows the host's while the machine runs and stands still while it is paused. */
export class HostClock extends TimerClock {
  #offset: number
  #pausedAt: number | undefined
  readonly #onSchedule: (deadline: number) => void

  constructor(onSchedule: (deadline: number) => void) {
    super()
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
    return Date.now()
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
