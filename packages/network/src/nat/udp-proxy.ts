import { CodedError } from '@entresol/kit'
import type { Clock, Timer } from '@entresol/interfaces'
import { DNS_PORT, DNS_RCODE, dnsFailure, formatIp } from '../codec/index.ts'
import type { IpPacket, UdpView, Unreachable } from '../codec/index.ts'
import type { AddressMap } from './addresses.ts'
import type { HostDatagrams, HostListener, HostSockets, SocketAddress } from './host-sockets.ts'
import type { Datagram } from './ip-frame.ts'

/** Nanoseconds of silence after which a guest's port is forgotten; one that only asks for names sooner. QEMU's figures. */
const LIFETIME = 240e9
const DNS_LIFETIME = 10e9
const SWEEP = 5e9
/** A resolver that has not answered for so long is passed over when the guest asks again. */
const RESOLVER_PATIENCE = 1e9
/** Peers of one port: the first one goes when there are more. */
const MAX_PEERS = 64

/** Someone a guest's port talks with. */
interface Peer {
  /** On the host's side. */
  to: SocketAddress
  /** As the guest sees it. */
  readonly seen: Uint8Array
  readonly port: number
  /** For the resolver: which one is asked, and since when (ns) it has not answered. */
  attempt: number
  unanswered: number
}

/** A UDP port of a guest with a socket of the host. */
interface Association {
  readonly guest: Uint8Array
  readonly guestPort: number
  socket: HostDatagrams | undefined
  /** Forwards stay; others go when they are silent. */
  readonly forward: boolean
  /** By address and port as the guest sees them, and by those of the host's side. */
  readonly bySeen: Map<string, Peer>
  readonly byHost: Map<string, Peer>
  lastUsed: number
}

export interface UdpProxyOptions {
  readonly clock: Clock
  readonly sockets: HostSockets
  readonly addresses: AddressMap
  /** Ports of guests at a time. */
  readonly limit: number
  /** A datagram for a guest. */
  send(datagram: Datagram): void
  unreachable(packet: IpPacket, reason: Unreachable): void
}

/**
 * All UDP of the guests of one NAT. A guest's port has one socket of the host, whomever it sends to; what comes back is let in from those it has
 * sent to (RFC 4787: endpoint-independent mapping, address and port-dependent filtering).
 */
export class UdpProxy {
  readonly #options: UdpProxyOptions
  readonly #associations = new Map<string, Association>()
  readonly #forwards = new Map<string, Association>()
  #timer: Timer | undefined
  #closed = false

  constructor(options: UdpProxyOptions) {
    this.#options = options
  }

  get associations(): number {
    return this.#associations.size
  }

  /** A guest's datagram, in pieces of `size` bytes each if it is to be cut. */
  input(ip: IpPacket, udp: UdpView, size: number): void {
    const { bytes, sourceAt, destinationAt, addressLength } = ip
    const now = this.#options.clock.now()
    const guestKey = endpoint(bytes, sourceAt, addressLength, udp.sourcePort)
    const seenKey = endpoint(bytes, destinationAt, addressLength, udp.destinationPort)
    const forward = this.#forwards.get(guestKey)
    let association = forward?.bySeen.has(seenKey) === true ? forward : this.#associations.get(guestKey)
    let peer = association?.bySeen.get(seenKey)
    if (peer === undefined || now - peer.unanswered >= RESOLVER_PATIENCE) {
      const seen = bytes.slice(destinationAt, destinationAt + addressLength)
      const attempt = peer === undefined ? 0 : peer.attempt + 1
      const route = this.#options.addresses.route('udp', seen, udp.destinationPort, attempt)
      if (!('to' in route)) return this.#refuse(ip, udp, route.refused)
      association ??= this.#associate(guestKey, bytes.slice(sourceAt, sourceAt + addressLength), udp.sourcePort)
      peer ??= addPeer(association, seenKey, { to: route.to, seen, port: udp.destinationPort, attempt, unanswered: Infinity })
      if (peer.attempt !== attempt) {
        association.byHost.set(hostEndpoint(route.to), peer)
        Object.assign(peer, { to: route.to, attempt, unanswered: Infinity })
      }
    }
    if (peer.unanswered === Infinity && this.#options.addresses.isResolver(peer.seen)) peer.unanswered = now
    association!.lastUsed = now
    for (let from = udp.payload; from < udp.end || from === udp.payload; from += size) {
      association!.socket?.send(bytes.subarray(from, Math.min(udp.end, from + size)), peer.to)
    }
  }

  /** Without a resolver to ask, a question is answered that it failed. */
  #refuse(ip: IpPacket, udp: UdpView, reason: Unreachable): void {
    const seen = ip.bytes.slice(ip.destinationAt, ip.destinationAt + ip.addressLength)
    const asks = udp.destinationPort === DNS_PORT && this.#options.addresses.isResolver(seen)
    const failure = asks && reason === 'port' ? dnsFailure(udp.bytes.subarray(udp.payload, udp.end), DNS_RCODE.SERVER_FAILURE) : undefined
    if (failure === undefined) return this.#options.unreachable(ip, reason)
    const guest = ip.bytes.slice(ip.sourceAt, ip.sourceAt + ip.addressLength)
    this.#options.send({ source: seen, sourcePort: DNS_PORT, destination: guest, destinationPort: udp.sourcePort, payload: failure })
  }

  #associate(key: string, guest: Uint8Array, guestPort: number): Association {
    if (this.#associations.size >= this.#options.limit) this.#forget(oldest(this.#associations))
    const association = make(guest, guestPort, false)
    association.socket = this.#options.sockets.datagrams(guest.length === 4 ? 4 : 6, (bytes, from) => this.#received(association, bytes, from))
    this.#associations.set(key, association)
    this.#timer ??= this.#options.clock.schedule(this.#options.clock.now() + SWEEP, () => this.#sweep())
    return association
  }

  /** Datagrams to the host's port go to the guest, as from whoever sent them. Rejects with `network-listen`. */
  async forwardToGuest(hostAddress: string | undefined, hostPort: number, guest: Uint8Array, guestPort: number): Promise<HostListener> {
    const association = make(guest, guestPort, true)
    const key = endpoint(guest, 0, guest.length, guestPort)
    if (this.#forwards.has(key)) throw new CodedError('network-listen', `datagrams are forwarded to ${formatIp(guest)} port ${guestPort} already`)
    this.#forwards.set(key, association)
    try {
      association.socket = await this.#options.sockets.bind(hostAddress, hostPort, (bytes, from) => this.#received(association, bytes, from))
    } catch (error) {
      this.#forwards.delete(key)
      throw error
    }
    if (this.#closed) association.socket.close()
    return {
      port: association.socket.port,
      close: () => {
        if (this.#forwards.get(key) === association) this.#forwards.delete(key)
        association.socket?.close()
      },
    }
  }

  #received(association: Association, bytes: Uint8Array, from: SocketAddress): void {
    let peer = association.byHost.get(hostEndpoint(from))
    if (peer === undefined && association.forward) {
      const seen = this.#options.addresses.seen(from.address, association.guest.length === 4 ? 4 : 6)
      if (seen !== undefined) peer = addPeer(association, endpoint(seen, 0, seen.length, from.port), { to: from, seen, port: from.port, attempt: 0, unanswered: Infinity })
    }
    if (peer === undefined) return
    peer.unanswered = Infinity
    association.lastUsed = this.#options.clock.now()
    this.#options.send({ source: peer.seen, sourcePort: peer.port, destination: association.guest, destinationPort: association.guestPort, payload: bytes })
  }

  #sweep(): void {
    const now = this.#options.clock.now()
    for (const [key, association] of this.#associations) {
      const onlyNames = [...association.bySeen.values()].every((peer) => peer.port === DNS_PORT)
      if (now - association.lastUsed >= (onlyNames ? DNS_LIFETIME : LIFETIME)) this.#forget(key)
    }
    this.#timer = this.#associations.size === 0 ? undefined : this.#options.clock.schedule(now + SWEEP, () => this.#sweep())
  }

  #forget(key: string): void {
    this.#associations.get(key)?.socket?.close()
    this.#associations.delete(key)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    for (const { socket } of [...this.#associations.values(), ...this.#forwards.values()]) socket?.close()
    this.#associations.clear()
    this.#forwards.clear()
  }
}

const make = (guest: Uint8Array, guestPort: number, forward: boolean): Association =>
  ({ guest, guestPort, socket: undefined, forward, bySeen: new Map(), byHost: new Map(), lastUsed: 0 })

function addPeer(association: Association, seenKey: string, peer: Peer): Peer {
  const { bySeen, byHost } = association
  bySeen.set(seenKey, peer)
  byHost.set(hostEndpoint(peer.to), peer)
  if (bySeen.size > MAX_PEERS) {
    const [first, gone] = bySeen.entries().next().value!
    bySeen.delete(first)
    for (const [key, other] of byHost) if (other === gone) byHost.delete(key)
  }
  return peer
}

const hostEndpoint = ({ address, port }: SocketAddress): string => `${address} ${port}`

/** A Map's key of an address and a port. */
const endpoint = (bytes: Uint8Array, at: number, length: number, port: number): string =>
  String.fromCharCode(port, ...bytes.subarray(at, at + length))

function oldest(associations: ReadonlyMap<string, Association>): string {
  let found: [string, Association] | undefined
  for (const entry of associations) if (found === undefined || entry[1].lastUsed < found[1].lastUsed) found = entry
  return found![0]
}
