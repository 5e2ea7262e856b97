import { i32, i64, select, simd, v128 } from '@entresol/wasm-builder'
import type { Emitter, I32, I64, Int, V128 } from '../../emit/emitter.ts'
import { ZERO_VECTOR } from './format.ts'
import type { Format } from './format.ts'

/**
 * The host's own arithmetic, where nothing but its result can differ from before: WebAssembly rounds to nearest and tells no exceptions.
 * Everything is done on vectors of 128 bits; a scalar is in every element. Numbers are opcodes (Core Specification 2.0, 5.4.9).
 */
const OPCODES = {
  f32: { eq: 65, lt: 67, gt: 68, ge: 70, abs: 224, sqrt: 227, add: 228, sub: 229, mul: 230, div: 231, allTrue: 163, splat: 17 },
  f64: { eq: 71, lt: 73, gt: 74, ge: 76, abs: 236, sqrt: 239, add: 240, sub: 241, mul: 242, div: 243, allTrue: 195, splat: 18 },
} as const

export type NativeOperation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt' | 'min' | 'max'

/** What the host got, and an expression that is not zero when it stands. */
export interface Attempt {
  readonly result: V128
  readonly valid: I32
}

const repeated = (bytes: readonly number[]): V128 => v128.const(Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]!))
const SMALLEST_NORMAL = { f32: repeated([0, 0, 0x80, 0]), f64: repeated([0, 0, 0, 0, 0, 0, 0x10, 0]) }
const INFINITY = { f32: repeated([0, 0, 0x80, 0x7f]), f64: repeated([0, 0, 0, 0, 0, 0, 0xf0, 0x7f]) }

export const splat = (f: Format, x: Int): V128 => simd.splat(OPCODES[f.name].splat, x)
export const allTrue = (f: Format, v: V128): I32 => simd.test(OPCODES[f.name].allTrue, v)

const compare = (f: Format, op: 'eq' | 'lt' | 'gt' | 'ge', a: V128, b: V128): V128 => simd.binary(OPCODES[f.name][op], a, b)
const magnitude = (f: Format, a: V128): V128 => simd.unary(OPCODES[f.name].abs, a)
const isZero = (f: Format, a: V128): V128 => compare(f, 'eq', a, ZERO_VECTOR)

/** Elements that are neither NaN nor denormal. */
export const ordinary = (f: Format, a: V128): V128 => v128.or(compare(f, 'ge', magnitude(f, a), SMALLEST_NORMAL[f.name]), isZero(f, a))
/** Elements that are finite and above the smallest normal number, where tininess is out of question. */
export const plain = (f: Format, a: V128): V128 =>
  v128.and(compare(f, 'gt', magnitude(f, a), SMALLEST_NORMAL[f.name]), compare(f, 'lt', magnitude(f, a), INFINITY[f.name]))

/** All exceptions masked, PE sticky already, to nearest, no DAZ, no FTZ: a plain result from ordinary operands leaves MXCSR as it is. */
const FAST_BITS = 0xffe0
const FAST = 0x1fa0
export const isFast = (mxcsr: I32): I32 => i32.eq(i32.and(mxcsr, i32.const(FAST_BITS)), i32.const(FAST))

/** `x` and `y` are bound. MIN, MAX and comparisons do not depend on MXCSR; the others stand only if it `isFast`. */
export function attempt(e: Emitter, f: Format, operation: NativeOperation, x: V128, y: V128): Attempt {
  const { b } = e
  if (operation === 'min' || operation === 'max') {
    const first = operation === 'min' ? compare(f, 'lt', x, y) : compare(f, 'lt', y, x)
    return { result: b.let(v128.bitselect(x, y, first)), valid: allTrue(f, v128.and(ordinary(f, x), ordinary(f, y))) }
  }
  const result = b.let(operation === 'sqrt' ? simd.unary(OPCODES[f.name].sqrt, x) : simd.binary(OPCODES[f.name][operation], x, y))
  // A sum that is zero is exact; a product or quotient is so only with a zero operand.
  const zero = isZero(f, result)
  const exactZero = operation === 'add' || operation === 'sub' ? zero
    : operation === 'mul' ? v128.and(zero, v128.or(isZero(f, x), isZero(f, y))) : v128.and(zero, isZero(f, x))
  const operands = operation === 'sqrt' ? ordinary(f, x) : v128.and(ordinary(f, x), ordinary(f, y))
  return { result, valid: allTrue(f, v128.and(v128.or(plain(f, result), exactZero), operands)) }
}

const ROUNDINGS = { f32: [106, 104, 103, 105], f64: [148, 117, 116, 122] } as const

/** ROUND of numbers with the rounding of the immediate, or with bit 2 that of MXCSR, which is to nearest where it `isFast`. */
export function attemptRound(e: Emitter, f: Format, immediate: I32, x: V128): Attempt {
  const { b } = e
  const mode = b.let(select(i32.and(immediate, i32.const(4)), i32.const(0), i32.and(immediate, i32.const(3))))
  const result = b.variable(x)
  ROUNDINGS[f.name].forEach((op, i) => b.if(i32.eq(mode, i32.const(i)), () => b.set(result, simd.unary(op, x))))
  return { result: result.get, valid: allTrue(f, compare(f, 'eq', x, x)) }
}

/** For predicates 0..15, repeated for 16..31: bit 2 less, bit 1 equal, bit 0 greater (SDM vol. 2, CMPPD table 3-1). */
const RELATIONS = 0xf1350eca79bd8642n

/** CMP of ordinary operands: all ones where the predicate holds. */
export function attemptPredicate(e: Emitter, f: Format, predicate: I32, x: V128, y: V128): Attempt {
  const { b } = e
  const shift = i64.extend_i32_u(i32.shl(i32.and(predicate, i32.const(15)), i32.const(2)))
  const relations = b.let(i64.shr_u(i64.const(RELATIONS), shift))
  const chosen = (bit: number, v: V128): V128 => {
    const ones: I64 = i64.sub(i64.const(0), i64.and(i64.shr_u(relations, i64.const(bit)), i64.const(1)))
    return v128.and(v, simd.splat(18, ones))
  }
  const any = v128.or(v128.or(chosen(2, compare(f, 'lt', x, y)), chosen(1, compare(f, 'eq', x, y))), chosen(0, compare(f, 'gt', x, y)))
  return { result: b.let(any), valid: allTrue(f, v128.and(ordinary(f, x), ordinary(f, y))) }
}
