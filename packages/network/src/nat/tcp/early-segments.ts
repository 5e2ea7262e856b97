import { sequenceDelta } from '../../codec/index.ts'
import type { MemoryBudget } from './byte-ring.ts'

const MAX_SEGMENTS = 32
const MAX_BYTES = 128 << 10

interface Early {
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly fin: boolean
}

/** Segments that came before their turn, within bounds; what finds no room is sent again by the peer. */
export class EarlySegments {
  readonly #budget: MemoryBudget
  #segments: Early[] = []
  #bytes = 0

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  add(sequence: number, bytes: Uint8Array, fin: boolean): void {
    if (this.#segments.length >= MAX_SEGMENTS || this.#bytes + bytes.length > MAX_BYTES || this.#budget.tight) return
    this.#segments.push({ sequence, bytes: bytes.slice(), fin })
    this.#spend(bytes.length)
  }

  /** Takes out one that `next` reaches into or stands at; those that are behind it are dropped. */
  take(next: number): Early | undefined {
    for (let index = this.#segments.length - 1; index >= 0; index--) {
      const segment = this.#segments[index]!
      if (sequenceDelta(segment.sequence, next) > 0) continue
      this.#segments.splice(index, 1)
      this.#spend(-segment.bytes.length)
      if (sequenceDelta(segment.sequence + segment.bytes.length + (segment.fin ? 1 : 0), next) > 0) return segment
    }
    return undefined
  }

  clear(): void {
    this.#spend(-this.#bytes)
    this.#segments = []
  }

  #spend(bytes: number): void {
    this.#bytes += bytes
    this.#budget.spent += bytes
  }
}
