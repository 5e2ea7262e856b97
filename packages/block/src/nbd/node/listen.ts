import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { CodedError } from '@entresol/kit'
import { serveNbd } from '../server.ts'
import type { NbdServerOptions } from '../server.ts'
import { SocketDuplex } from './socket-duplex.ts'

/** Where to listen: TCP, port 0 for any free one; or the path of a Unix socket. */
export type NbdListenAddress = { readonly host: string; readonly port: number } | { readonly socket: string }

export interface NbdListenOptions extends Omit<NbdServerOptions, 'signal'> {
  /** Further clients are turned away. Default 64. */
  readonly maxConnections?: number
  /** A connection ended; `error` where it did not end well. */
  readonly onClose?: (error: CodedError | undefined) => void
}

export interface NbdListener {
  /** Port listened on; 0 on a Unix socket. */
  readonly port: number
  /** Takes no further clients and resolves when the present ones have their answers and are disconnected. */
  close(): Promise<void>
}

/** An NBD server on a socket of this host. Code `listen-failed`. */
export async function listenNbd(address: NbdListenAddress, options: NbdListenOptions): Promise<NbdListener> {
  const ending = new AbortController()
  const clients = new Set<Promise<void>>()
  const server = createServer(socket => {
    const client = serveNbd(new SocketDuplex(socket), { ...options, signal: ending.signal }).then(error => options.onClose?.(error)).finally(() => clients.delete(client))
    clients.add(client)
  })
  server.maxConnections = options.maxConnections ?? 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(new CodedError('listen-failed', `NBD: ${error.message}`, { cause: error })))
    server.listen('socket' in address ? { path: address.socket } : { host: address.host, port: address.port }, resolve)
  })
  const bound = server.address()
  return {
    port: bound !== null && typeof bound === 'object' ? (bound satisfies AddressInfo).port : 0,
    async close() {
      const closed = new Promise<void>(resolve => void server.close(() => resolve()))
      ending.abort()
      await Promise.all(clients)
      await closed
    },
  }
}
