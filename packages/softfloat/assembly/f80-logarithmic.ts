// F2XM1, FYL2X, FYL2XP1, FPATAN (Intel SDM vol. 1, 8.3.8..8.3.10; special operands: vol. 2).
import { addWide, coreExp, coreHigh, coreLow, coreSign } from './core'
import {
  denormalStops, exponent80, infinity80, invalid80, isDenormal80, isInfinite80, isZero80, round80, settles1, settles2, sign80, significand80,
  zero80
} from './f80-format'
import { MSB, PE, UE, ZE, expResult, raise, result80, setCondition, sigResult } from './state'
import { low, mulHigh } from './wide'
import { divFloat, justBelow, mulFloat, mulHigh128, normalise, toFraction } from './wide-float'
import { arcSeries, exponentialSeries } from './series'

/** 2^a - 1 for -1 <= a <= 1; outside of it the instruction is undefined. */
export function f80_f2xm1(am: u64, ae: i32, cw: i32): void {
  setCondition(0)
  if (settles1(ae, am)) return
  if (isZero80(ae, am)) return result80(ae, am)
  const s = sign80(ae)
  if (isInfinite80(ae, am)) return s ? result80(0xbfff, MSB) : infinity80(0)
  if (denormalStops(isDenormal80(ae, am), cw)) return
  const e = exponent80(ae, am)
  const m = significand80(am)
  if (e >= 0) {
    // 1 and -1 are exact but real CPUs raise PE for them too; outside of the range they leave the operand
    raise(PE)
    if (e == 0 && m == MSB) return s ? result80(0xbffe, MSB) : result80(0x3fff, MSB)
    return result80(ae, am)
  }
  mulFloat(e, m, 0, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)
  const ye = coreExp
  const yh = coreHigh
  const yl = coreLow
  const fh = toFraction(ye, yh, yl)
  const p = exponentialSeries(fh, low, s != 0)
  normalise(0, p, low)
  mulFloat(ye, yh, yl, coreExp, coreHigh, coreLow)
  round80(s, coreExp, coreHigh, coreLow | 1, 64, cw)
}

/** z * (1 + z^2/3 + ...) * 2 / ln 2 = log2((1 + z) / (1 - z)), z = (a / b) from core numbers already divided; keeps coreSign out. */
function logarithmOfRatio(): void {
  const ze = coreExp
  const zh = coreHigh
  const zl = coreLow
  const fh = toFraction(ze, zh, zl)
  const fl = low
  const uh = mulHigh128(fh, fl, fh, fl)
  const p = arcSeries(uh, low, false)
  normalise(0, p, low)
  mulFloat(ze, zh, zl, coreExp, coreHigh, coreLow)
  mulFloat(coreExp, coreHigh, coreLow, 1, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89)
}

let logSign: i32 = 0
let logExact: bool = false

/** log2 of a positive number: magnitude in core (0 for 1), sign in logSign. */
function logarithm(e: i32, h: u64, l: u64): void {
  let k = e
  e = 0
  if (h > 0xb504f333f9de6484) {
    k++
    e = -1
  }
  addWide(0, e, h, l, 1, 0, MSB, 0)
  logExact = coreHigh == 0
  if (!logExact) {
    const s = coreSign
    const ne = coreExp
    const nh = coreHigh
    const nl = coreLow
    addWide(0, e, h, l, 0, 0, MSB, 0)
    divFloat(ne, nh, nl, coreExp, coreHigh, coreLow)
    logarithmOfRatio()
    logSign = s
    if (k == 0) return
    const n = u64(k < 0 ? -k : k)
    const z = <i32>clz(n)
    addWide(i32(k < 0), 63 - z, n << z, 0, s, coreExp, coreHigh, coreLow)
    logSign = coreSign
    return
  }
  logSign = i32(k < 0)
  const n = u64(k < 0 ? -k : k)
  normalise(63, n, 0)
}

/** FYL2X: b * log2(a); a is ST0, b is ST1. */
export function f80_yl2x(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const zeroA = isZero80(ae, am)
  const zeroB = isZero80(be, bm)
  const infA = isInfinite80(ae, am)
  const infB = isInfinite80(be, bm)
  const sb = sign80(be)
  if (sign80(ae) && !zeroA) return invalid80()
  if ((zeroA || infA) && zeroB) return invalid80()
  if (zeroA) {
    if (!infB) raise(ZE)
    return infinity80(sb ^ 1)
  }
  if (infA) {
    if (denormalStops(isDenormal80(be, bm), cw)) return
    return infinity80(sb)
  }
  const e = exponent80(ae, am)
  const m = significand80(am)
  const one = e == 0 && m == MSB
  if (one && infB) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  const below = i32(e < 0)
  if (infB) return infinity80(sb ^ below)
  if (zeroB || one) return zero80(sb ^ below)
  logarithm(e, m, 0)
  scaled(bm, be, cw)
}
function scaled(bm: u64, be: i32, cw: i32): void {
  const s = sign80(be) ^ logSign
  mulFloat(exponent80(be, bm), significand80(bm), 0, coreExp, coreHigh, coreLow)
  round80(s, coreExp, coreHigh, logExact ? coreLow : coreLow | 1, 64, cw)
  // real CPUs call every result inexact, so that every denormal one underflows
  raise((expResult & 0x7fff) == 0 && sigResult >> 63 == 0 ? UE | PE : PE)
}

/** FYL2XP1: b * log2(a + 1); a is ST0, b is ST1. Undefined for |a| > 1 - sqrt(1/2). */
export function f80_yl2xp1(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const s = sign80(ae)
  const sb = sign80(be)
  const zeroA = isZero80(ae, am)
  const zeroB = isZero80(be, bm)
  const infA = isInfinite80(ae, am)
  const infB = isInfinite80(be, bm)
  if ((infA && (s || zeroB)) || (zeroA && infB)) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (infA || infB) return infinity80(sb ^ s)
  if (zeroA || zeroB) return zero80(sb ^ s)
  const e = exponent80(ae, am)
  const m = significand80(am)
  if (s && e >= 0) {
    // undefined; real CPUs leave the operand
    raise(PE)
    return result80(ae, am)
  }
  if (e < -2) {
    addWide(0, 1, MSB, 0, s, e, m, 0)
    divFloat(e, m, 0, coreExp, coreHigh, coreLow)
    logarithmOfRatio()
    logSign = s
    logExact = false
  } else {
    addWide(0, 0, MSB, 0, s, e, m, 0)
    logarithm(coreExp, coreHigh, coreLow)
  }
  scaled(bm, be, cw)
}

/** FPATAN: atan2(b, a), the angle of the point (a, b); a is ST0, b is ST1. */
export function f80_atan(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const sa = sign80(ae)
  const sb = sign80(be)
  const infA = isInfinite80(ae, am)
  const infB = isInfinite80(be, bm)
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (infA && infB) return sa ? constant(sb, 1, 0x96cbe3f9990e91a7, 0x9394c9e8a0a5159d, cw) : pi(sb, -1, cw)
  if (infB || (isZero80(ae, am) && !isZero80(be, bm))) return pi(sb, 0, cw)
  if (infA || isZero80(be, bm)) return sa ? pi(sb, 1, cw) : zero80(sb)
  const ea = exponent80(ae, am)
  const ma = significand80(am)
  const eb = exponent80(be, bm)
  const mb = significand80(bm)
  const steep: bool = eb > ea || (eb == ea && mb > ma)
  if (steep) arcTangent(ea, ma, eb, mb)
  else arcTangent(eb, mb, ea, ma)
  // steep: π/2 ∓ angle, leftwards: π - angle
  if (steep) addWide(0, 0, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, sa ^ 1, coreExp, coreHigh, coreLow)
  else if (sa) addWide(0, 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, 1, coreExp, coreHigh, coreLow)
  round80(sb, coreExp, coreHigh, coreLow | 1, 64, cw)
}
function pi(s: i32, e: i32, cw: i32): void {
  constant(s, e, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, cw)
}
function constant(s: i32, e: i32, h: u64, l: u64, cw: i32): void {
  round80(s, e, h, l, 64, cw)
}

/** atan(n / d) for n <= d: around the nearest multiple of 1/8, atan(t) = atan(c) + atan((t - c) / (1 + tc)). */
function arcTangent(ne: i32, nm: u64, de: i32, dm: u64): void {
  const far = de - ne
  let c = 0
  if (far < 6) c = i32(f64(nm) / f64(dm) * 8.0 / f64(1 << far) + 0.5)
  let s = 0
  if (c == 0) divFloat(ne, nm, 0, de, dm, 0)
  else {
    const k = u64(c)
    normalise(ne + 64, mulHigh(k, nm), k * nm)
    addWide(0, de + 3, dm, 0, 0, coreExp, coreHigh, coreLow)
    const be = coreExp
    const bh = coreHigh
    const bl = coreLow
    normalise(de + 64, mulHigh(k, dm), k * dm)
    addWide(0, ne + 3, nm, 0, 1, coreExp, coreHigh, coreLow)
    if (coreHigh == 0) return arcConstant(c)
    s = coreSign
    divFloat(coreExp, coreHigh, coreLow, be, bh, bl)
  }
  const ue = coreExp
  const uh = coreHigh
  const ul = coreLow
  if (ue < -64) {
    // u - u^3 / 3 differs from u by less than a unit
    if (c == 0) justBelow(ue, uh, ul)
  } else {
    const fh = toFraction(ue, uh, ul)
    const fl = low
    const vh = mulHigh128(fh, fl, fh, fl)
    const p = arcSeries(vh, low, true)
    normalise(0, p, low)
    mulFloat(ue, uh, ul, coreExp, coreHigh, coreLow)
  }
  if (c == 0) return
  const e = coreExp
  const h = coreHigh
  const l = coreLow
  arcConstant(c)
  addWide(0, coreExp, coreHigh, coreLow, s, e, h, l)
}

/** atan(c / 8). */
function arcConstant(c: i32): void {
  switch (c) {
    case 1: return normalise(-4, 0xfeadd4d5617b6e32, 0xc897989f3e888ef8)
    case 2: return normalise(-3, 0xfadbafc96406eb15, 0x6dc79ef5f7a217e6)
    case 3: return normalise(-2, 0xb7b0ca0f26f78473, 0x8aa32122dcfe4483)
    case 4: return normalise(-2, 0xed63382b0dda7b45, 0x6fe445ecbc3a8d03)
    case 5: return normalise(-1, 0x8f005d5ef7f59f9b, 0x5c835e1665c43748)
    case 6: return normalise(-1, 0xa4bc7d1934f70924, 0x19a87f2a457dac9f)
    case 7: return normalise(-1, 0xb8053e2bc2319e73, 0xcb2da55210a4443d)
    default: return normalise(-1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)
  }
}
