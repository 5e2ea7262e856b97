import { CodedError } from '@entresol/kit'
import type { IpNetwork} from '../codec/index.ts'
import { encodeName, parseIp, parseNetwork } from '../codec/index.ts'

/** The guests' network, with QEMU's names and defaults (`-netdev user`). Addresses are text. */
export interface UserNetworkOptions {
  /** Default true. */
  readonly ipv4?: boolean
  readonly ipv6?: boolean
  /** Default 10.0.2.0/24. */
  readonly net?: string
  /** Gateway, which is also the host to guests; default the second address of `net`. */
  readonly host?: string
  /** Resolver; default the third address. */
  readonly dns?: string
  /** First address that DHCP gives; default the fifteenth. */
  readonly dhcpstart?: string
  /** Default fec0::/64. */
  readonly ipv6Net?: string
  /** Default the second and third address of `ipv6Net`. */
  readonly ipv6Host?: string
  readonly ipv6Dns?: string
  /** What DHCP tells guests that they are called. */
  readonly hostname?: string
  readonly domainname?: string
  readonly dnssearch?: readonly string[]
  /** Guests reach nothing but forwards. Default false. */
  readonly restrict?: boolean
  /** Largest IP packet that is not to be segmented, in bytes: 1280 to 65,521. Default 1500. */
  readonly mtu?: number
}

/** The same, checked and in bytes. */
export interface UserNetwork {
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly net: IpNetwork
  readonly host: Uint8Array
  readonly dns: Uint8Array
  readonly dhcpStart: Uint8Array
  readonly net6: IpNetwork
  readonly host6: Uint8Array
  readonly dns6: Uint8Array
  /** Link-local address of the router. */
  readonly local6: Uint8Array
  readonly mac: Uint8Array
  readonly hostname: string | undefined
  readonly domainname: string | undefined
  readonly dnssearch: readonly string[]
  readonly restrict: boolean
  readonly mtu: number
}

const LINK_LOCAL = parseNetwork('fe80::/64')

/** Throws `network-bad-option`, `network-bad-address`, `network-bad-name`. */
export function userNetwork(options: UserNetworkOptions): UserNetwork {
  const net = parseNetwork(options.net ?? '10.0.2.0/24')
  const net6 = parseNetwork(options.ipv6Net ?? 'fec0::/64')
  if (net.base.length !== 4 || net.bits < 8 || net.bits > 28) throw bad('net', 'an IPv4 network with 8 to 28 bits')
  if (net6.base.length !== 16 || net6.bits !== 64) throw bad('ipv6Net', 'an IPv6 network with 64 bits')
  const inside = (name: keyof UserNetworkOptions, network: IpNetwork, host: number): Uint8Array => {
    const text = options[name] as string | undefined
    const address = text === undefined ? network.address(host) : parseIp(text)
    if (!network.has(address)) throw bad(name, `an address in ${network}`)
    return address
  }
  const host = inside('host', net, 2)
  const dns = inside('dns', net, 3)
  const host6 = inside('ipv6Host', net6, 2)
  const dns6 = inside('ipv6Dns', net6, 3)
  if (host.join() === dns.join() || host6.join() === dns6.join()) throw bad('dns', 'another address than host')
  const mtu = options.mtu ?? 1500
  // 1280: RFC 8200, 5.
  if (!Number.isInteger(mtu) || mtu < 1280 || mtu > 65_521) throw bad('mtu', 'from 1280 to 65521')
  for (const name of [options.hostname, options.domainname, ...options.dnssearch ?? []]) if (name !== undefined) encodeName(name)
  return {
    ipv4: options.ipv4 ?? true, ipv6: options.ipv6 ?? true, net, host, dns, dhcpStart: inside('dhcpstart', net, 15), net6, host6, dns6,
    local6: LINK_LOCAL.address(2), mac: Uint8Array.of(0x52, 0x55, ...host), hostname: options.hostname, domainname: options.domainname,
    dnssearch: options.dnssearch ?? [], restrict: options.restrict ?? false, mtu,
  }
}

const bad = (name: string, what: string): CodedError => new CodedError('network-bad-option', `${name} must be ${what}`)
