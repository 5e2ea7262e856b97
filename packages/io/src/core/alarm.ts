import type { Clock, Timer } from '@entresol/interfaces'

/**
 * Least distance (ns) between two events of a periodic timer. A guest may program a period of one clock; interrupts that come
 * faster than anything can serve them are merged, as they would be in an interrupt request register.
 */
export const MINIMUM_EVENT_SPACING = 10_000

/** One re-armable deadline on an injected clock: setting it again replaces the old one. */
export class Alarm {
  readonly #clock: Clock
  readonly #callback: () => void
  #timer: Timer | undefined

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock
    this.#callback = callback
  }

  get armed(): boolean {
    return this.#timer !== undefined
  }

  /** `deadline` in nanoseconds of virtual time. */
  set(deadline: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.schedule(deadline, () => {
      this.#timer = undefined
      this.#callback()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
