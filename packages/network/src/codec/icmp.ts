import { put16, put32, u16 } from './bytes.ts'
import { pseudoSum, putChecksum, sum16 } from './checksum.ts'
import { IP_PROTOCOL } from './ip.ts'
import type { IpPacket } from './ip.ts'

export const ICMP_HEADER = 8
/** RFC 792; codes of unreachable: RFC 1812, 5.2.7.1. */
export const ICMP = { ECHO_REPLY: 0, UNREACHABLE: 3, ECHO: 8 } as const
/** RFC 4443, RFC 4861. */
export const ICMPV6 = {
  UNREACHABLE: 1, ECHO: 128, ECHO_REPLY: 129, ROUTER_SOLICITATION: 133, ROUTER_ADVERTISEMENT: 134, NEIGHBOR_SOLICITATION: 135, NEIGHBOR_ADVERTISEMENT: 136,
} as const

/** Why a packet cannot be delivered; the code of each differs between the versions (RFC 1812, 5.2.7.1; RFC 4443, 3.1). */
export type Unreachable = 'network' | 'host' | 'protocol' | 'port' | 'prohibited'
const CODE_V4: Readonly<Record<Unreachable, number>> = { network: 0, host: 1, protocol: 2, port: 3, prohibited: 13 }
const CODE_V6: Readonly<Record<Unreachable, number>> = { network: 0, host: 3, protocol: 3, port: 4, prohibited: 1 }
/** An error message quotes as much as keeps it within what every link carries: 576 bytes (RFC 1812, 4.3.2.3), 1280 bytes (RFC 4443, 2.4). */
const QUOTED_V4 = 576 - 20 - ICMP_HEADER
const QUOTED_V6 = 1280 - 40 - ICMP_HEADER

/** An ICMP or ICMPv6 message. A view that can be put on one after another. */
export class IcmpView {
  bytes: Uint8Array = new Uint8Array()
  type = 0
  code = 0
  at = 0
  /** Behind type, code, checksum and four bytes whose meaning is the type's. */
  payload = 0
  end = 0

  /** False when it is too short or its checksum is wrong. */
  read(ip: IpPacket): boolean {
    const { bytes, payload: at, end } = ip
    if (end - at < ICMP_HEADER) return false
    const pseudo = ip.version === 4 ? 0 : pseudoSum(bytes, ip.sourceAt, 32, IP_PROTOCOL.ICMPV6, end - at)
    if (sum16(bytes, at, end, pseudo) !== 0xffff) return false
    this.bytes = bytes
    this.at = at
    this.type = bytes[at]!
    this.code = bytes[at + 1]!
    this.payload = at + ICMP_HEADER
    this.end = end
    return true
  }

  /** Of an echo or its reply. */
  get identifier(): number {
    return u16(this.bytes, this.at + 4)
  }

  get sequence(): number {
    return u16(this.bytes, this.at + 6)
  }
}

/** The message (without checksum) that says `reason` about `packet`. */
export function unreachableMessage(packet: IpPacket, reason: Unreachable): Uint8Array {
  const quoted = packet.bytes.subarray(packet.start, Math.min(packet.end, packet.start + (packet.version === 4 ? QUOTED_V4 : QUOTED_V6)))
  const message = new Uint8Array(ICMP_HEADER + quoted.length)
  message[0] = packet.version === 4 ? ICMP.UNREACHABLE : ICMPV6.UNREACHABLE
  message[1] = (packet.version === 4 ? CODE_V4 : CODE_V6)[reason]
  message.set(quoted, ICMP_HEADER)
  return message
}

/** An echo (or its reply) without checksum. */
export function echoMessage(type: number, identifier: number, sequence: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(ICMP_HEADER + payload.length)
  message[0] = type
  put32(message, 4, (identifier << 16) | sequence)
  message.set(payload, ICMP_HEADER)
  return message
}

/** Fills in the checksum of the message [at, end); for ICMPv6 `addresses` is where the two addresses of the IP header stand. */
export function putIcmpChecksum(bytes: Uint8Array, at: number, end: number, addresses: number | undefined): void {
  put16(bytes, at + 2, 0)
  putChecksum(bytes, at + 2, at, end, addresses === undefined ? 0 : pseudoSum(bytes, addresses, 32, IP_PROTOCOL.ICMPV6, end - at))
}
