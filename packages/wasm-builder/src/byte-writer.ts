/** Bytes appended to a buffer that grows by doubling. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #size = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** What was written, as a view that is valid until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size)
  }

  #reserve(count: number): void {
    let capacity = this.#bytes.length * 2
    while (capacity < this.#size + count) capacity *= 2
    const grown = new Uint8Array(capacity)
    grown.set(this.#bytes)
    this.#bytes = grown
  }

  u8(value: number): void {
    if (this.#size === this.#bytes.length) this.#reserve(1)
    this.#bytes[this.#size++] = value
  }

  append(bytes: ArrayLike<number>): void {
    if (this.#size + bytes.length > this.#bytes.length) this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.length
  }

  /** UTF-8 text with its length in front (Core Specification 5.2.4). */
  name(value: string): void {
    const bytes = new TextEncoder().encode(value)
    this.u32(bytes.length)
    this.append(bytes)
  }

  /** Unsigned LEB128 of an integer from 0 to 2^32-1 (Core Specification 5.2.2). */
  u32(value: number): void {
    value >>>= 0
    while (value > 0x7f) {
      this.u8((value & 0x7f) | 0x80)
      value >>>= 7
    }
    this.u8(value)
  }

  /** Signed LEB128 of a 32-bit integer. */
  s32(value: number): void {
    while (value < -0x40 || value > 0x3f) {
      this.u8((value & 0x7f) | 0x80)
      value >>= 7
    }
    this.u8(value & 0x7f)
  }

  /** Signed LEB128 of the 64-bit integer with these 32-bit halves. */
  s64(low: number, high: number): void {
    while (high !== low >> 31) {
      this.u8((low & 0x7f) | 0x80)
      low = (low >>> 7) | (high << 25)
      high >>= 7
    }
    this.s32(low)
  }
}
