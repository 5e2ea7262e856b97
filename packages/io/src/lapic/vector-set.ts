/** 256 vector bits (IRR, ISR, TMR) that know their highest member at no cost. */
export class VectorSet {
  readonly words: Uint32Array = new Uint32Array(8)
  /** Highest vector in the set, -1 when empty. */
  highest = -1

  has(vector: number): boolean {
    return (this.words[vector >> 5] & (1 << (vector & 31))) !== 0
  }

  add(vector: number): void {
    this.words[vector >> 5] |= 1 << (vector & 31)
    if (vector > this.highest) this.highest = vector
  }

  delete(vector: number): void {
    this.words[vector >> 5] &= ~(1 << (vector & 31))
    if (vector === this.highest) this.#search()
  }

  clear(): void {
    this.words.fill(0)
    this.highest = -1
  }

  save(): number[] {
    return [...this.words]
  }

  restore(words: readonly number[]): void {
    this.words.set(words)
    this.#search()
  }

  #search(): void {
    for (let index = 7; index >= 0; index--) {
      const word = this.words[index]
      if (word !== 0) {
        this.highest = index * 32 + 31 - Math.clz32(word)
        return
      }
    }
    this.highest = -1
  }
}
