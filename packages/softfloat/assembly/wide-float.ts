// Numbers of 128 significant bits: value = h:l / 2^127 * 2^e, top bit set. Results in coreExp, coreHigh, coreLow; a few last bits are lost.
import { setCore } from './core'
import { divWide, low, mulHigh, setLow, shiftRightJam } from './wide'

/** The high 128 bits of a product of fixed-point numbers, up to three units too small; low half in `low`. */
export function mulHigh128(ah: u64, al: u64, bh: u64, bl: u64): u64 {
  const m = ah * bh
  const c1 = mulHigh(ah, bl)
  const c2 = mulHigh(al, bh)
  const s = m + c1
  const l = s + c2
  setLow(l)
  return mulHigh(ah, bh) + u64(s < m) + u64(l < s)
}

/** h:l / n for a small n; low half in `low`. */
export function divSmall(h: u64, l: u64, n: u64): u64 {
  const q = h / n
  const r1 = ((h - q * n) << 32) | (l >> 32)
  const q1 = r1 / n
  const r0 = ((r1 - q1 * n) << 32) | (l & 0xffffffff)
  setLow((q1 << 32) + r0 / n)
  return q
}

export function mulFloat(ea: i32, ah: u64, al: u64, eb: i32, bh: u64, bl: u64): void {
  const h = mulHigh128(ah, al, bh, bl)
  normalise(ea + eb + 1, h, low)
}

/** Sets the result from a number whose top bit may be clear. */
export function normalise(e: i32, h: u64, l: u64): void {
  if (h >> 63) return setCore(e, h, l)
  if (h == 0) {
    if (l == 0) return setCore(e, 0, 0)
    const k = <i32>clz(l)
    return setCore(e - 64 - k, l << k, 0)
  }
  const n = <i32>clz(h)
  setCore(e - n, (h << n) | (l >> (64 - n)), l << n)
}

/** One 64-bit digit of (nh:nl:nx) / (bh:bl), nh:nl < bh:bl; the remainder in restHigh and `low`. */
let restHigh: u64 = 0
function digit(nh: u64, nl: u64, nx: u64, bh: u64, bl: u64): u64 {
  let q = u64.MAX_VALUE
  let r: u64
  let exceeds = false
  if (nh >= bh) {
    r = nl + bh
    exceeds = r < nl
  } else {
    q = divWide(nh, nl, bh)
    r = low
  }
  while (!exceeds) {
    const ph = mulHigh(q, bl)
    if (ph < r || (ph == r && q * bl <= nx)) break
    q--
    r += bh
    exceeds = r < bh
  }
  const pl = q * bl
  restHigh = r - mulHigh(q, bl) - u64(nx < pl)
  setLow(nx - pl)
  return q
}

export function divFloat(ea: i32, ah: u64, al: u64, eb: i32, bh: u64, bl: u64): void {
  let e = ea - eb
  let x: u64 = 0
  if (ah > bh || (ah == bh && al >= bl)) {
    x = al << 63
    al = (al >> 1) | (ah << 63)
    ah >>= 1
  } else e--
  const q1 = digit(ah, al, x, bh, bl)
  const q0 = digit(restHigh, low, 0, bh, bl)
  setCore(e, q1, q0 | u64((restHigh | low) != 0))
}

/** The fraction of 2^128 of a number below 1 (e < 0); low half in `low`. */
export function toFraction(e: i32, h: u64, l: u64): u64 {
  return shiftRightJam(h, l, -1 - e)
}

/** A result a little below the core's, for functions that lie below their approximation. */
export function justBelow(e: i32, h: u64, l: u64): void {
  normalise(e, h - u64(l == 0), l - 1)
}
