/** Seeded generator (mulberry32) for fuzz tests. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }

  /** 0 <= result < limit. */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x100000000) * limit)
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.u32()
  }

  /** Numbers near edges: small, powers of two, all ones, or anything. */
  interesting(): number {
    switch (this.below(5)) {
      case 0: return this.below(16)
      case 1: return ((1 << this.below(32)) + this.below(3) - 1) >>> 0
      case 2: return (0xffffffff - this.below(8)) >>> 0
      case 3: return this.below(0x10000)
      default: return this.u32()
    }
  }
}

/** FUZZ_SEED and FUZZ_COUNT from the environment; the seed is printed so that a failure can be repeated. */
export function fuzzSettings(name: string, count: number): { seed: number; count: number } {
  const seed = Number(process.env['FUZZ_SEED'] ?? 20260101)
  const cases = Number(process.env['FUZZ_COUNT'] ?? count)
  console.log(`${name}: FUZZ_SEED=${seed} FUZZ_COUNT=${cases}`)
  return { seed, count: cases }
}
