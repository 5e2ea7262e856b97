import { TimerClock } from './timer-queue.ts'

/**
 * Deterministic time: one instruction takes a fixed number of nanoseconds, and an idle machine jumps to its next timer. Two runs of the same
 * guest with the same inputs give the same bytes.
 */
export class InstructionClock extends TimerClock {
  readonly #nanosecondsPerInstruction: number
  readonly #epoch: number
  #skipped = 0
  /** Instructions retired so far, by the board. */
  instructions: () => number = () => 0

  constructor(options: { nanosecondsPerInstruction?: number; epoch?: number } = {}) {
    super()
    this.#nanosecondsPerInstruction = options.nanosecondsPerInstruction ?? 1
    this.#epoch = options.epoch ?? Date.UTC(2026, 0, 1)
  }

  now(): number {
    return this.instructions() * this.#nanosecondsPerInstruction + this.#skipped
  }

  wallClock(): number {
    return this.#epoch + this.now() / 1e6
  }

  /** Moves time forward to `deadline`. */
  skipTo(deadline: number): void {
    const ahead = deadline - this.now()
    if (ahead > 0) this.#skipped += ahead
  }
}
