import type {
  DatagramListener, HostDatagrams, HostListener, HostSockets, HostStream, HostStreamEvents, SocketAddress, StreamFailure,
} from '../../src/index.ts'

/** The far side of a stream that the NAT opened or was given: what a server program sees. */
export class FakeStream implements HostStream {
  readonly to: SocketAddress
  events: HostStreamEvents | undefined
  #taken: Uint8Array[] = []
  ended = false
  wasReset = false
  paused = false
  /** While true nothing written is taken. */
  stalled = false
  #held: Uint8Array[] = []
  pending = 0

  constructor(to: SocketAddress, events?: HostStreamEvents) {
    this.to = to
    this.events = events
  }

  get received(): Uint8Array {
    return Buffer.concat(this.#taken)
  }

  write(bytes: Uint8Array): void {
    this.#held.push(bytes.slice())
    this.pending += bytes.length
    if (!this.stalled) this.take()
  }

  /** The server reads what was written. */
  take(): void {
    this.#taken.push(...this.#held)
    this.#held = []
    this.pending = 0
  }

  unstall(): void {
    this.stalled = false
    this.take()
    this.events?.drained()
  }

  end(): void {
    this.ended = true
  }

  reset(): void {
    this.wasReset = true
    this.events = undefined
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  fail(reason: StreamFailure): void {
    const { events } = this
    this.events = undefined
    events?.failed(reason)
  }
}

export class FakeDatagrams implements HostDatagrams {
  readonly sent: { bytes: Uint8Array; to: SocketAddress }[] = []
  readonly received: DatagramListener
  closed = false
  port: number

  constructor(received: DatagramListener, port = 40000) {
    this.received = received
    this.port = port
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    this.sent.push({ bytes: bytes.slice(), to })
  }

  close(): void {
    this.closed = true
  }
}

/** Sockets of a host that exists only here. */
export class FakeHost implements HostSockets {
  readonly streams: FakeStream[] = []
  readonly sockets: FakeDatagrams[] = []
  readonly listeners = new Map<number, (stream: HostStream, from: SocketAddress) => HostStreamEvents>()
  servers: SocketAddress[] = [{ address: '192.0.2.53', port: 53 }]
  own = new Set(['127.0.0.1', '::1', '198.51.100.7'])
  echo: HostSockets['echo'] = undefined

  connect(to: SocketAddress, events: HostStreamEvents): HostStream {
    const stream = new FakeStream(to, events)
    this.streams.push(stream)
    return stream
  }

  listen(_address: string | undefined, port: number, accept: (stream: HostStream, from: SocketAddress) => HostStreamEvents): Promise<HostListener> {
    this.listeners.set(port, accept)
    return Promise.resolve({ port, close: () => void this.listeners.delete(port) })
  }

  /** Somebody connects to the host's port. */
  dial(port: number, from: SocketAddress = { address: '127.0.0.1', port: 50000 }): FakeStream {
    const stream = new FakeStream(from)
    const events = this.listeners.get(port)!(stream, from)
    if (!stream.wasReset) stream.events = events
    return stream
  }

  datagrams(_version: 4 | 6, received: DatagramListener): HostDatagrams {
    const socket = new FakeDatagrams(received)
    this.sockets.push(socket)
    return socket
  }

  bind(_address: string | undefined, port: number, received: DatagramListener): Promise<HostDatagrams> {
    const socket = new FakeDatagrams(received, port)
    this.sockets.push(socket)
    return Promise.resolve(socket)
  }

  isOwn(address: string): boolean {
    return this.own.has(address)
  }

  nameservers(): readonly SocketAddress[] {
    return this.servers
  }

  get last(): FakeStream {
    return this.streams.at(-1)!
  }
}
