import { CodedError } from '@entresol/kit'
import type { ByteDuplex, TlsUpgrade } from './duplex.ts'
import { counted, pack, Payload, text, u16, u32, u64 } from './pack.ts'
import { ByteReader, protocolError } from './reader.ts'
import {
  BASE_ALLOCATION, DEFAULT_MAXIMUM_PAYLOAD, EXPORT_NAME_PADDING, IHAVEOPT, NBDMAGIC, NBD_FLAG_FIXED_NEWSTYLE, NBD_FLAG_NO_ZEROES,
  NBD_INFO_BLOCK_SIZE, NBD_INFO_EXPORT, NBD_OPT_ABORT, NBD_OPT_EXPORT_NAME, NBD_OPT_GO, NBD_OPT_LIST, NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STARTTLS, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, NBD_REP_ERR, NBD_REP_ERR_BLOCK_SIZE_REQD, NBD_REP_ERR_INVALID,
  NBD_REP_ERR_PLATFORM, NBD_REP_ERR_POLICY, NBD_REP_ERR_SHUTDOWN, NBD_REP_ERR_TLS_REQD, NBD_REP_ERR_TOO_BIG, NBD_REP_ERR_UNKNOWN,
  NBD_REP_ERR_UNSUP, NBD_REP_INFO, NBD_REP_META_CONTEXT, NBD_REP_SERVER, OPTION_REPLY_MAGIC,
} from './spec.ts'

/** Longest reply to an option, and most replies to one: a list of exports is the longest there is. */
const MAX_REPLY = 64 << 10
const MAX_REPLIES = 10_000

/** What the two sides agreed on. */
export interface ClientSession {
  readonly duplex: ByteDuplex
  readonly reader: ByteReader
  /** Bytes; need not be a multiple of anything. */
  readonly size: number
  /** NBD_FLAG_… of the export. */
  readonly flags: number
  readonly structuredReplies: boolean
  /** Id of base:allocation, where the server has it. */
  readonly allocationContext: number | undefined
  /** Unit of offsets and lengths, a power of two up to 65,536. */
  readonly minimumBlock: number
  /** Most bytes in one read or write, a multiple of minimumBlock. */
  readonly maximumPayload: number
}

const REFUSALS: Readonly<Record<number, string>> = {
  [NBD_REP_ERR_UNSUP]: 'does not know this option',
  [NBD_REP_ERR_POLICY]: 'does not allow it',
  [NBD_REP_ERR_INVALID]: 'found the request invalid',
  [NBD_REP_ERR_PLATFORM]: 'cannot do this on its platform',
  [NBD_REP_ERR_TLS_REQD]: 'wants TLS: use nbds://',
  [NBD_REP_ERR_UNKNOWN]: 'has no such export',
  [NBD_REP_ERR_SHUTDOWN]: 'is shutting down',
  [NBD_REP_ERR_BLOCK_SIZE_REQD]: 'insists on block sizes',
  [NBD_REP_ERR_TOO_BIG]: 'found the request too big',
}

/** Greets the server and enters transmission for `exportName`. With `tls` the connection is encrypted, or fails. */
export async function clientHandshake(duplex: ByteDuplex, exportName: string, tls?: TlsUpgrade): Promise<ClientSession> {
  return (await Haggling.begin(duplex, tls)).go(exportName)
}

/** The exports a server tells of; ends the connection. */
export async function listNbdExports(duplex: ByteDuplex, tls?: TlsUpgrade): Promise<readonly { readonly name: string; readonly description: string }[]> {
  return (await Haggling.begin(duplex, tls)).list()
}

class Haggling {
  #duplex: ByteDuplex
  #reader: ByteReader
  readonly #fixed: boolean
  readonly #noZeroes: boolean

  private constructor(duplex: ByteDuplex, reader: ByteReader, fixed: boolean, noZeroes: boolean) {
    this.#duplex = duplex
    this.#reader = reader
    this.#fixed = fixed
    this.#noZeroes = noZeroes
  }

  static async begin(duplex: ByteDuplex, tls: TlsUpgrade | undefined): Promise<Haggling> {
    const reader = new ByteReader(duplex)
    const greeting = await reader.view(16)
    if (greeting.getBigUint64(0) !== NBDMAGIC) throw protocolError('this is no NBD server')
    if (greeting.getBigUint64(8) !== IHAVEOPT) throw new CodedError('unsupported', 'NBD: the server speaks only the old protocol without export names')
    const flags = (await reader.view(2)).getUint16(0) & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)
    await duplex.write([u32(flags)])
    const haggling = new Haggling(duplex, reader, (flags & NBD_FLAG_FIXED_NEWSTYLE) !== 0, (flags & NBD_FLAG_NO_ZEROES) !== 0)
    if (tls) await haggling.#startTls(tls)
    return haggling
  }

  async go(exportName: string): Promise<ClientSession> {
    if (!this.#fixed) return this.#exportName(exportName, false, undefined)
    const structured = (await this.#ask(NBD_OPT_STRUCTURED_REPLY)).refusal === undefined
    let context: number | undefined
    if (structured) {
      const query = pack(counted(exportName), u32(1), counted(BASE_ALLOCATION))
      const { replies, refusal } = await this.#ask(NBD_OPT_SET_META_CONTEXT, query)
      for (const { type, payload } of refusal === undefined ? replies : []) {
        if (type !== NBD_REP_META_CONTEXT) continue
        const id = payload.u32()
        if (payload.string(payload.left) === BASE_ALLOCATION) context = id
      }
    }
    const { replies, refusal, message } = await this.#ask(NBD_OPT_GO, pack(counted(exportName), u16(1), u16(NBD_INFO_BLOCK_SIZE)))
    if (refusal === NBD_REP_ERR_UNSUP) return this.#exportName(exportName, structured, context)
    if (refusal !== undefined) return this.#refused(`export '${exportName}'`, refusal, message)
    let size: bigint | undefined
    let flags = 0
    let minimumBlock = 1
    let maximumPayload = DEFAULT_MAXIMUM_PAYLOAD
    for (const { type, payload } of replies) {
      if (type !== NBD_REP_INFO) continue
      const information = payload.u16()
      if (information === NBD_INFO_EXPORT) {
        size = payload.u64()
        flags = payload.u16()
      } else if (information === NBD_INFO_BLOCK_SIZE) {
        minimumBlock = payload.u32()
        payload.u32()
        maximumPayload = payload.u32()
      }
    }
    if (size === undefined) throw protocolError('the server did not tell the size')
    return this.#session(size, flags, structured, context, minimumBlock, maximumPayload)
  }

  async list(): Promise<{ name: string; description: string }[]> {
    if (!this.#fixed) throw new CodedError('unsupported', 'NBD: the server cannot list its exports')
    const { replies, refusal, message } = await this.#ask(NBD_OPT_LIST)
    if (refusal !== undefined) return this.#refused('the list of exports', refusal, message)
    await this.#send(NBD_OPT_ABORT, new Uint8Array(0))
    this.#duplex.close()
    return replies.filter(({ type }) => type === NBD_REP_SERVER).map(({ payload }) => ({ name: payload.counted(), description: payload.string(payload.left) }))
  }

  async #startTls(upgrade: TlsUpgrade): Promise<void> {
    const { refusal, message } = this.#fixed ? await this.#ask(NBD_OPT_STARTTLS) : { refusal: NBD_REP_ERR_UNSUP, message: '' }
    if (refusal !== undefined) return this.#refused('TLS', refusal, message)
    if (this.#reader.buffered > 0) throw protocolError('plain bytes behind the agreement on TLS')
    this.#duplex = await upgrade(this.#duplex)
    this.#reader = new ByteReader(this.#duplex)
  }

  async #exportName(name: string, structured: boolean, context: number | undefined): Promise<ClientSession> {
    await this.#send(NBD_OPT_EXPORT_NAME, text(name))
    if (await this.#reader.atEnd()) throw new CodedError('no-export', `NBD: the server does not give export '${name}'`)
    const answer = await this.#reader.view(10)
    if (!this.#noZeroes) await this.#reader.skip(EXPORT_NAME_PADDING)
    return this.#session(answer.getBigUint64(0), answer.getUint16(8), structured, context, 1, DEFAULT_MAXIMUM_PAYLOAD)
  }

  #session(size: bigint, flags: number, structured: boolean, context: number | undefined, minimumBlock: number, maximum: number): ClientSession {
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolError(`an export of ${size} bytes`)
    if (minimumBlock === 0 || (minimumBlock & (minimumBlock - 1)) !== 0 || minimumBlock > 65536 || maximum < minimumBlock) {
      throw protocolError(`blocks of ${minimumBlock} to ${maximum} bytes`)
    }
    const most = Math.min(maximum, DEFAULT_MAXIMUM_PAYLOAD)
    return {
      duplex: this.#duplex, reader: this.#reader, size: Number(size), flags, structuredReplies: structured, allocationContext: context,
      minimumBlock, maximumPayload: most - most % minimumBlock,
    }
  }

  /** A server that says no is left politely: NBD_OPT_ABORT. */
  async #refused(what: string, refusal: number, message: string): Promise<never> {
    await this.#send(NBD_OPT_ABORT, new Uint8Array(0))
    const why = `${REFUSALS[refusal] ?? `answers with error ${refusal - NBD_REP_ERR}`}${message === '' ? '' : ` (${printable(message)})`}`
    throw new CodedError(refusal === NBD_REP_ERR_UNKNOWN ? 'no-export' : 'refused', `NBD: ${what}: the server ${why}`)
  }

  async #send(option: number, data: Uint8Array): Promise<void> {
    await this.#duplex.write([pack(u64(IHAVEOPT), u32(option), u32(data.length), data)])
  }

  /** Sends an option and collects the replies up to the final one. */
  async #ask(option: number, data: Uint8Array = new Uint8Array(0)): Promise<OptionAnswer> {
    await this.#send(option, data)
    const replies: { type: number; payload: Payload }[] = []
    while (replies.length <= MAX_REPLIES) {
      const header = await this.#reader.view(20)
      if (header.getBigUint64(0) !== OPTION_REPLY_MAGIC || header.getUint32(8) !== option) throw protocolError('a reply to no option of ours')
      const type = header.getUint32(12)
      const length = header.getUint32(16)
      if (length > MAX_REPLY) throw protocolError(`a reply of ${length} bytes to an option`)
      const payload = new Payload(await this.#reader.exactly(length))
      if (type === NBD_REP_ACK) return { replies, refusal: undefined, message: '' }
      if (type >= NBD_REP_ERR) return { replies, refusal: type, message: payload.string(Math.min(payload.left, 256)) }
      replies.push({ type, payload })
    }
    throw protocolError('endless replies to an option')
  }
}

interface OptionAnswer {
  readonly replies: readonly { readonly type: number; readonly payload: Payload }[]
  /** NBD_REP_ERR_… */
  readonly refusal: number | undefined
  readonly message: string
}

/** What a peer says ends up on a terminal: one line, nothing that steers it. */
export function printable(message: string): string {
  return message.replace(/\p{C}+/gu, ' ').trim()
}
