import type { Clock, Timer } from '@entresol/interfaces'
import {
  ARP_LENGTH, ARP_OPERATION, BROADCAST_MAC, ETHERNET_HEADER, ETHERTYPE, ICMPV6, IP_PROTOCOL, NA_FLAG, encodeName, formatIp, neighborAdvertisement,
  neighborSolicitation, parseIp, parseNetwork, putArp, putEthernet, readArp, readNeighborMessage, routerAdvertisement,
} from '../codec/index.ts'
import type { IcmpView, IpPacket } from '../codec/index.ts'
import { ipFrame } from './ip-frame.ts'
import type { GuestLink } from './guest-link.ts'
import type { UserNetwork } from './config.ts'

/** Guests whose MAC is remembered; the one unheard of for longest goes. */
const MAX_NEIGHBORS = 256
/** Frames that wait until an address is resolved, one for each. */
const MAX_UNRESOLVED = 16
/** Seconds: RFC 4861, 6.2.1 has 1800 for the router; names servers and prefix may stay as long. */
const ROUTER_LIFETIME = 1800
/** Nanoseconds between advertisements that nobody asked for. */
const ADVERTISE_EVERY = 600e9
const LINK_LOCAL = parseNetwork('fe80::/10')
const ALL_NODES = parseIp('ff02::1')

/** Who is where on the guests' wire: answers ARP and neighbour solicitations for our addresses, learns guests', asks for those unknown, advertises the router. */
export class Neighbors {
  readonly #network: UserNetwork
  readonly #link: GuestLink
  readonly #own: Uint8Array[]
  readonly #macs = new Map<string, Uint8Array>()
  readonly #unresolved = new Map<string, Uint8Array | undefined>()
  readonly #learned: () => void
  readonly #clock: Clock
  #timer: Timer | undefined

  /** `learned`: an address that was asked for is known now. */
  constructor(network: UserNetwork, link: GuestLink, clock: Clock, learned: () => void) {
    this.#network = network
    this.#link = link
    this.#clock = clock
    this.#learned = learned
    this.#own = [...network.ipv4 ? [network.host, network.dns] : [], ...network.ipv6 ? [network.host6, network.dns6, network.local6] : []]
  }

  /** One more address of ours: of a forward to the host. */
  own(address: Uint8Array): void {
    if (!this.isOwn(address)) this.#own.push(address)
  }

  isOwn(bytes: Uint8Array, at = 0, length: number = bytes.length): boolean {
    return this.#own.some((own) => own.length === length && own.every((byte, index) => byte === bytes[at + index]))
  }

  /** Whether a guest may have this address. */
  isGuest(bytes: Uint8Array, at = 0, length: number = bytes.length): boolean {
    const { ipv4, ipv6, net, net6 } = this.#network
    const inside = length === 4 ? ipv4 && net.has(bytes, at, 4) : ipv6 && (net6.has(bytes, at, 16) || LINK_LOCAL.has(bytes, at, 16))
    return inside && !this.isOwn(bytes, at, length)
  }

  /** A guest showed its address. */
  learn(address: Uint8Array, mac: Uint8Array): void {
    if (!this.isGuest(address) || (mac[0]! & 1) !== 0) return
    const key = formatIp(address)
    this.#macs.delete(key)
    this.#macs.set(key, mac.slice())
    if (this.#macs.size > MAX_NEIGHBORS) this.#macs.delete(this.#macs.keys().next().value!)
    if (!this.#unresolved.has(key)) return
    const frame = this.#unresolved.get(key)
    this.#unresolved.delete(key)
    if (frame !== undefined) {
      frame.set(mac)
      this.#link.push(frame)
    }
    this.#learned()
  }

  /** Where a guest is; undefined: it is asked for. `frame` is sent there when that is known, unless too many wait. */
  resolve(address: Uint8Array, frame?: Uint8Array): Uint8Array | undefined {
    const key = formatIp(address)
    const mac = this.#macs.get(key)
    if (mac !== undefined) return mac
    this.#unresolved.set(key, frame ?? this.#unresolved.get(key))
    if (this.#unresolved.size > MAX_UNRESOLVED) this.#unresolved.delete(this.#unresolved.keys().next().value!)
    this.#ask(address)
    return undefined
  }

  #ask(address: Uint8Array): void {
    if (address.length === 4) return this.#arp(ARP_OPERATION.REQUEST, this.#network.host, BROADCAST_MAC, address)
    const tail = address.subarray(13)
    const solicited = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...tail)
    this.#sendNdp(neighborSolicitation(address, this.#network.mac), solicited, Uint8Array.of(0x33, 0x33, 0xff, ...tail))
  }

  arp(bytes: Uint8Array, at: number): void {
    const arp = readArp(bytes, at)
    if (arp === undefined || !this.#network.ipv4) return
    this.learn(arp.sender, arp.senderMac)
    if (arp.operation === ARP_OPERATION.REQUEST && this.isOwn(arp.target)) this.#arp(ARP_OPERATION.REPLY, arp.target, arp.senderMac, arp.sender)
  }

  #arp(operation: number, sender: Uint8Array, targetMac: Uint8Array, target: Uint8Array): void {
    const frame = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH)
    putEthernet(frame, targetMac, this.#network.mac, ETHERTYPE.ARP)
    putArp(frame, ETHERNET_HEADER, { operation, senderMac: this.#network.mac, sender, targetMac: operation === ARP_OPERATION.REQUEST ? new Uint8Array(6) : targetMac, target })
    this.#link.push(frame)
  }

  /** RFC 4861, 6.2 and 7.2. Messages from behind a router have fewer hops left than 255, and are not for us. */
  ndp(ip: IpPacket, icmp: IcmpView, sender: Uint8Array): void {
    const message = ip.hops === 255 ? readNeighborMessage(icmp) : undefined
    if (message === undefined) return
    const source = ip.bytes.slice(ip.sourceAt, ip.sourceAt + 16)
    const unspecified = source.every((byte) => byte === 0)
    if (icmp.type === ICMPV6.NEIGHBOR_ADVERTISEMENT) {
      if (message.mac !== undefined) this.learn(message.target!.slice(), message.mac)
      return
    }
    if (!unspecified) this.learn(source, message.mac ?? sender)
    if (icmp.type === ICMPV6.ROUTER_SOLICITATION) this.#advertise()
    else if (this.isOwn(message.target!)) {
      const flags = NA_FLAG.ROUTER | NA_FLAG.OVERRIDE | (unspecified ? 0 : NA_FLAG.SOLICITED)
      const answer = neighborAdvertisement(message.target!, this.#network.mac, flags)
      this.#sendNdp(answer, unspecified ? ALL_NODES : source, sender, message.target!.slice())
    }
  }

  /** Tells all guests of the router, their prefix and the resolver, now and again. Restricted guests get addresses only. */
  #advertise(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.schedule(this.#clock.now() + ADVERTISE_EVERY, () => this.#advertise())
    const { mac, mtu, net6, dns6, restrict, dnssearch } = this.#network
    this.#sendNdp(routerAdvertisement({
      mac, mtu, prefix: net6, routerLifetime: restrict ? 0 : ROUTER_LIFETIME, lifetime: ROUTER_LIFETIME, dns: restrict ? [] : [dns6],
      search: Uint8Array.from(restrict ? [] : dnssearch.flatMap((name) => [...encodeName(name)])),
    }), ALL_NODES, Uint8Array.of(0x33, 0x33, 0, 0, 0, 1))
  }

  close(): void {
    this.#timer?.cancel()
  }

  #sendNdp(message: Uint8Array, destination: Uint8Array, mac: Uint8Array, source: Uint8Array = this.#network.local6): void {
    const frame = ipFrame({ source, destination, protocol: IP_PROTOCOL.ICMPV6, length: message.length, hops: 255, identification: 0 }, message)
    putEthernet(frame, mac, this.#network.mac, ETHERTYPE.IPV6)
    this.#link.push(frame)
  }
}
