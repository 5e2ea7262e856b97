// Double precision as SSE, AVX and FMA compute it, on bit patterns.
import { add, div, mul, pick, squareRoot, sub } from './sse-arithmetic'
import { compare, fromInteger, predicate, roundIntegral, toInteger, widen } from './sse-convert'
import { fma } from './sse-fma'

export function f64_add(a: u64, b: u64, mxcsr: i32): u64 {
  return add<f64>(a, b, mxcsr)
}
export function f64_sub(a: u64, b: u64, mxcsr: i32): u64 {
  return sub<f64>(a, b, mxcsr)
}
export function f64_mul(a: u64, b: u64, mxcsr: i32): u64 {
  return mul<f64>(a, b, mxcsr)
}
export function f64_div(a: u64, b: u64, mxcsr: i32): u64 {
  return div<f64>(a, b, mxcsr)
}
export function f64_sqrt(a: u64, mxcsr: i32): u64 {
  return squareRoot<f64>(a, mxcsr)
}
/** ±(a * b) ± c with one rounding; `negate` bit 0 negates the product, bit 1 the addend. Of NaNs the first of a, b, c wins. */
export function f64_fma(a: u64, b: u64, c: u64, negate: i32, mxcsr: i32): u64 {
  return fma<f64>(a, b, c, negate, mxcsr)
}
export function f64_min(a: u64, b: u64, mxcsr: i32): u64 {
  return pick<f64>(a, b, mxcsr, false)
}
export function f64_max(a: u64, b: u64, mxcsr: i32): u64 {
  return pick<f64>(a, b, mxcsr, true)
}
/** UCOMIS; with `signal` nonzero COMIS. Greater 0, less 1 (CF), equal 0x40 (ZF), unordered 0x45 (ZF, PF, CF). */
export function f64_compare(a: u64, b: u64, signal: i32, mxcsr: i32): i32 {
  return compare<f64>(a, b, signal != 0, mxcsr)
}
/** CMPPS and VCMPPS predicate 0..31: 1 or 0. */
export function f64_predicate(a: u64, b: u64, imm: i32, mxcsr: i32): i32 {
  return predicate<f64>(a, b, imm, mxcsr)
}
/** ROUNDSS, ROUNDSD with the immediate. */
export function f64_round(a: u64, imm: i32, mxcsr: i32): u64 {
  return roundIntegral<f64>(a, imm, mxcsr)
}
export function f64_toI32(a: u64, mxcsr: i32): i32 {
  return i32(toInteger<f64>(a, 32, (mxcsr >> 13) & 3, mxcsr))
}
export function f64_truncateToI32(a: u64, mxcsr: i32): i32 {
  return i32(toInteger<f64>(a, 32, 3, mxcsr))
}
export function f64_fromI32(a: i32, mxcsr: i32): u64 {
  return fromInteger<f64>(i64(a), mxcsr)
}
export function f64_toI64(a: u64, mxcsr: i32): i64 {
  return toInteger<f64>(a, 64, (mxcsr >> 13) & 3, mxcsr)
}
export function f64_truncateToI64(a: u64, mxcsr: i32): i64 {
  return toInteger<f64>(a, 64, 3, mxcsr)
}
export function f64_fromI64(a: i64, mxcsr: i32): u64 {
  return fromInteger<f64>(a, mxcsr)
}
/** CVTSS2SD. */
export function f64_fromF32(a: i32, mxcsr: i32): u64 {
  return widen(u64(u32(a)), mxcsr)
}
