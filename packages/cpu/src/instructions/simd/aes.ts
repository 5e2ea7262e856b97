import { i32, i64, select, v128 } from '@entresol/wasm-builder'
import { bytes, i16x8, i32x4, i64x2, i8x16, qwords, shuffleDwords, shuffleQwords, ZERO } from '../../emit/lanes.ts'
import type { FunctionBuilder, I64, V128 } from '../../emit/lanes.ts'
import { packed } from './forms.ts'
import type { Lane, Row } from './forms.ts'

/** AES rounds (SDM vol. 2, AESDEC ..; the cipher is FIPS 197). */

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2). */
function product(a: number, b: number): number {
  let result = 0
  for (let bit = 0; bit < 8; bit++) {
    if (b >> bit & 1) result ^= a
    a = a << 1 ^ (a & 0x80 ? 0x11b : 0)
  }
  return result
}

const power = (a: number, n: number): number => (n === 0 ? 1 : product(a, power(a, n - 1)))
const reciprocal = (a: number): number => power(a, 254)

/** FIPS 197, 5.1.1, without the constant. */
const affine = (b: number): number => [0, 1, 2, 3, 4].reduce((sum, turn) => sum ^ ((b << turn | b >> (8 - turn)) & 0xff), 0)
const AFFINE_CONSTANT = 0x63
const inverseAffine = (b: number): number => [1, 3, 6].reduce((sum, turn) => sum ^ ((b << turn | b >> (8 - turn)) & 0xff), 0)

/**
 * Inversion in GF(2^8) by tables of sixteen entries (Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009). A byte is
 * k + i theta over the subfield of sixteen elements, where theta has the same trace and norm a. With j = i + k,
 *     p = 1 / (1 / (1 / i + a / k) + j),  q = 1 / (1 / (1 / j + a / k) + i)
 * are (k + a i) / N and ((1 + a) k + a i) / N, N the norm, and the inverse of the byte is linear in them. Infinity is a table's index out of range.
 */
const SUBFIELD = Array.from({ length: 256 }, (_, x) => x).filter((x) => power(x, 16) === x)
const BASIS = SUBFIELD.filter((x) => x > 1).reduce<number[]>((basis, x) => (basis.length < 4 && !spanOf(basis).includes(x) ? [...basis, x] : basis), [1])
const THETA = Array.from({ length: 256 }, (_, x) => x).find((x) => !SUBFIELD.includes(x) && (x ^ power(x, 16)) === power(x, 17))!
const A = power(THETA, 17)
const INFINITY = 0x80

function spanOf(basis: readonly number[]): number[] {
  return basis.reduce<number[]>((all, x) => [...all, ...all.map((y) => y ^ x)], [0])
}

/** Element of the subfield by its nibble. */
const ELEMENTS = Array.from({ length: 16 }, (_, n) => BASIS.reduce((sum, x, bit) => sum ^ (n >> bit & 1 ? x : 0), 0))
const nibbleOf = (x: number): number => ELEMENTS.indexOf(x)
/** k in the low nibble, i in the high one. */
const COORDINATES: number[] = []
for (let i = 0; i < 16; i++) for (let k = 0; k < 16; k++) COORDINATES[ELEMENTS[k]! ^ product(ELEMENTS[i]!, THETA)] = i << 4 | k

const table = (entry: (n: number) => number): V128 => bytes(...Array.from({ length: 16 }, (_, n) => entry(n)))
const perNibble = (f: (x: number) => number): V128 => table((n) => (n === 0 ? INFINITY : nibbleOf(f(ELEMENTS[n]!))))
const INVERSES = perNibble(reciprocal)
const A_OVER = perNibble((x) => product(A, reciprocal(x)))

interface Substitution {
  /** Coordinates of the byte that is inverted, by low and high nibble of the byte given. */
  readonly low: V128
  readonly high: V128
  /** What 1/p and 1/q contribute to the result. */
  readonly p: V128
  readonly q: V128
  readonly constant: number
}

function substitution(before: (x: number) => number, constantBefore: number, after: (x: number) => number, constant: number): Substitution {
  const ofP = 1 ^ product(THETA, reciprocal(A) ^ reciprocal(product(A, A)))
  const ofQ = product(THETA, reciprocal(product(A, A)))
  const part = (factor: number): V128 => table((n) => (n === 0 ? 0 : after(product(factor, reciprocal(ELEMENTS[n]!)))))
  return {
    low: table((n) => COORDINATES[before(n) ^ constantBefore]!), high: table((n) => COORDINATES[before(n << 4)]!),
    p: part(ofP), q: part(ofQ), constant,
  }
}

const SUBSTITUTION = substitution((x) => x, 0, affine, AFFINE_CONSTANT)
const INVERSE_SUBSTITUTION = substitution(inverseAffine, inverseAffine(AFFINE_CONSTANT), (x) => x, 0)

const look = (t: V128, index: V128): V128 => i8x16.swizzle(t, index)
const lowNibbles = (v: V128): V128 => v128.and(v, bytes(0xf))
const highNibbles = (v: V128): V128 => lowNibbles(i16x8.shr_u(v, i32.const(4)))

function substitute(b: FunctionBuilder, s: Substitution, state: V128): V128 {
  const x = b.let(v128.xor(look(s.low, lowNibbles(state)), look(s.high, highNibbles(state))))
  const k = b.let(lowNibbles(x))
  const i = b.let(highNibbles(x))
  const j = b.let(v128.xor(i, k))
  const ak = b.let(look(A_OVER, k))
  const inverseP = v128.xor(look(INVERSES, v128.xor(look(INVERSES, i), ak)), j)
  const inverseQ = v128.xor(look(INVERSES, v128.xor(look(INVERSES, j), ak)), i)
  const sum = v128.xor(look(s.p, inverseP), look(s.q, inverseQ))
  return b.let(s.constant ? v128.xor(sum, bytes(s.constant)) : sum)
}

/** Byte row + 4 * column of the state (FIPS 197, 3.4) comes from `turn` * row columns further on. */
const shiftRows = (state: V128, turn: 1 | 3): V128 =>
  v128.shuffle(Array.from({ length: 16 }, (_, i) => (i + (i & 3) * 4 * turn) & 15), state, state)

/** Every byte times x. */
const timesX = (v: V128): V128 => v128.xor(i8x16.add(v, v), v128.and(i8x16.gt_s(ZERO, v), bytes(0x1b)))

/** Every column rotated up by `rows`. */
const rotated = (v: V128, rows: number): V128 =>
  v128.shuffle(Array.from({ length: 16 }, (_, i) => (i & 12) | ((i + rows) & 3)), v, v)

/** FIPS 197, 5.1.3: 2 a0 + 3 a1 + a2 + a3. */
function mixColumns(b: FunctionBuilder, state: V128): V128 {
  const double = b.let(timesX(state))
  const triple1 = rotated(b.let(v128.xor(double, state)), 1)
  return b.let(v128.xor(v128.xor(double, triple1), v128.xor(rotated(state, 2), rotated(state, 3))))
}

/** FIPS 197, 5.3.3: 14, 11, 13, 9 are 2, 3, 1, 1 applied after adding 4 (a0 + a2) and 4 (a1 + a3). */
function mixColumnsInverse(b: FunctionBuilder, state: V128): V128 {
  const pairs = b.let(v128.xor(state, rotated(state, 2)))
  const four = timesX(b.let(timesX(pairs)))
  return mixColumns(b, b.let(v128.xor(state, four)))
}

const round = (inverse: boolean, last: boolean): Lane => (b, x, y) => {
  const shifted = b.let(shiftRows(x, inverse ? 3 : 1))
  const state = substitute(b, inverse ? INVERSE_SUBSTITUTION : SUBSTITUTION, shifted)
  return v128.xor(last ? state : (inverse ? mixColumnsInverse : mixColumns)(b, state), y)
}

/** SubWord of doublewords 1 and 3; the copies in lanes 1 and 3 rotated, the round constant added. */
const keyAssist: Lane = (b, _, y, imm) => {
  const state = substitute(b, SUBSTITUTION, y)
  const words = b.let(shuffleDwords([1, 1, 3, 3], state))
  const turned = b.let(v128.or(i32x4.shr_u(words, i32.const(8)), i32x4.shl(words, i32.const(24))))
  const constant = v128.and(i32x4.splat(imm), bytes(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff))
  return v128.xor(shuffleDwords([0, 5, 2, 7], words, turned), constant)
}

/** Low half of a carry-less product: every fourth bit of both factors at a time leaves room for the carries of an ordinary one. */
function carrylessLow(b: FunctionBuilder, x: I64, y: I64): I64 {
  const MASK = 0x1111111111111111n
  const parts = (v: I64): I64[] => [0n, 1n, 2n, 3n].map((n) => b.let(i64.and(v, i64.const(BigInt.asIntN(64, MASK << n)))))
  const [xs, ys] = [parts(x), parts(y)]
  return b.let([0, 1, 2, 3].map((n) => {
    const sum = xs.map((part, i) => i64.mul(part, ys[(n - i) & 3]!)).reduce((p, q) => i64.xor(p, q))
    return i64.and(sum, i64.const(BigInt.asIntN(64, MASK << BigInt(n))))
  }).reduce((p, q) => i64.or(p, q)))
}

/** The bits of both quadwords in reverse. */
function reverseBits(b: FunctionBuilder, v: V128): V128 {
  const reversed = (n: number): number => [0, 1, 2, 3].reduce((sum, bit) => sum | (n >> bit & 1) << (3 - bit), 0)
  const turned = b.let(v128.shuffle([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8], v, v))
  return b.let(v128.or(look(table((n) => reversed(n) << 4), lowNibbles(turned)), look(table(reversed), highNibbles(turned))))
}

/** Carry-less product of a quadword of each source (imm[0], imm[4]). Its high half is the low half of the reversed product, reversed. */
const carrylessProduct: Lane = (b, x, y, imm) => {
  const chosen = (v: V128, bit: number): V128 => select(i32.and(imm, i32.const(1 << bit)), shuffleQwords([1, 1], v), v)
  const factors = b.let(shuffleQwords([0, 2], b.let(chosen(x, 0)), b.let(chosen(y, 4))))
  const reversed = reverseBits(b, factors)
  const product = (v: V128): I64 => carrylessLow(b, b.let(i64x2.extract_lane(v, 0)), b.let(i64x2.extract_lane(v, 1)))
  const high = i64.shr_u(i64x2.extract_lane(reverseBits(b, i64x2.splat(product(reversed))), 0), i64.const(1))
  return qwords(product(factors), high)
}

const AES = { map: '0F38', sse: 'aes', wide: null } as const

export const AES_CLMUL: readonly Row[] = [
  ...packed('AESIMC', 'DB', (b, _, y) => mixColumnsInverse(b, y), { ...AES, unary: true }),
  ...packed('AESENC', 'DC', round(false, false), AES),
  ...packed('AESENCLAST', 'DD', round(false, true), AES),
  ...packed('AESDEC', 'DE', round(true, false), AES),
  ...packed('AESDECLAST', 'DF', round(true, true), AES),
  ...packed('AESKEYGENASSIST', 'DF', keyAssist, { map: '0F3A', sse: 'aes', wide: null, unary: true, immediate: true }),
  ...packed('PCLMULQDQ', '44', carrylessProduct, { map: '0F3A', sse: 'pclmulqdq', wide: null, immediate: true }),
]
