import type { Clock, NetworkPort, RandomSource, UnfinishedFrame } from '@entresol/interfaces'
import {
  DHCPV6_PORT, DHCP_PORT, ETHERTYPE, EthernetView, ICMP, ICMPV6, IP_PROTOCOL, IcmpView, Ipv4View, Ipv6View, Reassembler, TCP_FLAG, UdpView,
  echoMessage, formatIp, parseIp, putEthernet, readDhcp, readDhcpv6, unreachableMessage, writeDhcp, writeDhcpv6,
} from '../codec/index.ts'
import type { IpPacket, Unreachable } from '../codec/index.ts'
import { AddressMap } from './addresses.ts'
import { userNetwork } from './config.ts'
import type { UserNetwork, UserNetworkOptions } from './config.ts'
import { DhcpServer, dhcpv6Answer } from './dhcp-server.ts'
import type { GuestForward, HostForward } from './forwards.ts'
import { GuestLink } from './guest-link.ts'
import type { HostListener, HostSockets } from './host-sockets.ts'
import { HOPS, datagramFrames, ipFrame } from './ip-frame.ts'
import type { Datagram } from './ip-frame.ts'
import { Neighbors } from './neighbors.ts'
import { natPolicy } from './policy.ts'
import type { NatPolicy } from './policy.ts'
import { MemoryBudget } from './tcp/byte-ring.ts'
import type { TcpConnection } from './tcp/connection.ts'
import { TcpProxy } from './tcp/proxy.ts'
import { UdpProxy } from './udp-proxy.ts'

/** What a NAT may hold at a time. */
export interface NatLimits {
  /** TCP connections, and those of them that are not yet established. Defaults 1024 and 128. */
  readonly connections?: number
  readonly halfOpen?: number
  /** UDP ports of guests. Default 512. */
  readonly associations?: number
  /** Bytes that all connections together buffer before each gets less. Default 64 MiB. */
  readonly memory?: number
}

export interface UserNatOptions extends UserNetworkOptions {
  readonly clock: Clock
  readonly random: RandomSource
  readonly sockets: HostSockets
  /** What guests may reach. Default `natPolicy()`: the internet, nothing of the host or near it. */
  readonly policy?: NatPolicy
  readonly limits?: NatLimits
}

export interface NatStatistics {
  readonly connections: number
  readonly associations: number
  /** Bytes buffered for TCP. */
  readonly memory: number
  /** Frames of guests that were malformed or not for us. */
  readonly ignored: number
  /** Frames for guests that found no room. */
  readonly dropped: number
  /** Connections reset because there were too many. */
  readonly evicted: number
}

/** RFC 8415, 7.1. */
const ALL_DHCP_SERVERS = parseIp('ff02::1:2')
const BROADCAST = parseIp('255.255.255.255')
/** Echoes under way beyond the gateway. */
const MAX_ECHOES = 32
/** Frames that come while one is being looked at, which only streams within this process can cause. */
const MAX_LATE = 64
const MAX_FRAME = 65_550

/**
 * A network for guests without any right on the host: a gateway that answers ARP, neighbour discovery, DHCP, names and pings itself, and carries
 * TCP and UDP over sockets of the host. `port` is the end of its wire that a device or a switch plugs into.
 */
export class UserNat {
  readonly network: UserNetwork
  readonly port: NetworkPort
  readonly #clock: Clock
  readonly #sockets: HostSockets
  readonly #link: GuestLink
  readonly #neighbors: Neighbors
  readonly #addresses: AddressMap
  readonly #dhcp: DhcpServer
  readonly #reassembler = new Reassembler()
  readonly #budget: MemoryBudget
  readonly #tcp: TcpProxy
  readonly #udp: UdpProxy
  readonly #ethernet = new EthernetView()
  readonly #ipv4 = new Ipv4View()
  readonly #ipv6 = new Ipv6View()
  readonly #icmpView = new IcmpView()
  readonly #udpView = new UdpView()
  #ready: TcpConnection[] = []
  #late: { frame: Uint8Array; unfinished: UnfinishedFrame | undefined }[] = []
  readonly #linkListeners: ((up: boolean) => void)[] = []
  #pumping = false
  #closed = false
  #echoes = 0
  #identification = 0
  #ignored = 0

  /** Throws `network-bad-option`, `network-bad-address`, `network-bad-name`. */
  constructor(options: UserNatOptions) {
    const { clock, sockets, random, limits = {} } = options
    const network = this.network = userNetwork(options)
    this.#clock = clock
    this.#sockets = sockets
    const link = this.#link = new GuestLink(network.mac)
    this.#neighbors = new Neighbors(network, link, clock, () => this.#tcp.resolved())
    this.#addresses = new AddressMap(network, sockets, options.policy ?? natPolicy())
    this.#dhcp = new DhcpServer(network, (address) => this.#neighbors.isOwn(address))
    this.#budget = new MemoryBudget(limits.memory ?? 64 << 20)
    this.#tcp = new TcpProxy({
      context: {
        clock, link, budget: this.#budget, resolve: (address) => this.#neighbors.resolve(address), random: () => random.nextU32(),
        ready: (connection) => this.#enqueue(connection),
      },
      mtu: network.mtu, sockets, addresses: this.#addresses, limits: { connections: limits.connections ?? 1024, halfOpen: limits.halfOpen ?? 128 },
      unreachable: (packet, reason) => this.#unreachable(packet, reason),
    })
    this.#udp = new UdpProxy({
      clock, sockets, addresses: this.#addresses, limit: limits.associations ?? 512, send: (datagram) => this.#sendDatagram(datagram),
      unreachable: (packet, reason) => this.#unreachable(packet, reason),
    })
    const up = (): boolean => !this.#closed
    this.port = {
      offloads: { checksum: true, tso4: true, tso6: true, uso: true },
      get linkUp() {
        return up()
      },
      send: (frame, unfinished) => this.#receive(frame, unfinished),
      onReceive: (listener, accepts) => {
        link.onReceive(listener, accepts)
        this.#pump()
      },
      resume: () => {
        link.unblock()
        this.#pump()
      },
      onLinkChange: (listener) => void this.#linkListeners.push(listener),
    }
  }

  get statistics(): NatStatistics {
    return {
      connections: this.#tcp.connections, associations: this.#udp.associations, memory: this.#budget.spent, ignored: this.#ignored,
      dropped: this.#link.dropped, evicted: this.#tcp.evicted,
    }
  }

  /** Lets the host's side reach a guest. Rejects with `network-listen`; throws `network-bad-address`. */
  forwardToGuest(forward: HostForward): Promise<HostListener> {
    const guest = forward.guestAddress === undefined ? this.network.dhcpStart : parseIp(forward.guestAddress)
    const proxy = forward.protocol === 'tcp' ? this.#tcp : this.#udp
    return proxy.forwardToGuest(forward.hostAddress, forward.hostPort, guest, forward.guestPort)
  }

  /** Lets guests reach one service, whatever the policy says and `restrict`, at an address of their network. Throws `network-bad-address`. */
  forwardFromGuest({ address, port, target }: GuestForward): void {
    const own = parseIp(address)
    this.#neighbors.own(own)
    this.#tcp.forwardFromGuest(own, port, typeof target === 'function' ? target : (events) => this.#sockets.connect(target, events))
  }

  close(): void {
    if (this.#closed) return
    this.#tcp.close()
    this.#udp.close()
    this.#neighbors.close()
    this.#closed = true
    this.#ready = []
    this.#link.close()
    for (const listener of this.#linkListeners) listener(false)
  }

  // Out.

  #enqueue(connection: TcpConnection): void {
    if (!connection.queued) {
      connection.queued = true
      this.#ready.push(connection)
    }
    this.#pump()
  }

  /** Sends what waits while the guest's end takes it. */
  #pump(): void {
    const link = this.#link
    if (this.#pumping) return
    this.#pumping = true
    try {
      while (this.#ready.length > 0 && link.open && link.flush()) {
        const round = this.#ready
        this.#ready = []
        for (let index = 0; index < round.length; index++) {
          const connection = round[index]!
          connection.queued = false
          if (connection.transmit()) continue
          this.#enqueue(connection)
          for (const later of round.slice(index + 1)) this.#ready.push(later)
          break
        }
      }
      link.flush()
    } finally {
      this.#pumping = false
    }
  }

  #sendTo(guest: Uint8Array, frame: Uint8Array): void {
    const mac = this.#neighbors.resolve(guest, frame)
    putEthernet(frame, mac ?? frame.subarray(0, 6), this.network.mac, guest.length === 4 ? ETHERTYPE.IPV4 : ETHERTYPE.IPV6)
    if (mac !== undefined) this.#link.push(frame)
  }

  #sendDatagram(datagram: Datagram): void {
    this.#identification = (this.#identification + 1) & 0xffff
    for (const frame of datagramFrames(datagram, this.network.mtu, this.#identification)) this.#sendTo(datagram.destination, frame)
    this.#pump()
  }

  #sendIcmp(source: Uint8Array, destination: Uint8Array, message: Uint8Array): void {
    const protocol = source.length === 4 ? IP_PROTOCOL.ICMP : IP_PROTOCOL.ICMPV6
    this.#sendTo(destination, ipFrame({ source, destination, protocol, length: message.length, hops: HOPS, identification: 0 }, message))
    this.#pump()
  }

  #unreachable(packet: IpPacket, reason: Unreachable): void {
    const guest = packet.bytes.slice(packet.sourceAt, packet.sourceAt + packet.addressLength)
    if (!this.#neighbors.isGuest(guest)) return
    this.#sendIcmp(packet.version === 4 ? this.network.host : this.network.host6, guest, unreachableMessage(packet, reason))
  }

  // In.

  #receive(frame: Uint8Array, unfinished: UnfinishedFrame | undefined): void {
    if (this.#closed) return
    const link = this.#link
    if (link.held) {
      if (this.#late.length < MAX_LATE) this.#late.push({ frame: frame.slice(), unfinished })
      return
    }
    link.held = true
    try {
      if (!this.#frame(frame, unfinished)) this.#ignored++
      for (let late = this.#late.shift(); late !== undefined; late = this.#late.shift()) if (!this.#frame(late.frame, late.unfinished)) this.#ignored++
    } finally {
      link.held = false
    }
    this.#pump()
  }

  /** False: malformed, or nothing for us. */
  #frame(frame: Uint8Array, unfinished: UnfinishedFrame | undefined): boolean {
    const ethernet = this.#ethernet
    if (frame.length > MAX_FRAME || !ethernet.read(frame) || ethernet.vlan > 0) return false
    // To us, to all or to many.
    if ((frame[0]! & 1) === 0 && !this.network.mac.every((byte, index) => byte === frame[index])) return false
    if (ethernet.type === ETHERTYPE.ARP) {
      this.#neighbors.arp(frame, ethernet.payload)
      return true
    }
    const ip = ethernet.type === ETHERTYPE.IPV4 && this.network.ipv4 ? this.#ipv4 : ethernet.type === ETHERTYPE.IPV6 && this.network.ipv6 ? this.#ipv6 : undefined
    if (ip?.read(frame, ethernet.payload, frame.length) !== true || ip.hops === 0) return false
    if (!ip.fragmented) return this.#packet(ip, frame, unfinished)
    const whole = this.#reassembler.add(ip, this.#clock.now())
    return whole === undefined || this.#packet(whole, frame, undefined)
  }

  #packet(ip: IpPacket, frame: Uint8Array, unfinished: UnfinishedFrame | undefined): boolean {
    const { bytes, sourceAt, destinationAt, addressLength, protocol } = ip
    const mac = frame.subarray(6, 12)
    const fromGuest = this.#neighbors.isGuest(bytes, sourceAt, addressLength)
    const finished = unfinished?.checksum === undefined && unfinished?.segmentation === undefined
    if (protocol === IP_PROTOCOL.TCP) {
      if (!fromGuest || !this.#isUnicast(ip)) return false
      if ((bytes[ip.payload + 13]! & TCP_FLAG.SYN) !== 0) this.#learn(ip, mac)
      return this.#tcp.input(ip, mac, finished)
    }
    if (fromGuest) this.#learn(ip, mac)
    if (protocol === IP_PROTOCOL.UDP) return this.#datagram(ip, mac, fromGuest, finished, unfinished?.segmentation?.size)
    if (protocol === (ip.version === 4 ? IP_PROTOCOL.ICMP : IP_PROTOCOL.ICMPV6)) return this.#icmp(ip, mac, fromGuest)
    if (!fromGuest || !this.#isUnicast(ip)) return false
    this.#unreachable(ip, this.#neighbors.isOwn(bytes, destinationAt, addressLength) ? 'protocol' : 'prohibited')
    return true
  }

  #learn(ip: IpPacket, mac: Uint8Array): void {
    this.#neighbors.learn(ip.bytes.slice(ip.sourceAt, ip.sourceAt + ip.addressLength), mac)
  }

  /** Sent to one address: not multicast, nor a broadcast address of the net. */
  #isUnicast({ bytes, destinationAt, version }: IpPacket): boolean {
    const first = bytes[destinationAt]!
    if (version === 6) return first !== 0xff
    const { base, mask } = this.network.net
    return first < 224 && first !== 0 && !base.every((byte, index) => bytes[destinationAt + index] === (byte | (~mask[index]! & 0xff)))
  }

  #datagram(ip: IpPacket, mac: Uint8Array, fromGuest: boolean, finished: boolean, size: number | undefined): boolean {
    const udp = this.#udpView
    if (!udp.read(ip, finished)) return false
    const destination = ip.bytes.subarray(ip.destinationAt, ip.destinationAt + ip.addressLength)
    const unicast = this.#isUnicast(ip)
    const forUs = this.#addresses.isGateway(destination) || !unicast
    if (ip.version === 4 && udp.destinationPort === DHCP_PORT.SERVER && forUs) return this.#answerDhcp(udp, mac)
    if (ip.version === 6 && udp.destinationPort === DHCPV6_PORT.SERVER && (unicast ? forUs : destination.join() === ALL_DHCP_SERVERS.join())) {
      return fromGuest && this.#answerDhcpv6(ip, udp)
    }
    if (!fromGuest || !unicast) return false
    this.#udp.input(ip, udp, size !== undefined && size > 0 ? size : Infinity)
    return true
  }

  #answerDhcp(udp: UdpView, mac: Uint8Array): boolean {
    const message = readDhcp(udp.bytes, udp.payload, udp.end)
    if (message === undefined) return false
    const answer = this.#dhcp.answer(message, this.#clock.now())
    if (answer === undefined) return true
    const named = answer.clientAddress.some((byte) => byte !== 0)
    const datagram = {
      source: this.network.host, sourcePort: DHCP_PORT.SERVER, destination: named ? answer.clientAddress : BROADCAST, destinationPort: DHCP_PORT.CLIENT,
      payload: writeDhcp(answer),
    }
    for (const frame of datagramFrames(datagram, this.network.mtu, 0)) {
      putEthernet(frame, answer.broadcast && !named ? Uint8Array.of(255, 255, 255, 255, 255, 255) : mac, this.network.mac, ETHERTYPE.IPV4)
      this.#link.push(frame)
    }
    return true
  }

  #answerDhcpv6(ip: IpPacket, udp: UdpView): boolean {
    const message = readDhcpv6(udp.bytes, udp.payload, udp.end)
    const answer = message && dhcpv6Answer(message, this.network)
    if (answer === undefined) return false
    const guest = ip.bytes.slice(ip.sourceAt, ip.sourceAt + 16)
    this.#sendDatagram({
      source: this.network.local6, sourcePort: DHCPV6_PORT.SERVER, destination: guest, destinationPort: udp.sourcePort, payload: writeDhcpv6(answer),
    })
    return true
  }

  #icmp(ip: IpPacket, mac: Uint8Array, fromGuest: boolean): boolean {
    const icmp = this.#icmpView
    if (!icmp.read(ip)) return false
    const echo = ip.version === 4 ? ICMP.ECHO : ICMPV6.ECHO
    if (icmp.type !== echo) {
      if (ip.version === 4) return icmp.type <= ICMP.UNREACHABLE
      this.#neighbors.ndp(ip, icmp, mac)
      return true
    }
    if (!fromGuest || !this.#isUnicast(ip)) return false
    const { bytes, sourceAt, destinationAt, addressLength } = ip
    const guest = bytes.slice(sourceAt, sourceAt + addressLength)
    const target = bytes.slice(destinationAt, destinationAt + addressLength)
    const payload = bytes.slice(icmp.payload, icmp.end)
    const answer = echoMessage(ip.version === 4 ? ICMP.ECHO_REPLY : ICMPV6.ECHO_REPLY, icmp.identifier, icmp.sequence, payload)
    if (this.#neighbors.isOwn(target)) {
      this.#sendIcmp(target, guest, answer)
      return true
    }
    const route = this.#addresses.route('icmp', target, 0)
    if (!('to' in route)) this.#unreachable(ip, route.refused)
    else if (this.#sockets.echo === undefined) this.#unreachable(ip, 'network')
    else if (this.#echoes < MAX_ECHOES) {
      this.#echoes++
      this.#sockets.echo(formatIp(target), payload, (answered) => {
        this.#echoes--
        if (answered && !this.#closed) this.#sendIcmp(target, guest, answer)
      })
    }
    return true
  }
}
