import { CodedError } from '@entresol/kit'
import type { ClientSession } from './client-handshake.ts'
import { printable } from './client-handshake.ts'
import { Payload } from './pack.ts'
import { connectionLost, protocolError } from './reader.ts'
import { ReadCoverage } from './read-coverage.ts'
import {
  MAX_EXTENTS, NBD_CMD_BLOCK_STATUS, NBD_CMD_DISC, NBD_CMD_READ, NBD_EINVAL, NBD_ENOSPC, NBD_EPERM, NBD_ESHUTDOWN, NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_BLOCK_STATUS, NBD_REPLY_TYPE_ERROR_BIT, NBD_REPLY_TYPE_NONE, NBD_REPLY_TYPE_OFFSET_DATA, NBD_REPLY_TYPE_OFFSET_HOLE,
  NBD_REQUEST_MAGIC, NBD_SIMPLE_REPLY_MAGIC, NBD_STRUCTURED_REPLY_MAGIC, REQUEST_LENGTH,
} from './spec.ts'
import { portions } from './watchdog.ts'

export interface ClientRequest {
  readonly type: number
  readonly flags?: number
  readonly offset?: number
  readonly length?: number
  /** Data of a write. */
  readonly from?: Uint8Array
  /** Where a read goes. */
  readonly into?: Uint8Array
}

/** Extents of a block status from the offset on. */
export type StatusExtents = readonly { readonly length: number; readonly flags: number }[]

interface Pending {
  readonly request: ClientRequest
  readonly coverage: ReadCoverage | undefined
  extents: StatusExtents
  failure: CodedError | undefined
  settle(error: CodedError | undefined): void
}

/** Requests under way on one connection; further ones wait. */
const MAX_PENDING = 64
/** Longest error chunk: a string and its fields. */
const MAX_ERROR_CHUNK = 8192

/** One connection in transmission. Once anything about it fails, everything under way on it does, with `connection-lost` or `bad-peer`. */
export class NbdConnection {
  readonly #session: ClientSession
  readonly #timeout: number
  readonly #pending = new Map<bigint, Pending>()
  readonly #waiting: (() => void)[] = []
  #nextCookie = 1n
  #sending: Promise<void> = Promise.resolve()
  #failure: CodedError | undefined
  #sent = 0
  #watch: ReturnType<typeof setInterval> | undefined

  /** `timeout`: milliseconds without a byte either way after which a server that owes an answer counts as lost. */
  constructor(session: ClientSession, timeout: number) {
    this.#session = session
    this.#timeout = timeout
    void this.#receive()
  }

  get alive(): boolean {
    return this.#failure === undefined
  }

  get load(): number {
    return this.#pending.size + this.#waiting.length
  }

  /** Performs a request; resolves to the extents of a block status. */
  async perform(request: ClientRequest): Promise<StatusExtents> {
    while (this.alive && this.#pending.size >= MAX_PENDING) await new Promise<void>(resolve => void this.#waiting.push(resolve))
    if (this.#failure) throw this.#failure
    return this.#exchange(request)
  }

  /** NBD_CMD_DISC and the end of the connection. */
  async close(): Promise<void> {
    if (!this.alive) return
    this.#failure = new CodedError('closed', 'the disk is closed')
    await this.#send([requestHeader(0n, { type: NBD_CMD_DISC })]).catch(() => {})
    this.#fail(this.#failure)
  }

  #exchange(request: ClientRequest): Promise<StatusExtents> {
    const cookie = this.#nextCookie++
    return new Promise((resolve, reject) => {
      const coverage = request.into && new ReadCoverage(request.offset ?? 0, request.into)
      const pending: Pending = {
        request, coverage, extents: [], failure: undefined,
        settle: error => {
          this.#pending.delete(cookie)
          if (this.#pending.size === 0) this.#stopWatching()
          this.#waiting.shift()?.()
          if (error) reject(error)
          else resolve(pending.extents)
        },
      }
      this.#pending.set(cookie, pending)
      this.#startWatching()
      const chunks = [requestHeader(cookie, request), ...request.from ? [request.from] : []]
      this.#send(chunks).catch(error => this.#fail(error as CodedError))
    })
  }

  #send(chunks: readonly Uint8Array[]): Promise<void> {
    const sent = this.#sending.then(async () => {
      for (const portion of portions(chunks)) {
        await this.#session.duplex.write(portion)
        this.#sent++
      }
    })
    this.#sending = sent.catch(() => {})
    return sent
  }

  #startWatching(): void {
    let moved = -1
    this.#watch ??= setInterval(() => {
      const now = this.#sent + this.#session.reader.received
      if (now === moved) this.#fail(connectionLost('the server does not answer'))
      moved = now
    }, this.#timeout)
  }

  #stopWatching(): void {
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  #fail(error: CodedError): void {
    this.#failure ??= error
    this.#stopWatching()
    this.#session.duplex.close()
    for (const pending of [...this.#pending.values()]) pending.settle(this.#failure)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #receive(): Promise<void> {
    const { reader } = this.#session
    try {
      while (!(await reader.atEnd())) await this.#reply()
      this.#fail(connectionLost('the server closed the connection'))
    } catch (error) {
      this.#fail(error instanceof CodedError ? error : connectionLost(String(error)))
    }
  }

  async #reply(): Promise<void> {
    const { reader, structuredReplies } = this.#session
    const header = await reader.view(16)
    const magic = header.getUint32(0)
    const pending = this.#pending.get(header.getBigUint64(8))
    if (pending === undefined) throw protocolError('a reply to no request of ours')
    if (magic === NBD_SIMPLE_REPLY_MAGIC) {
      const error = header.getUint32(4)
      const { type, into } = pending.request
      if (structuredReplies && (type === NBD_CMD_READ || type === NBD_CMD_BLOCK_STATUS) && error === 0) throw protocolError('a simple reply where a structured one must be')
      if (error === 0 && into) await reader.into(into)
      return pending.settle(error === 0 ? undefined : this.#failed(error, ''))
    }
    if (magic !== NBD_STRUCTURED_REPLY_MAGIC || !structuredReplies) throw protocolError('a reply without its magic number')
    const flags = header.getUint16(4)
    await this.#chunk(pending, header.getUint16(6), (await reader.view(4)).getUint32(0), (flags & NBD_REPLY_FLAG_DONE) !== 0)
    if ((flags & NBD_REPLY_FLAG_DONE) === 0) return
    if (!pending.failure) {
      if (pending.coverage && !pending.coverage.complete) throw protocolError('a read was answered in part')
      if (pending.request.type === NBD_CMD_BLOCK_STATUS && pending.extents.length === 0) throw protocolError('a block status without extents')
    }
    pending.settle(pending.failure)
  }

  async #chunk(pending: Pending, type: number, length: number, done: boolean): Promise<void> {
    const { reader, allocationContext } = this.#session
    if ((type & NBD_REPLY_TYPE_ERROR_BIT) !== 0) {
      if (length < 6 || length > MAX_ERROR_CHUNK) throw protocolError(`an error of ${length} bytes`)
      const payload = new Payload(await reader.exactly(length))
      const error = payload.u32()
      pending.failure ??= this.#failed(error, payload.string(payload.u16()))
    } else if (type === NBD_REPLY_TYPE_NONE && length === 0 && done) {
      // Says nothing but "done".
    } else if (type === NBD_REPLY_TYPE_OFFSET_DATA && pending.coverage && length > 8) {
      await reader.into(pending.coverage.take((await reader.view(8)).getBigUint64(0), length - 8))
    } else if (type === NBD_REPLY_TYPE_OFFSET_HOLE && pending.coverage && length === 12) {
      const payload = await reader.view(12)
      pending.coverage.take(payload.getBigUint64(0), payload.getUint32(8)).fill(0)
    } else if (type === NBD_REPLY_TYPE_BLOCK_STATUS && pending.request.type === NBD_CMD_BLOCK_STATUS && length >= 12 && length % 8 === 4) {
      if (length > 4 + 8 * MAX_EXTENTS) throw protocolError('too many extents')
      const payload = new Payload(await reader.exactly(length))
      if (payload.u32() !== allocationContext || pending.extents.length > 0) throw protocolError('a block status of another context')
      pending.extents = Array.from({ length: (length - 4) / 8 }, () => ({ length: payload.u32(), flags: payload.u32() }))
      if (pending.extents.some(extent => extent.length === 0)) throw protocolError('an empty extent')
    } else throw protocolError(`a chunk of type ${type} and ${length} bytes that does not belong here`)
  }

  /** What an error value means for the caller. A server that shuts down is left: the request may fare better on the next connection. */
  #failed(error: number, message: string): CodedError {
    const detail = message === '' ? '' : `: ${printable(message.slice(0, 256))}`
    if (error === NBD_ESHUTDOWN) {
      const lost = connectionLost('the server is shutting down')
      queueMicrotask(() => this.#fail(lost))
      return lost
    }
    if (error === NBD_EPERM) return new CodedError('read-only', `NBD: not permitted${detail}`)
    if (error === NBD_ENOSPC) return new CodedError('no-space', `NBD: no space left on the server${detail}`)
    return new CodedError('io-error', `NBD: ${error === NBD_EINVAL ? 'the server found the request invalid' : `error ${error} of the server`}${detail}`)
  }
}

function requestHeader(cookie: bigint, request: ClientRequest): Uint8Array {
  const view = new DataView(new ArrayBuffer(REQUEST_LENGTH))
  view.setUint32(0, NBD_REQUEST_MAGIC)
  view.setUint16(4, request.flags ?? 0)
  view.setUint16(6, request.type)
  view.setBigUint64(8, cookie)
  view.setBigUint64(16, BigInt(request.offset ?? 0))
  view.setUint32(24, request.from?.length ?? request.into?.length ?? request.length ?? 0)
  return new Uint8Array(view.buffer)
}
