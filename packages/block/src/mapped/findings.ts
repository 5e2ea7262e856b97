import type { CheckResult } from '../format.ts'

const MAX_MESSAGES = 100

/** What a check of an image finds. */
export class Findings {
  readonly #messages: string[] = []
  #corruptions = 0
  #fixed = 0

  corrupt(message: string): void {
    this.#corruptions++
    if (this.#messages.length < MAX_MESSAGES) this.#messages.push(message)
  }

  /** The last one found is mended. */
  fixed(): void {
    this.#fixed++
  }

  result(counts: Pick<CheckResult, 'imageEndOffset' | 'totalClusters' | 'allocatedClusters'>): CheckResult {
    return {
      checkErrors: 0, corruptions: this.#corruptions - this.#fixed, leaks: 0, corruptionsFixed: this.#fixed, leaksFixed: 0,
      fragmentedClusters: 0, compressedClusters: 0, messages: this.#messages, ...counts,
    }
  }
}
