// FPREM, FPREM1, FRNDINT, FSCALE, FXTRACT, FXAM.
import {
  BIAS, denormalStops, exponent80, infinity80, invalid80, isDenormal80, isInfinite80, isNan80, isUnsupported, isZero80, round80, rounding,
  settles1, settles2, sign80, significand80, zero80
} from './f80-format'
import { C0, C1, C2, C3, IE, MSB, PE, ZE, condition, expResult, raise, result80, secondResult80, setCondition, sigResult } from './state'
import { divWide, low, roundsUp, shiftRightJam } from './wide'

/** FPREM: a - b * trunc(a / b), exact; C2 set when only a part of the exponent difference could be reduced. */
export function f80_rem(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  remainder(am, ae, bm, be, false, cw)
}
/** FPREM1: the IEEE remainder, quotient rounded to nearest even. */
export function f80_rem1(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  remainder(am, ae, bm, be, true, cw)
}

function remainder(am: u64, ae: i32, bm: u64, be: i32, nearest: bool, cw: i32): void {
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  if (isInfinite80(ae, am) || isZero80(be, bm)) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  let s = sign80(ae)
  if (am == 0) return zero80(s)
  const ea = exponent80(ae, am)
  const ma = significand80(am)
  if (isInfinite80(be, bm)) return round80(s, ea, ma, 0, 64, cw)
  const eb = exponent80(be, bm)
  const mb = significand80(bm)
  const d = ea - eb
  if (d < -1 || (d < 0 && !nearest)) return round80(s, ea, ma, 0, 64, cw)
  let q: u64 = 0
  let r = ma
  if (d >= 64) {
    // a partial step: the quotient's top n bits, 32 <= n <= 63
    const n = 32 + (d & 31)
    if (r >= mb) r -= mb
    divWide(r >> (64 - n), r << n, mb)
    r = low
    setCondition(C2)
    if (r == 0) return zero80(s)
    return round80(s, eb + d - n - <i32>clz(r), r << clz(r), 0, 64, cw)
  }
  let e = eb
  if (d < 0) {
    // half of b's binade: |a| < |b|, the quotient is 0 or 1
    e = ea
  } else {
    if (r >= mb) {
      r -= mb
      q = 1
    }
    if (d) {
      q = (q << d) | divWide(r >> (64 - d), r << d, mb)
      r = low
    }
  }
  if (nearest) {
    // compare 2r with b; for d = -1, r is in units of half: a with b / 2
    const over: bool = d < 0 ? r > mb : r > mb - r
    const half: bool = d < 0 ? r == mb : r == mb - r
    if (over || (half && q & 1)) {
      q++
      s ^= 1
      if (d < 0) {
        // b - a in units of a's last place: 2 * mb - r
        const h = mb >> 63
        const l = (mb << 1) - r
        const t = h - u64((mb << 1) < r)
        if (t) {
          setQuotient(q)
          return round80(s, e + 1, (t << 63) | (l >> 1), l << 63, 64, cw)
        }
        r = l
      } else r = mb - r
    }
  }
  setQuotient(q)
  if (r == 0) return zero80(s)
  round80(s, e - <i32>clz(r), r << clz(r), 0, 64, cw)
}
function setQuotient(q: u64): void {
  const v = i32(q & 7)
  setCondition((v & 4 ? C0 : 0) | (v & 2 ? C3 : 0) | (v & 1 ? C1 : 0))
}

export function f80_roundToIntegral(am: u64, ae: i32, cw: i32): void {
  setCondition(0)
  if (settles1(ae, am)) return
  if (denormalStops(isDenormal80(ae, am), cw)) return
  if (am == 0 || (ae & 0x7fff) >= BIAS + 63) return result80(ae, am)
  const s = sign80(ae)
  let q = shiftRightJam(significand80(am), 0, 63 - exponent80(ae, am))
  const r = low
  if (r) raise(PE)
  if (roundsUp((q & 1) != 0, r, s, rounding(cw))) {
    q++
    setCondition(C1)
  }
  if (q == 0) return zero80(s)
  const n = <i32>clz(q)
  result80((s << 15) | (BIAS + 63 - n), q << n)
}

/** FSCALE: a * 2^trunc(b). */
export function f80_scale(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const s = sign80(ae)
  const infB = isInfinite80(be, bm)
  if (infB && (sign80(be) ? isInfinite80(ae, am) : isZero80(ae, am))) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (isInfinite80(ae, am) || isZero80(ae, am)) return result80(ae, am)
  if (infB) return sign80(be) ? zero80(s) : infinity80(s)
  let n = 0
  if (bm != 0) {
    const eb = exponent80(be, bm)
    n = eb < 0 ? 0 : eb > 16 ? 0x1ffff : i32(significand80(bm) >> (63 - eb))
    if (sign80(be)) n = -n
  }
  round80(s, exponent80(ae, am) + n, significand80(am), 0, 64, cw)
}

/** FXTRACT: the exponent of a in the first result, its significand in the second. */
export function f80_extract(am: u64, ae: i32, cw: i32): void {
  setCondition(0)
  if (settles1(ae, am)) return both()
  if (isZero80(ae, am)) {
    raise(ZE)
    secondResult80(ae, am)
    return infinity80(1)
  }
  if (isInfinite80(ae, am)) {
    secondResult80(ae, am)
    return infinity80(0)
  }
  if (denormalStops(isDenormal80(ae, am), cw)) return
  secondResult80((ae & 0x8000) | BIAS, significand80(am))
  const e = exponent80(ae, am)
  if (e == 0) return zero80(0)
  const v = u64(e < 0 ? -e : e)
  const n = <i32>clz(v)
  result80((i32(e < 0) << 15) | (BIAS + 63 - n), v << n)
}
function both(): void {
  secondResult80(expResult, sigResult)
}

/** FXAM of a register that is not empty: C3, C2, C0 by class and C1 the sign (SDM vol. 2, FXAM). */
export function f80_examine(am: u64, ae: i32): i32 {
  let c = (ae >> 6) & C1
  const e = ae & 0x7fff
  if (isUnsupported(ae, am)) c |= 0
  else if (e == 0x7fff) c |= am << 1 ? C0 : C2 | C0
  else if (e) c |= C2
  else c |= am == 0 ? C3 : C3 | C2
  setCondition(c)
  return c
}
