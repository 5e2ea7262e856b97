import { i32, i64, select } from '@entresol/wasm-builder'
import type { I32, I64 } from '@entresol/wasm-builder'
import type { Int, Width } from './emitter.ts'

/** Integer arithmetic generic over operand width: i64 for 64 bits, i32 (zero-extended operands) below. */
const pair = (name: 'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shr_u' | 'shr_s') =>
  (a: Int, b: Int): Int => (a.type === 'i64' ? i64[name](a, b as I64) : i32[name](a, b as I32))

export const add: (a: Int, b: Int) => Int = pair('add')
export const sub: (a: Int, b: Int) => Int = pair('sub')
export const mul: (a: Int, b: Int) => Int = pair('mul')
export const and: (a: Int, b: Int) => Int = pair('and')
export const or: (a: Int, b: Int) => Int = pair('or')
export const xor: (a: Int, b: Int) => Int = pair('xor')
export const shl: (a: Int, b: Int) => Int = pair('shl')
export const shrU: (a: Int, b: Int) => Int = pair('shr_u')
export const shrS: (a: Int, b: Int) => Int = pair('shr_s')

export const eqz = (a: Int): I32 => (a.type === 'i64' ? i64.eqz(a) : i32.eqz(a))
export const eq = (a: Int, b: Int): I32 => (a.type === 'i64' ? i64.eq(a, b as I64) : i32.eq(a, b as I32))
export const ltU = (a: Int, b: Int): I32 => (a.type === 'i64' ? i64.lt_u(a, b as I64) : i32.lt_u(a, b as I32))
export const not = (a: Int): Int => xor(a, constant(a.type === 'i64' ? 64 : 32, -1n))

/** A constant in the representation of `width`. */
export const constant = (width: Width, value: number | bigint): Int => (width === 64 ? i64.const(value) : i32.const(BigInt.asIntN(32, BigInt(value))))

/** Zero-extension to i64 of a value in the representation of its width. */
export const zero64 = (a: Int): I64 => (a.type === 'i64' ? a : i64.extend_i32_u(a))
/** From i64 into the representation of `width`, truncated and zero-extended. */
export function narrow(width: Width, a: I64): Int {
  if (width === 64) return a
  return mask(width, i32.wrap_i64(a))
}
/** i32 view: low 32 bits. */
export const low32 = (a: Int): I32 => (a.type === 'i64' ? i32.wrap_i64(a) : a)
/** i32 zero-extended into the representation of `width`. */
export const widen = (width: Width, a: I32): Int => (width === 64 ? i64.extend_i32_u(a) : a)

/** Truncates an i32 to 8 or 16 bits, zero-extended; leaves 32 and 64 alone. */
export function mask(width: Width, a: Int): Int {
  if (a.type === 'i64' || width >= 32) return a
  return i32.and(a, i32.const(width === 8 ? 0xff : 0xffff))
}

/** Sign-extends the low `width` bits within the representation (i32 for <= 32). */
export function signExtend(width: Width, a: Int): Int {
  if (a.type === 'i64') return a
  return width === 8 ? i32.extend8_s(a) : width === 16 ? i32.extend16_s(a) : a
}
/** Sign-extends the low `width` bits to i64. */
export const sign64 = (width: Width, a: Int): I64 => {
  const s = signExtend(width, a)
  return s.type === 'i64' ? s : i64.extend_i32_s(s)
}

export const pick = (condition: I32, a: Int, b: Int): Int => (a.type === 'i64' ? select(condition, a, b as I64) : select(condition, a, b as I32))
/** Bit `width - 1` as 0 or 1. */
export const msb = (width: Width, a: Int): I32 =>
  a.type === 'i64' ? i32.wrap_i64(i64.shr_u(a, i64.const(63))) : i32.and(i32.shr_u(a, i32.const(width - 1)), i32.const(1))
