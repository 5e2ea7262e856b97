import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ByteDuplex } from './duplex.ts'
import { protocolError } from './reader.ts'
import { serverHandshake } from './server-handshake.ts'
import type { ServerSession, ServerTls } from './server-handshake.ts'
import { RequestFailure, runRequest } from './server-requests.ts'
import type { Request } from './server-requests.ts'
import {
  DEFAULT_MAXIMUM_PAYLOAD, NBD_CMD_DISC, NBD_CMD_READ, NBD_CMD_WRITE, NBD_EINVAL, NBD_EIO, NBD_ENOSPC, NBD_EOVERFLOW, NBD_EPERM, NBD_ESHUTDOWN,
  NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR, NBD_REPLY_TYPE_NONE, NBD_REQUEST_MAGIC, NBD_SIMPLE_REPLY_MAGIC, NBD_STRUCTURED_REPLY_MAGIC,
  REQUEST_LENGTH, SIMPLE_REPLY_LENGTH, STRUCTURED_REPLY_LENGTH,
} from './spec.ts'
import { pieces, portions, withDeadline } from './watchdog.ts'

/** A disk under a name. The empty name is the default export; a single export answers to it too. */
export interface NbdExport {
  readonly name: string
  readonly description?: string
  readonly backend: BlockBackend
  /** Refuses writes even where the backend takes them. */
  readonly readOnly?: boolean
}

export interface NbdServerOptions {
  readonly exports: readonly NbdExport[]
  readonly tls?: ServerTls
  /** A client must have chosen an export after this time, TLS included. Default 10,000. */
  readonly handshakeMilliseconds?: number
  /** A client that is at a request, or takes a reply, must move a mebibyte or the rest of it in this time; idle ones may stay. Default 60,000. */
  readonly stallMilliseconds?: number
  /** Ends the connection: requests that came are finished, later ones get NBD_ESHUTDOWN. */
  readonly signal?: AbortSignal
}

/** Bounds of one connection: while so much is under way, nothing more is read from the client. */
const MAX_REQUESTS = 64
const MAX_BYTES: number = 2 * DEFAULT_MAXIMUM_PAYLOAD

/**
 * Serves one client until it disconnects. Resolves to what went wrong, or undefined; never rejects. The connection is closed then, the
 * backends stay open.
 */
export async function serveNbd(duplex: ByteDuplex, options: NbdServerOptions): Promise<CodedError | undefined> {
  let last = duplex
  try {
    const tls = options.tls && { required: options.tls.required, upgrade: async (plain: ByteDuplex) => last = await options.tls!.upgrade(plain) }
    const session = await withDeadline(duplex, options.handshakeMilliseconds ?? 10_000, () => serverHandshake(duplex, options.exports, tls))
    if (session) await new Transmission(session, options).run()
    return undefined
  } catch (error) {
    if (error instanceof CodedError) return error
    throw error
  } finally {
    last.close()
  }
}

class Transmission {
  readonly #session: ServerSession
  readonly #stall: number
  readonly #signal: AbortSignal | undefined
  #requests = 0
  #bytes = 0
  #room: (() => void) | undefined
  /** Replies go out one after the other. */
  #sending: Promise<void> = Promise.resolve()

  constructor(session: ServerSession, options: NbdServerOptions) {
    this.#session = session
    this.#stall = options.stallMilliseconds ?? 60_000
    this.#signal = options.signal
  }

  async run(): Promise<void> {
    const { reader } = this.#session
    const stop = (): void => void this.#idle().then(() => this.#session.duplex.close())
    this.#signal?.addEventListener('abort', stop, { once: true })
    if (this.#signal?.aborted) stop()
    try {
      while (!(await reader.atEnd())) {
        const request = await this.#receive()
        if (request === undefined) break
      }
      await this.#idle()
    } finally {
      this.#signal?.removeEventListener('abort', stop)
    }
  }

  /** Takes one request from the stream and starts it; undefined after NBD_CMD_DISC. */
  async #receive(): Promise<Request | undefined> {
    const { reader } = this.#session
    const header = await this.#inTime(() => reader.view(REQUEST_LENGTH))
    if (header.getUint32(0) !== NBD_REQUEST_MAGIC) throw protocolError('a request without its magic number')
    const request = {
      flags: header.getUint16(4), type: header.getUint16(6), cookie: header.getBigUint64(8), offset: header.getBigUint64(16), length: header.getUint32(24),
    }
    if (request.type === NBD_CMD_DISC) return undefined
    const payload = request.type === NBD_CMD_WRITE ? request.length : 0
    if (payload > DEFAULT_MAXIMUM_PAYLOAD) throw protocolError(`a write of ${payload} bytes`)
    const bytes = request.type === NBD_CMD_READ ? Math.min(request.length, DEFAULT_MAXIMUM_PAYLOAD) : payload
    await this.#takeRoom(bytes)
    try {
      const data = new Uint8Array(payload)
      for (const piece of pieces(data)) await this.#inTime(() => reader.into(piece))
      void this.#perform(request, data, bytes)
    } catch (error) {
      this.#giveRoom(bytes)
      throw error
    }
    return request
  }

  async #perform(request: Request, data: Uint8Array, bytes: number): Promise<void> {
    try {
      await this.#send(await this.#answer(request, data))
    } catch {
      // The client is gone or takes nothing; the reader notices.
      this.#session.duplex.close()
    } finally {
      this.#giveRoom(bytes)
    }
  }

  async #answer(request: Request, data: Uint8Array): Promise<Uint8Array[]> {
    const { structuredReplies } = this.#session
    try {
      if (this.#signal?.aborted) throw new RequestFailure(NBD_ESHUTDOWN)
      if (request.type === NBD_CMD_READ && request.length > DEFAULT_MAXIMUM_PAYLOAD) throw new RequestFailure(structuredReplies ? NBD_EOVERFLOW : NBD_EINVAL)
      const reply = await runRequest(this.#session, request, data)
      if (!structuredReplies) return [simpleReply(request.cookie, 0), ...reply.plain]
      if (reply.chunks.length === 0) return [chunkHeader(request.cookie, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, 0)]
      return reply.chunks.flatMap(({ type, parts }, index) => {
        const done = index === reply.chunks.length - 1 ? NBD_REPLY_FLAG_DONE : 0
        return [chunkHeader(request.cookie, done, type, parts.reduce((sum, { length }) => sum + length, 0)), ...parts]
      })
    } catch (error) {
      const number = errorNumber(error)
      if (!structuredReplies) return [simpleReply(request.cookie, number)]
      const payload = new Uint8Array(6)
      new DataView(payload.buffer).setUint32(0, number)
      return [chunkHeader(request.cookie, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR, payload.length), payload]
    }
  }

  #send(chunks: readonly Uint8Array[]): Promise<void> {
    const { duplex } = this.#session
    const sent = this.#sending.then(async () => {
      for (const portion of portions(chunks)) await this.#inTime(() => duplex.write(portion))
    })
    this.#sending = sent.catch(() => {})
    return sent
  }

  #inTime<Result>(work: () => Promise<Result>): Promise<Result> {
    return withDeadline(this.#session.duplex, this.#stall, work)
  }

  async #takeRoom(bytes: number): Promise<void> {
    while (this.#requests >= MAX_REQUESTS || (this.#requests > 0 && this.#bytes + bytes > MAX_BYTES)) await this.#change()
    this.#requests++
    this.#bytes += bytes
  }

  #giveRoom(bytes: number): void {
    this.#requests--
    this.#bytes -= bytes
    this.#room?.()
  }

  async #idle(): Promise<void> {
    while (this.#requests > 0) await this.#change()
  }

  #change(): Promise<void> {
    const before = this.#room
    return new Promise(resolve => {
      this.#room = () => {
        before?.()
        resolve()
      }
    })
  }
}

/** "Error values": what a backend's refusal is called on the wire. Its message stays here: it may name files of the host. */
function errorNumber(error: unknown): number {
  if (error instanceof RequestFailure) return error.number
  const code = error instanceof CodedError ? error.code : undefined
  return code === 'read-only' ? NBD_EPERM : code === 'no-space' ? NBD_ENOSPC : NBD_EIO
}

function simpleReply(cookie: bigint, error: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SIMPLE_REPLY_LENGTH))
  view.setUint32(0, NBD_SIMPLE_REPLY_MAGIC)
  view.setUint32(4, error)
  view.setBigUint64(8, cookie)
  return new Uint8Array(view.buffer)
}

function chunkHeader(cookie: bigint, flags: number, type: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(STRUCTURED_REPLY_LENGTH))
  view.setUint32(0, NBD_STRUCTURED_REPLY_MAGIC)
  view.setUint16(4, flags)
  view.setUint16(6, type)
  view.setBigUint64(8, cookie)
  view.setUint32(16, length)
  return new Uint8Array(view.buffer)
}
