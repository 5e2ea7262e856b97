import { atomic32, atomic64 } from './atomics.ts'
import type { AtomicOps } from './atomics.ts'
import { BYTES, CALL, CALL_INDIRECT, Expr, integerConstant, isConstant, isDroppable, ONE, operands, sequence, SIMD, TWO } from './expr.ts'
import type { F32, F64, I32, V128 } from './expr.ts'
import { arithmetic, comparison, equalsZero, extension, isZero, signExtension, wrap } from './fold.ts'
import type { ValueType } from './types.ts'

/**
 * Pure expressions. Names follow the text format (`i64.add` is `i64.add(a, b)`), opcodes are those of the Core
 * Specification 5.4. Loads are expressions too: whoever reorders them past stores must know what they do.
 */
const unary = <A extends ValueType, R extends ValueType>(type: R, op: number) => (a: Expr<A>): Expr<R> => new Expr(type, op, a)
const binary = <A extends ValueType, R extends ValueType>(type: R, op: number) => (a: Expr<A>, b: Expr<A>): Expr<R> => new Expr(type, op, a, b)
const load = <R extends ValueType>(type: R, op: number) =>
  (address: I32, offset = 0): Expr<R> => new Expr(type, TWO | op, address, undefined, 0, offset)

type Unary<A extends ValueType, R extends ValueType = A> = (a: Expr<A>) => Expr<R>
type Binary<A extends ValueType, R extends ValueType = A> = (a: Expr<A>, b: Expr<A>) => Expr<R>
type Load<R extends ValueType> = (address: I32, offset?: number) => Expr<R>

export interface IntegerOps<T extends 'i32' | 'i64'> {
  const(value: number | bigint): Expr<T>
  eqz: Unary<T, 'i32'>
  eq: Binary<T, 'i32'>; ne: Binary<T, 'i32'>
  lt_s: Binary<T, 'i32'>; lt_u: Binary<T, 'i32'>; gt_s: Binary<T, 'i32'>; gt_u: Binary<T, 'i32'>
  le_s: Binary<T, 'i32'>; le_u: Binary<T, 'i32'>; ge_s: Binary<T, 'i32'>; ge_u: Binary<T, 'i32'>
  clz: Unary<T>; ctz: Unary<T>; popcnt: Unary<T>
  add: Binary<T>; sub: Binary<T>; mul: Binary<T>; div_s: Binary<T>; div_u: Binary<T>; rem_s: Binary<T>; rem_u: Binary<T>
  and: Binary<T>; or: Binary<T>; xor: Binary<T>; shl: Binary<T>; shr_s: Binary<T>; shr_u: Binary<T>; rotl: Binary<T>; rotr: Binary<T>
  extend8_s: Unary<T>; extend16_s: Unary<T>
  load: Load<T>; load8_s: Load<T>; load8_u: Load<T>; load16_s: Load<T>; load16_u: Load<T>
}

function integerOps<T extends 'i32' | 'i64'>(type: T): IntegerOps<T> {
  const wide = type === 'i64'
  const compare = wide ? 0x50 : 0x45
  const base = wide ? 0x79 : 0x67
  const c = (n: number): Binary<T, 'i32'> => comparison(compare, n)
  const a = (n: number): Binary<T> => arithmetic(type, base, n)
  return {
    const: (value) => integerConstant(type, value),
    eqz: equalsZero(compare),
    eq: c(1), ne: c(2), lt_s: c(3), lt_u: c(4), gt_s: c(5), gt_u: c(6), le_s: c(7), le_u: c(8), ge_s: c(9), ge_u: c(10),
    clz: unary(type, base), ctz: unary(type, base + 1), popcnt: unary(type, base + 2),
    add: a(3), sub: a(4), mul: a(5), div_s: a(6), div_u: a(7), rem_s: a(8), rem_u: a(9),
    and: a(10), or: a(11), xor: a(12), shl: a(13), shr_s: a(14), shr_u: a(15), rotl: a(16), rotr: a(17),
    extend8_s: signExtension(type, wide ? 0xc2 : 0xc0, 8), extend16_s: signExtension(type, wide ? 0xc3 : 0xc1, 16),
    load: load(type, wide ? 0x29 : 0x28),
    load8_s: load(type, wide ? 0x30 : 0x2c), load8_u: load(type, wide ? 0x31 : 0x2d),
    load16_s: load(type, wide ? 0x32 : 0x2e), load16_u: load(type, wide ? 0x33 : 0x2f),
  }
}

export const i32: IntegerOps<'i32'> & {
  wrap_i64: Unary<'i64', 'i32'>
  trunc_sat_f32_s: Unary<'f32', 'i32'>; trunc_sat_f64_s: Unary<'f64', 'i32'>
  reinterpret_f32: Unary<'f32', 'i32'>
  atomic: AtomicOps<'i32'>
} = {
  ...integerOps('i32'),
  wrap_i64: wrap,
  trunc_sat_f32_s: unary('i32', 0xfc0000), trunc_sat_f64_s: unary('i32', 0xfc0002),
  reinterpret_f32: unary('i32', 0xbc),
  atomic: atomic32,
}

export const i64: IntegerOps<'i64'> & {
  extend_i32_s: Unary<'i32', 'i64'>; extend_i32_u: Unary<'i32', 'i64'>; extend32_s: Unary<'i64'>
  load32_s: Load<'i64'>; load32_u: Load<'i64'>
  trunc_sat_f32_s: Unary<'f32', 'i64'>; trunc_sat_f64_s: Unary<'f64', 'i64'>
  reinterpret_f64: Unary<'f64', 'i64'>
  atomic: typeof atomic64
} = {
  ...integerOps('i64'),
  extend_i32_s: extension(true), extend_i32_u: extension(false), extend32_s: signExtension('i64', 0xc4, 32),
  load32_s: load('i64', 0x34), load32_u: load('i64', 0x35),
  trunc_sat_f32_s: unary('i64', 0xfc0004), trunc_sat_f64_s: unary('i64', 0xfc0006),
  reinterpret_f64: unary('i64', 0xbd),
  atomic: atomic64,
}

const literal = <T extends ValueType>(type: T, op: number, bytes: readonly number[]): Expr<T> =>
  new Expr(type, BYTES | op, undefined, undefined, 0, 0, bytes)

export interface FloatOps<T extends 'f32' | 'f64'> {
  eq: Binary<T, 'i32'>; ne: Binary<T, 'i32'>; lt: Binary<T, 'i32'>; gt: Binary<T, 'i32'>; le: Binary<T, 'i32'>; ge: Binary<T, 'i32'>
  abs: Unary<T>; neg: Unary<T>; ceil: Unary<T>; floor: Unary<T>; trunc: Unary<T>; nearest: Unary<T>; sqrt: Unary<T>
  add: Binary<T>; sub: Binary<T>; mul: Binary<T>; div: Binary<T>
  convert_i32_s: Unary<'i32', T>; convert_i64_s: Unary<'i64', T>
  load: Load<T>
}

function floatOps<T extends 'f32' | 'f64'>(type: T): FloatOps<T> {
  const wide = type === 'f64'
  const compare = wide ? 0x61 : 0x5b
  const arithmetic = wide ? 0x99 : 0x8b
  const c = (i: number): Binary<T, 'i32'> => binary('i32', compare + i)
  const u = (i: number): Unary<T> => unary(type, arithmetic + i)
  const b = (i: number): Binary<T> => binary(type, arithmetic + i)
  return {
    eq: c(0), ne: c(1), lt: c(2), gt: c(3), le: c(4), ge: c(5),
    abs: u(0), neg: u(1), ceil: u(2), floor: u(3), trunc: u(4), nearest: u(5), sqrt: u(6),
    add: b(7), sub: b(8), mul: b(9), div: b(10),
    convert_i32_s: unary(type, wide ? 0xb7 : 0xb2), convert_i64_s: unary(type, wide ? 0xb9 : 0xb4),
    load: load(type, wide ? 0x2b : 0x2a),
  }
}

export const f32: FloatOps<'f32'> & { demote_f64: Unary<'f64', 'f32'>; reinterpret_i32: Unary<'i32', 'f32'>; const(bits: number): F32 } = {
  ...floatOps('f32'),
  demote_f64: unary('f32', 0xb6),
  reinterpret_i32: unary('f32', 0xbe),
  const: (value) => literal('f32', 0x43, [...new Uint8Array(new Float32Array([value]).buffer)]),
}

export const f64: FloatOps<'f64'> & { promote_f32: Unary<'f32', 'f64'>; reinterpret_i64: Unary<'i64', 'f64'>; const(bits: number): F64 } = {
  ...floatOps('f64'),
  promote_f32: unary('f64', 0xbb),
  reinterpret_i64: unary('f64', 0xbf),
  const: (value) => literal('f64', 0x44, [...new Uint8Array(new Float64Array([value]).buffer)]),
}

/** `condition ? a : b`, both evaluated; a constant condition leaves only the one chosen if the other has no effects. */
export const select = <T extends ValueType>(condition: I32, a: Expr<T>, b: Expr<T>): Expr<T> => {
  if (isConstant(condition)) {
    const [chosen, other] = isZero(condition) ? [b, a] : [a, b]
    if (isDroppable(other)) return chosen
  }
  // With v128 the instruction names its one type.
  return a.type === 'v128' ? new Expr(a.type, TWO | 0x1c, sequence(a, b), condition, 1, 0x7b) : new Expr(a.type, 0x1b, sequence(a, b), condition)
}

/** SIMD (Core Specification 5.4.9): the few with immediates by name, the rest through `simd`. */
export const v128: {
  load: Load<'v128'>; load32_zero: Load<'v128'>; load64_zero: Load<'v128'>
  const(bytes: readonly number[]): V128
  shuffle(lanes: readonly number[], a: V128, b: V128): V128
  not: Unary<'v128'>; and: Binary<'v128'>; andnot: Binary<'v128'>; or: Binary<'v128'>; xor: Binary<'v128'>
  bitselect(a: V128, b: V128, mask: V128): V128
  any_true: Unary<'v128', 'i32'>
} = {
  load: load('v128', SIMD), load32_zero: load('v128', SIMD | 92), load64_zero: load('v128', SIMD | 93),
  const: (bytes) => literal('v128', SIMD | 12, bytes),
  shuffle: (lanes, a, b) => new Expr('v128', BYTES | SIMD | 13, a, b, 0, 0, lanes),
  not: unary('v128', SIMD | 77), and: binary('v128', SIMD | 78), andnot: binary('v128', SIMD | 79),
  or: binary('v128', SIMD | 80), xor: binary('v128', SIMD | 81),
  bitselect: (a, b, mask) => new Expr('v128', SIMD | 82, sequence(a, b), mask),
  any_true: unary('i32', SIMD | 83),
}

/** Any SIMD instruction without immediates, by its opcode number (Core Specification 5.4.9, second column). */
export const simd = {
  unary: (op: number, a: V128): V128 => new Expr('v128', SIMD | op, a),
  binary: (op: number, a: V128, b: V128): V128 => new Expr('v128', SIMD | op, a, b),
  shift: (op: number, a: V128, count: I32): V128 => new Expr('v128', SIMD | op, a, count),
  test: (op: number, a: V128): I32 => new Expr('i32', SIMD | op, a),
  splat: (op: number, a: Expr): V128 => new Expr('v128', SIMD | op, a),
  extract: <T extends ValueType>(type: T, op: number, a: V128, lane: number): Expr<T> => new Expr(type, ONE | SIMD | op, a, undefined, lane),
  replace: (op: number, a: V128, lane: number, value: Expr): V128 => new Expr('v128', ONE | SIMD | op, a, value, lane),
} as const

/** An expression that calls function `index`. Its effects happen where the expression is placed. */
export const callExpr = <T extends ValueType>(type: T, index: number, args: readonly Expr[]): Expr<T> =>
  new Expr(type, ONE | CALL, operands(args), undefined, index)

/** Calls element `target` of `table`, which must have the type with index `typeIndex`. Its effects happen where the expression is placed. */
export const callIndirectExpr = <T extends ValueType>(type: T, typeIndex: number, table: number, target: I32, args: readonly Expr[]): Expr<T> =>
  new Expr(type, TWO | CALL_INDIRECT, operands([...args, target]), undefined, typeIndex, table)

/** Value of global `index` where the expression is placed. */
export const globalExpr = <T extends ValueType>(type: T, index: number): Expr<T> => new Expr(type, ONE | 0x23, undefined, undefined, index)

/** Integer operations by type, for code generic over operand width. */
export const integer: { readonly i32: typeof i32; readonly i64: typeof i64 } = { i32, i64 }
