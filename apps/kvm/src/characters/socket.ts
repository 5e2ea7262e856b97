import { unlinkSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { CodedError } from '@entresol/kit'
import type { SerialConsole } from '@entresol/machine'
import { fileError } from '../files.ts'
import type { CharacterOptions, SocketAddress } from '../options/index.ts'
import type { OpenCharacter } from './open-character.ts'

type SocketOptions = CharacterOptions & { readonly kind: 'socket' }

/** Bytes the guest printed that a slow peer has not taken: what comes then is lost. */
const MAX_PENDING = 1 << 20
/** Bytes a peer sent that the guest has not taken: the peer waits then. */
const MAX_TYPED = 65536
const RETRY_MILLISECONDS = 50

const show = (address: SocketAddress): string => 'path' in address ? address.path : `${address.host ?? '*'}:${address.port}`

/** Puts the port between what comes in and where its output goes, which may be the same socket, until either ends. */
export function joinSocket(input: Socket, output: Socket, port: SerialConsole): void {
  const stop = port.onOutput((bytes) => {
    if (output.writableLength < MAX_PENDING) output.write(bytes.slice())
  })
  input.on('data', (bytes: Buffer) => {
    port.send(bytes)
    if (port.backlog < MAX_TYPED) return
    input.pause()
    const again = setInterval(() => {
      if (port.backlog >= MAX_TYPED && !input.destroyed) return
      clearInterval(again)
      input.resume()
    }, RETRY_MILLISECONDS)
  })
  for (const socket of [input, output]) {
    socket.on('error', () => undefined)
    socket.on('close', stop)
  }
}

export function connectSocket({ address }: SocketOptions, option: string, port: SerialConsole): OpenCharacter {
  const socket = connect('path' in address ? { path: address.path } : { host: address.host ?? '127.0.0.1', port: address.port })
  const ready = new Promise<void>((resolve, reject) => {
    socket.once('connect', () => {
      joinSocket(socket, socket, port)
      resolve()
    })
    socket.once('error', (error) => reject(fileError(option, show(address), error)))
  })
  return { port, ready, close: () => socket.destroy() }
}

/** One peer at a time; when it has gone the next may come. */
export function listenSocket({ address, wait }: SocketOptions, option: string, port: SerialConsole): OpenCharacter {
  let peer: Socket | undefined
  const server = createServer((socket) => {
    if (peer && !peer.destroyed) {
      socket.destroy()
      return
    }
    peer = socket
    joinSocket(socket, socket, port)
  })
  const ready = new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(fileError(option, show(address), error)))
    if (wait) server.once('connection', () => resolve())
    server.once('listening', () => {
      if (!wait) resolve()
      else process.stderr.write(`entresol-kvm: ${option}: waiting for a connection to ${show(address)}\n`)
    })
  })
  if ('path' in address) {
    // A socket that an earlier run left.
    try {
      unlinkSync(address.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new CodedError('file-error', `${option}: ${address.path}: is in the way`, { cause: error })
    }
    server.listen(address.path)
  } else server.listen(address.port, address.host)
  return {
    port, ready,
    close: () => {
      peer?.destroy()
      server.close()
    },
  }
}
