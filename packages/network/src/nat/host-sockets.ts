/** Why a host connection is no more. */
export type StreamFailure = 'refused' | 'unreachable' | 'timeout' | 'reset'

/** The host's end of one TCP connection, or of anything that behaves like one. Calls after `reset` or `failed` do nothing; nothing throws. */
export interface HostStream {
  /** Takes all bytes, of which it copies what it keeps. */
  write(bytes: Uint8Array): void
  /** Bytes written that the far side has not taken yet: the caller stops when they are too many, and goes on at `drained`. */
  readonly pending: number
  /** No more will be written: the peer sees the end after the last byte. Reading goes on. */
  end(): void
  /** Drops the connection at once; the peer sees a reset. */
  reset(): void
  /** No `data` until `resume`, but for what is under way. */
  pause(): void
  resume(): void
}

/** What a HostStream tells its one user. */
export interface HostStreamEvents {
  /** Connected; comes before any other event but `failed`. Not told for accepted streams. */
  opened(): void
  /** The bytes are the caller's again when this returns. */
  data(bytes: Uint8Array): void
  /** The peer sends no more. */
  ended(): void
  /** `pending` came down to 0 again. */
  drained(): void
  /** The connection is gone, and so is what was pending; the last event. After both ends have ended it may come or not. */
  failed(reason: StreamFailure): void
}

/** Opens a stream that reports to `events`, not before it has returned. */
export type StreamOpener = (events: HostStreamEvents) => HostStream

export interface SocketAddress {
  /** IP address in text, IPv6 in the form of RFC 5952. */
  readonly address: string
  readonly port: number
}

export interface HostListener {
  /** The port it has: of interest when 0 was asked for. */
  readonly port: number
  close(): void
}

export interface HostDatagrams {
  /** The port it has, 0 before it is known. */
  readonly port: number
  /** Copies what it keeps. Datagrams may get lost: too large, no route, too many at once. */
  send(bytes: Uint8Array, to: SocketAddress): void
  close(): void
}

/** A datagram came. The bytes are the socket's again when this returns. */
export type DatagramListener = (bytes: Uint8Array, from: SocketAddress) => void

/** The sockets of the host: what the user-mode NAT stands on. `@entresol/network/node` has Node's. */
export interface HostSockets {
  /** `address` is an IP address: names are never resolved here. */
  connect(to: SocketAddress, events: HostStreamEvents): HostStream
  /** Listens; without an address on all. `accept` is given each connection and says who hears of it. Rejects with `network-listen`. */
  listen(address: string | undefined, port: number, accept: (stream: HostStream, from: SocketAddress) => HostStreamEvents): Promise<HostListener>
  /** A socket for datagrams of one IP version, on a port of the host's choice. */
  datagrams(version: 4 | 6, received: DatagramListener): HostDatagrams
  /** The same on a given address and port. Rejects with `network-listen`. */
  bind(address: string | undefined, port: number, received: DatagramListener): Promise<HostDatagrams>
  /** Whether the address is the host's own: one of its interfaces', loopback included. */
  isOwn(address: string): boolean
  /** The host's resolvers, in order of preference; asked for each new query, as they change. */
  nameservers(): readonly SocketAddress[]
  /** Sends an ICMP echo, where the host lets programs do that, and tells whether it was answered; undefined: it does not. */
  readonly echo: ((address: string, payload: Uint8Array, done: (answered: boolean) => void) => void) | undefined
}
