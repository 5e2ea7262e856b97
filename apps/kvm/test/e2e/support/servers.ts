import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join, normalize } from 'node:path'

export interface FileServer {
  readonly port: number
  /** Paths asked for, in order. */
  readonly requests: string[]
  close(): void
}

/** A folder over HTTP on the host's loopback. */
export async function serveFolder(folder: string): Promise<FileServer> {
  const requests: string[] = []
  const server = createHttpServer((request, response) => {
    const path = normalize(decodeURIComponent(request.url ?? '/'))
    requests.push(path)
    const file = join(folder, path)
    stat(file).then((status) => {
      if (!status.isFile()) throw new Error('no file')
      response.writeHead(200, { 'content-length': status.size })
      createReadStream(file).pipe(response)
    }).catch(() => response.writeHead(404).end())
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, requests, close: () => server.close() }
}

/** A TCP port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => void server.close(() => resolve()))
  return port
}
