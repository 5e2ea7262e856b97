import { i32, v128 } from '@entresol/wasm-builder'
import { bytes, dwords, i16x8, i32x4, i64x2, i8x16, shuffleDwords, shuffleWords, words, ZERO } from '../../emit/lanes.ts'
import type { V128 } from '../../emit/lanes.ts'
import { packed } from './forms.ts'
import type { Lane, PackedOptions, Row } from './forms.ts'

/** Packed integer arithmetic (SDM vol. 2, PABSB .. PXOR). */

const pure = (f: (x: V128, y: V128) => V128): Lane => (_, x, y) => f(x, y)

const HIGH_WORDS = [1, 3, 5, 7, 9, 11, 13, 15]
const EVEN_DWORDS = [0, 2, 0, 2]

/** High words of the eight 32-bit products. */
const multiplyHigh = (low: (a: V128, b: V128) => V128, high: (a: V128, b: V128) => V128): Lane =>
  pure((x, y) => shuffleWords(HIGH_WORDS, low(x, y), high(x, y)))

/** Products of the even doublewords. */
const multiplyEven = (multiply: (a: V128, b: V128) => V128): Lane =>
  pure((x, y) => multiply(shuffleDwords(EVEN_DWORDS, x), shuffleDwords(EVEN_DWORDS, y)))

/** Rounded high part; -1 times -1 overflows to -1 where WebAssembly saturates. */
const multiplyRounded: Lane = (b, x, y) => {
  const lowest = b.let(words(0x8000))
  const both = v128.and(i16x8.eq(x, lowest), i16x8.eq(y, lowest))
  return v128.xor(i16x8.q15mulr_sat_s(x, y), both)
}

/** Unsigned bytes of `x` times signed bytes of `y`, neighbours added with saturation. */
const multiplyAddBytes: Lane = (_, x, y) => {
  const eight = i32.const(8)
  const even = i16x8.mul(v128.and(x, words(0xff)), i16x8.shr_s(i16x8.shl(y, eight), eight))
  const odd = i16x8.mul(i16x8.shr_u(x, eight), i16x8.shr_s(y, eight))
  return i16x8.add_sat_s(even, odd)
}

/** Sum of absolute differences of eight bytes each. */
const sumOfDifferences: Lane = (b, x, y) => {
  const difference = v128.or(i8x16.sub_sat_u(x, y), i8x16.sub_sat_u(y, x))
  const sums = b.let(i32x4.extadd_pairwise_u(i16x8.extadd_pairwise_u(difference)))
  return v128.and(i64x2.add(sums, i64x2.shr_u(sums, i32.const(32))), dwords(0xffffffff, 0))
}

/** `x` negated, kept or cleared by the sign of `y`. */
const sign = (lane: { shr_s: typeof i16x8.shr_s; sub: typeof i16x8.sub; eq: typeof i16x8.eq }, bits: number): Lane => (b, x, y) => {
  const negative = b.let(lane.shr_s(y, i32.const(bits - 1)))
  return v128.andnot(lane.sub(v128.xor(x, negative), negative), lane.eq(y, ZERO))
}

/** Neighbours of `x`, then of `y`, combined: the even lanes first. */
const horizontalWords = (combine: (a: V128, b: V128) => V128): Lane => pure((x, y) =>
  combine(shuffleWords([0, 2, 4, 6, 8, 10, 12, 14], x, y), shuffleWords(HIGH_WORDS, x, y)))
const horizontalDwords = (combine: (a: V128, b: V128) => V128): Lane => pure((x, y) =>
  combine(shuffleDwords([0, 2, 4, 6], x, y), shuffleDwords([1, 3, 5, 7], x, y)))

/** Position and value of the smallest unsigned word; the first of equals. */
const smallestWord: Lane = (b, _, y) => {
  const keyed = (half: V128, base: number): V128 => v128.or(i32x4.shl(half, i32.const(3)), dwords(base, base + 1, base + 2, base + 3))
  const four = b.let(i32x4.min_u(keyed(i32x4.extend_low_u(y), 0), keyed(i32x4.extend_high_u(y), 4)))
  const two = b.let(i32x4.min_u(four, shuffleDwords([2, 3, 0, 1], four)))
  const one = b.let(i32x4.extract_lane(i32x4.min_u(two, shuffleDwords([1, 0, 3, 2], two)), 0))
  const result = i32.or(i32.shr_u(one, i32.const(3)), i32.shl(i32.and(one, i32.const(7)), i32.const(16)))
  return i32x4.replace_lane(ZERO, 0, result)
}

/**
 * MPSADBW: a doubleword of `y` chosen by imm[1:0] against the eight byte quadruples of `x` that start at 4 * imm[2];
 * the upper half of a 256-bit operation uses imm[4:3] and imm[5].
 */
const multipleSums: Lane = (b, x, y, imm, half) => {
  const bits = (from: number, mask: number): ReturnType<typeof i32.and> => i32.and(i32.shr_u(imm, i32.const(from + 3 * half)), i32.const(mask))
  const offset = (a: ReturnType<typeof i32.and>): V128 => i8x16.splat(i32.shl(a, i32.const(2)))
  const window = b.let(i8x16.swizzle(x, i8x16.add(bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), offset(bits(2, 1)))))
  const four = b.let(i8x16.swizzle(y, i8x16.add(bytes(0, 1, 2, 3), offset(bits(0, 3)))))
  const term = (k: number): V128 => {
    const of = (v: V128, lanes: number[]): V128 => i16x8.extend_low_u(v128.shuffle([...lanes, ...lanes], v, v))
    const block = of(window, Array.from({ length: 8 }, (_, i) => i + k))
    return i16x8.abs(i16x8.sub(block, of(four, new Array<number>(8).fill(k))))
  }
  return i16x8.add(i16x8.add(term(0), term(1)), i16x8.add(term(2), term(3)))
}

const MMX: PackedOptions = { mmx: { feature: 'mmx' } }
/** MMX forms that came with SSE. */
const MMX_SSE: PackedOptions = { mmx: { feature: 'sse' } }
const SSSE3: PackedOptions = { map: '0F38', sse: 'ssse3', mmx: { feature: 'ssse3' } }
const SSSE3_JOINED: PackedOptions = { map: '0F38', sse: 'ssse3', mmx: { feature: 'ssse3', shape: 'joined' } }
const SSE4: PackedOptions = { map: '0F38', sse: 'sse4_1' }

export const PACKED_ARITHMETIC: readonly Row[] = [
  packed('PADDB', 'FC', pure(i8x16.add), MMX),
  packed('PADDW', 'FD', pure(i16x8.add), MMX),
  packed('PADDD', 'FE', pure(i32x4.add), MMX),
  packed('PADDQ', 'D4', pure(i64x2.add), { mmx: { feature: 'sse2' } }),
  packed('PADDSB', 'EC', pure(i8x16.add_sat_s), MMX),
  packed('PADDSW', 'ED', pure(i16x8.add_sat_s), MMX),
  packed('PADDUSB', 'DC', pure(i8x16.add_sat_u), MMX),
  packed('PADDUSW', 'DD', pure(i16x8.add_sat_u), MMX),
  packed('PSUBB', 'F8', pure(i8x16.sub), MMX),
  packed('PSUBW', 'F9', pure(i16x8.sub), MMX),
  packed('PSUBD', 'FA', pure(i32x4.sub), MMX),
  packed('PSUBQ', 'FB', pure(i64x2.sub), { mmx: { feature: 'sse2' } }),
  packed('PSUBSB', 'E8', pure(i8x16.sub_sat_s), MMX),
  packed('PSUBSW', 'E9', pure(i16x8.sub_sat_s), MMX),
  packed('PSUBUSB', 'D8', pure(i8x16.sub_sat_u), MMX),
  packed('PSUBUSW', 'D9', pure(i16x8.sub_sat_u), MMX),
  packed('PAND', 'DB', pure(v128.and), MMX),
  packed('PANDN', 'DF', pure((x, y) => v128.andnot(y, x)), MMX),
  packed('POR', 'EB', pure(v128.or), MMX),
  packed('PXOR', 'EF', pure(v128.xor), MMX),
  packed('PMULLW', 'D5', pure(i16x8.mul), MMX),
  packed('PMULHW', 'E5', multiplyHigh(i32x4.extmul_low_s, i32x4.extmul_high_s), MMX),
  packed('PMULHUW', 'E4', multiplyHigh(i32x4.extmul_low_u, i32x4.extmul_high_u), MMX_SSE),
  packed('PMULUDQ', 'F4', multiplyEven(i64x2.extmul_low_u), { mmx: { feature: 'sse2' } }),
  packed('PMADDWD', 'F5', pure(i32x4.dot_s), MMX),
  packed('PSADBW', 'F6', sumOfDifferences, MMX_SSE),
  packed('PAVGB', 'E0', pure(i8x16.avgr_u), MMX_SSE),
  packed('PAVGW', 'E3', pure(i16x8.avgr_u), MMX_SSE),
  packed('PMINUB', 'DA', pure(i8x16.min_u), MMX_SSE),
  packed('PMAXUB', 'DE', pure(i8x16.max_u), MMX_SSE),
  packed('PMINSW', 'EA', pure(i16x8.min_s), MMX_SSE),
  packed('PMAXSW', 'EE', pure(i16x8.max_s), MMX_SSE),
  packed('PHADDW', '01', horizontalWords(i16x8.add), SSSE3_JOINED),
  packed('PHADDD', '02', horizontalDwords(i32x4.add), SSSE3_JOINED),
  packed('PHADDSW', '03', horizontalWords(i16x8.add_sat_s), SSSE3_JOINED),
  packed('PMADDUBSW', '04', multiplyAddBytes, SSSE3),
  packed('PHSUBW', '05', horizontalWords(i16x8.sub), SSSE3_JOINED),
  packed('PHSUBD', '06', horizontalDwords(i32x4.sub), SSSE3_JOINED),
  packed('PHSUBSW', '07', horizontalWords(i16x8.sub_sat_s), SSSE3_JOINED),
  packed('PSIGNB', '08', sign(i8x16, 8), SSSE3),
  packed('PSIGNW', '09', sign(i16x8, 16), SSSE3),
  packed('PSIGND', '0A', sign(i32x4, 32), SSSE3),
  packed('PMULHRSW', '0B', multiplyRounded, SSSE3),
  packed('PABSB', '1C', pure((_, y) => i8x16.abs(y)), { ...SSSE3, unary: true }),
  packed('PABSW', '1D', pure((_, y) => i16x8.abs(y)), { ...SSSE3, unary: true }),
  packed('PABSD', '1E', pure((_, y) => i32x4.abs(y)), { ...SSSE3, unary: true }),
  packed('PMULDQ', '28', multiplyEven(i64x2.extmul_low_s), SSE4),
  packed('PMINSB', '38', pure(i8x16.min_s), SSE4),
  packed('PMINSD', '39', pure(i32x4.min_s), SSE4),
  packed('PMINUW', '3A', pure(i16x8.min_u), SSE4),
  packed('PMINUD', '3B', pure(i32x4.min_u), SSE4),
  packed('PMAXSB', '3C', pure(i8x16.max_s), SSE4),
  packed('PMAXSD', '3D', pure(i32x4.max_s), SSE4),
  packed('PMAXUW', '3E', pure(i16x8.max_u), SSE4),
  packed('PMAXUD', '3F', pure(i32x4.max_u), SSE4),
  packed('PMULLD', '40', pure(i32x4.mul), SSE4),
  packed('PHMINPOSUW', '41', smallestWord, { ...SSE4, unary: true, wide: null }),
  packed('MPSADBW', '42', multipleSums, { map: '0F3A', sse: 'sse4_1', immediate: true }),
].flat()
