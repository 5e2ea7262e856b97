import { f32, f64, i32, i64, select, simd } from '@entresol/wasm-builder'
import type { Label } from '@entresol/wasm-builder'
import { MXCSR } from '../../state/layout.ts'
import type { Emitter, Expr, F32, F64, I32, Int, V128 } from '../../emit/emitter.ts'
import type { Format } from './format.ts'
import { isFast } from './native.ts'
import type { NativeOperation } from './native.ts'

/**
 * Scalars by the host's own arithmetic: see native.ts for when it stands. Values stay floating-point numbers in vector registers, what
 * decides looks at exponents beside them: next to nothing waits for the checks. Numbers are opcodes (Core Specification 2.0, 5.4.9).
 */
export type Float = F32 | F64

const LANE = { f32: { extract: 31, replace: 32, pmin: 234, pmax: 235 }, f64: { extract: 33, replace: 34, pmin: 246, pmax: 247 } } as const
/** Bits of the fraction, and the exponent of infinities and NaNs. */
const SHAPE = { f32: { fraction: 23, special: 0xff }, f64: { fraction: 52, special: 0x7ff } } as const
/** Twice the bits of infinity, which loses the sign. */
const TWICE_INFINITY = { f32: 0xff000000n, f64: 0xffe0000000000000n } as const

export const laneZero = (f: Format, v: V128): Float => simd.extract<'f32' | 'f64'>(f.name, LANE[f.name].extract, v, 0) as Float

/** Element 0 of a vector operand, bound. */
export function readNumber(e: Emitter, f: Format, operand: number): Float {
  if (!e.isMemory(operand)) return e.b.let<'f32' | 'f64'>(laneZero(f, e.getV(operand))) as Float
  return e.b.let<'f32' | 'f64'>(f.name === 'f32' ? f32.load(e.readAddress(4)) : f64.load(e.readAddress(8))) as Float
}

/** Writes element 0 of register operand 0; the others of the low 128 bits are those of `upper`. */
export const writeNumber = (e: Emitter, f: Format, value: Float, upper: V128): void => e.setV(0, simd.replace(LANE[f.name].replace, upper, 0, value))

export const bitsOf = (x: Float): Int => (x.type === 'f32' ? i32.reinterpret_f32(x) : i64.reinterpret_f64(x))
export const numberOf = (bits: Int): Float => (bits.type === 'i32' ? f32.reinterpret_i32(bits) : f64.reinterpret_i64(bits))

/** `fast(slow)` unless it goes to `slow`, whose result is then that of `otherwise`. */
export function unless<T extends 'i32' | 'i64' | 'f32' | 'f64'>(e: Emitter, type: T, fast: (slow: Label) => Expr<T>, otherwise: () => Expr<T>): Expr<T> {
  const { b } = e
  const result = b.local(type)
  b.block((end) => {
    b.block((slow) => {
      b.set(result, fast(slow))
      b.br(end)
    })
    b.set(result, otherwise())
  })
  return result.get
}

/** To `slow` unless MXCSR lets the host compute. */
export const requireFast = (e: Emitter, slow: Label): void => e.b.brIf(slow, i32.eqz(isFast(e.field32(MXCSR))), { likely: false })

const twice = (bits: Int): Int => (bits.type === 'i32' ? i32.shl(bits, i32.const(1)) : i64.shl(bits, i64.const(1)))
const differ = (bits: Int, value: bigint): I32 => (bits.type === 'i32' ? i32.ne(bits, i32.const(Number(value) | 0)) : i64.ne(bits, i64.const(BigInt.asIntN(64, value))))
const isNot = (x: Float, y: Float): I32 => (x.type === 'f32' ? f32.ne(x, y as F32) : f64.ne(x, y as F64))
const zero = (f: Format): Float => (f.name === 'f32' ? f32.const(0) : f64.const(0))

const exponent = (f: Format, bits: Int): I32 => {
  const { fraction, special } = SHAPE[f.name]
  return i32.and(bits.type === 'i32' ? i32.shr_u(bits, i32.const(fraction)) : i32.wrap_i64(i64.shr_u(bits, i64.const(fraction))), i32.const(special))
}
/** The exponent is below `least` or that of infinities and NaNs. */
const outside = (f: Format, bits: Int, least: number): I32 =>
  i32.ge_u(i32.sub(exponent(f, bits), i32.const(least)), i32.const(SHAPE[f.name].special - least))

/** To `slow` unless `x` is zero or a normal number; with `infinite` infinities may pass, too. */
export function requireOrdinary(e: Emitter, f: Format, x: Float, slow: Label, infinite = false): void {
  const bits = e.b.let<'i32' | 'i64'>(bitsOf(x)) as Int
  e.b.if(outside(f, bits, 1), () => {
    const strange = differ(twice(bits), 0n)
    e.b.brIf(slow, infinite ? i32.and(strange, differ(twice(bits), TWICE_INFINITY[f.name])) : strange)
  }, undefined, { likely: false })
}

function compute(f: Format, operation: NativeOperation, x: Float, y: Float): Float {
  if (operation === 'min' || operation === 'max') {
    const lane = LANE[f.name]
    const [a, b] = [y, x].map((v) => simd.splat(f.name === 'f32' ? 19 : 20, v)) as [V128, V128]
    // pmin(a, b) is b < a ? b : a, where MIN is x < y ? x : y.
    return laneZero(f, simd.binary(operation === 'min' ? lane.pmin : lane.pmax, a, b))
  }
  if (x.type === 'f32') return operation === 'sqrt' ? f32.sqrt(x) : f32[operation](x, y as F32)
  return operation === 'sqrt' ? f64.sqrt(x) : f64[operation](x, y as F64)
}

/** `operation` on `x` and `y`, which are bound, with every case that is not plain at `slow`. */
export function attemptScalar(e: Emitter, f: Format, operation: NativeOperation, x: Float, y: Float, slow: Label): Float {
  const { b } = e
  const order = operation === 'min' || operation === 'max'
  if (!order) requireFast(e, slow)
  const result = b.let<'f32' | 'f64'>(compute(f, operation, x, y)) as Float
  requireOrdinary(e, f, x, slow, order)
  if (operation !== 'sqrt') requireOrdinary(e, f, y, slow, order)
  if (order) return result
  const bits = b.let<'i32' | 'i64'>(bitsOf(result)) as Int
  // A sum or root that is small is exact; a product or quotient may be tiny, or have been rounded up to the smallest normal number.
  if (operation === 'mul' || operation === 'div') {
    b.if(outside(f, bits, 2), () => {
      const exact = operation === 'mul' ? i32.and(isNot(x, zero(f)), isNot(y, zero(f))) : isNot(x, zero(f))
      b.brIf(slow, i32.or(isNot(result, zero(f)), exact))
    }, undefined, { likely: false })
  } else b.brIf(slow, i32.eq(exponent(f, bits), i32.const(SHAPE[f.name].special)), { likely: false })
  return result
}

/** COMIS of ordinary operands: CF for less, ZF for equal. */
export function attemptRelation(e: Emitter, f: Format, x: Float, y: Float, slow: Label): I32 {
  requireOrdinary(e, f, x, slow, true)
  requireOrdinary(e, f, y, slow, true)
  const [less, equal] = x.type === 'f32' ? [f32.lt(x, y as F32), f32.eq(x, y as F32)] : [f64.lt(x, y as F64), f64.eq(x, y as F64)]
  return i32.or(less, select(equal, i32.const(0x40), i32.const(0)))
}
