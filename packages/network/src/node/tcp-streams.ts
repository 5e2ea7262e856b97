import type { Socket} from 'node:net'
import { connect, createServer } from 'node:net'
import { CodedError } from '@entresol/kit'
import type { HostListener, HostStream, HostStreamEvents, SocketAddress, StreamFailure } from '../nat/index.ts'
import { plainAddress } from './addresses.ts'

/** Bytes: of one read, and of the buffers writes are copied to. */
const CHUNK = 64 << 10
/** Copies up to this size come from Node's own pool. */
const SMALL = 4 << 10
const MAX_SPARE = 64

const FAILURES: Readonly<Record<string, StreamFailure>> = {
  ECONNREFUSED: 'refused', ETIMEDOUT: 'timeout', EHOSTUNREACH: 'unreachable', ENETUNREACH: 'unreachable', EHOSTDOWN: 'unreachable', ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable', EACCES: 'unreachable', EPERM: 'unreachable', EINVAL: 'unreachable', EAFNOSUPPORT: 'unreachable', EMFILE: 'unreachable',
}

/** Buffers whose writes are done, for the next ones. */
const spare: Buffer[] = []

/** Reads land here and are passed on before the next one; Windows reads ahead, so each socket there has its own. */
const shared = process.platform === 'win32' ? undefined : Buffer.allocUnsafeSlow(CHUNK)

/** A socket of node:net as the NAT wants it. */
class NodeStream implements HostStream {
  readonly #socket: Socket
  #events: HostStreamEvents | undefined
  #reason: StreamFailure = 'reset'

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('connect', () => this.#events?.opened())
    socket.on('end', () => this.#events?.ended())
    socket.on('drain', () => this.#events?.drained())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = FAILURES[error.code ?? ''] ?? 'reset'
    })
    socket.on('close', (failed) => {
      const events = this.#events
      this.#events = undefined
      if (failed) events?.failed(this.#reason)
    })
  }

  set events(events: HostStreamEvents) {
    this.#events = events
  }

  /** Passes the bytes on as no Buffer, whose `slice` does not copy. */
  received(bytes: Buffer): void {
    this.#events?.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
  }

  get pending(): number {
    return this.#socket.writableLength
  }

  write(bytes: Uint8Array): void {
    if (bytes.length <= SMALL || bytes.length > CHUNK) {
      this.#socket.write(Buffer.from(bytes))
      return
    }
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK)
    buffer.set(bytes)
    this.#socket.write(buffer.subarray(0, bytes.length), () => {
      if (spare.length < MAX_SPARE) spare.push(buffer)
    })
  }

  end(): void {
    this.#socket.end()
  }

  reset(): void {
    this.#events = undefined
    if (this.#socket.connecting) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}

export function connectTcp(to: SocketAddress, events: HostStreamEvents): HostStream {
  const buffer = shared ?? Buffer.allocUnsafeSlow(CHUNK)
  const callback = (length: number): boolean => {
    stream.received(buffer.subarray(0, length))
    return true
  }
  const socket = connect({ host: to.address, port: to.port, allowHalfOpen: true, autoSelectFamily: false, onread: { buffer, callback } })
  const stream = new NodeStream(socket)
  stream.events = events
  return stream
}

export function listenTcp(
  address: string | undefined, port: number, accept: (stream: HostStream, from: SocketAddress) => HostStreamEvents,
): Promise<HostListener> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const stream = new NodeStream(socket)
      stream.events = accept(stream, { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 })
      socket.on('data', (bytes: Buffer) => stream.received(bytes))
    })
    server.on('error', (error) => reject(new CodedError('network-listen', `cannot listen on ${address ?? '*'} port ${port}: ${error.message}`, { cause: error })))
    server.listen({ port, ...address === undefined ? {} : { host: address } }, () => {
      resolve({ port: (server.address() as { port: number }).port, close: () => void server.close() })
    })
  })
}
