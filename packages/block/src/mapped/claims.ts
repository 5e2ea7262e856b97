/** Which numbers have been taken; memory for what is taken only. */
export class Claims {
  readonly #used = new Map<number, Uint8Array>()

  /** Takes a number below 2^32; false if it was taken before. */
  claim(number: number): boolean {
    const key = number >>> 15
    let bits = this.#used.get(key)
    if (bits === undefined) this.#used.set(key, bits = new Uint8Array(4096))
    const at = (number >>> 3) & 4095
    const bit = 1 << (number & 7)
    if ((bits[at]! & bit) !== 0) return false
    bits[at]! |= bit
    return true
  }
}
