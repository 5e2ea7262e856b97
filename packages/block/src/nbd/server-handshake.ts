import { CodedError } from '@entresol/kit'
import type { ByteDuplex, TlsUpgrade } from './duplex.ts'
import { counted, pack, Payload, text, u16, u32, u64 } from './pack.ts'
import { ByteReader, protocolError } from './reader.ts'
import type { NbdExport } from './server.ts'
import {
  BASE_ALLOCATION, BASE_NAMESPACE, DEFAULT_MAXIMUM_PAYLOAD, EXPORT_NAME_PADDING, IHAVEOPT, NBDMAGIC, NBD_FLAG_CAN_MULTI_CONN,
  NBD_FLAG_FIXED_NEWSTYLE, NBD_FLAG_HAS_FLAGS, NBD_FLAG_NO_ZEROES, NBD_FLAG_READ_ONLY, NBD_FLAG_SEND_DF, NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA, NBD_FLAG_SEND_TRIM, NBD_FLAG_SEND_WRITE_ZEROES, NBD_INFO_BLOCK_SIZE, NBD_INFO_DESCRIPTION, NBD_INFO_EXPORT,
  NBD_INFO_NAME, NBD_OPT_ABORT, NBD_OPT_EXPORT_NAME, NBD_OPT_GO, NBD_OPT_INFO, NBD_OPT_LIST, NBD_OPT_LIST_META_CONTEXT,
  NBD_OPT_SET_META_CONTEXT, NBD_OPT_STARTTLS, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, NBD_REP_ERR_INVALID, NBD_REP_ERR_TLS_REQD,
  NBD_REP_ERR_TOO_BIG, NBD_REP_ERR_UNKNOWN, NBD_REP_ERR_UNSUP, NBD_REP_INFO, NBD_REP_META_CONTEXT, NBD_REP_SERVER, OPTION_REPLY_MAGIC,
} from './spec.ts'

/** Options one client may send; a well-behaved one needs fewer than ten. */
const MAX_OPTIONS = 64
/** Longest option that is read; longer ones up to MAX_SKIPPED are passed over, and behind that the client is up to no good. */
const MAX_OPTION_LENGTH = 64 << 10
const MAX_SKIPPED = 1 << 20
/** BlockBackend's unit, and a page. */
const MINIMUM_BLOCK = 512
const PREFERRED_BLOCK = 4096

/** What the two sides agreed on. */
export interface ServerSession {
  readonly duplex: ByteDuplex
  readonly reader: ByteReader
  readonly export: NbdExport
  readonly structuredReplies: boolean
  /** Id of base:allocation for this connection, if the client asked for it. */
  readonly allocationContext: number | undefined
}

export interface ServerTls {
  /** Plain clients get no further than NBD_OPT_STARTTLS ("FORCEDTLS mode"). */
  readonly required: boolean
  readonly upgrade: TlsUpgrade
}

const ALLOCATION_CONTEXT = 1

/** Whether writes are refused, by the export or by its backend. */
export const isReadOnly = ({ readOnly, backend }: NbdExport): boolean => readOnly === true || backend.readOnly

export function transmissionFlags(served: NbdExport, structuredReplies: boolean): number {
  const writable = NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES
  return NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_CAN_MULTI_CONN |
    (isReadOnly(served) ? NBD_FLAG_READ_ONLY : writable) | (structuredReplies ? NBD_FLAG_SEND_DF : 0)
}

/** The server's side of fixed newstyle negotiation. Undefined: the client went away in peace. */
export async function serverHandshake(duplex: ByteDuplex, exports: readonly NbdExport[], tls?: ServerTls): Promise<ServerSession | undefined> {
  const flags = NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES
  await duplex.write([pack(u64(NBDMAGIC), u64(IHAVEOPT), u16(flags))])
  const reader = new ByteReader(duplex)
  const clientFlags = (await reader.view(4)).getUint32(0)
  if ((clientFlags & ~flags) !== 0) throw protocolError('the client set unknown flags')
  return new Haggling(duplex, reader, exports, (clientFlags & NBD_FLAG_NO_ZEROES) !== 0, tls).run()
}

class Haggling {
  #duplex: ByteDuplex
  #reader: ByteReader
  readonly #exports: readonly NbdExport[]
  readonly #noZeroes: boolean
  readonly #tls: ServerTls | undefined
  #encrypted = false
  #structured = false
  /** Export that base:allocation was selected for. */
  #contextExport: string | undefined

  constructor(duplex: ByteDuplex, reader: ByteReader, exports: readonly NbdExport[], noZeroes: boolean, tls: ServerTls | undefined) {
    this.#duplex = duplex
    this.#reader = reader
    this.#exports = exports
    this.#noZeroes = noZeroes
    this.#tls = tls
  }

  async run(): Promise<ServerSession | undefined> {
    for (let count = 0; count < MAX_OPTIONS; count++) {
      if (await this.#reader.atEnd()) return undefined
      const header = await this.#reader.view(16)
      if (header.getBigUint64(0) !== IHAVEOPT) throw protocolError('an option without its magic number')
      const option = header.getUint32(8)
      const length = header.getUint32(12)
      if (length > MAX_OPTION_LENGTH) {
        if (length > MAX_SKIPPED || option === NBD_OPT_EXPORT_NAME) throw protocolError(`an option of ${length} bytes`)
        await this.#reader.skip(length)
        await this.#reply(option, NBD_REP_ERR_TOO_BIG)
        continue
      }
      const data = await this.#reader.exactly(length)
      if (option === NBD_OPT_ABORT) {
        await this.#reply(option, NBD_REP_ACK)
        return undefined
      }
      const chosen = await this.#option(option, data)
      if (chosen !== undefined) return this.#session(chosen)
    }
    throw protocolError(`more than ${MAX_OPTIONS} options`)
  }

  /** Answers one option; the export when transmission begins. */
  async #option(option: number, data: Uint8Array): Promise<NbdExport | undefined> {
    if (option === NBD_OPT_EXPORT_NAME) return this.#exportName(data)
    if (this.#tls?.required && !this.#encrypted && option !== NBD_OPT_STARTTLS) return this.#reply(option, NBD_REP_ERR_TLS_REQD)
    try {
      switch (option) {
        case NBD_OPT_LIST: return await this.#list(data)
        case NBD_OPT_STARTTLS: return await this.#startTls(data)
        case NBD_OPT_INFO:
        case NBD_OPT_GO: return await this.#info(option, new Payload(data))
        case NBD_OPT_STRUCTURED_REPLY:
          if (data.length > 0) return await this.#reply(option, NBD_REP_ERR_INVALID)
          this.#structured = true
          return await this.#reply(option, NBD_REP_ACK)
        case NBD_OPT_LIST_META_CONTEXT:
        case NBD_OPT_SET_META_CONTEXT: return await this.#metaContext(option, new Payload(data))
        default: return await this.#reply(option, NBD_REP_ERR_UNSUP)
      }
    } catch (error) {
      // A malformed option is answered; the next one may be better.
      if (error instanceof CodedError && error.code === 'bad-peer') return this.#reply(option, NBD_REP_ERR_INVALID)
      throw error
    }
  }

  async #reply(option: number, type: number, data: Uint8Array = new Uint8Array(0)): Promise<undefined> {
    await this.#duplex.write([pack(u64(OPTION_REPLY_MAGIC), u32(option), u32(type), u32(data.length), data)])
  }

  #find(name: string): NbdExport | undefined {
    return this.#exports.find(served => served.name === name) ?? (name === '' && this.#exports.length === 1 ? this.#exports[0] : undefined)
  }

  /** This option has no way to say no but to hang up. */
  async #exportName(data: Uint8Array): Promise<NbdExport> {
    const found = this.#find(new Payload(data).string(data.length))
    if (!found || (this.#tls?.required && !this.#encrypted)) throw protocolError('NBD_OPT_EXPORT_NAME asks for what it cannot have')
    const padding = new Uint8Array(this.#noZeroes ? 0 : EXPORT_NAME_PADDING)
    await this.#duplex.write([pack(u64(BigInt(found.backend.size)), u16(transmissionFlags(found, this.#structured)), padding)])
    return found
  }

  async #list(data: Uint8Array): Promise<undefined> {
    if (data.length > 0) return this.#reply(NBD_OPT_LIST, NBD_REP_ERR_INVALID)
    for (const { name, description } of this.#exports) {
      await this.#reply(NBD_OPT_LIST, NBD_REP_SERVER, pack(counted(name), text(description ?? '')))
    }
    return this.#reply(NBD_OPT_LIST, NBD_REP_ACK)
  }

  async #startTls(data: Uint8Array): Promise<undefined> {
    if (!this.#tls) return this.#reply(NBD_OPT_STARTTLS, NBD_REP_ERR_UNSUP)
    if (this.#encrypted || data.length > 0) return this.#reply(NBD_OPT_STARTTLS, NBD_REP_ERR_INVALID)
    // Whoever sent more before the reply hopes that it counts as encrypted.
    if (this.#reader.buffered > 0) throw protocolError('plain bytes behind NBD_OPT_STARTTLS')
    await this.#reply(NBD_OPT_STARTTLS, NBD_REP_ACK)
    this.#duplex = await this.#tls.upgrade(this.#duplex)
    this.#reader = new ByteReader(this.#duplex)
    this.#encrypted = true
    this.#structured = false
    this.#contextExport = undefined
  }

  async #info(option: number, payload: Payload): Promise<NbdExport | undefined> {
    const name = payload.counted()
    const requests = payload.u16()
    if (payload.left !== requests * 2) throw protocolError('the number of information requests is wrong')
    const asked = new Set(Array.from({ length: requests }, () => payload.u16()))
    const found = this.#find(name)
    if (!found) return this.#reply(option, NBD_REP_ERR_UNKNOWN)
    const send = (type: number, ...fields: Uint8Array[]): Promise<undefined> => this.#reply(option, NBD_REP_INFO, pack(u16(type), ...fields))
    if (asked.has(NBD_INFO_NAME)) await send(NBD_INFO_NAME, text(found.name))
    if (asked.has(NBD_INFO_DESCRIPTION) && found.description !== undefined) await send(NBD_INFO_DESCRIPTION, text(found.description))
    await send(NBD_INFO_BLOCK_SIZE, u32(MINIMUM_BLOCK), u32(PREFERRED_BLOCK), u32(DEFAULT_MAXIMUM_PAYLOAD))
    await send(NBD_INFO_EXPORT, u64(BigInt(found.backend.size)), u16(transmissionFlags(found, this.#structured)))
    await this.#reply(option, NBD_REP_ACK)
    return option === NBD_OPT_GO ? found : undefined
  }

  async #metaContext(option: number, payload: Payload): Promise<undefined> {
    const selects = option === NBD_OPT_SET_META_CONTEXT
    if (selects) this.#contextExport = undefined
    if (!this.#structured) return this.#reply(option, NBD_REP_ERR_INVALID)
    const name = payload.counted()
    const count = payload.u32()
    if (count * 4 > payload.left) throw protocolError('more queries than bytes')
    const queries = Array.from({ length: count }, () => payload.counted())
    if (payload.left !== 0) throw protocolError('bytes behind the last query')
    const found = this.#find(name)
    if (!found) return this.#reply(option, NBD_REP_ERR_UNKNOWN)
    const matches = queries.includes(BASE_ALLOCATION) || (!selects && (count === 0 || queries.includes(BASE_NAMESPACE)))
    if (matches) await this.#reply(option, NBD_REP_META_CONTEXT, pack(u32(selects ? ALLOCATION_CONTEXT : 0), text(BASE_ALLOCATION)))
    if (matches && selects) this.#contextExport = found.name
    return this.#reply(option, NBD_REP_ACK)
  }

  #session(chosen: NbdExport): ServerSession {
    const allocationContext = this.#contextExport === chosen.name ? ALLOCATION_CONTEXT : undefined
    return { duplex: this.#duplex, reader: this.#reader, export: chosen, structuredReplies: this.#structured, allocationContext }
  }
}
