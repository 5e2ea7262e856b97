import { CodedError } from '@entresol/kit'
import {
  ETHERNET_HEADER, IPV4_HEADER, IPV6_HEADER, IP_PROTOCOL, Ipv4View, Ipv6View, TCP_FLAG, TCP_HEADER, TcpView, formatIp, putTcp,
} from '../../codec/index.ts'
import type { IpPacket, Unreachable } from '../../codec/index.ts'
import type { AddressMap } from '../addresses.ts'
import type { HostListener, HostSockets, HostStream, HostStreamEvents, StreamOpener } from '../host-sockets.ts'
import { HOPS, ipFrame } from '../ip-frame.ts'
import { TcpConnection } from './connection.ts'
import type { TcpContext } from './connection.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { TcpPath } from './segment-writer.ts'
import { TcpTable } from './table.ts'

export interface TcpLimits {
  /** Connections, in whatever state. */
  readonly connections: number
  /** Of them not yet established. */
  readonly halfOpen: number
}

export interface TcpProxyOptions {
  readonly context: Omit<TcpContext, 'closed' | 'unreachable' | 'mss'>
  readonly mtu: number
  readonly sockets: HostSockets
  readonly addresses: AddressMap
  readonly limits: TcpLimits
  /** Tells the guest why its packet went nowhere. */
  unreachable(packet: IpPacket, reason: Unreachable): void
}

/** All TCP of the guests of one NAT: connections to the host's sockets, to forwards, and from forwards to guests. */
export class TcpProxy {
  readonly #options: TcpProxyOptions
  readonly #context: TcpContext
  readonly #table: TcpTable
  readonly #tcp = new TcpView()
  /** Forwards of addresses of ours, by `key`. */
  readonly #openers = new Map<string, StreamOpener>()
  readonly #listeners = new Set<HostListener>()
  #halfOpen = 0
  #closed = false
  /** Connections that were reset because there were too many. */
  evicted = 0

  constructor(options: TcpProxyOptions) {
    this.#options = options
    this.#table = new TcpTable(options.context.random())
    const base = options.context
    this.#context = {
      clock: base.clock, link: base.link, budget: base.budget, resolve: base.resolve, ready: base.ready, random: base.random,
      mss: ({ guest }) => options.mtu - TCP_HEADER - (guest.length === 4 ? IPV4_HEADER : IPV6_HEADER),
      closed: (connection) => this.#table.remove(connection),
      unreachable: (connection) => options.unreachable(synOf(connection), 'host'),
    }
  }

  get connections(): number {
    return this.#table.size
  }

  /** What guests send to `address`:`port` goes into streams of `open`. */
  forwardFromGuest(address: Uint8Array, port: number, open: StreamOpener): void {
    this.#openers.set(key(address, port), open)
  }

  /** Connections to the host's port become connections to the guest. Rejects with `network-listen`. */
  async forwardToGuest(hostAddress: string | undefined, hostPort: number, guest: Uint8Array, guestPort: number): Promise<HostListener> {
    const listener = await this.#options.sockets.listen(hostAddress, hostPort, (stream, from) => this.#connectGuest(stream, from, guest, guestPort))
    if (this.#closed) {
      listener.close()
      throw new CodedError('network-listen', 'the network has been closed')
    }
    this.#listeners.add(listener)
    return {
      port: listener.port,
      close: () => {
        this.#listeners.delete(listener)
        listener.close()
      },
    }
  }

  #connectGuest(stream: HostStream, from: { address: string; port: number }, guest: Uint8Array, guestPort: number): HostStreamEvents {
    const remote = this.#options.addresses.seen(from.address, guest.length === 4 ? 4 : 6)
    const path = remote && { guest, guestPort, remote, remotePort: from.port }
    if (path === undefined || this.#closed || this.#table.has(path) || !this.#makeRoom()) {
      stream.reset()
      return NOBODY
    }
    const connection = new TcpConnection(this.#context, path)
    this.#table.add(connection)
    connection.connect(stream)
    return connection
  }

  /** A guest's packet with TCP in it; `finished`: its checksum is there to be checked. */
  input(ip: IpPacket, mac: Uint8Array, finished: boolean): boolean {
    const tcp = this.#tcp
    if (!tcp.read(ip, finished)) return false
    const found = this.#table.find(ip, tcp)
    const opens = (tcp.flags & (TCP_FLAG.SYN | TCP_FLAG.ACK | TCP_FLAG.RST)) === TCP_FLAG.SYN
    // A new connection may take the place of one that is over (RFC 9293, 3.6.1).
    if (found !== undefined && !(opens && found.state === 'time-wait' && tcp.sequence !== found.initialSequence)) found.segment(tcp)
    else if (opens) {
      found?.abort()
      this.#open(ip, tcp, mac)
    } else if ((tcp.flags & TCP_FLAG.RST) === 0) this.#refuse(ip, tcp, mac)
    return true
  }

  #open(ip: IpPacket, tcp: TcpView, mac: Uint8Array): void {
    const path = pathOf(ip, tcp)
    const own = this.#openers.get(key(path.remote, path.remotePort))
    let open = own
    if (open === undefined) {
      const route = this.#options.addresses.route('tcp', path.remote, path.remotePort)
      if (!('to' in route)) {
        if (route.refused === 'port') this.#refuse(ip, tcp, mac)
        else this.#options.unreachable(ip, route.refused)
        return
      }
      open = (events) => this.#options.sockets.connect(route.to, events)
    }
    if (!this.#makeRoom()) return this.#refuse(ip, tcp, mac)
    const connection = new TcpConnection(this.#context, path, mac)
    this.#table.add(connection)
    connection.accept(tcp, open)
  }

  /** The answer to a segment without a connection (RFC 9293, 3.10.7.1). */
  #refuse(ip: IpPacket, tcp: TcpView, mac: Uint8Array): void {
    const writer = new SegmentWriter(this.#context.link, pathOf(ip, tcp))
    writer.destination = mac
    if ((tcp.flags & TCP_FLAG.ACK) !== 0) writer.push(tcp.acknowledgment, 0, TCP_FLAG.RST)
    else writer.push(0, (tcp.sequence + tcp.sequenceLength) >>> 0, TCP_FLAG.RST | TCP_FLAG.ACK)
  }

  /**
   * Room for one more connection, by resetting the one that will be missed least: half-open ones that are too many, then those that are over, then
   * whichever has been silent for longest.
   */
  #makeRoom(): boolean {
    const { connections, halfOpen } = this.#options.limits
    if (this.#table.size < Math.min(connections, halfOpen)) return true
    let oldest: TcpConnection | undefined
    let oldestHalf: TcpConnection | undefined
    this.#halfOpen = 0
    for (const each of this.#table) {
      if (oldest === undefined || rank(each) < rank(oldest)) oldest = each
      if (!each.halfOpen) continue
      this.#halfOpen++
      if (oldestHalf === undefined || each.lastHeard < oldestHalf.lastHeard) oldestHalf = each
    }
    if (this.#halfOpen >= halfOpen) this.#evict(oldestHalf!)
    else if (this.#table.size >= connections) this.#evict(oldest!)
    return this.#table.size < connections
  }

  #evict(connection: TcpConnection): void {
    if (connection.state !== 'time-wait') this.evicted++
    connection.abort()
  }

  /** A guest's address was resolved: connections to it may start. */
  resolved(): void {
    for (const connection of this.#table) if (connection.state === 'syn-sent') this.#context.ready(connection)
  }

  close(): void {
    this.#closed = true
    for (const listener of this.#listeners) listener.close()
    for (const connection of this.#table) connection.abort()
  }
}

/** What becomes of events of a stream that was reset before it had a connection. */
const NOBODY: HostStreamEvents = { opened() {}, data() {}, ended() {}, drained() {}, failed() {} }

const key = (address: Uint8Array, port: number): string => `${formatIp(address)} ${port}`
/** Connections that are over come before all others. */
const rank = (connection: TcpConnection): number => connection.lastHeard - (connection.state === 'time-wait' ? 1e18 : 0)

function pathOf(ip: IpPacket, tcp: TcpView): TcpPath {
  const { bytes, sourceAt, destinationAt, addressLength } = ip
  return {
    guest: bytes.slice(sourceAt, sourceAt + addressLength), guestPort: tcp.sourcePort,
    remote: bytes.slice(destinationAt, destinationAt + addressLength), remotePort: tcp.destinationPort,
  }
}

/** The SYN that began a connection, as far as an ICMP error quotes it. */
function synOf(connection: TcpConnection): IpPacket {
  const { guest, guestPort, remote, remotePort } = connection.path
  const header = new Uint8Array(TCP_HEADER)
  putTcp(header, 0, {
    sourcePort: guestPort, destinationPort: remotePort, sequence: connection.initialSequence, acknowledgment: 0, flags: TCP_FLAG.SYN, window: 0, length: TCP_HEADER,
  })
  const packet = ipFrame({ source: guest, destination: remote, protocol: IP_PROTOCOL.TCP, length: TCP_HEADER, hops: HOPS, identification: 0 }, header)
  const view = guest.length === 4 ? new Ipv4View() : new Ipv6View()
  view.read(packet, ETHERNET_HEADER, packet.length)
  return view
}
