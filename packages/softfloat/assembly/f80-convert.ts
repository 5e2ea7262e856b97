// FLD, FST, FILD, FIST, FISTTP, FBLD, FBSTP: conversions between the double extended format and what stands in memory.
import {
  BIAS, denormalStops, exponent80, invalid80, isDenormal80, isInfinite80, isNan80, isPlain, isSignalling80, isUnsupported, rounding, sign80, significand80
} from './f80-format'
import { C1, DE, IE, MSB, OE, PE, UE, condition, expResult, raise, result80, setCondition, sigResult } from './state'
import { low, roundsUp, shiftRightJam } from './wide'

/** DENORMAL_OPERAND when the last f80_widen* met a denormal, else 0: to be OR-ed to the control word of the operation that follows. */
export let widenedDenormal: i32 = 0

/** The memory operand of FADD m32fp and its like: nothing is raised, a signalling NaN stays one; the denormal is in `widenedDenormal`. */
export function f80_widenF32(a: i32): void {
  expand(i32(a >>> 31), (a >>> 23) & 0xff, u64(a & 0x7fffff) << 40, 0xff, 127)
}
export function f80_widenF64(a: u64): void {
  expand(i32(a >> 63), i32(a >> 52) & 0x7ff, (a & 0xfffffffffffff) << 11, 0x7ff, 1023)
}
function expand(s: i32, e: i32, fraction: u64, top: i32, bias: i32): void {
  widenedDenormal = 0
  if (e == top) return result80((s << 15) | 0x7fff, fraction | MSB)
  if (e) return result80((s << 15) | (e - bias + BIAS), fraction | MSB)
  if (fraction == 0) return result80(s << 15, 0)
  widenedDenormal = 0x10000
  const n = <i32>clz(fraction)
  result80((s << 15) | (1 - bias + BIAS - n), fraction << n)
}

/** FLD m32fp: raises IE for a signalling NaN, made quiet, and DE for a denormal. */
export function f80_fromF32(a: i32): void {
  setCondition(0)
  f80_widenF32(a)
  load((a >>> 23 & 0xff) == 0xff && (a & 0x7fffff) != 0, (a & 0x400000) == 0)
}
/** FLD m64fp. */
export function f80_fromF64(a: u64): void {
  setCondition(0)
  f80_widenF64(a)
  load((a >> 52 & 0x7ff) == 0x7ff && (a & 0xfffffffffffff) != 0, (a & 0x8000000000000) == 0)
}
function load(nan: bool, signalling: bool): void {
  if (widenedDenormal) raise(DE)
  if (nan && signalling) {
    raise(IE)
    quieten()
  }
}
function quieten(): void {
  result80(expResult, sigResult | 0x4000000000000000)
}

/** FST m32fp. With an unmasked exception of IE, OE or UE in the flags the instruction does not store. */
export function f80_toF32(am: u64, ae: i32, cw: i32): i32 {
  return i32(store(am, ae, cw, 24, 127, 31))
}
/** FST m64fp. */
export function f80_toF64(am: u64, ae: i32, cw: i32): u64 {
  return store(am, ae, cw, 53, 1023, 63)
}
@inline
function store(am: u64, ae: i32, cw: i32, n: i32, bias: i32, signBit: i32): u64 {
  const to = (ae & 0x7fff) - BIAS + bias
  if (isPlain(ae, am) && (cw & 0xc3f) == 0x3f && u32(to - 1) < u32(2 * bias - 1)) {
    const lost = am << n
    const up = lost > MSB || (lost == MSB && ((am >> (64 - n)) & 1) != 0)
    if (lost) raise(PE)
    setCondition(up ? C1 : 0)
    return (u64(sign80(ae)) << signBit) | ((u64(to - 1) << (n - 1)) + (am >> (64 - n)) + u64(up))
  }
  return storeAny(am, ae, cw, n, bias, signBit)
}
function storeAny(am: u64, ae: i32, cw: i32, n: i32, bias: i32, signBit: i32): u64 {
  setCondition(0)
  const s = sign80(ae)
  const sign = u64(s) << signBit
  const inf = u64(2 * bias + 1) << (n - 1)
  if (isUnsupported(ae, am)) {
    raise(IE)
    return (u64(1) << signBit) | inf | (u64(1) << (n - 2))
  }
  if (isNan80(ae, am)) {
    if (isSignalling80(ae, am)) raise(IE)
    return sign | inf | (u64(1) << (n - 2)) | ((am << 1) >> (65 - n))
  }
  if (isInfinite80(ae, am)) return sign | inf
  if (am == 0) return sign
  const rc = rounding(cw)
  let e = exponent80(ae, am)
  const m = significand80(am)
  let q = m >> (64 - n)
  let r = m << n
  let up = roundsUp((q & 1) != 0, r, s, rc)
  if (e < 1 - bias) {
    const tiny = !(e == -bias && (q + u64(up)) >> n)
    q = shiftRightJam(q, r, 1 - bias - e)
    r = low
    up = roundsUp((q & 1) != 0, r, s, rc)
    if (tiny && (r || !(cw & UE))) raise(UE)
    if (tiny && !(cw & UE)) return 0
    inexact(r != 0, up)
    return sign | (q + u64(up))
  }
  q += u64(up)
  if (q >> n) {
    q >>= 1
    e++
  }
  if (e > bias) {
    raise(OE)
    if (!(cw & OE)) return 0
    const toInf = rc == 0 || rc == (s ? 1 : 2)
    inexact(true, toInf)
    return sign | (toInf ? inf : inf - 1)
  }
  inexact(r != 0, up)
  return sign | ((u64(e + bias - 1) << (n - 1)) + q)
}
function inexact(lost: bool, up: bool): void {
  if (lost) raise(PE)
  if (up) setCondition(condition | C1)
}

/** FIST m16int, FISTP; FISTTP is the same with rounding control 3 in `cw`. Not representable: IE and the integer indefinite. */
export function f80_toI16(am: u64, ae: i32, cw: i32): i32 {
  return i32(integer(am, ae, cw, 16))
}
export function f80_toI32(am: u64, ae: i32, cw: i32): i32 {
  return i32(integer(am, ae, cw, 32))
}
export function f80_toI64(am: u64, ae: i32, cw: i32): i64 {
  return integer(am, ae, cw, 64)
}
@inline
function integer(am: u64, ae: i32, cw: i32, bits: i32): i64 {
  const e = (ae & 0x7fff) - BIAS
  const rc = rounding(cw)
  // of one or more, and below half of the limit, to nearest or towards zero
  if (u32(e) < u32(bits - 2) && i64(am) < 0 && (rc == 0 || rc == 3)) {
    const q = am >> (63 - e)
    const lost = (am << 1) << e
    const up = rc == 0 && (lost > MSB || (lost == MSB && (q & 1) != 0))
    if (lost) raise(PE)
    setCondition(up ? C1 : 0)
    const v = i64(q + u64(up))
    return sign80(ae) ? -v : v
  }
  return integerAny(am, ae, cw, bits)
}
function integerAny(am: u64, ae: i32, cw: i32, bits: i32): i64 {
  setCondition(0)
  const indefinite: i64 = i64.MIN_VALUE >> (64 - bits)
  if (isUnsupported(ae, am) || (ae & 0x7fff) == 0x7fff) {
    raise(IE)
    return indefinite
  }
  if (am == 0) return 0
  const s = sign80(ae)
  const e = exponent80(ae, am)
  if (e > 63) {
    raise(IE)
    return indefinite
  }
  const q = shiftRightJam(significand80(am), 0, 63 - e)
  const r = low
  const up = roundsUp((q & 1) != 0, r, s, rounding(cw))
  const v = q + u64(up)
  const limit = u64(1) << (bits - 1)
  if ((up && v == 0) || (s ? v > limit : v >= limit)) {
    raise(IE)
    return indefinite
  }
  inexact(r != 0, up)
  return s ? -i64(v) : i64(v)
}

/** FILD of any size, sign-extended by the caller. */
export function f80_fromI64(a: i64): void {
  setCondition(0)
  if (a == 0) return result80(0, 0)
  const m = a < 0 ? -u64(a) : u64(a)
  const n = <i32>clz(m)
  result80((i32(a < 0) << 15) | (BIAS + 63 - n), m << n)
}

/** FBLD: `digits` are the low sixteen BCD digits, `top` the two high ones and the sign in bit 15. Not decimal: undefined, no exception. */
export function f80_fromBcd(digits: u64, top: i32): void {
  let v: u64 = 0
  v = u64((top >> 4) & 15) * 10 + u64(top & 15)
  for (let i = 60; i >= 0; i -= 4) v = v * 10 + ((digits >> i) & 15)
  f80_fromI64(v)
  result80((expResult & 0x7fff) | (top & 0x8000), sigResult)
}

/** FBSTP: sixteen digits in `sigResult`, two digits and the sign in `expResult`; the packed decimal indefinite on IE. */
export function f80_toBcd(am: u64, ae: i32, cw: i32): void {
  setCondition(0)
  const s = sign80(ae)
  let v: u64 = 0
  if (isUnsupported(ae, am) || (ae & 0x7fff) == 0x7fff || (am != 0 && exponent80(ae, am) > 63)) v = u64.MAX_VALUE
  else if (am != 0) {
    const q = shiftRightJam(significand80(am), 0, 63 - exponent80(ae, am))
    const r = low
    const up = roundsUp((q & 1) != 0, r, s, rounding(cw))
    v = q + u64(up)
    if (v <= 999999999999999999) inexact(r != 0, up)
  }
  if (v > 999999999999999999) {
    raise(IE)
    setCondition(0)
    return result80(0xffff, 0xc000000000000000)
  }
  let digits: u64 = 0
  for (let i = 0; i < 64; i += 4) {
    digits |= (v % 10) << i
    v /= 10
  }
  result80((s << 15) | i32(v / 10 << 4 | v % 10), digits)
}
