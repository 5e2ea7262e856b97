/** One bit per frame, with range operations. 128 KiB for 4 GiB of memory, and untouched until a bit is set. */
export class FrameBits {
  readonly #words: Uint32Array

  constructor(frames: number) {
    this.#words = new Uint32Array(Math.ceil(frames / 32))
  }

  has(frame: number): boolean {
    return (this.#words[frame >>> 5]! & (1 << (frame & 31))) !== 0
  }

  setRange(first: number, count: number): void {
    this.#eachWord(first, count, (word, mask) => void (this.#words[word]! |= mask))
  }

  clearRange(first: number, count: number): void {
    this.#eachWord(first, count, (word, mask) => {
      // Writing zero over zero would still touch the page.
      if (this.#words[word]! & mask) this.#words[word]! &= ~mask
    })
  }

  /** True when every bit of the range is set. */
  hasAll(first: number, count: number): boolean {
    let all = true
    this.#eachWord(first, count, (word, mask) => void (all &&= (this.#words[word]! & mask) === mask))
    return all
  }

  /** Calls back for each run of set bits in the range. */
  eachRun(first: number, count: number, visit: (first: number, count: number) => void): void {
    const end = first + count
    let at = first
    while (at < end) {
      if (this.#words[at >>> 5] === 0) {
        at = (at | 31) + 1
      } else if (this.has(at)) {
        const start = at
        while (at < end && this.has(at)) at++
        visit(start, at - start)
      } else {
        at++
      }
    }
  }

  #eachWord(first: number, count: number, visit: (word: number, mask: number) => void): void {
    const end = first + count
    while (first < end) {
      const bit = first & 31
      const bits = Math.min(32 - bit, end - first)
      visit(first >>> 5, bits === 32 ? -1 : ((1 << bits) - 1) << bit)
      first += bits
    }
  }
}
