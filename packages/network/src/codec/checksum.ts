import { put16 } from './bytes.ts'

/** Below this many bytes a loop over bytes is faster than making a DataView. */
const SMALL = 256

/**
 * One's complement sum of 16-bit words of [from, to), an odd last byte padded with zero, added to `initial`; folded to 16 bits, not complemented
 * (RFC 1071). `from` counts as an even position.
 */
export function sum16(bytes: Uint8Array, from: number, to: number, initial = 0): number {
  let sum = initial
  let at = from
  if (to - from >= SMALL) {
    // A sum of 32-bit words is congruent to that of their halves; a double holds two million of them exactly.
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (const last = to - 3; at < last; at += 4) sum += view.getUint32(at)
  }
  for (const last = to - 1; at < last; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!
  if (at < to) sum += bytes[at]! << 8
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum
}

/** The checksum of [from, to): the complement of its sum. Over data that includes a correct checksum it is 0. */
export const checksum16 = (bytes: Uint8Array, from: number, to: number, initial = 0): number => ~sum16(bytes, from, to, initial) & 0xffff

/** What the pseudo header adds to a sum (RFC 9293, 3.1; RFC 8200, 8.1). The addresses stand one behind the other, `addresses` bytes from `at`: 8 or 32. */
export function pseudoSum(bytes: Uint8Array, at: number, addresses: number, protocol: number, length: number): number {
  return sum16(bytes, at, at + addresses, protocol + length)
}

/** Stores the checksum of [from, to) at `at`, which must be inside and is counted as zero; `zeroIs` is what 0 is sent as (UDP: ffff, RFC 768). */
export function putChecksum(bytes: Uint8Array, at: number, from: number, to: number, initial = 0, zeroIs = 0): void {
  put16(bytes, at, 0)
  put16(bytes, at, checksum16(bytes, from, to, initial) || zeroIs)
}
