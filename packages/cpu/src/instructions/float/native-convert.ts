import { f32, f64, i32, i64, simd } from '@entresol/wasm-builder'
import type { Emitter, Expr, F32, F64, I32, I64, Int, V128 } from '../../emit/emitter.ts'
import type { Format } from './format.ts'

/** Conversions by the host, to nearest and without exceptions: see native.ts for when they stand. */
export interface Converted<T extends 'i32' | 'i64' | 'v128'> {
  readonly valid: I32
  readonly results: readonly [Expr<T>]
}

const single = (x: Int): F32 => f32.reinterpret_i32(x as I32)
const double = (x: Int): F64 => f64.reinterpret_i64(x as I64)
/** |x| < limit; a NaN is not. */
const within = (f: Format, x: Int, limit: number): I32 =>
  f.name === 'f32' ? f32.lt(f32.abs(single(x)), f32.const(limit)) : f64.lt(f64.abs(double(x)), f64.const(limit))
const SMALLEST_SINGLE = 2 ** -126

/** From a signed integer: always representable, perhaps rounded. */
export function integerToFloat(f: Format, x: Int): Int {
  if (f.name === 'f32') return i32.reinterpret_f32(x.type === 'i64' ? f32.convert_i64_s(x) : f32.convert_i32_s(x))
  return i64.reinterpret_f64(x.type === 'i64' ? f64.convert_i64_s(x) : f64.convert_i32_s(x))
}

/** To a signed integer of the type asked for. */
export function floatToInteger(f: Format, x: Int, type: 'i32' | 'i64', truncate: boolean): { valid: I32; results: Int[] } {
  const ops = type === 'i64' ? i64 : i32
  const result = f.name === 'f32'
    ? ops.trunc_sat_f32_s(truncate ? single(x) : f32.nearest(single(x)))
    : ops.trunc_sat_f64_s(truncate ? double(x) : f64.nearest(double(x)))
  // Rounding up may reach the limit itself: half of it is far enough away, and nobody converts numbers that large often.
  return { valid: within(f, x, type === 'i64' ? 2 ** 62 : 2 ** 30), results: [result] }
}

/** CVTSS2SD: exact for anything but denormals (DE, DAZ) and NaNs. */
export function singleToDouble(x: Int): Converted<'i64'> {
  const v = single(x)
  const valid = i32.or(f32.ge(f32.abs(v), f32.const(SMALLEST_SINGLE)), f32.eq(v, f32.const(0)))
  return { valid, results: [i64.reinterpret_f64(f64.promote_f32(v))] }
}

/** CVTSD2SS: results that are normal and not the smallest one, and zero from zero. */
export function doubleToSingle(e: Emitter, x: Int): Converted<'i32'> {
  const v = double(x)
  const result = e.b.let(f32.demote_f64(v))
  const size = f32.abs(result)
  const plain = i32.and(f32.gt(size, f32.const(SMALLEST_SINGLE)), f32.lt(size, f32.const(Infinity)))
  const valid = i32.or(plain, f64.eq(v, f64.const(0)))
  return { valid, results: [i32.reinterpret_f32(result)] }
}

/** Vector conversions by opcode (Core Specification 2.0, 5.4.9). */
export const i32x4ToSingles = (x: V128): V128 => simd.unary(250, x)
/** CVTPS2PD of the low two elements. */
export const lowSinglesToDoubles = (x: V128): V128 => simd.unary(95, x)
/** CVTPD2PS to the low two elements, the others zero. */
export const doublesToLowSingles = (x: V128): V128 => simd.unary(94, x)
export const lowI32x2ToDoubles = (x: V128): V128 => simd.unary(254, x)
/** Valid where every element is within (-2^30, 2^30). */
export function singlesToI32x4(x: V128, truncate: boolean): { valid: I32; results: [V128] } {
  const limit = simd.splat(19, f32.const(2 ** 30))
  const small = simd.test(163, simd.binary(67, simd.unary(224, x), limit))
  return { valid: small, results: [simd.unary(248, truncate ? x : simd.unary(106, x))] }
}
