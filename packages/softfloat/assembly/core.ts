// The four operations and the square root on unpacked numbers: value = (-1)^sign * sig / 2^63 * 2^exp, sig with its top bit set.
// Results are (coreExp, coreHigh:coreLow), normalised, exact or with a sticky lowest bit; the callers round them to their format.
import { MSB } from './state'
import { divWide, low, mulHigh, shiftRightJam } from './wide'

export let coreSign: i32 = 0
export let coreExp: i32 = 0
export let coreHigh: u64 = 0
export let coreLow: u64 = 0

export function setCore(e: i32, h: u64, l: u64): void {
  coreExp = e
  coreHigh = h
  coreLow = l
}

/** a + b for sums of any signs. An exact zero leaves coreHigh = 0; its sign is the caller's (it depends on rounding). */
export function addCore(sa: i32, ea: i32, ma: u64, sb: i32, eb: i32, mb: u64): void {
  addWide(sa, ea, ma, 0, sb, eb, mb, 0)
}

/** The same with 128-bit significands; bits of b beyond 128 are jammed. */
export function addWide(sa: i32, ea: i32, ha: u64, la: u64, sb: i32, eb: i32, hb: u64, lb: u64): void {
  let d = ea - eb
  if (d < 0 || (d == 0 && (ha < hb || (ha == hb && la < lb)))) {
    let t = sa; sa = sb; sb = t
    t = ea; ea = eb; eb = t
    let u = ha; ha = hb; hb = u
    u = la; la = lb; lb = u
    d = -d
  }
  coreSign = sa
  hb = shiftRightJam(hb, lb, d)
  lb = low
  if (sa == sb) {
    const l = la + lb
    const c = u64(l < la)
    const t = ha + hb
    const h = t + c
    if (t < ha || h < t) {
      coreExp = ea + 1
      coreHigh = MSB | (h >> 1)
      coreLow = (h << 63) | (l >> 1) | (l & 1)
    } else {
      coreExp = ea
      coreHigh = h
      coreLow = l
    }
    return
  }
  let l = la - lb
  let h = ha - hb - u64(la < lb)
  if (h == 0) {
    if (l == 0) {
      coreHigh = 0
      coreLow = 0
      return
    }
    h = l
    l = 0
    ea -= 64
  }
  const n = <i32>clz(h)
  coreExp = ea - n
  if (n) {
    coreHigh = (h << n) | (l >> (64 - n))
    coreLow = l << n
  } else {
    coreHigh = h
    coreLow = l
  }
}

export function mulCore(ea: i32, ma: u64, eb: i32, mb: u64): void {
  const h = mulHigh(ma, mb)
  const l = ma * mb
  if (h >> 63) {
    coreExp = ea + eb + 1
    coreHigh = h
    coreLow = l
  } else {
    coreExp = ea + eb
    coreHigh = (h << 1) | (l >> 63)
    coreLow = l << 1
  }
}

export function divCore(ea: i32, ma: u64, eb: i32, mb: u64): void {
  if (ma < mb) {
    coreExp = ea - eb - 1
    coreHigh = divWide(ma, 0, mb)
  } else {
    coreExp = ea - eb
    coreHigh = divWide(ma >> 1, ma << 63, mb)
  }
  // The quotient goes on with remainder / divisor; only its order against one half matters.
  const r = low
  const rest = mb - r
  coreLow = r == 0 ? 0 : r < rest ? 1 : r == rest ? MSB : MSB | 1
}

export function sqrtCore(ea: i32, ma: u64): void {
  // radicand n = m * 2^126 with m in [1, 4), root in [2^63, 2^64)
  const odd = ea & 1
  const h = odd ? ma : ma >> 1
  const l: u64 = odd ? 0 : ma << 63
  coreExp = (ea - odd) >> 1
  // 52 good bits from the host, one Newton step, then an exact correction
  let x: u64 = u64.MAX_VALUE
  if (h != u64.MAX_VALUE) {
    const estimate = sqrt<f64>(f64(h)) * 4294967296.0
    x = estimate >= 18446744073709551615.0 ? u64.MAX_VALUE : u64(estimate)
    if (x <= h) x = h + 1
    const q = divWide(h, l, x)
    x = (x >> 1) + (q >> 1) + (x & q & 1)
  }
  let ph = mulHigh(x, x)
  let pl = x * x
  while (ph > h || (ph == h && pl > l)) {
    x--
    ph = mulHigh(x, x)
    pl = x * x
  }
  let rh = h - ph - u64(l < pl)
  let rl = l - pl
  // x >= 2^63, so 2x is 2^64 + (x << 1): while the remainder exceeds it, the root is at least x + 1
  while (rh > 1 || (rh == 1 && rl > x << 1)) {
    const t = (x << 1) + 1
    rh -= 1 + u64(rl < t)
    rl -= t
    x++
  }
  coreHigh = x
  coreLow = rh == 0 && rl == 0 ? 0 : rh != 0 || rl > x ? MSB | 1 : 1
}
