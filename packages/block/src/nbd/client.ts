import type { BlockExtent } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { clientHandshake } from './client-handshake.ts'
import type { ClientSession } from './client-handshake.ts'
import { NbdConnection } from './connection.ts'
import type { ClientRequest, StatusExtents } from './connection.ts'
import type { ByteDuplex, TlsUpgrade } from './duplex.ts'
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_FLUSH, NBD_CMD_READ, NBD_CMD_TRIM, NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES, NBD_FLAG_CAN_MULTI_CONN, NBD_FLAG_READ_ONLY, NBD_FLAG_SEND_FLUSH, NBD_FLAG_SEND_TRIM,
  NBD_FLAG_SEND_WRITE_ZEROES, NBD_STATE_HOLE, NBD_STATE_ZERO,
} from './spec.ts'
import { withDeadline } from './watchdog.ts'

export interface NbdClientOptions {
  /** Makes a new connection to the server; called again when one is lost. */
  readonly connect: () => Promise<ByteDuplex>
  /** Default: the empty name, the server's default export. */
  readonly exportName?: string
  /** The connection is encrypted, or not made. */
  readonly tls?: TlsUpgrade
  /** Most connections, used where the server keeps them consistent (NBD_FLAG_CAN_MULTI_CONN). Default 1. */
  readonly connections?: number
  /** A request waits this long for a lost connection to come back, then fails with `connection-lost`. Default 10,000; 0 never reconnects. */
  readonly reconnectMilliseconds?: number
  /** A server that owes an answer and moves no byte counts as lost after this time, twice this time at most. Default 60,000. */
  readonly timeoutMilliseconds?: number
}

/** Tries at one request: a server that drops the connection over and over on the same one ends here. */
const MAX_TRIES = 5
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000
/** Largest block status, discard: below 2^32 and a multiple of every block size. */
const LONGEST_RANGE = 2 ** 31

/**
 * An export of an NBD server, over one connection or several, in bytes. Requests on lost connections are sent again on new ones: all of
 * them may be done twice. What the server had acknowledged but not flushed when the connection broke is the server's to keep: as with
 * other NBD clients, a flush on the new connection covers it only if the server outlived the connection.
 */
export class NbdClient {
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  /** Unit of what the server takes; read and write take anything. */
  readonly minimumBlock: number
  readonly #options: NbdClientOptions
  readonly #session: ClientSession
  readonly #slots: { connection: NbdConnection | undefined; connecting: Promise<NbdConnection> | undefined }[]
  /** Writes that change parts of blocks take turns. */
  #partial: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(options: NbdClientOptions, session: ClientSession) {
    this.#options = options
    this.#session = session
    this.size = session.size
    this.readOnly = (session.flags & NBD_FLAG_READ_ONLY) !== 0
    this.minimumBlock = session.minimumBlock
    const count = (session.flags & NBD_FLAG_CAN_MULTI_CONN) !== 0 ? Math.max(1, options.connections ?? 1) : 1
    this.#slots = Array.from({ length: count }, () => ({ connection: undefined, connecting: undefined }))
    this.#slots[0]!.connection = new NbdConnection(session, this.#timeout)
  }

  /** Fails with `connection-lost`, `refused`, `no-export`, `bad-peer`, or what `connect` and `tls` fail with. */
  static async open(options: NbdClientOptions): Promise<NbdClient> {
    return new NbdClient(options, await greet(options))
  }

  /** Fills `into`; bytes behind the end read as zeroes. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    const inside = Math.max(0, Math.min(into.length, this.size - offset))
    into.fill(0, inside)
    if (inside === 0) return
    const { from, to } = this.#blocks(offset, inside)
    const wide = from === offset && to === offset + inside ? into.subarray(0, inside) : new Uint8Array(to - from)
    await this.#pieces(from, to, this.#session.maximumPayload, (at, length) => ({ type: NBD_CMD_READ, offset: at, into: wide.subarray(at - from, at - from + length) }))
    if (wide.buffer !== into.buffer) into.set(wide.subarray(offset - from, offset - from + inside))
  }

  /** The range must lie inside the export. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    const { from, to } = this.#blocks(offset, bytes.length)
    if (from === offset && to === offset + bytes.length) return this.#writeBlocks(offset, bytes)
    await this.#alone(async () => {
      const wide = new Uint8Array(to - from)
      await this.read(from, wide)
      wide.set(bytes, offset - from)
      await this.#writeBlocks(from, wide)
    })
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    const { minimumBlock, flags, maximumPayload } = this.#session
    const start = Math.min(offset + length, Math.ceil(offset / minimumBlock) * minimumBlock)
    const end = Math.max(start, Math.floor((offset + length) / minimumBlock) * minimumBlock)
    if (start > offset) await this.write(offset, new Uint8Array(start - offset))
    if ((flags & NBD_FLAG_SEND_WRITE_ZEROES) !== 0) {
      // A server without better means writes them out and may limit them like data.
      await this.#pieces(start, end, maximumPayload, (at, size) => ({ type: NBD_CMD_WRITE_ZEROES, flags: unmap ? 0 : NBD_CMD_FLAG_NO_HOLE, offset: at, length: size }))
    } else {
      const zeroes = new Uint8Array(Math.min(end - start, maximumPayload))
      await this.#pieces(start, end, maximumPayload, (at, size) => ({ type: NBD_CMD_WRITE, offset: at, from: zeroes.subarray(0, size) }))
    }
    if (end < offset + length && end >= start) await this.write(end, new Uint8Array(offset + length - end))
  }

  /** Nothing where the server cannot, or where no whole block is in the range. */
  async trim(offset: number, length: number): Promise<void> {
    const { minimumBlock, flags } = this.#session
    if ((flags & NBD_FLAG_SEND_TRIM) === 0) return
    const start = Math.ceil(offset / minimumBlock) * minimumBlock
    const end = Math.floor((offset + length) / minimumBlock) * minimumBlock
    await this.#pieces(start, end, LONGEST_RANGE, (at, size) => ({ type: NBD_CMD_TRIM, offset: at, length: size }))
  }

  async flush(): Promise<void> {
    if (this.readOnly || (this.#session.flags & NBD_FLAG_SEND_FLUSH) === 0) return
    await this.#perform({ type: NBD_CMD_FLUSH })
  }

  /** Status of the first stretch of a range inside the export; `length` is not rounded to anything. */
  async status(offset: number, length: number): Promise<BlockExtent> {
    const unknown = { length, allocated: true, zero: false }
    if (this.#session.allocationContext === undefined) return unknown
    const { from, to } = this.#blocks(offset, Math.min(length, LONGEST_RANGE))
    const [extent] = await this.#perform({ type: NBD_CMD_BLOCK_STATUS, flags: NBD_CMD_FLAG_REQ_ONE, offset: from, length: to - from })
    const size = Math.min(length, extent!.length - (offset - from))
    const zero = (extent!.flags & NBD_STATE_ZERO) !== 0
    // A hole that need not read as zeroes is data to us: reading it decides.
    return size > 0 ? { length: size, allocated: !zero || (extent!.flags & NBD_STATE_HOLE) === 0, zero } : unknown
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#slots.map(async ({ connection }) => connection?.close()))
  }

  get #timeout(): number {
    return this.#options.timeoutMilliseconds ?? 60_000
  }

  /** The blocks a range touches; the last one of the export may be shorter. */
  #blocks(offset: number, length: number): { from: number; to: number } {
    const { minimumBlock, size } = this.#session
    return { from: offset - offset % minimumBlock, to: Math.min(size, Math.ceil((offset + length) / minimumBlock) * minimumBlock) }
  }

  async #writeBlocks(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#pieces(offset, offset + bytes.length, this.#session.maximumPayload, (at, length) => (
      { type: NBD_CMD_WRITE, offset: at, from: bytes.subarray(at - offset, at - offset + length) }
    ))
  }

  async #pieces(from: number, to: number, most: number, request: (at: number, length: number) => ClientRequest): Promise<void> {
    if (to - from <= most) return to > from ? void await this.#perform(request(from, to - from)) : undefined
    for (let at = from; at < to; at += most) await this.#perform(request(at, Math.min(most, to - at)))
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#partial.then(work)
    this.#partial = done.catch(() => {})
    return done
  }

  async #perform(request: ClientRequest): Promise<StatusExtents> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new CodedError('closed', 'the disk is closed')
      const connection = await this.#connection()
      try {
        return await connection.perform(request)
      } catch (error) {
        const lost = (error as CodedError).code === 'connection-lost'
        if (!lost || this.#closed || attempt === MAX_TRIES || this.#options.reconnectMilliseconds === 0) throw error
      }
    }
  }

  /** The connection with the least to do; lost and not yet made ones are made. */
  async #connection(): Promise<NbdConnection> {
    const load = ({ connection }: { connection: NbdConnection | undefined }): number => connection?.alive ? connection.load : 0
    const slot = this.#slots.reduce((best, next) => load(next) < load(best) ? next : best)
    if (slot.connection?.alive) return slot.connection
    slot.connecting ??= this.#reconnect().then(connection => slot.connection = connection).finally(() => slot.connecting = undefined)
    return slot.connecting
  }

  async #reconnect(): Promise<NbdConnection> {
    const patience = this.#options.reconnectMilliseconds ?? 10_000
    for (let waited = 0, pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const session = await greet(this.#options)
        if (this.#closed) session.duplex.close()
        const same = session.size === this.size && session.flags === this.#session.flags && session.minimumBlock === this.minimumBlock &&
          session.maximumPayload === this.#session.maximumPayload && session.allocationContext !== undefined === (this.#session.allocationContext !== undefined)
        if (same) return new NbdConnection(session, this.#timeout)
        session.duplex.close()
        throw new CodedError('changed', 'NBD: the export came back with another size or other features')
      } catch (error) {
        const lost = (error as CodedError).code === 'connection-lost'
        if (!lost || this.#closed || waited >= patience) throw error
        await new Promise(resolve => setTimeout(resolve, pause))
        waited += pause
      }
    }
  }
}

async function greet({ connect, exportName, tls, timeoutMilliseconds }: NbdClientOptions): Promise<ClientSession> {
  const duplex = await connect()
  try {
    return await withDeadline(duplex, timeoutMilliseconds ?? 60_000, () => clientHandshake(duplex, exportName ?? '', tls))
  } catch (error) {
    duplex.close()
    throw error
  }
}
