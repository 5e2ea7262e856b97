/** Blocks are at least so long, so that a byte in a packet of its own does not cost a hundred. */
const BLOCK = 4096

/** Bytes in the order they came. */
export class ByteQueue {
  readonly #blocks: { readonly bytes: Uint8Array<ArrayBuffer>; filled: number }[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Appends `length` bytes, which `fill` copies piece by piece from `offset` on. */
  append(length: number, fill: (into: Uint8Array, offset: number) => void): void {
    for (let done = 0; done < length;) {
      let last = this.#blocks.at(-1)
      if (last === undefined || last.filled === last.bytes.length) {
        last = { bytes: new Uint8Array(Math.max(BLOCK, length - done)), filled: 0 }
        this.#blocks.push(last)
      }
      const count = Math.min(length - done, last.bytes.length - last.filled)
      fill(last.bytes.subarray(last.filled, last.filled + count), done)
      last.filled += count
      this.#length += count
      done += count
    }
  }

  /** The first bytes, which belong to the caller from now on; undefined when there are none. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    const block = this.#blocks.shift()
    if (block === undefined) return undefined
    this.#length -= block.filled
    return block.bytes.subarray(0, block.filled)
  }

  clear(): void {
    this.#blocks.length = 0
    this.#length = 0
  }
}
