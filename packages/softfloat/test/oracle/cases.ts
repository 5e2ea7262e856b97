// Random and special operands, the same for the same seed.
import type { Case, Kind, Operation } from './operations.ts'

export class Random {
  private s: number
  constructor(seed: number) {
    this.s = seed >>> 0
  }

  /** 32 random bits (mulberry32). */
  next(): number {
    this.s = (this.s + 0x6d2b79f5) >>> 0
    let t = this.s
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  below(n: number): number {
    return this.next() % n
  }

  bits(n: number): bigint {
    return BigInt.asUintN(n, (BigInt(this.next()) << 32n) | BigInt(this.next()))
  }
}

/** A significand with structure: runs of ones and zeros round and carry in ways that random bits do not. */
function fraction(r: Random, n: number): bigint {
  const ones = (1n << BigInt(n)) - 1n
  switch (r.below(8)) {
    case 0: return 0n
    case 1: return ones
    case 2: return 1n << BigInt(r.below(n))
    case 3: return ones ^ ((1n << BigInt(r.below(n))) - 1n)
    case 4: return (r.bits(n) >> BigInt(r.below(n))) << BigInt(r.below(n)) & ones
    case 5: return (1n << BigInt(r.below(n))) - 1n ^ BigInt(r.below(4))
    default: return r.bits(n)
  }
}

function binary(r: Random, exponentBits: number, fractionBits: number, near: number): bigint {
  const top = (1 << exponentBits) - 1
  const bias = top >> 1
  let e: number
  switch (r.below(12)) {
    case 0: e = 0; break
    case 1: e = top; break
    case 2: e = r.below(4); break
    case 3: e = top - r.below(4); break
    case 4: case 5: e = r.below(top + 1); break
    case 6: e = bias + r.below(70) - 3; break
    case 7: e = bias + r.below(5) - 2; break
    default: e = near + r.below(2 * fractionBits + 8) - fractionBits - 4
  }
  e = Math.max(0, Math.min(top, e))
  const f = fraction(r, fractionBits)
  return ((((BigInt(r.below(2)) << BigInt(exponentBits)) | BigInt(e)) << BigInt(fractionBits)) | f) & ((1n << BigInt(1 + exponentBits + fractionBits)) - 1n)
}

function extended(r: Random, near: number): [bigint, bigint] {
  const v = binary(r, 15, 63, near)
  let se = v >> 63n
  const f = v & 0x7fffffffffffffffn
  let integer = (se & 0x7fffn) !== 0n
  if (r.below(24) === 0) integer = !integer
  // a value that came from a double or a single has zeros below
  let sig = f | (integer ? 1n << 63n : 0n)
  const cut = r.below(8)
  if (cut === 0) sig = (sig >> 11n) << 11n
  else if (cut === 1) sig = (sig >> 40n) << 40n
  else if (cut === 2) sig ^= 0x400n
  else if (cut === 3) {
    // near the boundaries of the memory formats
    const e = [16383 - 127, 16383 - 150, 16383 + 127, 16383 - 1023, 16383 - 1075, 16383 + 1023][r.below(6)]! + r.below(8) - 4
    se = (se & 0x8000n) | BigInt(e)
    sig |= 1n << 63n
  }
  return [sig, se]
}

const limits = [1n << 15n, 1n << 31n, 1n << 32n, 1n << 63n, 1n << 64n, 10n ** 18n]

/** A number within two units of a limit of the integers and decimals, in quarters, cut to the format. */
function atLimit(r: Random, kind: 'f32' | 'f64' | 'f80'): [bigint, bigint] {
  const quarters = 4n * limits[r.below(limits.length)]! + BigInt(r.below(17) - 8)
  const length = quarters.toString(2).length
  const sig = (quarters << 64n) >> BigInt(length)
  const e = length - 3
  const s = BigInt(r.below(2))
  if (kind === 'f80') return [sig, (s << 15n) | BigInt(e + 16383)]
  const [fractionBits, exponentBits] = kind === 'f64' ? [52n, 11n] : [23n, 8n]
  const biased = BigInt(e + (1 << Number(exponentBits - 1n)) - 1)
  return [(((s << exponentBits) | biased) << fractionBits) | ((sig >> (63n - fractionBits)) & ((1n << fractionBits) - 1n)), 0n]
}

export function operand(r: Random, kind: Kind, near: number): [bigint, bigint] {
  if ((kind === 'f32' || kind === 'f64' || kind === 'f80') && r.below(16) === 0) return atLimit(r, kind)
  switch (kind) {
    case 'f16': return [r.bits(16), 0n]
    case 'f32': return [binary(r, 8, 23, near & 0xff), 0n]
    case 'f64': return [binary(r, 11, 52, near & 0x7ff), 0n]
    case 'f80': return extended(r, near & 0x7fff)
    case 'i32': return [BigInt.asUintN(32, BigInt.asIntN(32, r.bits(32)) >> BigInt(r.below(32))), 0n]
    case 'i64': return [BigInt.asUintN(64, (BigInt.asIntN(64, r.bits(64)) >> BigInt(r.below(64))) + BigInt(r.below(3) - 1)), 0n]
    case 'bcd': {
      let v = 0n
      for (let k = 0; k < 18; k++) v = (v << 4n) | BigInt(r.below(10))
      v >>= BigInt(4 * r.below(19))
      return [BigInt.asUintN(64, v), (v >> 64n) | (BigInt(r.below(2)) << 15n)]
    }
    case 'none': return [0n, 0n]
  }
}

/** The low bits of 32-bit operands are random in the registers' upper halves; the CPU must not look at them. */
export function makeCase(r: Random, o: Operation): Case {
  const near = r.below(0x8000)
  const operands = o.operands.map((k) => operand(r, k, near)) as [[bigint, bigint], [bigint, bigint], [bigint, bigint]]
  if (r.below(16) === 0) operands[1] = operands[0]
  if (o.operands[0] !== o.operands[1] && o.operands[1] !== 'none') operands[1] = operand(r, o.operands[1], near)
  let ctl: number
  if (o.unit === 'sse') {
    ctl = (r.below(4) << 13) | (r.below(3) ? 0 : 0x40) | (r.below(3) ? 0 : 0x8000) | (r.below(4) ? 0x1f80 : r.below(64) << 7)
  } else {
    ctl = (r.below(4) << 10) | (r.below(2) ? 0x300 : [0, 0x200, 0x300, 0x100][r.below(4)]!) | 0x40 | (r.below(3) ? 0x3f : r.below(64))
  }
  return { op: o.op, imm: r.below(o.imms), ctl, a: operands[0], b: operands[1], c: operands[2] }
}
