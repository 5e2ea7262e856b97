// FSIN, FCOS, FSINCOS, FPTAN (Intel SDM vol. 1, 8.3.8, 8.3.10). The argument is reduced with the 66-bit pi that the real CPUs use.
import { coreExp, coreHigh, coreLow } from './core'
import {
  denormalStops, exponent80, invalid80, isDenormal80, isInfinite80, isZero80, round80, settles1, sign80, significand80, zero80
} from './f80-format'
import { C2, expResult, result80, secondResult80, setCondition, sigResult } from './state'
import { low } from './wide'
import { divFloat, justBelow, mulFloat, mulHigh128, normalise, toFraction } from './wide-float'
import { sineSeries } from './series'

const SINE = 0
const COSINE = 1
const BOTH = 2
const TANGENT = 3

export function f80_sin(am: u64, ae: i32, cw: i32): void {
  trigonometric(am, ae, cw, SINE)
}
export function f80_cos(am: u64, ae: i32, cw: i32): void {
  trigonometric(am, ae, cw, COSINE)
}
/** FSINCOS: the sine in the first result (ST1 after the push), the cosine in the second (ST0). */
export function f80_sincos(am: u64, ae: i32, cw: i32): void {
  trigonometric(am, ae, cw, BOTH)
}
/** FPTAN: the tangent in the first result (ST1 after the push), what it pushes, 1.0, in the second. */
export function f80_tan(am: u64, ae: i32, cw: i32): void {
  trigonometric(am, ae, cw, TANGENT)
}

// π/2 in units of 2^-65
const PI_HIGH: u64 = 3
const PI_LOW: u64 = 0x243f6a8885a308d3

/** |x| modulo π/2, between -π/4 and π/4: the magnitude in core, the quadrant in bits 0..1 and the sign in bit 2 of the return value. */
function reduce(e: i32, m: u64): i32 {
  if (e < -2) {
    normalise(e, m, 0)
    return 0
  }
  const up = e + 2
  let h: u64 = up == 0 ? 0 : up == 64 ? m : m >> (64 - up)
  let l: u64 = up == 64 ? 0 : m << up
  let q = 0
  for (let k = e < 0 ? 0 : e; k >= 0; k--) {
    const ph = k ? (PI_HIGH << k) | (PI_LOW >> (64 - k)) : PI_HIGH
    const pl = PI_LOW << k
    if (h > ph || (h == ph && l >= pl)) {
      h = h - ph - u64(l < pl)
      l -= pl
      q |= k < 2 ? 1 << k : 0
    }
  }
  if (((h << 1) | (l >> 63)) > PI_HIGH || (((h << 1) | (l >> 63)) == PI_HIGH && l << 1 > PI_LOW)) {
    h = PI_HIGH - h - u64(PI_LOW < l)
    l = PI_LOW - l
    q = ((q + 1) & 3) | 4
  }
  normalise(62, h, l)
  return q
}

function trigonometric(am: u64, ae: i32, cw: i32, what: i32): void {
  setCondition(0)
  if (settles1(ae, am)) return same(what)
  if (isInfinite80(ae, am)) {
    invalid80()
    return same(what)
  }
  const s = sign80(ae)
  if (isZero80(ae, am)) {
    secondResult80(0x3fff, 0x8000000000000000)
    return what == COSINE ? result80(0x3fff, 0x8000000000000000) : zero80(s)
  }
  const e = exponent80(ae, am)
  if (e >= 63) {
    setCondition(C2)
    secondResult80(0, 0)
    return result80(ae, am)
  }
  if (denormalStops(isDenormal80(ae, am), cw)) return
  const octant = reduce(e, significand80(am))
  const quadrant = octant & 3
  const re = coreExp
  const rh = coreHigh
  const rl = coreLow
  const fh = toFraction(re, rh, rl)
  const fl = low
  const uh = mulHigh128(fh, fl, fh, fl)
  const ul = low
  const sh = sineSeries(uh, ul, 1)
  normalise(0, sh, low)
  mulFloat(re, rh, rl, coreExp, coreHigh, coreLow)
  const se = coreExp
  const sm = coreHigh
  const sl = coreLow
  const ch = sineSeries(uh, ul, 0)
  normalise(0, ch, low)
  const ce = coreExp
  const cm = coreHigh
  const cl = coreLow
  const swap: bool = (quadrant & 1) != 0
  const reducedSign = (octant >> 2) & 1
  const sineSign = s ^ (quadrant >> 1) ^ (swap ? 0 : reducedSign)
  const cosineSign = ((quadrant + 1) >> 1 & 1) ^ (swap ? reducedSign : 0)
  if (what == TANGENT) {
    if (swap) divFloat(ce, cm, cl, se, sm, sl)
    else divFloat(se, sm, sl, ce, cm, cl)
    secondResult80(0x3fff, 0x8000000000000000)
    return round80(sineSign ^ cosineSign, coreExp, coreHigh, coreLow | 1, 64, cw)
  }
  if (what != SINE) {
    if (swap) below(cosineSign, se, sm, sl, cw)
    else below(cosineSign, ce, cm, cl, cw)
    if (what == COSINE) return
    secondResult80(expResult, sigResult)
    setCondition(0)
  }
  if (swap) below(sineSign, ce, cm, cl, cw)
  else below(sineSign, se, sm, sl, cw)
}

/** Sine and cosine are smaller than the first terms of their series. */
function below(s: i32, e: i32, h: u64, l: u64, cw: i32): void {
  justBelow(e, h, l)
  round80(s, coreExp, coreHigh, coreLow | 1, 64, cw)
}

function same(what: i32): void {
  if (what >= BOTH) secondResult80(expResult, sigResult)
}
