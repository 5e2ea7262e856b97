import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { CodedError } from '@entresol/kit'
import type { DatagramListener, HostDatagrams, SocketAddress } from '../nat/index.ts'
import { plainAddress } from './addresses.ts'

/** Bytes waiting for the host's kernel, beyond which datagrams are lost, as on any full link. */
const MAX_QUEUED = 1 << 20

class NodeDatagrams implements HostDatagrams {
  readonly #socket: Socket
  #closed = false
  port = 0

  constructor(socket: Socket, received: DatagramListener) {
    this.#socket = socket
    socket.on('message', (bytes, from) => {
      // Not a Buffer, whose `slice` does not copy.
      if (!this.#closed) received(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), { address: plainAddress(from.address), port: from.port })
    })
    // Errors are those of single datagrams (no route, port unreachable): they are lost, which UDP may do.
    socket.on('error', () => undefined)
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    if (this.#closed || this.#socket.getSendQueueSize() > MAX_QUEUED) return
    this.#socket.send(Buffer.from(bytes), to.port, to.address, () => undefined)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.close()
  }
}

const open = (version: 4 | 6): Socket => createSocket({
  type: version === 4 ? 'udp4' : 'udp6', ipv6Only: version === 6,
  // Addresses are never names here.
  lookup: (address, _options, done) => done(null, address, version),
})

export const openDatagrams = (version: 4 | 6, received: DatagramListener): HostDatagrams => new NodeDatagrams(open(version), received)

export function bindDatagrams(address: string | undefined, port: number, received: DatagramListener): Promise<HostDatagrams> {
  return new Promise((resolve, reject) => {
    const socket = open(address !== undefined && isIPv6(address) ? 6 : 4)
    const failed = (error: Error): void => {
      reject(new CodedError('network-listen', `cannot bind ${address ?? '*'} port ${port}: ${error.message}`, { cause: error }))
      socket.close()
    }
    socket.once('error', failed)
    socket.bind({ port, ...address === undefined ? {} : { address } }, () => {
      socket.off('error', failed)
      const datagrams = new NodeDatagrams(socket, received)
      datagrams.port = socket.address().port
      resolve(datagrams)
    })
  })
}
