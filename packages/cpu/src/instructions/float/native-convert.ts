import { f32, f64, i32, i64, simd } from '@entresol/wasm-builder'
import type { Label } from '@entresol/wasm-builder'
import type { Emitter, F32, F64, I32, Int, V128 } from '../../emit/emitter.ts'
import { SINGLE } from './format.ts'
import type { Format } from './format.ts'
import { requireOrdinary } from './native-scalar.ts'
import type { Float } from './native-scalar.ts'

/** Conversions by the host, to nearest and without exceptions: see native.ts for when they stand. */

const SMALLEST_SINGLE = 2 ** -126

/** From a signed integer: always representable, perhaps rounded. */
export function integerToFloat(f: Format, x: Int): Float {
  if (f.name === 'f32') return x.type === 'i64' ? f32.convert_i64_s(x) : f32.convert_i32_s(x)
  return x.type === 'i64' ? f64.convert_i64_s(x) : f64.convert_i32_s(x)
}

/** To a signed integer of the type asked for; to `slow` unless it surely fits. */
export function floatToInteger(e: Emitter, x: Float, type: 'i32' | 'i64', truncate: boolean, slow: Label): Int {
  const ops = type === 'i64' ? i64 : i32
  // Rounding up may reach the limit itself: half of it is far enough away, and nobody converts numbers that large often.
  const limit = type === 'i64' ? 2 ** 62 : 2 ** 30
  const fits = x.type === 'f32' ? f32.lt(f32.abs(x), f32.const(limit)) : f64.lt(f64.abs(x), f64.const(limit))
  e.b.brIf(slow, i32.eqz(fits), { likely: false })
  return x.type === 'f32' ? ops.trunc_sat_f32_s(truncate ? x : f32.nearest(x)) : ops.trunc_sat_f64_s(truncate ? x : f64.nearest(x))
}

/** CVTSS2SD: exact for anything but denormals (DE, DAZ) and NaNs. */
export function singleToDouble(e: Emitter, x: F32, slow: Label): F64 {
  requireOrdinary(e, SINGLE, x, slow, true)
  return f64.promote_f32(x)
}

/** CVTSD2SS: results that are normal and not the smallest one, and zero from zero. */
export function doubleToSingle(e: Emitter, x: F64, slow: Label): F32 {
  const result = e.b.let(f32.demote_f64(x))
  const size = f32.abs(result)
  const plain = i32.and(f32.gt(size, f32.const(SMALLEST_SINGLE)), f32.lt(size, f32.const(Infinity)))
  e.b.if(i32.eqz(plain), () => e.b.brIf(slow, f64.ne(x, f64.const(0))), undefined, { likely: false })
  return result
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
