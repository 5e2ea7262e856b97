// ADD, SUB, MUL, DIV, SQRT, MIN, MAX of SSE and AVX, one element at a time.
import { addCore, coreExp, coreHigh, coreLow, coreSign, divCore, mulCore, sqrtCore } from './core'
import { DE, IE, PE, ZE, raise } from './state'
import {
  daz, denormals, exponentOf, fractionBits, infinity, invalid, isDenormal, isNan, magnitude, maxExp, nan2, roundSse, signMask,
  signOf, significandOf, stops
} from './sse-format'

/**
 * The host's own operation serves where rounding is to nearest and operands and result are normal and away from both ends of the range:
 * then PE alone can be raised, and whether the result is exact follows from an error term or from trailing zeros.
 */
@inline
function isPlain<T>(a: u64): bool {
  const e = i32(a >> fractionBits<T>()) & maxExp<T>()
  return <u32>(e - 2) < <u32>(maxExp<T>() - 3)
}
@inline
function toNearest(mxcsr: i32): bool {
  return !(mxcsr & 0x6000)
}
/** Trailing zeros of the significand of a normal number. */
@inline
function trailing<T>(a: u64): i32 {
  return <i32>ctz(a | (u64(1) << fractionBits<T>()))
}
@inline
function bitsOf<T>(v: T): u64 {
  if (sizeof<T>() == 8) return reinterpret<u64>(f64(v))
  return u64(reinterpret<u32>(f32(v)))
}
@inline
function valueOf<T>(a: u64): T {
  if (sizeof<T>() == 8) return <T>reinterpret<f64>(a)
  return <T>reinterpret<f32>(u32(a))
}

export function add<T>(a: u64, b: u64, mxcsr: i32): u64 {
  if (toNearest(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const x = valueOf<T>(a)
    const y = valueOf<T>(b)
    const sum = <T>(x + y)
    const r = bitsOf<T>(sum)
    if (isPlain<T>(r) || r == 0) {
      // Knuth's error of a sum, exact
      const v = <T>(sum - x)
      if (<T>(x - <T>(sum - v)) + <T>(y - v) != 0) raise(PE)
      return r
    }
  }
  if (isNan<T>(a) || isNan<T>(b)) return nan2<T>(a, b)
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  const infA = magnitude<T>(a) == infinity<T>()
  const infB = magnitude<T>(b) == infinity<T>()
  if (infA && infB && a != b) return invalid<T>()
  const d = denormals<T>(a, b)
  raise(d)
  if (stops(d, mxcsr)) return 0
  if (infA) return a
  if (infB) return b
  const down: bool = ((mxcsr >> 13) & 3) == 1
  const za = magnitude<T>(a) == 0
  const zb = magnitude<T>(b) == 0
  if (za && zb) return a == b ? a : down ? signMask<T>() : 0
  if (za) return roundSse<T>(signOf<T>(b), exponentOf<T>(b), significandOf<T>(b), 0, mxcsr)
  if (zb) return roundSse<T>(signOf<T>(a), exponentOf<T>(a), significandOf<T>(a), 0, mxcsr)
  addCore(signOf<T>(a), exponentOf<T>(a), significandOf<T>(a), signOf<T>(b), exponentOf<T>(b), significandOf<T>(b))
  if (coreHigh == 0) return down ? signMask<T>() : 0
  return roundSse<T>(coreSign, coreExp, coreHigh, coreLow, mxcsr)
}

export function sub<T>(a: u64, b: u64, mxcsr: i32): u64 {
  // the sign of a NaN operand is its own
  return add<T>(a, isNan<T>(b) ? b : b ^ signMask<T>(), mxcsr)
}

export function mul<T>(a: u64, b: u64, mxcsr: i32): u64 {
  if (toNearest(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const r = bitsOf<T>(<T>(valueOf<T>(a) * valueOf<T>(b)))
    // the product of two n-bit significands has 2n - 1 or 2n bits, n of them kept; zeros add up
    const zeros = trailing<T>(a) + trailing<T>(b)
    if (isPlain<T>(r) && zeros != fractionBits<T>()) {
      if (zeros < fractionBits<T>()) raise(PE)
      return r
    }
  }
  if (isNan<T>(a) || isNan<T>(b)) return nan2<T>(a, b)
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  const s = signOf<T>(a ^ b)
  const sign = (a ^ b) & signMask<T>()
  const ma = magnitude<T>(a)
  const mb = magnitude<T>(b)
  const inf = ma == infinity<T>() || mb == infinity<T>()
  const zero = ma == 0 || mb == 0
  if (inf && zero) return invalid<T>()
  const d = denormals<T>(a, b)
  raise(d)
  if (stops(d, mxcsr)) return 0
  if (inf) return sign | infinity<T>()
  if (zero) return sign
  mulCore(exponentOf<T>(a), significandOf<T>(a), exponentOf<T>(b), significandOf<T>(b))
  return roundSse<T>(s, coreExp, coreHigh, coreLow, mxcsr)
}

export function div<T>(a: u64, b: u64, mxcsr: i32): u64 {
  if (toNearest(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const quotient = <T>(valueOf<T>(a) / valueOf<T>(b))
    const r = bitsOf<T>(quotient)
    // exact if the product of quotient and divisor is the dividend, which needs as many zeros as a product
    const zeros = trailing<T>(r) + trailing<T>(b)
    if (isPlain<T>(r) && zeros != fractionBits<T>()) {
      if (zeros < fractionBits<T>() || <T>(quotient * valueOf<T>(b)) != valueOf<T>(a)) raise(PE)
      return r
    }
  }
  if (isNan<T>(a) || isNan<T>(b)) return nan2<T>(a, b)
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  const s = signOf<T>(a ^ b)
  const sign = (a ^ b) & signMask<T>()
  const ma = magnitude<T>(a)
  const mb = magnitude<T>(b)
  if ((ma == 0 && mb == 0) || (ma == infinity<T>() && mb == infinity<T>())) return invalid<T>()
  if (mb == 0 && ma != infinity<T>()) {
    // division by zero comes before the denormal operand (SDM vol. 1, 4.9.2)
    raise(ZE)
    return sign | infinity<T>()
  }
  const d = denormals<T>(a, b)
  raise(d)
  if (stops(d, mxcsr)) return 0
  if (ma == infinity<T>()) return sign | infinity<T>()
  if (mb == infinity<T>() || ma == 0) return sign
  divCore(exponentOf<T>(a), significandOf<T>(a), exponentOf<T>(b), significandOf<T>(b))
  return roundSse<T>(s, coreExp, coreHigh, coreLow, mxcsr)
}

export function squareRoot<T>(a: u64, mxcsr: i32): u64 {
  if (toNearest(mxcsr) && isPlain<T>(a) && !(a & signMask<T>())) {
    const r = bitsOf<T>(sqrt<T>(valueOf<T>(a)))
    if (2 * trailing<T>(r) < fractionBits<T>()) {
      raise(PE)
      return r
    }
  }
  if (isNan<T>(a)) return nan2<T>(a, a)
  a = daz<T>(a, mxcsr)
  if (magnitude<T>(a) == 0) return a
  if (a & signMask<T>()) return invalid<T>()
  if (a == infinity<T>()) return a
  if (isDenormal<T>(a)) {
    raise(DE)
    if (stops(DE, mxcsr)) return 0
  }
  sqrtCore(exponentOf<T>(a), significandOf<T>(a))
  return roundSse<T>(0, coreExp, coreHigh, coreLow, mxcsr)
}

/** Whether a < b for numbers that are not NaN. */
@inline
export function lessThan<T>(a: u64, b: u64): bool {
  if (magnitude<T>(a | b) == 0) return false
  const na = (a & signMask<T>()) != 0
  const nb = (b & signMask<T>()) != 0
  if (na != nb) return na
  return na ? magnitude<T>(a) > magnitude<T>(b) : a < b
}

/** MIN and MAX: the second operand unless the first is strictly less (greater); any NaN is invalid (SDM vol. 2, MINPS). */
export function pick<T>(a: u64, b: u64, mxcsr: i32, max: bool): u64 {
  if (isNan<T>(a) || isNan<T>(b)) {
    raise(IE)
    return daz<T>(b, mxcsr)
  }
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  raise(denormals<T>(a, b))
  return (max ? lessThan<T>(b, a) : lessThan<T>(a, b)) ? a : b
}
