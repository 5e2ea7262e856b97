import { CodedError } from '@entresol/kit'
import { fileOperations } from './file-operations.ts'
import type { FileTree } from './file-tree.ts'
import { nameOperations } from './name-operations.ts'
import type { Operation } from './name-operations.ts'
import { Session } from './session.ts'
import type { SessionLimits } from './session.ts'
import * as spec from './spec.ts'
import { MessageReader, MessageWriter } from './wire.ts'

export interface NinePServerOptions {
  /** Every change is refused with EROFS. Default false. */
  readonly readOnly?: boolean
  /** Bytes of the longest message offered. Default 512 KiB. */
  readonly messageSize?: number
  readonly limits?: Partial<SessionLimits>
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = { fids: 65_536, openFiles: 1024, locks: 4096 }
const DEFAULT_MESSAGE_SIZE = 512 * 1024
/** What Linux asks for at least. */
const MIN_MESSAGE_SIZE = 4096

const operations: ReadonlyMap<number, Operation> = new Map([...nameOperations, ...fileOperations])

/** Linux's number for an error's code; what is no Linux error is EIO. */
export function errorNumber(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code
  return (typeof code === 'string' ? spec.ERRNO[code] : undefined) ?? spec.ERRNO['EIO']!
}

/** A 9P2000.L server for one client: messages in, messages out, in whatever order they get done. */
export class NinePServer {
  /** The longest message it takes, in bytes. */
  readonly maxMessageSize: number
  readonly #options: { readonly tree: FileTree; readonly readOnly: boolean; readonly limits: SessionLimits }
  readonly #inFlight: Map<number, Promise<unknown>> = new Map()
  #session: Session

  constructor(tree: FileTree, options: NinePServerOptions = {}) {
    this.maxMessageSize = Math.max(options.messageSize ?? DEFAULT_MESSAGE_SIZE, MIN_MESSAGE_SIZE)
    this.#options = { tree, readOnly: options.readOnly ?? false, limits: { ...DEFAULT_SESSION_LIMITS, ...options.limits } }
    this.#session = this.#newSession()
  }

  /** Fids the client holds. */
  get fids(): number {
    return this.#session.fids.size
  }

  /** Answers one message, given whole. The promise never fails; what is shorter than a header gets an answer with tag FFFFh. */
  async handle(request: Uint8Array): Promise<Uint8Array> {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength)
    if (request.length < spec.HEADER_BYTES) return refusal(0xffff, new CodedError('EPROTO', '9P: no header'))
    const [size, type, tag] = [view.getUint32(0, true), view.getUint8(4), view.getUint16(5, true)]
    if (size < spec.HEADER_BYTES || size > request.length) return refusal(tag, new CodedError('EPROTO', '9P: wrong size'))
    const done = this.#answer(type, tag, request.subarray(0, size))
    if (type === spec.TFLUSH) return done
    this.#inFlight.set(tag, done)
    try {
      return await done
    } finally {
      if (this.#inFlight.get(tag) === done) this.#inFlight.delete(tag)
    }
  }

  /** The client is gone: its fids and locks too. Requests under way end on their own. */
  async reset(): Promise<void> {
    const old = this.#session
    this.#session = this.#newSession()
    await old.fids.end()
  }

  #newSession(): Session {
    return new Session(this.#options.tree, this.#options.readOnly, this.#options.limits)
  }

  async #answer(type: number, tag: number, request: Uint8Array): Promise<Uint8Array> {
    const reply = new MessageWriter(type + 1, tag)
    try {
      const message = new MessageReader(request)
      if (type === spec.TVERSION) await this.#version(message, reply)
      else if (type === spec.TFLUSH) await this.#flush(message)
      else await this.#operate(type, request.length, message, reply)
      return reply.finish()
    } catch (error) {
      return refusal(tag, error)
    }
  }

  async #operate(type: number, size: number, message: MessageReader, reply: MessageWriter): Promise<void> {
    const session = this.#session
    if (session.messageSize === 0) throw new CodedError('EPROTO', '9P: no version agreed on')
    if (size > session.messageSize) throw new CodedError('EPROTO', '9P: message longer than agreed on')
    const operation = operations.get(type)
    if (operation === undefined) throw new CodedError('EOPNOTSUPP', `9P: message type ${type}`)
    await operation(session, message, reply)
    if (reply.length > session.messageSize) throw new CodedError('EOVERFLOW', '9P: the answer is longer than agreed on')
  }

  /** Ends what the client had before (version(5)). */
  async #version(message: MessageReader, reply: MessageWriter): Promise<void> {
    const [size, version] = [message.u32(), message.string()]
    message.end()
    await this.reset()
    if (size < MIN_MESSAGE_SIZE) throw new CodedError('EINVAL', '9P: messages would be too short')
    const agreed = Math.min(size, this.maxMessageSize)
    const known = version === spec.VERSION_9P2000_L
    if (known) this.#session.messageSize = agreed
    reply.u32(agreed).string(known ? version : 'unknown')
  }

  /** The answer to the flushed request comes first, as flush(5) allows: nothing here waits for anyone but the tree. */
  async #flush(message: MessageReader): Promise<void> {
    const tag = message.u16()
    message.end()
    await this.#inFlight.get(tag)
  }
}

function refusal(tag: number, error: unknown): Uint8Array {
  return new MessageWriter(spec.RLERROR, tag, 16).u32(errorNumber(error)).finish()
}
