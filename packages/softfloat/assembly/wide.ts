// 128-bit helpers. WebAssembly functions of AssemblyScript return one value; the second leaves through a global.
import { MSB } from './state'

/** Low half (or remainder) of the last helper that has two results. */
export let low: u64 = 0

export function setLow(v: u64): void {
  low = v
}

@inline
export function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const t = a1 * b0 + ((a0 * b0) >> 32)
  const u = a0 * b1 + (t & 0xffffffff)
  return a1 * b1 + (t >> 32) + (u >> 32)
}

/** (nh:nl) / d for d with its top bit set and nh < d: the 64-bit quotient; the remainder in `low`. Knuth's algorithm D with 32-bit digits. */
export function divWide(nh: u64, nl: u64, d: u64): u64 {
  const d1 = d >> 32
  const d0 = d & 0xffffffff
  let q1 = nh / d1
  let r = nh - q1 * d1
  const n1 = nl >> 32
  while (q1 >> 32 || q1 * d0 > ((r << 32) | n1)) {
    q1--
    r += d1
    if (r >> 32) break
  }
  const m = (nh << 32) + n1 - q1 * d
  let q0 = m / d1
  r = m - q0 * d1
  const n0 = nl & 0xffffffff
  while (q0 >> 32 || q0 * d0 > ((r << 32) | n0)) {
    q0--
    r += d1
    if (r >> 32) break
  }
  low = (m << 32) + n0 - q0 * d
  return (q1 << 32) + q0
}

/** (h:l) >> k for k >= 0; every bit lost is kept as a 1 in the lowest bit of `low`. */
export function shiftRightJam(h: u64, l: u64, k: i32): u64 {
  if (k == 0) {
    low = l
    return h
  }
  if (k < 64) {
    low = (h << (64 - k)) | (l >> k) | u64((l << (64 - k)) != 0)
    return h >> k
  }
  if (k == 64) {
    low = h | u64(l != 0)
    return 0
  }
  if (k < 128) {
    low = (h >> (k - 64)) | u64(((h << (128 - k)) | l) != 0)
    return 0
  }
  low = u64((h | l) != 0)
  return 0
}

/** Whether a significand whose discarded part is `rest` (a fraction of 2^64) is rounded away from zero. rest != 0 is not required. */
@inline
export function roundsUp(odd: bool, rest: u64, sign: i32, rc: i32): bool {
  if (rc == 0) return rest > MSB || (rest == MSB && odd)
  if (rest == 0) return false
  return rc == 1 ? sign != 0 : rc == 2 ? sign == 0 : false
}
