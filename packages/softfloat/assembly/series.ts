// Taylor series in fixed point with 128 bits: arguments are fractions of 2^128, sums have their one at bit 127.
// Every function leaves its low half in `low`. The number of terms makes the truncation smaller than 2^-110.
import { MSB } from './state'
import { low, setLow } from './wide'
import { divSmall, mulHigh128 } from './wide-float'

/** 1 - h:l, for a value below 1. */
function oneMinus(h: u64, l: u64): u64 {
  setLow(0 - l)
  return MSB - h - u64(l != 0)
}
function onePlus(h: u64, l: u64): u64 {
  setLow(l)
  return MSB + h
}

/** sin(u) / u with odd = 1 or cos(u) with odd = 0, of h:l = u^2 <= 0.62. */
export function sineSeries(h: u64, l: u64, odd: i32): u64 {
  let ph = MSB
  let pl: u64 = 0
  for (let k = 15; k > 0; k--) {
    const n = 2 * k
    ph = mulHigh128(h, l, ph, pl)
    ph = divSmall(ph, low, u64(odd ? n * (n + 1) : n * (n - 1)))
    ph = oneMinus(ph, low)
    pl = low
  }
  setLow(pl)
  return ph
}

/** (e^y - 1) / y of h:l = |y| <= 0.7; `negative` is the sign of y. */
export function exponentialSeries(h: u64, l: u64, negative: bool): u64 {
  let ph = MSB
  let pl: u64 = 0
  for (let k: u64 = 30; k > 1; k--) {
    ph = mulHigh128(h, l, ph, pl)
    ph = divSmall(ph, low, k)
    ph = negative ? oneMinus(ph, low) : onePlus(ph, low)
    pl = low
  }
  setLow(pl)
  return ph
}

/** 1 ± u^2/3 + u^4/5 ± ..., of h:l = u^2 <= 0.03: atan(u) / u when `alternates`, else atanh(u) / u. */
export function arcSeries(h: u64, l: u64, alternates: bool): u64 {
  let ph: u64 = 0
  let pl: u64 = 0
  for (let k: i32 = 22; k >= 0; k--) {
    const th = mulHigh128(h, l, ph, pl)
    const tl = low
    ph = divSmall(MSB, 0, u64(2 * k + 1))
    pl = low
    if (alternates) {
      ph = ph - th - u64(pl < tl)
      pl -= tl
    } else {
      const s = pl + tl
      ph = ph + th + u64(s < pl)
      pl = s
    }
  }
  setLow(pl)
  return ph
}
