// Single precision as SSE, AVX, FMA and F16C compute it, on bit patterns.
import { add, div, mul, pick, squareRoot, sub } from './sse-arithmetic'
import { compare, fromHalf, fromInteger, narrow, predicate, roundIntegral, toHalf, toInteger } from './sse-convert'
import { reciprocal, reciprocalRoot } from './sse-estimate'
import { fma } from './sse-fma'

export function f32_add(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(add<f32>(u64(u32(a)), u64(u32(b)), mxcsr))
}
export function f32_sub(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(sub<f32>(u64(u32(a)), u64(u32(b)), mxcsr))
}
export function f32_mul(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(mul<f32>(u64(u32(a)), u64(u32(b)), mxcsr))
}
export function f32_div(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(div<f32>(u64(u32(a)), u64(u32(b)), mxcsr))
}
export function f32_sqrt(a: i32, mxcsr: i32): i32 {
  return i32(squareRoot<f32>(u64(u32(a)), mxcsr))
}
/** ±(a * b) ± c with one rounding; `negate` bit 0 negates the product, bit 1 the addend. Of NaNs the first of a, b, c wins. */
export function f32_fma(a: i32, b: i32, c: i32, negate: i32, mxcsr: i32): i32 {
  return i32(fma<f32>(u64(u32(a)), u64(u32(b)), u64(u32(c)), negate, mxcsr))
}
export function f32_min(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(pick<f32>(u64(u32(a)), u64(u32(b)), mxcsr, false))
}
export function f32_max(a: i32, b: i32, mxcsr: i32): i32 {
  return i32(pick<f32>(u64(u32(a)), u64(u32(b)), mxcsr, true))
}
/** UCOMIS; with `signal` nonzero COMIS. Greater 0, less 1 (CF), equal 0x40 (ZF), unordered 0x45 (ZF, PF, CF). */
export function f32_compare(a: i32, b: i32, signal: i32, mxcsr: i32): i32 {
  return compare<f32>(u64(u32(a)), u64(u32(b)), signal != 0, mxcsr)
}
/** CMPPS and VCMPPS predicate 0..31: 1 or 0. */
export function f32_predicate(a: i32, b: i32, imm: i32, mxcsr: i32): i32 {
  return predicate<f32>(u64(u32(a)), u64(u32(b)), imm, mxcsr)
}
/** ROUNDSS, ROUNDSD with the immediate. */
export function f32_round(a: i32, imm: i32, mxcsr: i32): i32 {
  return i32(roundIntegral<f32>(u64(u32(a)), imm, mxcsr))
}
export function f32_toI32(a: i32, mxcsr: i32): i32 {
  return i32(toInteger<f32>(u64(u32(a)), 32, (mxcsr >> 13) & 3, mxcsr))
}
export function f32_truncateToI32(a: i32, mxcsr: i32): i32 {
  return i32(toInteger<f32>(u64(u32(a)), 32, 3, mxcsr))
}
export function f32_fromI32(a: i32, mxcsr: i32): i32 {
  return i32(fromInteger<f32>(i64(a), mxcsr))
}
export function f32_toI64(a: i32, mxcsr: i32): i64 {
  return toInteger<f32>(u64(u32(a)), 64, (mxcsr >> 13) & 3, mxcsr)
}
export function f32_truncateToI64(a: i32, mxcsr: i32): i64 {
  return toInteger<f32>(u64(u32(a)), 64, 3, mxcsr)
}
export function f32_fromI64(a: i64, mxcsr: i32): i32 {
  return i32(fromInteger<f32>(a, mxcsr))
}
/** CVTSD2SS. */
export function f32_fromF64(a: u64, mxcsr: i32): i32 {
  return i32(narrow(a, mxcsr))
}
/** VCVTPH2PS of the low 16 bits. */
export function f32_fromF16(a: i32): i32 {
  return i32(fromHalf(u64(a & 0xffff)))
}
/** VCVTPS2PH with its immediate. */
export function f32_toF16(a: i32, imm: i32, mxcsr: i32): i32 {
  return i32(toHalf(u64(u32(a)), imm, mxcsr))
}
/** RCPSS: raises nothing. */
export function f32_rcp(a: i32): i32 {
  return i32(reciprocal(u32(a)))
}
/** RSQRTSS: raises nothing. */
export function f32_rsqrt(a: i32): i32 {
  return i32(reciprocalRoot(u32(a)))
}
