/** The Internet checksum (RFC 1071). Offsets and lengths in bytes. */

/** Sum of the 16-bit big-endian words of [start, end), folded to 16 bits; an odd last byte is the high half of a word. */
export function sum16(bytes: Uint8Array, start: number, end: number, initial: number = 0): number {
  let sum = initial
  const even = start + ((end - start) & ~1)
  for (let at = start; at < even; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!
  if (even < end) sum += bytes[even]! << 8
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum
}

/** Stores the checksum of [start, end) at `at`, where a pseudo header's sum, or zero, stands. Nothing happens outside the frame. */
export function putChecksum(frame: Uint8Array, start: number, end: number, at: number, zeroIsOnes: boolean = false): void {
  if (start >= end || end > frame.length || at + 2 > frame.length) return
  const value = ~sum16(frame, start, end) & 0xffff
  const stored = value === 0 && zeroIsOnes ? 0xffff : value
  frame[at] = stored >> 8
  frame[at + 1] = stored
}

export const ETHERNET_HEADER = 14
export const ETHERTYPE_IPV4 = 0x0800
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17

/** What a receiver finds out about an IPv4 packet (RFC 791) without VLAN tag and its TCP or UDP segment. */
export interface Ipv4Check {
  readonly headerGood: boolean
  /** Undefined for fragments, for lengths that do not fit and for UDP without a checksum: nothing was checked. */
  readonly segmentGood: boolean | undefined
  /** 6 TCP, 17 UDP, others. */
  readonly protocol: number
}

/** Checks the sums of a received frame; undefined when it is no IPv4 packet. */
export function checkIpv4(frame: Uint8Array, length: number): Ipv4Check | undefined {
  const ip = ETHERNET_HEADER
  if (length < ip + 20 || frame[12]! * 256 + frame[13]! !== ETHERTYPE_IPV4 || frame[ip]! >> 4 !== 4) return undefined
  const headerLength = (frame[ip]! & 15) * 4
  const totalLength = frame[ip + 2]! * 256 + frame[ip + 3]!
  if (headerLength < 20 || totalLength < headerLength || ip + totalLength > length) return undefined
  const protocol = frame[ip + 9]!
  const headerGood = sum16(frame, ip, ip + headerLength) === 0xffff
  const fragment = ((frame[ip + 6]! & 0x3f) | frame[ip + 7]!) !== 0
  const segment = ip + headerLength
  const segmentLength = totalLength - headerLength
  const isUdp = protocol === PROTOCOL_UDP
  if (fragment || !(isUdp ? segmentLength >= 8 : protocol === PROTOCOL_TCP && segmentLength >= 20)) return { headerGood, segmentGood: undefined, protocol }
  if (isUdp && frame[segment + 6] === 0 && frame[segment + 7] === 0) return { headerGood, segmentGood: undefined, protocol }
  const pseudo = sum16(frame, ip + 12, ip + 20, protocol + segmentLength)
  return { headerGood, segmentGood: sum16(frame, segment, ip + totalLength, pseudo) === 0xffff, protocol }
}
