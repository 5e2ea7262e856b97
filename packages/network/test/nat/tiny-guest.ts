import type { Clock, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import {
  BROADCAST_MAC, ETHERNET_HEADER, ETHERTYPE, EthernetView, IP_PROTOCOL, IcmpView, Ipv4View, Ipv6View, TCP_FLAG, TcpView, UDP_HEADER, UdpView, finishFrame, formatIp,
  parseIp, parseMac, putArp, putEthernet, putIcmpChecksum, putIpv4, putIpv6, putTcp, putTcpOptions, putUdp, readArp, sequenceDelta, tcpOptionsLength,
  putChecksum, pseudoSum,
} from '../../src/codec/index.ts'
import type { IpPacket, TcpOptions } from '../../src/codec/index.ts'

export const NONE: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
export const ALL: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }

/** The wire between guest and NAT: may lose, repeat and hold back frames. */
export interface Wire {
  toNat(frame: Uint8Array, send: (frame: Uint8Array) => void): void
  toGuest(frame: Uint8Array, receive: (frame: Uint8Array) => void): void
}

export interface Received {
  readonly source: string
  readonly sourcePort: number
  readonly port: number
  readonly payload: Uint8Array
}

/** A machine with the smallest IP stack that can talk: what it sends and understands is written here once more, not taken from the NAT. */
export class TinyGuest {
  readonly mac = parseMac('52:54:00:12:34:56')
  readonly ip4 = parseIp('10.0.2.15')
  readonly ip6 = parseIp('fec0::15')
  readonly clock: Clock
  readonly port: NetworkPort
  gateway = parseMac('52:55:0a:00:02:02')
  /** All frames as they came, finished, for captures. */
  readonly seen: Uint8Array[] = []
  readonly unfinished: (UnfinishedFrame | undefined)[] = []
  readonly datagrams: Received[] = []
  readonly icmp: { source: string; type: number; code: number; bytes: Uint8Array }[] = []
  readonly connections = new Map<number, GuestConnection>()
  /** False: the guest has no room. */
  room = true
  wire: Wire = { toNat: (frame, send) => send(frame), toGuest: (frame, receive) => receive(frame) }
  readonly #ethernet = new EthernetView()
  #nextPort = 30000

  constructor(port: NetworkPort, clock: Clock, accepts: FrameOffloads = NONE) {
    this.port = port
    this.clock = clock
    port.onReceive((frame, unfinished) => {
      if (!this.room) return false
      this.unfinished.push(unfinished)
      const finished = unfinished === undefined ? [frame.slice()] : finishFrame(frame, unfinished)
      for (const each of finished) {
        this.seen.push(each)
        this.wire.toGuest(each, (bytes) => this.#receive(bytes))
      }
      return true
    }, accepts)
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    if (unfinished !== undefined) this.port.send(frame, unfinished)
    else this.wire.toNat(frame, (bytes) => this.port.send(bytes))
  }

  /** An IP packet with room for `length` bytes, filled in by `put`. */
  packet(to: Uint8Array, protocol: number, length: number, put: (frame: Uint8Array, at: number, addresses: number, size: number) => void): Uint8Array {
    const v4 = to.length === 4
    const at = ETHERNET_HEADER + (v4 ? 20 : 40)
    const frame = new Uint8Array(at + length)
    putEthernet(frame, this.gateway, this.mac, v4 ? ETHERTYPE.IPV4 : ETHERTYPE.IPV6)
    const header = { source: v4 ? this.ip4 : this.ip6, destination: to, protocol, length, hops: 64, identification: 7 }
    if (v4) putIpv4(frame, ETHERNET_HEADER, header)
    else putIpv6(frame, ETHERNET_HEADER, header)
    put(frame, at, ETHERNET_HEADER + (v4 ? 12 : 8), v4 ? 8 : 32)
    return frame
  }

  arp(target: Uint8Array): void {
    const frame = new Uint8Array(42)
    putEthernet(frame, BROADCAST_MAC, this.mac, ETHERTYPE.ARP)
    putArp(frame, 14, { operation: 1, senderMac: this.mac, sender: this.ip4, targetMac: new Uint8Array(6), target })
    this.send(frame)
  }

  udp(to: string, port: number, payload: Uint8Array, from = 1111): void {
    this.send(this.packet(parseIp(to), IP_PROTOCOL.UDP, UDP_HEADER + payload.length, (frame, at, addresses, size) => {
      frame.set(payload, at + UDP_HEADER)
      putUdp(frame, at, from, port, payload.length, addresses, size)
    }))
  }

  ping(to: string, payload: Uint8Array = Uint8Array.of(1, 2, 3)): void {
    const address = parseIp(to)
    const v4 = address.length === 4
    this.send(this.packet(address, v4 ? IP_PROTOCOL.ICMP : IP_PROTOCOL.ICMPV6, 8 + payload.length, (frame, at, addresses) => {
      frame.set([v4 ? 8 : 128, 0, 0, 0, 0, 9, 0, 1], at)
      frame.set(payload, at + 8)
      putIcmpChecksum(frame, at, frame.length, v4 ? undefined : addresses)
    }))
  }

  connect(to: string, port: number, options: ConnectionOptions = {}): GuestConnection {
    const connection = new GuestConnection(this, parseIp(to), port, this.#nextPort++, options)
    this.connections.set(connection.port, connection)
    connection.open()
    return connection
  }

  /** Answers connections to `port`. */
  listen(port: number, options: ConnectionOptions = {}): GuestConnection {
    const connection = new GuestConnection(this, new Uint8Array(4), 0, port, options)
    this.connections.set(port, connection)
    return connection
  }

  #receive(frame: Uint8Array): void {
    const ethernet = this.#ethernet
    if (!ethernet.read(frame)) throw new Error('bad frame')
    if (ethernet.type === ETHERTYPE.ARP) {
      const arp = readArp(frame, ethernet.payload)!
      if (arp.operation !== 1 || formatIp(arp.target) !== formatIp(this.ip4)) return
      const answer = new Uint8Array(42)
      putEthernet(answer, arp.senderMac, this.mac, ETHERTYPE.ARP)
      putArp(answer, 14, { operation: 2, senderMac: this.mac, sender: this.ip4, targetMac: arp.senderMac, target: arp.sender })
      return this.send(answer)
    }
    const ip = ethernet.type === ETHERTYPE.IPV4 ? new Ipv4View() : new Ipv6View()
    if (!ip.read(frame, ethernet.payload, frame.length)) throw new Error('bad IP packet')
    const source = formatIp(ip.bytes, ip.sourceAt, ip.addressLength)
    if (ip.fragmented) return
    if (ip.protocol === IP_PROTOCOL.UDP) {
      const udp = new UdpView()
      if (!udp.read(ip, true)) throw new Error('bad UDP datagram')
      this.datagrams.push({ source, sourcePort: udp.sourcePort, port: udp.destinationPort, payload: frame.slice(udp.payload, udp.end) })
    } else if (ip.protocol === IP_PROTOCOL.TCP) {
      const tcp = new TcpView()
      if (!tcp.read(ip, true)) throw new Error('bad TCP segment')
      this.connections.get(tcp.destinationPort)?.receive(tcp, ip)
    } else {
      const icmp = new IcmpView()
      if (!icmp.read(ip)) throw new Error('bad ICMP message')
      this.icmp.push({ source, type: icmp.type, code: icmp.code, bytes: frame.slice(icmp.at, icmp.end) })
    }
  }
}

export interface ConnectionOptions {
  /** Bytes the program has not read yet and still may come. */
  readonly buffer?: number
  readonly mss?: number
  readonly scale?: number
  /** Does not read by itself. */
  readonly slow?: boolean
}

type Connecting = 'closed' | 'listening' | 'syn-sent' | 'syn-received' | 'established' | 'reset'

/** A TCP client that goes back to the first missing byte (no SACK, no congestion control): right, and slow. */
export class GuestConnection {
  readonly guest: TinyGuest
  to: Uint8Array
  remotePort: number
  readonly port: number
  readonly options: ConnectionOptions
  state: Connecting = 'closed'
  received: number[] = []
  #unread = 0
  finReceived = false
  finAcknowledged = false
  peerOptions: TcpOptions = {}
  peerWindow = 0
  acks = 0
  readonly #iss: number
  #una: number
  #nxt: number
  #rcvNxt = 0
  #data: Uint8Array = new Uint8Array()
  #ending = false
  #timer: { cancel(): void } | undefined

  constructor(guest: TinyGuest, to: Uint8Array, remotePort: number, port: number, options: ConnectionOptions) {
    this.guest = guest
    this.to = to
    this.remotePort = remotePort
    this.port = port
    this.options = options
    this.#iss = (0xffff_fff0 + port) >>> 0
    this.#una = this.#nxt = this.#iss
    this.state = remotePort === 0 ? 'listening' : 'closed'
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.received)
  }

  get window(): number {
    return (this.options.buffer ?? 1 << 20) - this.#unread
  }

  open(): void {
    this.state = 'syn-sent'
    this.#syn()
  }

  #syn(): void {
    const { mss = 1460, scale } = this.options
    const options = { mss, ...scale === undefined ? {} : { windowScale: scale }, sackPermitted: true, timestamps: { value: 1, echo: 0 } }
    this.#nxt = (this.#iss + 1) >>> 0
    this.#send(this.#iss, TCP_FLAG.SYN | (this.state === 'syn-received' ? TCP_FLAG.ACK : 0), new Uint8Array(), options)
    this.#rearm()
  }

  write(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#data.length + bytes.length)
    all.set(this.#data)
    all.set(bytes, this.#data.length)
    this.#data = all
    this.#push()
  }

  end(): void {
    this.#ending = true
    this.#push()
  }

  reset(): void {
    this.#send(this.#nxt, TCP_FLAG.RST | TCP_FLAG.ACK)
    this.#close('reset')
  }

  /** The program reads `count` bytes. */
  read(count: number): void {
    this.#unread -= count
    this.#send(this.#nxt, TCP_FLAG.ACK)
  }

  /** Any segment. */
  send(flags: number, sequence: number = this.#nxt, payload: Uint8Array = new Uint8Array()): void {
    this.#send(sequence, flags, payload)
  }

  get sequence(): number {
    return this.#nxt
  }

  #push(): void {
    if (this.state !== 'established') return
    for (;;) {
      const flight = sequenceDelta(this.#nxt, this.#una)
      const length = Math.min(this.#data.length - flight, this.peerWindow - flight, this.peerOptions.mss ?? 536)
      const last = this.#ending && !this.finAcknowledged && flight + Math.max(0, length) === this.#data.length && this.peerWindow > flight
      if (length <= 0 && !last) break
      const from = this.#nxt
      const payload = this.#data.subarray(flight, flight + Math.max(0, length))
      // Before it is sent: the answer may come at once.
      this.#nxt = (from + payload.length + (last ? 1 : 0)) >>> 0
      this.#send(from, TCP_FLAG.ACK | TCP_FLAG.PSH | (last ? TCP_FLAG.FIN : 0), payload)
      if (last) break
    }
    this.#rearm()
  }

  #rearm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const waiting = this.#una !== this.#nxt || this.#data.length > 0
    if (!waiting || this.state === 'reset' || this.state === 'closed') return
    this.#timer = this.guest.clock.schedule(this.guest.clock.now() + 500e6, () => {
      if (this.state === 'syn-sent' || this.state === 'syn-received') return this.#syn()
      this.#nxt = this.#una
      if (this.peerWindow > 0) this.#push()
      else this.#send(this.#una, TCP_FLAG.ACK, this.#data.subarray(0, 1))
      this.#rearm()
    })
  }

  receive(tcp: TcpView, ip: IpPacket): void {
    if (this.state === 'closed' || this.state === 'reset') return
    this.peerWindow = tcp.window * ((tcp.flags & TCP_FLAG.SYN) !== 0 ? 1 : 2 ** (this.peerOptions.windowScale ?? 0))
    if ((tcp.flags & TCP_FLAG.RST) !== 0) return this.#close('reset')
    if ((tcp.flags & TCP_FLAG.SYN) !== 0) return this.#receiveSyn(tcp, ip)
    const fresh = sequenceDelta(tcp.acknowledgment, this.#una)
    if (this.state === 'syn-received' && fresh > 0) this.#established()
    else if (fresh > 0) {
      this.finAcknowledged ||= fresh > this.#data.length
      this.#data = this.#data.subarray(Math.min(fresh, this.#data.length))
      this.#una = tcp.acknowledgment
      if (sequenceDelta(this.#nxt, this.#una) < 0) this.#nxt = this.#una
    }
    this.acks++
    if (tcp.sequenceLength > 0) this.#take(tcp)
    this.#push()
  }

  #receiveSyn(tcp: TcpView, ip: IpPacket): void {
    if (this.state === 'listening') {
      this.to = ip.bytes.slice(ip.sourceAt, ip.sourceAt + ip.addressLength)
      this.remotePort = tcp.sourcePort
      this.peerOptions = tcp.options()
      this.#rcvNxt = (tcp.sequence + 1) >>> 0
      this.state = 'syn-received'
      this.#syn()
    } else if (this.state === 'syn-sent' && tcp.acknowledgment === this.#nxt) {
      this.peerOptions = tcp.options()
      this.#rcvNxt = (tcp.sequence + 1) >>> 0
      this.#established()
      this.#send(this.#nxt, TCP_FLAG.ACK)
      this.#push()
    } else this.#send(this.#nxt, TCP_FLAG.ACK)
  }

  #established(): void {
    this.state = 'established'
    this.#una = this.#nxt = (this.#iss + 1) >>> 0
  }

  #take(tcp: TcpView): void {
    const late = sequenceDelta(this.#rcvNxt, tcp.sequence)
    if (late >= 0 && late <= tcp.end - tcp.payload && !this.finReceived) {
      const bytes = tcp.bytes.subarray(tcp.payload + late, Math.min(tcp.end, tcp.payload + late + this.window))
      for (const byte of bytes) this.received.push(byte)
      if (this.options.slow === true) this.#unread += bytes.length
      this.#rcvNxt = (this.#rcvNxt + bytes.length) >>> 0
      if ((tcp.flags & TCP_FLAG.FIN) !== 0 && this.#rcvNxt === (tcp.sequence + tcp.end - tcp.payload) >>> 0) {
        this.finReceived = true
        this.#rcvNxt = (this.#rcvNxt + 1) >>> 0
      }
    }
    this.#send(this.#nxt, TCP_FLAG.ACK)
  }

  #close(state: Connecting): void {
    this.state = state
    this.#timer?.cancel()
  }

  #send(sequence: number, flags: number, payload: Uint8Array = new Uint8Array(), options: TcpOptions = {}): void {
    const header = 20 + tcpOptionsLength(options)
    const scale = (flags & TCP_FLAG.SYN) !== 0 || this.peerOptions.windowScale === undefined ? 0 : this.options.scale ?? 0
    this.guest.send(this.guest.packet(this.to, IP_PROTOCOL.TCP, header + payload.length, (frame, at, addresses, size) => {
      putTcp(frame, at, {
        sourcePort: this.port, destinationPort: this.remotePort, sequence, acknowledgment: this.#rcvNxt, flags,
        window: Math.max(0, Math.min(0xffff, this.window >> scale)), length: header,
      })
      putTcpOptions(frame, at + 20, options)
      frame.set(payload, at + header)
      putChecksum(frame, at + 16, at, frame.length, pseudoSum(frame, addresses, size, IP_PROTOCOL.TCP, frame.length - at))
    }))
  }
}
