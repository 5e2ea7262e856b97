import type { Random } from './random.ts'

// Operand values where instructions go wrong. Draw order is part of the vector format (see random.ts).

const ALL = 0xffff_ffff_ffff_ffffn
const WIDTHS: readonly bigint[] = [7n, 15n, 31n, 63n]

/** A 64-bit integer: edges, powers of two and their neighbours, small counts, relatives of `earlier` values, or uniform. */
export function interesting64(random: Random, earlier: readonly bigint[]): bigint {
  const kind = random.below(16)
  const sign = (): bigint => 1n << random.pick(WIDTHS)
  switch (kind) {
    case 0: return 0n
    case 1: return 1n
    case 2: return ALL
    case 3: return sign()
    case 4: return sign() - 1n
    case 5: return 1n << BigInt(random.below(64))
    case 6: return (1n << BigInt(random.below(64))) - 1n
    case 7: return ((1n << BigInt(random.below(64))) + 1n) & ALL
    case 8: return BigInt(random.below(72))
    case 9: return earlier.length ? random.pick(earlier) : random.next64()
    case 10: return earlier.length ? -random.pick(earlier) & ALL : random.next64()
    case 11: return BigInt(random.next())
    case 12: return BigInt(random.next() & 0xff) * 0x0101_0101_0101_0101n
    case 13: return BigInt.asUintN(64, BigInt(random.next() | 0))
    default: return random.next64()
  }
}

/** Bits of a float with `exponentBits` and `fractionBits` (explicit integer bit excluded): zeros, denormals, limits, NaNs, halves, random. */
function interestingFloat(random: Random, exponentBits: number, fractionBits: number): { sign: bigint; exponent: number; fraction: bigint } {
  const maximum = (1 << exponentBits) - 1
  const bias = maximum >> 1
  const mask = (1n << BigInt(fractionBits)) - 1n
  const bits = random.next64() & mask
  const sign = BigInt(random.below(2))
  switch (random.below(16)) {
    case 0: return { sign, exponent: 0, fraction: 0n }
    case 1: return { sign, exponent: maximum, fraction: 0n }
    case 2: return { sign, exponent: maximum, fraction: bits | (1n << BigInt(fractionBits - 1)) }
    case 3: return { sign, exponent: maximum, fraction: (bits & (mask >> 1n)) | 1n }
    case 4: return { sign, exponent: 0, fraction: bits }
    case 5: return { sign, exponent: 0, fraction: 1n }
    case 6: return { sign, exponent: maximum - 1, fraction: mask }
    case 7: return { sign, exponent: 1, fraction: bits & 3n }
    case 8: return { sign, exponent: bias, fraction: 0n }
    case 9: return { sign, exponent: bias - 1 + random.below(fractionBits + 4), fraction: 1n << BigInt(random.below(fractionBits)) }
    // Near the limits of 32-bit and 64-bit integers.
    case 10: return { sign, exponent: bias + random.pick([31, 63, 30, 62, 15]), fraction: random.oneIn(2) ? 0n : mask }
    case 11: return { sign, exponent: bias + random.below(8), fraction: (bits >> BigInt(fractionBits - 3)) << BigInt(fractionBits - 3) }
    case 12: return { sign, exponent: bias - 4 + random.below(9), fraction: bits }
    case 13: return { sign, exponent: bias - 4 + random.below(9), fraction: bits }
    case 14: return { sign, exponent: bias + random.below(70) % maximum, fraction: bits }
    default: return { sign, exponent: random.below(maximum + 1), fraction: bits }
  }
}

export function interestingF32(random: Random): number {
  const { sign, exponent, fraction } = interestingFloat(random, 8, 23)
  return Number((sign << 31n) | (BigInt(Math.min(exponent, 255)) << 23n) | fraction)
}

export function interestingF64(random: Random): bigint {
  const { sign, exponent, fraction } = interestingFloat(random, 11, 52)
  return (sign << 63n) | (BigInt(exponent) << 52n) | fraction
}

/** Sign and exponent, and the 64-bit significand; one in eight is a pseudo-denormal, an unnormal or another encoding without a number. */
export function interestingF80(random: Random): { head: number; significand: bigint } {
  const { sign, exponent, fraction } = interestingFloat(random, 15, 63)
  let integer = exponent === 0 ? 0n : 1n
  if (random.oneIn(16)) integer ^= 1n
  return { head: (Number(sign) << 15) | exponent, significand: (integer << 63n) | fraction }
}

/** What fills a vector register or a memory operand. */
export const FILLS = ['integer', 'f32', 'f64', 'f80', 'bytes'] as const
export type Fill = (typeof FILLS)[number]

/** Fills `out` with operands of one kind, little-endian; a kind wider than what is left falls back to random bytes. */
export function fill(random: Random, out: Uint8Array, kind: Fill): void {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  const earlier: bigint[] = []
  let at = 0
  while (at < out.length) {
    const left = out.length - at
    if (kind === 'f80' && left >= 10) {
      const { head, significand } = interestingF80(random)
      view.setBigUint64(at, significand, true)
      view.setUint16(at + 8, head, true)
      at += 10
    } else if (kind === 'f64' && left >= 8) {
      view.setBigUint64(at, interestingF64(random), true)
      at += 8
    } else if (kind === 'f32' && left >= 4) {
      view.setUint32(at, interestingF32(random), true)
      at += 4
    } else if (kind === 'integer') {
      const value = interesting64(random, earlier)
      earlier.push(value)
      for (let i = 0; i < Math.min(8, left); i++) out[at + i] = Number((value >> BigInt(8 * i)) & 0xffn)
      at += 8
    } else {
      out[at++] = random.next() & 0xff
    }
  }
}
