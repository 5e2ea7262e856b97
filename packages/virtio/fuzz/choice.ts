/** Choices that depend on nothing but the seed. */
export class Choice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** Uniform in 0..limit-1 (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  once(inSoMany: number): boolean {
    return this.below(inSoMany) === 0
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Mostly numbers that mean something somewhere. */
  u32(): number {
    return this.of([0, 1, 2, 7, 8, 16, 512, 4096, 65535, 65536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, this.below(64), this.below(2 ** 32)])
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    if (this.once(2)) for (let i = 0; i < length; i++) bytes[i] = this.below(256)
    else for (let i = 0; i + 4 <= length; i += 4) new DataView(bytes.buffer).setUint32(i, this.u32(), true)
    return bytes
  }
}
