// ADD, SUB, MUL, DIV, SQRT, MIN, MAX of SSE and AVX, one element at a time.
import { addCore, coreExp, coreHigh, coreLow, coreSign, divCore, mulCore, sqrtCore } from './core'
import { DAZ, DE, FTZ, IE, PE, ZE, flags, raise } from './state'
import {
  daz, denormals, exponentOf, fractionBits, infinity, invalid, isDenormal, isNan, isSignalling, magnitude, maxExp, nan2, quietBit, roundSse,
  signMask, signOf, significandOf, stops
} from './sse-format'

/**
 * The host's own operation is exact where PE is already raised, rounding is to nearest, and operands and result are normal and far
 * from both ends of the range: nothing is left that could change a flag.
 */
@inline
function isPlain<T>(a: u64): bool {
  const e = i32(a >> fractionBits<T>()) & maxExp<T>()
  return <u32>(e - 2) < <u32>(maxExp<T>() - 3)
}
@inline
function fastMode(mxcsr: i32): bool {
  return (flags & PE) != 0 && !(mxcsr & 0x6000)
}

export function add<T>(a: u64, b: u64, mxcsr: i32): u64 {
  if (fastMode(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const r: u64 = sizeof<T>() == 8 ? reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b))
      : u64(reinterpret<u32>(reinterpret<f32>(u32(a)) + reinterpret<f32>(u32(b))))
    if (isPlain<T>(r)) return r
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
  if (fastMode(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const r: u64 = sizeof<T>() == 8 ? reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b))
      : u64(reinterpret<u32>(reinterpret<f32>(u32(a)) * reinterpret<f32>(u32(b))))
    if (isPlain<T>(r)) return r
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
  if (fastMode(mxcsr) && isPlain<T>(a) && isPlain<T>(b)) {
    const r: u64 = sizeof<T>() == 8 ? reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b))
      : u64(reinterpret<u32>(reinterpret<f32>(u32(a)) / reinterpret<f32>(u32(b))))
    if (isPlain<T>(r)) return r
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
