import { put16, put32 } from './bytes.ts'
import { ICMPV6 } from './icmp.ts'
import type { IcmpView } from './icmp.ts'

/** Options of neighbour discovery (RFC 4861, 4.6; RFC 8106, 5). Lengths are in units of 8 bytes. */
const OPTION = { SOURCE_MAC: 1, TARGET_MAC: 2, PREFIX: 3, MTU: 5, RDNSS: 25, DNSSL: 31 } as const
/** RFC 4861, 4.4. */
export const NA_FLAG = { ROUTER: 0x80, SOLICITED: 0x40, OVERRIDE: 0x20 } as const

export interface NeighborMessage {
  /** Of a solicitation or an advertisement; undefined for a router solicitation. */
  readonly target: Uint8Array | undefined
  /** The link-layer address it tells: the source's in solicitations, the target's in advertisements. */
  readonly mac: Uint8Array | undefined
}

/** A router or neighbour solicitation, or a neighbour advertisement, as views. Undefined for other types and where RFC 4861, 6.1 and 7.1 say to discard. */
export function readNeighborMessage(icmp: IcmpView): NeighborMessage | undefined {
  const { bytes, type, payload, end } = icmp
  const hasTarget = type === ICMPV6.NEIGHBOR_SOLICITATION || type === ICMPV6.NEIGHBOR_ADVERTISEMENT
  if (icmp.code !== 0 || (!hasTarget && type !== ICMPV6.ROUTER_SOLICITATION)) return undefined
  if (hasTarget && (end - payload < 16 || bytes[payload] === 0xff)) return undefined
  const wanted = type === ICMPV6.NEIGHBOR_ADVERTISEMENT ? OPTION.TARGET_MAC : OPTION.SOURCE_MAC
  let mac: Uint8Array | undefined
  for (let at = payload + (hasTarget ? 16 : 0); at < end;) {
    const length = at + 2 <= end ? bytes[at + 1]! * 8 : 0
    if (length === 0 || at + length > end) return undefined
    if (bytes[at] === wanted && length === 8) mac = bytes.subarray(at + 2, at + 8)
    at += length
  }
  return { target: hasTarget ? bytes.subarray(payload, payload + 16) : undefined, mac }
}

/** A neighbour solicitation for `target` (without checksum). */
export function neighborSolicitation(target: Uint8Array, mac: Uint8Array): Uint8Array {
  return neighborMessage(ICMPV6.NEIGHBOR_SOLICITATION, 0, target, OPTION.SOURCE_MAC, mac)
}

/** A neighbour advertisement that `target` is at `mac` (without checksum). */
export function neighborAdvertisement(target: Uint8Array, mac: Uint8Array, flags: number): Uint8Array {
  return neighborMessage(ICMPV6.NEIGHBOR_ADVERTISEMENT, flags, target, OPTION.TARGET_MAC, mac)
}

function neighborMessage(type: number, flags: number, target: Uint8Array, option: number, mac: Uint8Array): Uint8Array {
  const message = new Uint8Array(32)
  message[0] = type
  message[4] = flags
  message.set(target, 8)
  message[24] = option
  message[25] = 1
  message.set(mac, 26)
  return message
}

export interface RouterAdvertisement {
  readonly mac: Uint8Array
  readonly mtu: number
  /** Network for addresses guests make themselves. */
  readonly prefix: { readonly base: Uint8Array; readonly bits: number }
  /** Seconds that the sender is a default router: 0 if it is none. */
  readonly routerLifetime: number
  /** Seconds that the prefix and the names servers hold. */
  readonly lifetime: number
  readonly dns: readonly Uint8Array[]
  /** Encoded names (`encodeName`), joined. */
  readonly search: Uint8Array
}

/** RFC 4861, 4.2 with prefix, MTU, RDNSS and DNSSL (RFC 8106, 5.1 and 5.2), without checksum. Other configuration is by stateless DHCPv6 (flag O). */
export function routerAdvertisement(options: RouterAdvertisement): Uint8Array {
  const dnsLength = options.dns.length === 0 ? 0 : 8 + options.dns.length * 16
  const searchLength = options.search.length === 0 ? 0 : 8 + Math.ceil(options.search.length / 8) * 8
  const message = new Uint8Array(16 + 8 + 8 + 32 + dnsLength + searchLength)
  message[0] = ICMPV6.ROUTER_ADVERTISEMENT
  message[4] = 64
  message[5] = 0x40
  put16(message, 6, options.routerLifetime)
  let at = 16
  const option = (type: number, length: number): number => {
    message[at] = type
    message[at + 1] = length / 8
    at += length
    return at - length
  }
  message.set(options.mac, option(OPTION.SOURCE_MAC, 8) + 2)
  put32(message, option(OPTION.MTU, 8) + 4, options.mtu)
  const prefix = option(OPTION.PREFIX, 32)
  message[prefix + 2] = options.prefix.bits
  // On-link, and for address autoconfiguration.
  message[prefix + 3] = 0xc0
  put32(message, prefix + 4, options.lifetime)
  put32(message, prefix + 8, options.lifetime)
  message.set(options.prefix.base, prefix + 16)
  if (dnsLength > 0) {
    const rdnss = option(OPTION.RDNSS, dnsLength)
    put32(message, rdnss + 4, options.lifetime)
    options.dns.forEach((address, index) => message.set(address, rdnss + 8 + index * 16))
  }
  if (searchLength > 0) {
    const dnssl = option(OPTION.DNSSL, searchLength)
    put32(message, dnssl + 4, options.lifetime)
    message.set(options.search, dnssl + 8)
  }
  return message
}
