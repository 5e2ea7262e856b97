import { DHCPV6_OPTION, DHCPV6_TYPE, DHCP_OPTION, DHCP_TYPE, encodeName, formatIp, formatMac } from '../codec/index.ts'
import type { DhcpMessage, Dhcpv6Message } from '../codec/index.ts'
import type { UserNetwork } from './config.ts'

/** Seconds; QEMU's. Nanoseconds that an offer is kept for its guest. */
const LEASE_TIME = 86_400
const OFFER_TIME = 60e9
const MAX_LEASES = 256
const NONE = new Uint8Array(4)

interface Lease {
  readonly address: Uint8Array
  /** ns */
  expires: number
}

/** Gives the guests of a user network their addresses (RFC 2131) and names, and knows no sockets: a message in, a message out. */
export class DhcpServer {
  readonly #network: UserNetwork
  readonly #isOwn: (address: Uint8Array) => boolean
  readonly #leases = new Map<string, Lease>()

  constructor(network: UserNetwork, isOwn: (address: Uint8Array) => boolean) {
    this.#network = network
    this.#isOwn = isOwn
  }

  /** The answer to a client's message at `now` (ns), if it has one. */
  answer(message: DhcpMessage, now: number): DhcpMessage | undefined {
    if (message.operation !== 1) return undefined
    const key = formatMac(message.mac)
    const server = message.options.get(DHCP_OPTION.SERVER_ID)
    const requested = address(message.options.get(DHCP_OPTION.REQUESTED_ADDRESS))
    switch (message.type) {
      case DHCP_TYPE.DISCOVER: {
        const lease = this.#lease(key, requested, now)
        if (lease === undefined) return undefined
        lease.expires = Math.max(lease.expires, now + OFFER_TIME)
        return this.#reply(message, DHCP_TYPE.OFFER, lease.address)
      }
      case DHCP_TYPE.REQUEST: {
        if (server !== undefined && server.join() !== this.#network.host.join()) {
          this.#leases.delete(key)
          return undefined
        }
        const wanted = requested ?? message.clientAddress
        const lease = this.#lease(key, wanted, now)
        if (lease?.address.join() !== wanted.join()) return this.#reply(message, DHCP_TYPE.NAK, NONE)
        lease.expires = now + LEASE_TIME * 1e9
        return this.#reply(message, DHCP_TYPE.ACK, lease.address)
      }
      case DHCP_TYPE.INFORM:
        return this.#reply(message, DHCP_TYPE.ACK, NONE)
      case DHCP_TYPE.RELEASE:
      case DHCP_TYPE.DECLINE:
        this.#leases.delete(key)
        return undefined
      default:
        return undefined
    }
  }

  /** The client's lease, or a new one: the address it asks for where that is free, else the first free one. */
  #lease(key: string, wanted: Uint8Array | undefined, now: number): Lease | undefined {
    const lease = this.#leases.get(key)
    if (lease !== undefined) return lease
    for (const [other, { expires }] of this.#leases) if (expires < now) this.#leases.delete(other)
    if (this.#leases.size >= MAX_LEASES) return undefined
    const taken = new Set([...this.#leases.values()].map((each) => formatIp(each.address)))
    const { net, dhcpStart } = this.#network
    const first = hostPart(dhcpStart, net.bits)
    const last = 2 ** (32 - net.bits) - 2
    const free = (host: number): boolean => host >= first && host <= last && !taken.has(formatIp(net.address(host))) && !this.#isOwn(net.address(host))
    let host = wanted !== undefined && net.has(wanted) && free(hostPart(wanted, net.bits)) ? hostPart(wanted, net.bits) : first
    while (host <= last && !free(host)) host++
    if (host > last) return undefined
    const made = { address: net.address(host), expires: 0 }
    this.#leases.set(key, made)
    return made
  }

  #reply(message: DhcpMessage, type: number, your: Uint8Array): DhcpMessage {
    const { net, host, dns, hostname, domainname, dnssearch, restrict, mtu } = this.#network
    const options = new Map<number, Uint8Array>([[DHCP_OPTION.SERVER_ID, host]])
    if (type !== DHCP_TYPE.NAK) {
      options.set(DHCP_OPTION.SUBNET_MASK, net.mask)
      if (!restrict) options.set(DHCP_OPTION.ROUTER, host).set(DHCP_OPTION.DNS, dns)
      if (your !== NONE) options.set(DHCP_OPTION.LEASE_TIME, Uint8Array.of(LEASE_TIME >>> 24, LEASE_TIME >>> 16, LEASE_TIME >>> 8, LEASE_TIME))
      if (mtu !== 1500) options.set(DHCP_OPTION.MTU, Uint8Array.of(mtu >> 8, mtu))
      if (hostname !== undefined) options.set(DHCP_OPTION.HOST_NAME, text(hostname))
      if (domainname !== undefined) options.set(DHCP_OPTION.DOMAIN_NAME, text(domainname))
      if (dnssearch.length > 0) options.set(DHCP_OPTION.DOMAIN_SEARCH, searchList(dnssearch))
    }
    return {
      operation: 2, transaction: message.transaction, broadcast: message.broadcast, clientAddress: type === DHCP_TYPE.NAK ? NONE : message.clientAddress,
      yourAddress: your, serverAddress: type === DHCP_TYPE.NAK ? NONE : host, mac: message.mac, type, options,
    }
  }
}

/** The answer of stateless DHCPv6 (RFC 8415, 18.3.6): the resolver and where to search names. */
export function dhcpv6Answer(message: Dhcpv6Message, network: UserNetwork): Dhcpv6Message | undefined {
  if (message.type !== DHCPV6_TYPE.INFORMATION_REQUEST || network.restrict) return undefined
  // DUID-LL (RFC 8415, 11.4) of Ethernet.
  const options = new Map<number, Uint8Array>([[DHCPV6_OPTION.SERVER_ID, Uint8Array.of(0, 3, 0, 1, ...network.mac)]])
  const server = message.options.get(DHCPV6_OPTION.SERVER_ID)
  if (server !== undefined && server.join() !== options.get(DHCPV6_OPTION.SERVER_ID)!.join()) return undefined
  const client = message.options.get(DHCPV6_OPTION.CLIENT_ID)
  if (client !== undefined) options.set(DHCPV6_OPTION.CLIENT_ID, client)
  options.set(DHCPV6_OPTION.DNS, network.dns6)
  if (network.dnssearch.length > 0) options.set(DHCPV6_OPTION.DOMAIN_SEARCH, searchList(network.dnssearch))
  return { type: DHCPV6_TYPE.REPLY, transaction: message.transaction, options }
}

const address = (value: Uint8Array | undefined): Uint8Array | undefined => (value?.length === 4 ? value : undefined)
const text = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0))
const searchList = (names: readonly string[]): Uint8Array => Uint8Array.from(names.flatMap((name) => [...encodeName(name)]))
const hostPart = (ip: Uint8Array, bits: number): number => ip.reduce((sum, byte) => sum * 256 + byte, 0) % 2 ** (32 - bits)
