import { i32, v128 } from '@entresol/wasm-builder'
import { bytes, i32x4, i64x2, i8x16, shuffleDwords, shuffleQwords, ZERO } from '../../emit/lanes.ts'
import type { FunctionBuilder, V128 } from '../../emit/lanes.ts'
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

/** FIPS 197, 5.1.1: the inverse, then an affine map. */
const SUBSTITUTION: readonly number[] = (() => {
  const inverse = new Array<number>(256).fill(0)
  for (let a = 1; a < 256; a++) for (let b = 1; b < 256; b++) if (product(a, b) === 1) inverse[a] = b
  return inverse.map((b) => {
    let result = 0x63
    for (let turn = 0; turn < 5; turn++) result ^= (b << turn | b >> (8 - turn)) & 0xff
    return result
  })
})()
const INVERSE_SUBSTITUTION: readonly number[] = SUBSTITUTION.map((_, value) => SUBSTITUTION.indexOf(value))

/** Sixteen swizzles of sixteen entries: an index outside a chunk gives zero. */
function substitute(b: FunctionBuilder, table: readonly number[], state: V128): V128 {
  const result = b.variable<'v128'>(ZERO)
  for (let chunk = 0; chunk < 16; chunk++) {
    const index = v128.xor(state, bytes(chunk << 4))
    b.set(result, v128.or(result.get, i8x16.swizzle(bytes(...table.slice(chunk * 16, chunk * 16 + 16)), index)))
  }
  return b.let(result.get)
}

/** Byte row + 4 * column of the state (FIPS 197, 3.4) comes from `turn` * row columns further on. */
const shiftRows = (state: V128, turn: 1 | 3): V128 =>
  v128.shuffle(Array.from({ length: 16 }, (_, i) => (i + (i & 3) * 4 * turn) & 15), state, state)

/** Every byte times x. */
const timesX = (v: V128): V128 => v128.xor(i8x16.shl(v, i32.const(1)), v128.and(i8x16.shr_s(v, i32.const(7)), bytes(0x1b)))

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

/** Carry-less product of a quadword of each source (imm[0], imm[4]), bit by bit. */
const carrylessProduct: Lane = (b, x, y, imm) => {
  const chosen = (v: V128, bit: number): V128 => {
    const high = i32.and(i32.shr_u(imm, i32.const(bit)), i32.const(1))
    return i8x16.swizzle(v, i8x16.add(bytes(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7), i8x16.splat(i32.shl(high, i32.const(3)))))
  }
  const first = b.let(chosen(x, 0))
  const rest = b.variable(chosen(y, 4))
  // Multiplying the result by x and adding the first factor wherever a bit of the second says so, from the top.
  const result = b.variable<'v128'>(ZERO)
  const count = b.variable(i32.const(64))
  const single = b.let(v128.and(first, bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)))
  b.loop((again) => {
    const carry = b.let(i64x2.shr_u(result.get, i32.const(63)))
    const doubled = v128.or(i64x2.shl(result.get, i32.const(1)), shuffleQwords([2, 0], carry, ZERO))
    b.set(result, v128.xor(doubled, v128.and(single, i64x2.shr_s(rest.get, i32.const(63)))))
    b.set(rest, i64x2.shl(rest.get, i32.const(1)))
    b.set(count, i32.sub(count.get, i32.const(1)))
    b.brIf(again, count.get)
  })
  return result.get
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
