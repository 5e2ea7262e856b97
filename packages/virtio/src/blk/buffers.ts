const LEAST_SHIFT = 12
const MOST_SHIFT = 20

/** Largest piece a request is carried out in, in bytes. */
export const MAX_PIECE: number = 1 << MOST_SHIFT
/** Of each size so many bytes are kept. */
const KEPT = 4 << 20

/** Bounce buffers in powers of two that are used again: a fresh one would be zeroed each time. */
export class BufferPool {
  readonly #free: Uint8Array<ArrayBuffer>[][] = []

  /** At least `bytes` (up to MAX_PIECE) with any content; give the same array back. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const shift = Math.max(LEAST_SHIFT, 32 - Math.clz32(bytes - 1))
    return this.#free[shift]?.pop() ?? new Uint8Array(1 << shift)
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    const shift = 31 - Math.clz32(buffer.length)
    const free = (this.#free[shift] ??= [])
    if ((free.length + 1) << shift <= KEPT) free.push(buffer)
  }
}
