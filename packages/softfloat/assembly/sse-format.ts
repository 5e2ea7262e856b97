// What SSE and AVX instructions share: formats, operands (DAZ, denormals, NaNs) and rounding under MXCSR (Intel SDM vol. 1, 10.2.3, 11.5).
// Bit patterns are u64 whatever the format; T (f32 or f64) picks the format when the function is compiled.
import { DAZ, DE, FTZ, IE, OE, PE, UE, raise } from './state'
import { low, roundsUp, shiftRightJam } from './wide'

@inline
export function precision<T>(): i32 {
  return sizeof<T>() == 8 ? 53 : 24
}
@inline
export function bias<T>(): i32 {
  return sizeof<T>() == 8 ? 1023 : 127
}
@inline
export function fractionBits<T>(): i32 {
  return sizeof<T>() == 8 ? 52 : 23
}
@inline
export function maxExp<T>(): i32 {
  return sizeof<T>() == 8 ? 0x7ff : 0xff
}
@inline
export function signMask<T>(): u64 {
  return sizeof<T>() == 8 ? 0x8000000000000000 : 0x80000000
}
@inline
export function infinity<T>(): u64 {
  return sizeof<T>() == 8 ? 0x7ff0000000000000 : 0x7f800000
}
@inline
export function quietBit<T>(): u64 {
  return sizeof<T>() == 8 ? 0x0008000000000000 : 0x00400000
}
@inline
export function defaultNan<T>(): u64 {
  return sizeof<T>() == 8 ? 0xfff8000000000000 : 0xffc00000
}
@inline
export function magnitude<T>(a: u64): u64 {
  return a & ~signMask<T>()
}
@inline
export function signOf<T>(a: u64): i32 {
  return i32(a >> (sizeof<T>() == 8 ? 63 : 31))
}
@inline
export function isNan<T>(a: u64): bool {
  return magnitude<T>(a) > infinity<T>()
}
@inline
export function isSignalling<T>(a: u64): bool {
  return isNan<T>(a) && !(a & quietBit<T>())
}
@inline
export function isDenormal<T>(a: u64): bool {
  const m = magnitude<T>(a)
  return m != 0 && m < u64(1) << fractionBits<T>()
}
/** DAZ: a denormal operand counts as a zero of its sign. */
@inline
export function daz<T>(a: u64, mxcsr: i32): u64 {
  return mxcsr & DAZ && isDenormal<T>(a) ? a & signMask<T>() : a
}
/** Whether an exception in `pending` is unmasked, so that the instruction stops before it computes. */
@inline
export function stops(pending: i32, mxcsr: i32): bool {
  return (pending & ~(mxcsr >> 7)) != 0
}

/** The unbiased exponent of a finite nonzero number, denormals normalised. */
@inline
export function exponentOf<T>(a: u64): i32 {
  const e = i32(a >> fractionBits<T>()) & maxExp<T>()
  if (e) return e - bias<T>()
  return 63 - fractionBits<T>() + 1 - bias<T>() - <i32>clz(magnitude<T>(a))
}
/** The significand of a finite nonzero number, top bit set. */
@inline
export function significandOf<T>(a: u64): u64 {
  const e = i32(a >> fractionBits<T>()) & maxExp<T>()
  const m = magnitude<T>(a)
  if (e) return (m << (63 - fractionBits<T>())) | 0x8000000000000000
  return m << clz(m)
}

/** NaN results (SDM vol. 1, table 4-7): the first operand if it is a NaN, else the second, made quiet. */
export function nan2<T>(a: u64, b: u64): u64 {
  if (isSignalling<T>(a) || isSignalling<T>(b)) raise(IE)
  return (isNan<T>(a) ? a : b) | quietBit<T>()
}

export function invalid<T>(): u64 {
  raise(IE)
  return defaultNan<T>()
}

/**
 * Rounds sign, exponent and 128-bit significand to a format of `n` bits and exponents `emin`..`emax`; raises OE, UE, PE.
 * `ftz` asks for zero instead of a tiny result. Tininess is detected after rounding (SDM vol. 1, 4.9.1.5).
 */
@inline
function roundTo(
  s: i32, e: i32, h: u64, l: u64, n: i32, emin: i32, emax: i32, signBit: i32, rc: i32, unmasked: i32, ftz: bool
): u64 {
  let q = h >> (64 - n)
  let r = (h << n) | u64(l != 0)
  const sign = u64(s) << signBit
  const k = emin - e
  if (k > 0) {
    const tiny = !(k == 1 && (q + u64(roundsUp((q & 1) != 0, r, s, rc))) >> n)
    if (tiny && ftz && !(unmasked & UE)) {
      raise(UE | PE)
      return sign
    }
    if (tiny && unmasked & UE) {
      // nothing is written; PE tells whether the result with an unbounded exponent is inexact
      raise(r ? UE | PE : UE)
      return sign
    }
    q = shiftRightJam(q, r, k)
    r = low
    if (roundsUp((q & 1) != 0, r, s, rc)) q++
    if (r) raise(tiny ? UE | PE : PE)
    return sign | q
  }
  if (roundsUp((q & 1) != 0, r, s, rc)) {
    q++
    if (q >> n) {
      q >>= 1
      e++
    }
  }
  if (e > emax) {
    raise(r || !(unmasked & OE) ? OE | PE : OE)
    const largest = (u64(emax - emin + 2) << (n - 1)) - 1
    return sign | (largest + u64(rc == 0 || rc == (s ? 1 : 2)))
  }
  if (r) raise(PE)
  return sign | ((u64(e - emin) << (n - 1)) + q)
}

function round64(s: i32, e: i32, h: u64, l: u64, mxcsr: i32): u64 {
  return roundTo(s, e, h, l, 53, -1022, 1023, 63, (mxcsr >> 13) & 3, ~(mxcsr >> 7), (mxcsr & FTZ) != 0)
}
function round32(s: i32, e: i32, h: u64, l: u64, mxcsr: i32): u64 {
  return roundTo(s, e, h, l, 24, -126, 127, 31, (mxcsr >> 13) & 3, ~(mxcsr >> 7), (mxcsr & FTZ) != 0)
}
/** Half precision has no flush to zero, and its rounding comes from the instruction (SDM vol. 2, VCVTPS2PH). */
export function round16(s: i32, e: i32, h: u64, l: u64, rc: i32, mxcsr: i32): u64 {
  return roundTo(s, e, h, l, 11, -14, 15, 15, rc, ~(mxcsr >> 7), false)
}
@inline
export function roundSse<T>(s: i32, e: i32, h: u64, l: u64, mxcsr: i32): u64 {
  return sizeof<T>() == 8 ? round64(s, e, h, l, mxcsr) : round32(s, e, h, l, mxcsr)
}
/** Denormal operands of a computation. */
@inline
export function denormals<T>(a: u64, b: u64): i32 {
  return isDenormal<T>(a) || isDenormal<T>(b) ? DE : 0
}
