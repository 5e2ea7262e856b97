/** IANA's protocol numbers, and the next headers of IPv6 (RFC 8200, 4). */
export const IP_PROTOCOL = {
  HOP_BY_HOP: 0, ICMP: 1, TCP: 6, UDP: 17, ROUTING: 43, FRAGMENT: 44, ESP: 50, AH: 51, ICMPV6: 58, NONE: 59, DESTINATION: 60,
} as const

/** What both versions of IP have; offsets into `bytes`. */
export interface IpPacket {
  readonly version: 4 | 6
  readonly bytes: Uint8Array
  /** Of the IP header. */
  readonly start: number
  /** 4 or 16. */
  readonly addressLength: number
  /** The destination stands right behind the source in both versions. */
  readonly sourceAt: number
  readonly destinationAt: number
  /** Hop limit or time to live. */
  readonly hops: number
  /** Of what stands at `payload`: behind all extension headers. */
  readonly protocol: number
  readonly payload: number
  readonly end: number
  /** Part of a fragmented packet: the payload is a piece of it. */
  readonly fragmented: boolean
  /** Bytes of the payload before this fragment's. */
  readonly fragmentOffset: number
  readonly moreFragments: boolean
  readonly identification: number
}
