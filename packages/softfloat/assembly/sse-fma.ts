// FMA: a * b + c with one rounding (Intel SDM vol. 1, 14.5).
import { addWide, coreExp, coreHigh, coreLow, coreSign, mulCore } from './core'
import { DE, IE, raise } from './state'
import {
  daz, exponentOf, infinity, invalid, isDenormal, isNan, isSignalling, magnitude, quietBit, roundSse, signMask, signOf, significandOf, stops
} from './sse-format'

/**
 * ±(a * b) ± c: bit 0 of `negate` negates the product, bit 1 the addend; NaN operands keep their sign.
 * The first NaN of a, b, c is the result.
 */
export function fma<T>(a: u64, b: u64, c: u64, negate: i32, mxcsr: i32): u64 {
  if (isNan<T>(a) || isNan<T>(b) || isNan<T>(c)) {
    // a quiet NaN as the addend of infinity times zero raises nothing
    if (isSignalling<T>(a) || isSignalling<T>(b) || isSignalling<T>(c)) raise(IE)
    return (isNan<T>(a) ? a : isNan<T>(b) ? b : c) | quietBit<T>()
  }
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  c = daz<T>(c, mxcsr)
  if (negate & 2) c ^= signMask<T>()
  const ma = magnitude<T>(a)
  const mb = magnitude<T>(b)
  const mc = magnitude<T>(c)
  const s = signOf<T>(a ^ b) ^ (negate & 1)
  const infinite = ma == infinity<T>() || mb == infinity<T>()
  if (infinite && (ma == 0 || mb == 0)) return invalid<T>()
  if (infinite && mc == infinity<T>() && signOf<T>(c) != s) return invalid<T>()
  if (isDenormal<T>(a) || isDenormal<T>(b) || isDenormal<T>(c)) {
    raise(DE)
    if (stops(DE, mxcsr)) return 0
  }
  if (infinite) return (s ? signMask<T>() : 0) | infinity<T>()
  if (mc == infinity<T>()) return c
  const zero: u64 = ((mxcsr >> 13) & 3) == 1 ? signMask<T>() : 0
  if (ma == 0 || mb == 0) {
    if (mc == 0) return signOf<T>(c) == s ? c : zero
    return roundSse<T>(signOf<T>(c), exponentOf<T>(c), significandOf<T>(c), 0, mxcsr)
  }
  mulCore(exponentOf<T>(a), significandOf<T>(a), exponentOf<T>(b), significandOf<T>(b))
  if (mc == 0) return roundSse<T>(s, coreExp, coreHigh, coreLow, mxcsr)
  addWide(s, coreExp, coreHigh, coreLow, signOf<T>(c), exponentOf<T>(c), significandOf<T>(c), 0)
  if (coreHigh == 0) return zero
  return roundSse<T>(coreSign, coreExp, coreHigh, coreLow, mxcsr)
}
