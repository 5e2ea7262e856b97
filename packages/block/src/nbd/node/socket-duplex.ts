import { connect as connectSocket, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls, createServer } from 'node:tls'
import type { ConnectionOptions, TlsOptions } from 'node:tls'
import { CodedError } from '@entresol/kit'
import type { ByteDuplex, TlsUpgrade } from '../duplex.ts'
import { connectionLost } from '../reader.ts'
import type { NbdAddress } from '../uri.ts'

/** A ByteDuplex over a TCP, Unix or TLS socket. */
export class SocketDuplex implements ByteDuplex {
  readonly socket: Socket
  #error: Error | undefined
  #wake: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    for (const event of ['readable', 'end', 'drain', 'close'] as const) socket.on(event, this.#notify)
    socket.on('error', this.#failed)
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.socket.read() as Uint8Array | null
      if (chunk !== null) return chunk
      if (this.#error) throw connectionLost(this.#error.message)
      if (this.socket.readableEnded || this.socket.destroyed) return undefined
      await this.#change()
    }
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (!this.socket.writable) throw connectionLost(this.#error?.message ?? 'the connection is closed')
    this.socket.cork()
    for (const chunk of chunks) if (chunk.length > 0) this.socket.write(chunk)
    this.socket.uncork()
    while (this.socket.writableNeedDrain) {
      await this.#change()
      if (!this.socket.writable) throw connectionLost(this.#error?.message ?? 'the connection is closed')
    }
  }

  close(): void {
    // What is queued goes out, but nobody waits for a peer that does not take it.
    this.socket.destroySoon()
    setTimeout(() => this.socket.destroy(), 1000).unref()
  }

  /** Lets go of the socket, which goes on under another owner. */
  release(): Socket {
    for (const event of ['readable', 'end', 'drain', 'close'] as const) this.socket.off(event, this.#notify)
    this.socket.off('error', this.#failed)
    return this.socket
  }

  readonly #notify = (): void => {
    for (const wake of this.#wake.splice(0)) wake()
  }

  readonly #failed = (error: Error): void => {
    this.#error = error
    this.#notify()
  }

  #change(): Promise<void> {
    return new Promise(resolve => void this.#wake.push(resolve))
  }
}

/** Connects to a server; `connection-lost` when there is none. `milliseconds`: how long to wait. */
export function connectNbd(address: NbdAddress, milliseconds = 10_000): Promise<ByteDuplex> {
  return new Promise((resolve, reject) => {
    const where = address.socket ?? `${address.host}:${address.port}`
    const socket = connectSocket(address.socket === undefined ? { host: address.host, port: address.port } : { path: address.socket })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(connectionLost(`${where}: ${error.message}`))
    }
    socket.setTimeout(milliseconds, () => fail(new Error('no answer')))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.off('error', fail)
      resolve(new SocketDuplex(socket))
    })
  })
}

/** The client's side of TLS. `host`: what the certificate must name, unless `options` say otherwise. */
export function clientTls(host: string, options: ConnectionOptions = {}): TlsUpgrade {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  return plain => secure(plain, (socket, ready, fail) => {
    const secured = connectTls({ host, ...servername, minVersion: 'TLSv1.2', ...options, socket })
    secured.once('secureConnect', () => ready(secured))
    secured.on('error', fail)
  })
}

/** The server's side of TLS; `options` hold certificate and key, and `requestCert` and `ca` where clients need certificates too. */
export function serverTls(options: TlsOptions): TlsUpgrade {
  return plain => secure(plain, (socket, ready, fail) => {
    // A server that listens nowhere and is handed this one connection: it judges the client's certificate.
    const server = createServer({ minVersion: 'TLSv1.2', ...options }, ready)
    server.once('tlsClientError', fail)
    server.emit('connection', socket)
  })
}

type Start = (socket: Socket, ready: (secured: Socket) => void, fail: (error: Error) => void) => void

function secure(plain: ByteDuplex, start: Start): Promise<ByteDuplex> {
  if (!(plain instanceof SocketDuplex)) return Promise.reject(new CodedError('unsupported', 'NBD: TLS works on sockets of this host only'))
  return new Promise((resolve, reject) => {
    const socket = plain.release()
    const fail = (error: Error): void => {
      socket.destroy()
      reject(new CodedError('tls-failed', `NBD: TLS: ${error.message}`, { cause: error }))
    }
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the connection was closed')))
    start(socket, secured => resolve(new SocketDuplex(secured)), fail)
  })
}
