import { existsSync, readdirSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CodedError } from '@entresol/kit'
import type { VirtioVsock, VsockConnection } from '@entresol/virtio/vsock'
import { fileError } from '../files.ts'

/** The longest first line, "CONNECT 4294967295\n". */
const MAX_LINE = 32

/**
 * Unix sockets for the ports of a guest, as Firecracker has them: who connects to `path` and says "CONNECT PORT" is answered "OK PORT" and connected to
 * the guest's port; a connection of the guest to port P of the host goes to who listens on `path_P`, if that is there at the start. Returns how to stop.
 */
export async function bridgeVsock(vsock: VirtioVsock, path: string, option: string): Promise<() => void> {
  const prefix = `${basename(path)}_`
  for (const name of readdirSync(dirname(path))) {
    const port = Number(name.slice(prefix.length))
    if (name.startsWith(prefix) && port > 0 && port <= 0xffffffff) vsock.listen(port, (connection) => toHost(connection, `${path}_${port}`))
  }
  const server = createServer((socket) => void toGuest(vsock, socket))
  // A socket that an earlier run left.
  if (existsSync(path)) unlinkSync(path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(fileError(option, path, error)))
    server.listen(path, resolve)
  })
  return () => void server.close()
}

async function join(connection: VsockConnection, socket: Socket): Promise<void> {
  await Promise.all([
    pipeline(Readable.fromWeb(connection.readable as Parameters<typeof Readable.fromWeb>[0]), socket), pipeline(socket, Writable.fromWeb(connection.writable)),
  ]).catch(() => connection.reset())
}

function toHost(connection: VsockConnection, path: string): void {
  const socket = connect({ path, allowHalfOpen: true })
  socket.once('error', () => connection.reset())
  socket.once('connect', () => void join(connection, socket))
}

async function toGuest(vsock: VirtioVsock, socket: Socket): Promise<void> {
  socket.allowHalfOpen = true
  socket.on('error', () => undefined)
  try {
    const port = /^CONNECT (\d{1,10})$/.exec(await firstLine(socket))?.[1]
    if (port === undefined || Number(port) > 0xffffffff) throw new CodedError('vsock-bridge', 'not CONNECT PORT')
    const connection = await vsock.connect(Number(port))
    socket.write(`OK ${connection.hostPort}\n`)
    await join(connection, socket)
  } catch {
    socket.destroy()
  }
}

/** The bytes up to the first line end; what comes behind it stays in the socket. */
function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = Buffer.alloc(0)
    const look = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        line = Buffer.concat([line, chunk])
        const end = line.indexOf(10)
        if (end < 0 && line.length <= MAX_LINE) continue
        socket.off('readable', look)
        if (end < 0) return reject(new CodedError('vsock-bridge', 'the line is too long'))
        socket.unshift(line.subarray(end + 1))
        return resolve(line.toString('latin1', 0, end))
      }
    }
    socket.on('readable', look)
    socket.once('close', () => reject(new CodedError('vsock-bridge', 'the line ended')))
  })
}
