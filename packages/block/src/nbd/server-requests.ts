import type { BlockBackend } from '@entresol/interfaces'
import { chainStatus } from '../chain-status.ts'
import { isZero } from '../support/range.ts'
import { pack, u32, u64 } from './pack.ts'
import { isReadOnly } from './server-handshake.ts'
import type { ServerSession } from './server-handshake.ts'
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_DF, NBD_CMD_FLAG_FUA, NBD_CMD_FLAG_NO_HOLE, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_FLUSH, NBD_CMD_READ,
  NBD_CMD_TRIM, NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES, NBD_EINVAL, NBD_ENOSPC, NBD_EPERM, NBD_REPLY_TYPE_BLOCK_STATUS, NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE, NBD_STATE_HOLE, NBD_STATE_ZERO,
} from './spec.ts'

/** "Request message". */
export interface Request {
  readonly flags: number
  readonly type: number
  readonly cookie: bigint
  readonly offset: bigint
  readonly length: number
}

export interface Chunk {
  readonly type: number
  readonly parts: readonly Uint8Array[]
}

export interface Reply {
  /** Content chunks of a structured reply; none where success is all there is to say. */
  readonly chunks: readonly Chunk[]
  /** Data of a simple reply. */
  readonly plain: readonly Uint8Array[]
}

/** A request the server refuses, with its error value. */
export class RequestFailure {
  readonly number: number
  constructor(number: number) {
    this.number = number
  }
}

/** The server asks the backend no further for one BLOCK_STATUS ("a server MAY return fewer"). */
const STATUS_EXTENTS = 1024

const DONE: Reply = { chunks: [], plain: [] }

/** Flags a command may carry ("Command flags"); FUA goes with all of them. */
const FLAGS: Readonly<Record<number, number>> = {
  [NBD_CMD_READ]: NBD_CMD_FLAG_DF, [NBD_CMD_WRITE]: 0, [NBD_CMD_FLUSH]: 0, [NBD_CMD_TRIM]: 0, [NBD_CMD_WRITE_ZEROES]: NBD_CMD_FLAG_NO_HOLE,
  [NBD_CMD_BLOCK_STATUS]: NBD_CMD_FLAG_REQ_ONE,
}

/** Carries out one request on the session's export. Throws a RequestFailure, or what the backend rejects with. */
export async function runRequest(session: ServerSession, request: Request, data: Uint8Array): Promise<Reply> {
  const { type, flags, length } = request
  const { backend } = session.export
  const allowed = FLAGS[type]
  if (allowed === undefined || (flags & ~(allowed | NBD_CMD_FLAG_FUA)) !== 0) throw new RequestFailure(NBD_EINVAL)
  if (type === NBD_CMD_FLUSH) {
    if (request.offset !== 0n || length !== 0) throw new RequestFailure(NBD_EINVAL)
    await backend.flush()
    return DONE
  }
  const writes = type !== NBD_CMD_READ && type !== NBD_CMD_BLOCK_STATUS
  if (writes && isReadOnly(session.export)) throw new RequestFailure(NBD_EPERM)
  if (request.offset + BigInt(length) > BigInt(backend.size)) throw new RequestFailure(writes && type !== NBD_CMD_TRIM ? NBD_ENOSPC : NBD_EINVAL)
  const offset = Number(request.offset)
  if (offset % 512 !== 0 || length % 512 !== 0) throw new RequestFailure(NBD_EINVAL)
  if (type === NBD_CMD_READ) return read(backend, offset, new Uint8Array(length), session.structuredReplies && (flags & NBD_CMD_FLAG_DF) === 0)
  if (type === NBD_CMD_BLOCK_STATUS) {
    if (session.allocationContext === undefined || length === 0) throw new RequestFailure(NBD_EINVAL)
    return blockStatus(backend, offset, length, session.allocationContext, (flags & NBD_CMD_FLAG_REQ_ONE) !== 0 ? 1 : STATUS_EXTENTS)
  }
  if (length > 0) {
    if (type === NBD_CMD_WRITE) await backend.write(offset, data)
    else if (type === NBD_CMD_TRIM) await backend.discard(offset, length)
    else await backend.writeZeroes(offset, length, (flags & NBD_CMD_FLAG_NO_HOLE) === 0)
  }
  if ((flags & NBD_CMD_FLAG_FUA) !== 0) await backend.flush()
  return DONE
}

async function read(backend: BlockBackend, offset: number, data: Uint8Array, holes: boolean): Promise<Reply> {
  if (data.length === 0) return DONE
  await backend.read(offset, data)
  const at = u64(BigInt(offset))
  const chunk = holes && isZero(data) ? { type: NBD_REPLY_TYPE_OFFSET_HOLE, parts: [at, u32(data.length)] } : { type: NBD_REPLY_TYPE_OFFSET_DATA, parts: [at, data] }
  return { chunks: [chunk], plain: [data] }
}

async function blockStatus(backend: BlockBackend, offset: number, length: number, context: number, limit: number): Promise<Reply> {
  const end = offset + length
  const extents: { length: number; flags: number }[] = []
  for (let at = offset, looks = 0; at < end && looks < STATUS_EXTENTS; looks++) {
    const extent = await chainStatus(backend, at, end - at)
    const flags = extent.zero ? NBD_STATE_ZERO | (extent.allocated ? 0 : NBD_STATE_HOLE) : 0
    const last = extents.at(-1)
    if (last?.flags === flags) last.length += extent.length
    else if (extents.length === limit) break
    else extents.push({ length: extent.length, flags })
    at += extent.length
  }
  return { chunks: [{ type: NBD_REPLY_TYPE_BLOCK_STATUS, parts: [u32(context), ...extents.map(({ length, flags }) => pack(u32(length), u32(flags)))] }], plain: [] }
}
