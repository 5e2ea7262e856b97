import {
  ETHERNET_HEADER, IPV4_HEADER, IPV6_FRAGMENT_HEADER, IPV6_HEADER, IP_PROTOCOL, putFragmentHeader, putIcmpChecksum, putIpv4, putIpv6, putUdp,
} from '../codec/index.ts'
import type { Ipv4Header } from '../codec/index.ts'

/** Hops of what comes from beyond the gateway. */
export const HOPS = 64

/** A frame with an empty Ethernet header, an IP header of either version, and `message`, whose ICMP checksum it fills in. */
export function ipFrame(header: Ipv4Header, message: Uint8Array): Uint8Array {
  const v4 = header.source.length === 4
  const payload = ETHERNET_HEADER + (v4 ? IPV4_HEADER : IPV6_HEADER)
  const frame = new Uint8Array(payload + message.length)
  if (v4) putIpv4(frame, ETHERNET_HEADER, header)
  else putIpv6(frame, ETHERNET_HEADER, header)
  frame.set(message, payload)
  if (header.protocol === IP_PROTOCOL.ICMP) putIcmpChecksum(frame, payload, frame.length, undefined)
  if (header.protocol === IP_PROTOCOL.ICMPV6) putIcmpChecksum(frame, payload, frame.length, ETHERNET_HEADER + 8)
  return frame
}

export interface Datagram {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Uint8Array
}

/** A UDP datagram as frames with empty Ethernet headers: one, or the fragments that an MTU asks for. */
export function datagramFrames(datagram: Datagram, mtu: number, identification: number): Uint8Array[] {
  const { source, destination, payload } = datagram
  const v4 = source.length === 4
  const at = ETHERNET_HEADER + (v4 ? IPV4_HEADER : IPV6_HEADER)
  const message = at + 8
  const frame = new Uint8Array(message + payload.length)
  const header = { source, destination, protocol: IP_PROTOCOL.UDP, length: 8 + payload.length, hops: HOPS, identification }
  if (v4) putIpv4(frame, ETHERNET_HEADER, header)
  else putIpv6(frame, ETHERNET_HEADER, header)
  frame.set(payload, message)
  const addresses = ETHERNET_HEADER + (v4 ? 12 : 8)
  putUdp(frame, at, datagram.sourcePort, datagram.destinationPort, payload.length, addresses, v4 ? 8 : 32)
  return frame.length - ETHERNET_HEADER <= mtu ? [frame] : fragments(frame, at, header, mtu)
}

/** Pieces of units of 8 bytes (RFC 791, 3.2; RFC 8200, 4.5). */
function fragments(frame: Uint8Array, at: number, header: Ipv4Header, mtu: number): Uint8Array[] {
  const v4 = header.source.length === 4
  const extra = v4 ? 0 : IPV6_FRAGMENT_HEADER
  const size = (mtu - (at - ETHERNET_HEADER) - extra) & ~7
  const pieces: Uint8Array[] = []
  for (let from = at; from < frame.length; from += size) {
    const bytes = frame.subarray(from, from + size)
    const piece = new Uint8Array(at + extra + bytes.length)
    const more = from + size < frame.length
    if (v4) putIpv4(piece, ETHERNET_HEADER, { ...header, length: bytes.length, fragment: { offset: from - at, more } })
    else {
      putIpv6(piece, ETHERNET_HEADER, { ...header, protocol: IP_PROTOCOL.FRAGMENT, length: extra + bytes.length })
      putFragmentHeader(piece, at, header.protocol, from - at, more, header.identification)
    }
    piece.set(bytes, at + extra)
    pieces.push(piece)
  }
  return pieces
}
