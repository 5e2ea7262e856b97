// Comparison, rounding to integral values and conversions of SSE, AVX and F16C.
import { DE, EQUAL, GREATER, IE, LESS, PE, UNORDERED, raise } from './state'
import {
  bias, daz, denormals, exponentOf, fractionBits, infinity, isDenormal, isNan, isSignalling, magnitude, nan2, precision, quietBit, round16,
  roundSse, signMask, signOf, significandOf, stops
} from './sse-format'
import { lessThan } from './sse-arithmetic'
import { low, roundsUp, shiftRightJam } from './wide'

/** COMIS (signals on any NaN) and UCOMIS (only on signalling ones). */
export function compare<T>(a: u64, b: u64, signal: bool, mxcsr: i32): i32 {
  if (isNan<T>(a) || isNan<T>(b)) {
    if (signal || isSignalling<T>(a) || isSignalling<T>(b)) raise(IE)
    return UNORDERED
  }
  a = daz<T>(a, mxcsr)
  b = daz<T>(b, mxcsr)
  raise(denormals<T>(a, b))
  return lessThan<T>(a, b) ? LESS : lessThan<T>(b, a) ? GREATER : EQUAL
}

/** CMPPS predicates 0..31 (SDM vol. 2, CMPPD table 3-1): a nibble each of unordered 8, less 4, equal 2, greater 1. */
export function predicate<T>(a: u64, b: u64, imm: i32, mxcsr: i32): i32 {
  const signal: bool = ((0x99996666 >>> (imm & 31)) & 1) != 0
  const r = compare<T>(a, b, signal, mxcsr)
  const bit = r == UNORDERED ? 3 : r == LESS ? 2 : r == EQUAL ? 1 : 0
  return i32((u64(0xf1350eca79bd8642) >> ((imm & 15) * 4 + bit)) & 1)
}

/** ROUNDSS: rounding from the immediate or, with bit 2, from MXCSR; bit 3 suppresses PE. */
export function roundIntegral<T>(a: u64, imm: i32, mxcsr: i32): u64 {
  if (isNan<T>(a)) return nan2<T>(a, a)
  a = daz<T>(a, mxcsr)
  const m = magnitude<T>(a)
  if (m == 0 || m == infinity<T>()) return a
  const e = exponentOf<T>(a)
  if (e >= fractionBits<T>()) return a
  const s = signOf<T>(a)
  let q = shiftRightJam(significandOf<T>(a), 0, 63 - e)
  const r = low
  if (r == 0) return a
  if (!(imm & 8)) raise(PE)
  if (roundsUp((q & 1) != 0, r, s, imm & 4 ? (mxcsr >> 13) & 3 : imm & 3)) q++
  const sign = a & signMask<T>()
  if (q == 0) return sign
  const n = <i32>clz(q)
  return sign | ((u64(63 - n + bias<T>() - 1) << fractionBits<T>()) + ((q << n) >> (63 - fractionBits<T>())))
}

/** To a signed integer of 32 or 64 bits; what does not fit is the integer indefinite. */
export function toInteger<T>(a: u64, bits: i32, rc: i32, mxcsr: i32): i64 {
  const indefinite: i64 = i64.MIN_VALUE >> (64 - bits)
  if (isNan<T>(a) || magnitude<T>(a) == infinity<T>()) {
    raise(IE)
    return indefinite
  }
  a = daz<T>(a, mxcsr)
  if (magnitude<T>(a) == 0) return 0
  const e = exponentOf<T>(a)
  const s = signOf<T>(a)
  if (e > 63) {
    raise(IE)
    return indefinite
  }
  let q = shiftRightJam(significandOf<T>(a), 0, 63 - e)
  const r = low
  if (roundsUp((q & 1) != 0, r, s, rc)) q++
  const limit = u64(1) << (bits - 1)
  if (s ? q > limit : q >= limit) {
    raise(IE)
    return indefinite
  }
  if (r) raise(PE)
  return s ? -i64(q) : i64(q)
}

export function fromInteger<T>(a: i64, mxcsr: i32): u64 {
  if (a == 0) return 0
  const m = a < 0 ? -u64(a) : u64(a)
  const n = <i32>clz(m)
  return roundSse<T>(i32(a < 0), 63 - n, m << n, 0, mxcsr)
}

export function widen(a: u64, mxcsr: i32): u64 {
  if (isNan<f32>(a)) {
    if (isSignalling<f32>(a)) raise(IE)
    return ((a & 0x80000000) << 32) | ((a & 0x7fffff) << 29) | 0x7ff8000000000000
  }
  a = daz<f32>(a, mxcsr)
  const sign = (a & 0x80000000) << 32
  const m = magnitude<f32>(a)
  if (m == 0) return sign
  if (m == infinity<f32>()) return sign | 0x7ff0000000000000
  if (isDenormal<f32>(a)) raise(DE)
  return sign | ((u64(exponentOf<f32>(a) + 1022) << 52) + (significandOf<f32>(a) >> 11))
}

export function narrow(a: u64, mxcsr: i32): u64 {
  if (isNan<f64>(a)) {
    if (isSignalling<f64>(a)) raise(IE)
    return ((a >> 32) & 0x80000000) | 0x7fc00000 | ((a >> 29) & 0x3fffff)
  }
  a = daz<f64>(a, mxcsr)
  const sign = (a >> 32) & 0x80000000
  const m = magnitude<f64>(a)
  if (m == 0) return sign
  if (m == infinity<f64>()) return sign | 0x7f800000
  if (isDenormal<f64>(a)) {
    raise(DE)
    if (stops(DE, mxcsr)) return 0
  }
  return roundSse<f32>(signOf<f64>(a), exponentOf<f64>(a), significandOf<f64>(a), 0, mxcsr)
}

/** VCVTPH2PS: exact; half denormals are normal singles and raise nothing (SDM vol. 2). */
export function fromHalf(a: u64): u64 {
  const sign = (a & 0x8000) << 16
  const m = a & 0x7fff
  if (m > 0x7c00) {
    if (!(m & 0x200)) raise(IE)
    return sign | 0x7fc00000 | ((m & 0x3ff) << 13)
  }
  if (m == 0x7c00) return sign | 0x7f800000
  if (m >= 0x400) return sign | ((m << 13) + 0x38000000)
  if (m == 0) return sign
  const n = clz(m) - 53
  return sign | (((113 - n) << 23) + ((m << (n + 13)) & 0x7fffff))
}

/** VCVTPS2PH: rounding from the immediate or, with bit 2, from MXCSR; MXCSR.FTZ has no effect. */
export function toHalf(a: u64, imm: i32, mxcsr: i32): u64 {
  if (isNan<f32>(a)) {
    if (isSignalling<f32>(a)) raise(IE)
    return ((a >> 16) & 0x8000) | 0x7e00 | ((a >> 13) & 0x1ff)
  }
  a = daz<f32>(a, mxcsr)
  const sign = (a >> 16) & 0x8000
  const m = magnitude<f32>(a)
  if (m == 0) return sign
  if (m == infinity<f32>()) return sign | 0x7c00
  if (isDenormal<f32>(a)) {
    raise(DE)
    if (stops(DE, mxcsr)) return 0
  }
  return round16(signOf<f32>(a), exponentOf<f32>(a), significandOf<f32>(a), 0, imm & 4 ? (mxcsr >> 13) & 3 : imm & 3, mxcsr)
}
