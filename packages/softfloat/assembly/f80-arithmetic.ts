// FADD, FSUB, FMUL, FDIV, FSQRT and the comparisons. Results in sigResult, expResult and condition.
import { addCore, coreExp, coreHigh, coreLow, coreSign, divCore, mulCore, sqrtCore } from './core'
import {
  BIAS, DENORMAL_OPERAND, denormalStops, exponent80, finishPlain, infinity80, invalid80, isDenormal80, isInfinite80, isNan80, isPlain, isSignalling80,
  isUnsupported, isUsual, isZero80, precision80,
  round80, rounding, settles1, settles2, sign80, significand80, zero80
} from './f80-format'
import { DE, EQUAL, GREATER, IE, LESS, MSB, UNORDERED, ZE, raise, result80, setCondition } from './state'
import { mulHigh } from './wide'

export function f80_add(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  if (isPlain(ae, am) && isPlain(be, bm) && isUsual(cw) && addPlain(am, ae, bm, be)) return
  setCondition(0)
  if (!settles2(ae, am, be, bm)) addFinite(ae, am, be, bm, cw)
}

/** a - b. FSUBR is the same with the operands exchanged. */
export function f80_sub(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  if (isPlain(ae, am) && isPlain(be, bm) && isUsual(cw) && addPlain(am, ae, bm, be ^ 0x8000)) return
  setCondition(0)
  if (!settles2(ae, am, be, bm)) addFinite(ae, am, be ^ 0x8000, bm, cw)
}

/** Sum of two normal numbers, rounded to 64 bits and to nearest. False, and nothing done, where that is too large or too small. */
function addPlain(am: u64, ae: i32, bm: u64, be: i32): bool {
  let d = (ae & 0x7fff) - (be & 0x7fff)
  if (d < 0 || (d == 0 && am < bm)) {
    const m = am; am = bm; bm = m
    const e = ae; ae = be; be = e
    d = -d
  }
  const sign = ae & 0x8000
  const e = ae & 0x7fff
  let h: u64 = 0
  let l: u64 = 0
  if (d < 64) {
    h = bm >> d
    // two shifts, so that none is by 64
    l = (bm << 1) << (63 - d)
  } else l = d == 64 ? bm : d < 128 ? (bm >> (d - 64)) | u64(bm << (128 - d) != 0) : 1
  if (ae == be || ((ae ^ be) & 0x8000) == 0) {
    h += am
    if (h < am) return finishPlain(sign, e + 1, MSB | (h >> 1), (h << 63) | (l >> 1) | (l & 1))
    return finishPlain(sign, e, h, l)
  }
  h = am - h - u64(l != 0)
  l = -l
  if (h >> 63) return finishPlain(sign, e, h, l)
  if (h == 0) {
    if (l == 0) {
      zero80(0)
      setCondition(0)
      return true
    }
    const n = <i32>clz(l)
    return finishPlain(sign, e - 64 - n, l << n, 0)
  }
  const n = <i32>clz(h)
  return finishPlain(sign, e - n, (h << n) | (l >> (64 - n)), l << n)
}

function addFinite(ae: i32, am: u64, be: i32, bm: u64, cw: i32): void {
  const infA = isInfinite80(ae, am)
  const infB = isInfinite80(be, bm)
  if (infA && infB && ae != be) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (infA || infB) return infinity80(sign80(infA ? ae : be))
  const n = precision80(cw)
  const down = i32(rounding(cw) == 1)
  const sa = sign80(ae)
  const sb = sign80(be)
  if (am == 0 && bm == 0) return zero80(sa == sb ? sa : down)
  if (am == 0) return round80(sb, exponent80(be, bm), significand80(bm), 0, n, cw)
  if (bm == 0) return round80(sa, exponent80(ae, am), significand80(am), 0, n, cw)
  addCore(sa, exponent80(ae, am), significand80(am), sb, exponent80(be, bm), significand80(bm))
  if (coreHigh == 0) return zero80(down)
  round80(coreSign, coreExp, coreHigh, coreLow, n, cw)
}

export function f80_mul(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  if (isPlain(ae, am) && isPlain(be, bm) && isUsual(cw)) {
    const h = mulHigh(am, bm)
    const l = am * bm
    const top = i32(h >> 63)
    const e = (ae & 0x7fff) + (be & 0x7fff) - BIAS + top
    const sign = (ae ^ be) & 0x8000
    if (top ? finishPlain(sign, e, h, l) : finishPlain(sign, e, (h << 1) | (l >> 63), l << 1)) return
  }
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const s = sign80(ae ^ be)
  const inf = isInfinite80(ae, am) || isInfinite80(be, bm)
  const zero = isZero80(ae, am) || isZero80(be, bm)
  if (inf && zero) return invalid80()
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (inf) return infinity80(s)
  if (zero) return zero80(s)
  mulCore(exponent80(ae, am), significand80(am), exponent80(be, bm), significand80(bm))
  round80(s, coreExp, coreHigh, coreLow, precision80(cw), cw)
}

/** a / b. FDIVR is the same with the operands exchanged. */
export function f80_div(am: u64, ae: i32, bm: u64, be: i32, cw: i32): void {
  if (isPlain(ae, am) && isPlain(be, bm) && isUsual(cw)) {
    divCore(ae & 0x7fff, am, be & 0x7fff, bm)
    if (finishPlain((ae ^ be) & 0x8000, coreExp + BIAS, coreHigh, coreLow)) return
  }
  setCondition(0)
  if (settles2(ae, am, be, bm)) return
  const s = sign80(ae ^ be)
  const infA = isInfinite80(ae, am)
  const infB = isInfinite80(be, bm)
  const zeroA = isZero80(ae, am)
  const zeroB = isZero80(be, bm)
  if ((infA && infB) || (zeroA && zeroB)) return invalid80()
  if (zeroB && !infA) {
    raise(ZE)
    return infinity80(s)
  }
  if (denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)) return
  if (infA) return infinity80(s)
  if (infB || zeroA) return zero80(s)
  divCore(exponent80(ae, am), significand80(am), exponent80(be, bm), significand80(bm))
  round80(s, coreExp, coreHigh, coreLow, precision80(cw), cw)
}

export function f80_sqrt(am: u64, ae: i32, cw: i32): void {
  setCondition(0)
  if (settles1(ae, am)) return
  if (isZero80(ae, am)) return result80(ae, am)
  if (sign80(ae)) return invalid80()
  if (denormalStops(isDenormal80(ae, am), cw)) return
  if (isInfinite80(ae, am)) return result80(ae, am)
  sqrtCore(exponent80(ae, am), significand80(am))
  round80(0, coreExp, coreHigh, coreLow, precision80(cw), cw)
}

/**
 * FCOM, FCOMI and FTST (b = +0) with quiet = 0: any NaN is invalid; FUCOM and FUCOMI with quiet = 1: only a signalling one.
 * Returns the relation as COMISD leaves it in EFLAGS (greater 0, less 1, equal 0x40, unordered 0x45), C0, C2, C3 in `condition`.
 */
export function f80_compare(am: u64, ae: i32, bm: u64, be: i32, quiet: i32, cw: i32): i32 {
  if (isPlain(ae, am) && isPlain(be, bm) && !(cw & DENORMAL_OPERAND)) {
    let order = ae == be ? (am == bm ? EQUAL : am < bm ? LESS : GREATER) : (ae & 0x7fff) < (be & 0x7fff) ? LESS : GREATER
    if ((ae ^ be) & 0x8000) order = ae & 0x8000 ? LESS : GREATER
    else if (ae & 0x8000 && order != EQUAL) order ^= LESS
    setCondition(order << 8)
    return order
  }
  const r = relation(am, ae, bm, be, quiet, cw)
  setCondition(r << 8)
  return r
}

function relation(am: u64, ae: i32, bm: u64, be: i32, quiet: i32, cw: i32): i32 {
  if (isUnsupported(ae, am) || isUnsupported(be, bm)) {
    raise(IE)
    return UNORDERED
  }
  if (isNan80(ae, am) || isNan80(be, bm)) {
    if (!quiet || isSignalling80(ae, am) || isSignalling80(be, bm)) raise(IE)
    return UNORDERED
  }
  denormalStops(isDenormal80(ae, am) || isDenormal80(be, bm), cw)
  if (isZero80(ae, am) && isZero80(be, bm)) return EQUAL
  const sa = sign80(ae)
  if (sa != sign80(be)) return sa ? LESS : GREATER
  // a pseudo-denormal has the value of exponent 1
  const ea = ae & 0x7fff ? ae & 0x7fff : i32(am >> 63)
  const eb = be & 0x7fff ? be & 0x7fff : i32(bm >> 63)
  if (ea == eb && am == bm) return EQUAL
  const less: bool = ea != eb ? ea < eb : am < bm
  return less == (sa == 0) ? LESS : GREATER
}
