const FIRST_SIZE = 16 << 10

/** How many bytes all connections of a NAT hold together; `spent` may go over, and who asks is told to hold back. */
export class MemoryBudget {
  readonly limit: number
  spent = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get tight(): boolean {
    return this.spent >= this.limit
  }
}

/** Bytes in, in order, and out at the front; grows by doubling. */
export class ByteRing {
  readonly #budget: MemoryBudget
  #bytes: Uint8Array = new Uint8Array()
  #head = 0
  length = 0

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(this.length + bytes.length)
    const size = this.#bytes.length
    const tail = (this.#head + this.length) & (size - 1)
    const first = Math.min(bytes.length, size - tail)
    if (first === bytes.length) this.#bytes.set(bytes, tail)
    else {
      this.#bytes.set(bytes.subarray(0, first), tail)
      this.#bytes.set(bytes.subarray(first), 0)
    }
    this.length += bytes.length
  }

  /** Copies `length` bytes, `offset` behind the front, to `into` at `at`; they must be there. */
  copy(offset: number, length: number, into: Uint8Array, at: number): void {
    const size = this.#bytes.length
    const from = (this.#head + offset) & (size - 1)
    const first = Math.min(length, size - from)
    into.set(this.#bytes.subarray(from, from + first), at)
    if (first < length) into.set(this.#bytes.subarray(0, length - first), at + first)
  }

  /** Drops `length` bytes at the front. */
  consume(length: number): void {
    this.#head = (this.#head + length) & (this.#bytes.length - 1)
    this.length -= length
  }

  clear(): void {
    this.#budget.spent -= this.#bytes.length
    this.#bytes = new Uint8Array()
    this.#head = this.length = 0
  }

  #grow(needed: number): void {
    let size = Math.max(FIRST_SIZE, this.#bytes.length)
    while (size < needed) size *= 2
    const bytes = new Uint8Array(size)
    this.copy(0, this.length, bytes, 0)
    this.#budget.spent += size - this.#bytes.length
    this.#bytes = bytes
    this.#head = 0
  }
}
