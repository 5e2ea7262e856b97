import { put16, put32, u16, u32 } from './bytes.ts'
import { IP_PROTOCOL } from './ip.ts'
import type { IpPacket } from './ip.ts'

export const IPV6_HEADER = 40
export const IPV6_FRAGMENT_HEADER = 8
/** More extension headers than this are no honest packet's. */
const MAX_EXTENSIONS = 8

/** An IPv6 packet with its extension headers (RFC 8200, 3 and 4). A view that can be put on one packet after another. */
export class Ipv6View implements IpPacket {
  readonly version = 6
  readonly addressLength = 16
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

  /** False when version, lengths or the chain of extension headers are wrong. Jumbograms (RFC 2675) are not taken. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < IPV6_HEADER || bytes[start]! >> 4 !== 6) return false
    const length = u16(bytes, start + 4)
    if (length > end - start - IPV6_HEADER) return false
    this.bytes = bytes
    this.start = start
    this.sourceAt = start + 8
    this.destinationAt = start + 24
    this.hops = bytes[start + 7]!
    this.end = start + IPV6_HEADER + length
    this.fragmented = this.moreFragments = false
    this.fragmentOffset = this.identification = 0
    return this.#extensions(bytes[start + 6]!, start + IPV6_HEADER)
  }

  #extensions(first: number, from: number): boolean {
    let next = first
    let at = from
    for (let count = 0; count <= MAX_EXTENSIONS; count++) {
      const skips = next === IP_PROTOCOL.DESTINATION || next === IP_PROTOCOL.ROUTING || (next === IP_PROTOCOL.HOP_BY_HOP && count === 0)
      if (!skips && next !== IP_PROTOCOL.FRAGMENT) {
        this.protocol = next
        this.payload = at
        return at <= this.end
      }
      if (this.end - at < 8) return false
      if (next === IP_PROTOCOL.FRAGMENT) {
        if (this.fragmented) return false
        const field = u16(this.bytes, at + 2)
        this.fragmentOffset = field & 0xfff8
        this.moreFragments = (field & 1) !== 0
        this.identification = u32(this.bytes, at + 4)
        // An atomic fragment (RFC 6946) is a whole packet.
        this.fragmented = this.moreFragments || this.fragmentOffset > 0
        next = this.bytes[at]!
        at += IPV6_FRAGMENT_HEADER
        if (!this.fragmented) continue
        // Headers behind this one belong to the fragmented part, and are read when it is whole.
        this.protocol = next
        this.payload = at
        return this.fragmentOffset + (this.end - at) <= 0xffff
      }
      const size = (this.bytes[at + 1]! + 1) * 8
      if (this.end - at < size) return false
      // A routing header with segments left asks us to route (RFC 8200, 4.4): nobody here does.
      if (next === IP_PROTOCOL.ROUTING && this.bytes[at + 3] !== 0) return false
      next = this.bytes[at]!
      at += size
    }
    return false
  }
}

export interface Ipv6Header {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  /** Next header. */
  readonly protocol: number
  /** Bytes behind the header. */
  readonly length: number
  readonly hops: number
}

/** Writes 40 bytes. */
export function putIpv6(bytes: Uint8Array, at: number, header: Ipv6Header): void {
  put32(bytes, at, 0x60000000)
  put16(bytes, at + 4, header.length)
  bytes[at + 6] = header.protocol
  bytes[at + 7] = header.hops
  bytes.set(header.source, at + 8)
  bytes.set(header.destination, at + 24)
}

/** Writes the 8 bytes of a fragment header (RFC 8200, 4.5). */
export function putFragmentHeader(bytes: Uint8Array, at: number, next: number, offset: number, more: boolean, identification: number): void {
  put16(bytes, at, next << 8)
  put16(bytes, at + 2, offset | (more ? 1 : 0))
  put32(bytes, at + 4, identification)
}
