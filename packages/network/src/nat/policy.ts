import type { IpNetwork} from '../codec/index.ts'
import { parseNetwork, tryParseIp } from '../codec/index.ts'

export interface NatDestination {
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  /** IP address of the host or beyond, after translation: the guest's gateway is 127.0.0.1 or ::1 here. */
  readonly address: string
  /** 0 for ICMP. */
  readonly port: number
  /** It is the host itself, by whichever of its addresses. */
  readonly host: boolean
}

/** Whether a guest may reach a destination. Asked once for each connection, and each peer of a UDP socket. */
export type NatPolicy = (destination: NatDestination) => boolean

export interface NatPolicyOptions {
  /** The internet: all addresses that are no special-purpose ones. Default true. */
  readonly public?: boolean
  /** The host itself, by any address. Default false. */
  readonly host?: boolean
  /** Networks or addresses to open besides, `192.168.1.0/24`; they do not open the host itself. */
  readonly networks?: readonly string[]
}

/** IANA's special-purpose registries (RFC 6890 and its updates), with multicast: what is not the internet at large. */
const SPECIAL = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24',
  '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
].map(parseNetwork)
/** Of IPv6 only 2000::/3 is in use; in it, these are not for everyone. */
const GLOBAL_V6 = parseNetwork('2000::/3')
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '3fff::/20'].map(parseNetwork)
/** IPv6 addresses that mean an IPv4 one, and where it stands in them: IPv4-mapped and -compatible, 6to4, NAT64. */
const EMBEDDED: readonly (readonly [IpNetwork, number])[] = [
  [parseNetwork('::ffff:0:0/96'), 12], [parseNetwork('::/96'), 12], [parseNetwork('2002::/16'), 2], [parseNetwork('64:ff9b::/96'), 12],
]

/** Whether an address is one of the internet at large; false for what is no address. */
export function isPublicAddress(text: string): boolean {
  const address = tryParseIp(text)
  return address !== undefined && isPublic(address)
}

function isPublic(address: Uint8Array): boolean {
  if (address.length === 4) return !SPECIAL.some((network) => network.has(address))
  const embedded = EMBEDDED.find(([network]) => network.has(address))
  if (embedded !== undefined) return isPublic(address.subarray(embedded[1], embedded[1] + 4))
  return GLOBAL_V6.has(address) && !SPECIAL_V6.some((network) => network.has(address))
}

/** A policy made of ranges. Without options it is the default one, for guests nobody trusts: the internet, and nothing near. Throws `network-bad-address`. */
export function natPolicy(options: NatPolicyOptions = {}): NatPolicy {
  const networks = (options.networks ?? []).map(parseNetwork)
  return (destination) => {
    if (destination.host) return options.host ?? false
    const address = tryParseIp(destination.address)
    if (address === undefined) return false
    return networks.some((network) => network.has(address)) || ((options.public ?? true) && isPublic(address))
  }
}

/** Everything the host reaches, and the host itself: what QEMU's users expect. */
export const openPolicy: NatPolicy = () => true
