import type { Clock, Timer } from '@entresol/interfaces'

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
