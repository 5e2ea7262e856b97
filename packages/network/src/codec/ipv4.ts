import { put16, put32, u16 } from './bytes.ts'
import { putChecksum, sum16 } from './checksum.ts'
import type { IpPacket } from './ip.ts'

export const IPV4_HEADER = 20
const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000

/** An IPv4 packet (RFC 791, 3.1). A view that can be put on one packet after another. */
export class Ipv4View implements IpPacket {
  readonly version = 4
  readonly addressLength = 4
  bytes: Uint8Array = new Uint8Array()
  start = 0
  sourceAt = 0
  destinationAt = 0
  hops = 0
  protocol = 0
  payload = 0
  end = 0
  fragmented = false
  fragmentOffset = 0
  moreFragments = false
  identification = 0

  /** False when version, lengths or the header's checksum are wrong. Bytes behind the packet's total length are Ethernet's padding. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < IPV4_HEADER || bytes[start]! >> 4 !== 4) return false
    const header = (bytes[start]! & 0xf) * 4
    const total = u16(bytes, start + 2)
    if (header < IPV4_HEADER || total < header || total > end - start) return false
    if (sum16(bytes, start, start + header) !== 0xffff) return false
    const fragment = u16(bytes, start + 6)
    this.bytes = bytes
    this.start = start
    this.sourceAt = start + 12
    this.destinationAt = start + 16
    this.hops = bytes[start + 8]!
    this.protocol = bytes[start + 9]!
    this.payload = start + header
    this.end = start + total
    this.identification = u16(bytes, start + 4)
    this.fragmentOffset = (fragment & 0x1fff) * 8
    this.moreFragments = (fragment & MORE_FRAGMENTS) !== 0
    this.fragmented = this.moreFragments || this.fragmentOffset > 0
    // A piece that would end behind the largest packet there is (the "ping of death").
    return !this.fragmented || this.fragmentOffset + (total - header) <= 0xffff
  }
}

export interface Ipv4Header {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly protocol: number
  /** Bytes behind the header. */
  readonly length: number
  readonly hops: number
  readonly identification: number
  /** Absent: not a fragment, and not to be made one. */
  readonly fragment?: { readonly offset: number; readonly more: boolean }
}

/** Writes 20 bytes, checksum included. */
export function putIpv4(bytes: Uint8Array, at: number, header: Ipv4Header): void {
  const { fragment } = header
  put16(bytes, at, 0x4500)
  put16(bytes, at + 2, IPV4_HEADER + header.length)
  put16(bytes, at + 4, header.identification)
  put16(bytes, at + 6, fragment === undefined ? DONT_FRAGMENT : (fragment.offset >> 3) | (fragment.more ? MORE_FRAGMENTS : 0))
  put32(bytes, at + 8, (header.hops << 24) | (header.protocol << 16))
  bytes.set(header.source, at + 12)
  bytes.set(header.destination, at + 16)
  putChecksum(bytes, at + 10, at, at + IPV4_HEADER)
}
