/** The finaliser of MurmurHash3: a bijection on 32-bit words that spreads every bit. */
export function mix32(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/**
 * The generator of everything derived from a seed. State s starts at mix32(seed ^ 0x9e3779b9); each draw adds 0x9e3779b9 and returns
 * mix32(s). Part of the vector format: changing a draw changes what committed files mean.
 */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = mix32(seed ^ 0x9e3779b9)
  }

  /** Uniform 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    return mix32(this.#state)
  }

  /** Uniform in 0..limit-1 (limit below 2^16 for negligible bias). */
  below(limit: number): number {
    return this.next() % limit
  }

  /** Uniform 64 bits: low half drawn first. */
  next64(): bigint {
    const low = this.next()
    return (BigInt(this.next()) << 32n) | BigInt(low)
  }

  /** True once in `n` draws. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
