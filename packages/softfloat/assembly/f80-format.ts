// The double extended format and what x87 instructions share (Intel SDM vol. 1, 4.2.2, 4.8, 8.1.5, 8.5).
// A number is `sig`, its significand with the explicit integer bit, and `se`, the sign in bit 15 above the biased exponent.
// `cw` is the x87 control word: masks in bits 0..5, precision control in bits 8..9, rounding control in bits 10..11.
import { C1, DE, IE, MSB, OE, PE, UE, condition, raise, result80, setCondition } from './state'
import { low, roundsUp, shiftRightJam } from './wide'

/** A bit beside the control word: the memory operand was a denormal single or double before it was widened. */
export const DENORMAL_OPERAND: i32 = 0x10000

export const BIAS: i32 = 16383
/** What is added to the exponent of an unmasked underflow's result and taken from an overflow's (SDM vol. 1, 8.5.4, 8.5.5). */
export const BIAS_ADJUST: i32 = 24576

@inline
export function isUnsupported(se: i32, sig: u64): bool {
  return (se & 0x7fff) != 0 && !(sig >> 63)
}
@inline
export function isNan80(se: i32, sig: u64): bool {
  return (se & 0x7fff) == 0x7fff && sig << 1 != 0
}
@inline
export function isSignalling80(se: i32, sig: u64): bool {
  return (se & 0x7fff) == 0x7fff && sig << 1 != 0 && !(sig & 0x4000000000000000)
}
@inline
export function isInfinite80(se: i32, sig: u64): bool {
  return (se & 0x7fff) == 0x7fff && sig << 1 == 0
}
/** Denormals and pseudo-denormals. */
@inline
export function isDenormal80(se: i32, sig: u64): bool {
  return (se & 0x7fff) == 0 && sig != 0
}
@inline
export function isZero80(se: i32, sig: u64): bool {
  return (se & 0x7fff) == 0 && sig == 0
}
@inline
export function sign80(se: i32): i32 {
  return (se >> 15) & 1
}
@inline
export function exponent80(se: i32, sig: u64): i32 {
  const e = se & 0x7fff
  return (e ? e : 1) - BIAS - <i32>clz(sig)
}
@inline
export function significand80(sig: u64): u64 {
  return sig << clz(sig)
}
@inline
export function rounding(cw: i32): i32 {
  return (cw >> 10) & 3
}
@inline
export function stops80(pending: i32, cw: i32): bool {
  return (pending & ~cw) != 0
}

/** A normal number: neither zero, denormal, infinite, NaN nor unsupported. */
@inline
export function isPlain(se: i32, sig: u64): bool {
  return u32((se & 0x7fff) - 1) < 0x7ffe && i64(sig) < 0
}
/** All exceptions masked, 64 bits of precision, to nearest, and no widened denormal: as programs have it. */
@inline
export function isUsual(cw: i32): bool {
  return (cw & (DENORMAL_OPERAND | 0xf3f)) == 0x33f
}
/** Rounds to nearest a normalised significand and what is behind it. False, and nothing done, unless the result is a normal number. */
@inline
export function finishPlain(sign: i32, exponent: i32, h: u64, l: u64): bool {
  const up = l > MSB || (l == MSB && (h & 1) != 0)
  h += u64(up)
  const carried = up && h == 0
  const e = exponent + i32(carried)
  if (u32(e - 1) >= 0x7ffe) return false
  result80(sign | e, carried ? MSB : h)
  if (l) raise(PE)
  setCondition(up ? C1 : 0)
  return true
}

export function invalid80(): void {
  raise(IE)
  result80(0xffff, 0xc000000000000000)
}
export function zero80(s: i32): void {
  result80(s << 15, 0)
}
export function infinity80(s: i32): void {
  result80((s << 15) | 0x7fff, MSB)
}

/**
 * Settles operands that are unsupported or NaN: raises IE where due, leaves the result and says true.
 * Of two NaNs the one with the larger significand wins, of equal ones the positive; a quiet one before a signalling one.
 */
export function settles2(ae: i32, am: u64, be: i32, bm: u64): bool {
  if (isUnsupported(ae, am) || isUnsupported(be, bm)) {
    invalid80()
    return true
  }
  const na = isNan80(ae, am)
  const nb = isNan80(be, bm)
  if (!na && !nb) return false
  const sa = isSignalling80(ae, am)
  const sb = isSignalling80(be, bm)
  if (sa || sb) raise(IE)
  let first = na
  if (na && nb) {
    if (sa != sb) first = sb
    else if (am != bm) first = am > bm
    else first = sign80(ae) == 0
  }
  if (first) result80(ae, am | 0x4000000000000000)
  else result80(be, bm | 0x4000000000000000)
  return true
}
export function settles1(ae: i32, am: u64): bool {
  if (isUnsupported(ae, am)) {
    invalid80()
    return true
  }
  if (!isNan80(ae, am)) return false
  if (isSignalling80(ae, am)) raise(IE)
  result80(ae, am | 0x4000000000000000)
  return true
}

/** Raises DE for a denormal operand; says whether it is unmasked, which ends the instruction. */
@inline
export function denormalStops(denormal: bool, cw: i32): bool {
  if (!denormal && !(cw & DENORMAL_OPERAND)) return false
  raise(DE)
  return (~cw & DE) != 0
}

/** Precision control: 0 is 24 bits, 2 is 53, 3 is 64 (SDM vol. 1, table 8-2). */
@inline
export function precision80(cw: i32): i32 {
  const pc = (cw >> 8) & 3
  return pc == 3 || pc == 1 ? 64 : pc == 2 ? 53 : 24
}

/** Rounds to `n` bits in the full exponent range and leaves the result; raises OE, UE, PE; C1 says the magnitude was rounded up. */
export function round80(s: i32, e: i32, h: u64, l: u64, n: i32, cw: i32): void {
  const mask: u64 = n == 64 ? 0 : (u64(1) << (64 - n)) - 1
  const unit: u64 = mask + 1
  const rc = rounding(cw)
  if (e < 1 - BIAS) {
    let r = n == 64 ? l : (h << n) | u64(l != 0)
    let q = h & ~mask
    const up = roundsUp((q & unit) != 0, r, s, rc)
    const tiny = !(e == -BIAS && up && q + unit == 0)
    if (tiny && !(cw & UE)) {
      // unmasked: the exponent is wrapped and the number rounded as if it were normal
      raise(UE)
      if (e + BIAS_ADJUST < 1 - BIAS) {
        zero80(s)
        raise(PE)
        return
      }
      finish80(s, e + BIAS_ADJUST, q, r, up, unit)
      return
    }
    h = shiftRightJam(h, l, 1 - BIAS - e)
    l = low
    r = n == 64 ? l : (h << n) | u64(l != 0)
    q = h & ~mask
    if (roundsUp((q & unit) != 0, r, s, rc)) {
      q += unit
      setCondition(condition | C1)
    }
    if (r) raise(tiny ? UE | PE : PE)
    result80((s << 15) | i32(q >> 63), q)
    return
  }
  const r = n == 64 ? l : (h << n) | u64(l != 0)
  const q = h & ~mask
  const up = roundsUp((q & unit) != 0, r, s, rc)
  const top = e + i32(up && q + unit == 0)
  if (top > BIAS) {
    raise(OE)
    if (!(cw & OE)) {
      if (top - BIAS_ADJUST > BIAS) {
        // FSCALE alone gets so far
        infinity80(s)
        raise(PE)
        setCondition(C1)
        return
      }
      finish80(s, e - BIAS_ADJUST, q, r, up, unit)
      return
    }
    raise(PE)
    if (rc == 0 || rc == (s ? 1 : 2)) {
      infinity80(s)
      setCondition(condition | C1)
    } else result80((s << 15) | 0x7ffe, ~mask)
    return
  }
  finish80(s, e, q, r, up, unit)
}

function finish80(s: i32, e: i32, q: u64, r: u64, up: bool, unit: u64): void {
  if (up) {
    q += unit
    if (q == 0) {
      q = MSB
      e++
    }
    setCondition(condition | C1)
  }
  if (r) raise(PE)
  result80((s << 15) | (e + BIAS), q)
}
