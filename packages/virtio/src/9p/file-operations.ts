import { CodedError } from '@entresol/kit'
import type { Fid } from './fids.ts'
import type { FileChanges, FileKind, OpenMode } from './file-tree.ts'
import type { LockRequest } from './locks.ts'
import type { Operation } from './name-operations.ts'
import { checkedName, directoryOf, qidOf } from './session.ts'
import type { Session } from './session.ts'
import * as spec from './spec.ts'
import type { MessageReader, MessageWriter } from './wire.ts'

const utf8 = new TextEncoder()
const NANOSECONDS = 1_000_000_000n

/** O_APPEND is left out: the client says where it writes, and its page cache must be able to write back anywhere. */
function openMode(flags: number): OpenMode {
  const access = flags & spec.O_ACCMODE
  if (access === spec.O_ACCMODE) throw new CodedError('EINVAL', '9P: bad access mode')
  return {
    read: access !== spec.O_WRONLY,
    write: access !== 0,
    truncate: (flags & spec.O_TRUNC) !== 0,
    sync: (flags & spec.O_DSYNC) !== 0,
  }
}

/** Opens what `open` opens into the fid, or leaves the fid as it was. */
async function opening(session: Session, fid: Fid, open: () => Promise<void>): Promise<void> {
  session.fids.claimOpening(fid)
  try {
    await open()
  } catch (error) {
    session.fids.abandonOpening(fid)
    throw error
  }
}

const lopen: Operation = async (session, message, reply) => {
  const [number, flags] = [message.u32(), message.u32()]
  message.end()
  const mode = openMode(flags)
  await session.fids.use(number, async (fid) => {
    const { node } = fid
    if (session.readOnly && (mode.write || mode.truncate)) throw new CodedError('EROFS', '9P: shared read-only')
    await opening(session, fid, async () => {
      if (node.kind === 'directory') {
        if (mode.write) throw new CodedError('EISDIR', '9P: a directory')
        fid.directory = await node.openDirectory()
      } else {
        if ((flags & spec.O_DIRECTORY) !== 0) throw new CodedError('ENOTDIR', '9P: not a directory')
        if (node.kind === 'symlink') throw new CodedError('ELOOP', '9P: a symlink')
        if (node.kind === 'other') throw new CodedError('ENXIO', '9P: special files are not shared')
        fid.file = await node.open(mode)
      }
    })
    reply.qid(qidOf(node)).u32(0)
  })
}

const lcreate: Operation = async (session, message, reply) => {
  const [number, name, flags, mode, gid] = [message.u32(), checkedName(message.string()), message.u32(), message.u32(), message.u32()]
  message.end()
  const open = openMode(flags)
  await session.change(number, async (fid) => {
    const directory = directoryOf(fid)
    await opening(session, fid, async () => {
      const creation = { mode: mode & 0o7777, uid: fid.uid, gid }
      const { node, file } = await directory.create(name, creation, open, (flags & spec.O_EXCL) !== 0)
      fid.node = node
      fid.file = file
      directory.release()
      reply.qid(qidOf(node)).u32(0)
    })
  })
}

/** How much of `count` bytes fits an answer. */
const fitting = (session: Session, count: number): number => Math.min(count, session.messageSize - spec.IO_HEADER_BYTES)

const read: Operation = async (session, message, reply) => {
  const [number, position, count] = [message.u32(), message.position(), message.u32()]
  message.end()
  await session.fids.use(number, async ({ file }) => {
    if (file === undefined) throw new CodedError('EBADF', '9P: not open')
    reply.u32(0)
    const done = await file.read(reply.space(fitting(session, count)), position)
    reply.setU32(spec.HEADER_BYTES, done)
    reply.truncate(spec.READ_HEADER_BYTES + done)
  })
}

const write: Operation = async (session, message, reply) => {
  const [number, position, count] = [message.u32(), message.position(), message.u32()]
  const bytes = message.bytes(count)
  message.end()
  await session.change(number, async ({ file }) => {
    if (file === undefined) throw new CodedError('EBADF', '9P: not open')
    if (position + count > Number.MAX_SAFE_INTEGER) throw new CodedError('EFBIG', '9P: position beyond 2^53 - 1')
    reply.u32(await file.write(bytes, position))
  })
}

const directoryTypes: Readonly<Record<FileKind, number>> = {
  directory: spec.S_IFDIR >> spec.DT_SHIFT, file: spec.S_IFREG >> spec.DT_SHIFT, symlink: spec.S_IFLNK >> spec.DT_SHIFT, other: 0,
}

/** Entry n has position n + 1; `.` and `..` come first. */
const readdir: Operation = async (session, message, reply) => {
  const [number, position, count] = [message.u32(), message.position(), message.u32()]
  message.end()
  await session.fids.use(number, async ({ node, directory }) => {
    if (directory === undefined) throw new CodedError('EBADF', '9P: not an open directory')
    const limit = spec.READ_HEADER_BYTES + fitting(session, count)
    reply.u32(0)
    for (let at = position; ; at++) {
      const entry = at === 0 ? { name: '.', kind: node.kind, id: node.id }
        : at === 1 ? { name: '..', kind: node.kind, id: (node.location?.directory ?? node).id }
        : await directory.entry(at - 2)
      if (entry === undefined) break
      if (reply.length + 13 + 8 + 1 + 2 + utf8.encode(entry.name).length > limit) {
        if (at === position) throw new CodedError('EINVAL', '9P: no room for one entry')
        break
      }
      reply.qid(qidOf(entry)).u64(at + 1).u8(directoryTypes[entry.kind]).string(entry.name)
    }
    reply.setU32(spec.HEADER_BYTES, reply.length - spec.READ_HEADER_BYTES)
  })
}

const getattr: Operation = async (session, message, reply) => {
  const number = message.u32()
  message.u64()
  message.end()
  await session.fids.use(number, async ({ node }) => {
    const a = await node.attributes()
    reply.u64(spec.GETATTR_BASIC).qid(qidOf(node)).u32(a.mode).u32(a.uid).u32(a.gid)
    reply.u64(a.links).u64(a.rdev).u64(a.size).u64(a.blockSize).u64(a.blocks)
    for (const time of [a.accessed, a.modified, a.changed]) writeTime(reply, time)
    // Birth time, generation and data version: not among the valid ones.
    for (let field = 0; field < 4; field++) reply.u64(0)
  })
}

function writeTime(reply: MessageWriter, time: bigint): void {
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  reply.u64(BigInt.asUintN(64, (time - nanoseconds) / NANOSECONDS)).u64(nanoseconds)
}

function readTime(message: MessageReader): bigint {
  const seconds = BigInt.asIntN(64, message.u64())
  return seconds * NANOSECONDS + message.u64() % NANOSECONDS
}

const setattr: Operation = async (session, message) => {
  const [number, valid, mode, uid, gid, size] = [message.u32(), message.u32(), message.u32(), message.u32(), message.u32(), message.u64()]
  const [accessed, modified] = [readTime(message), readTime(message)]
  message.end()
  const set = (bit: number): boolean => (valid & bit) !== 0
  if (set(spec.SETATTR_SIZE) && size > BigInt(Number.MAX_SAFE_INTEGER)) throw new CodedError('EFBIG', '9P: size beyond 2^53 - 1')
  const changes: FileChanges = {
    ...(set(spec.SETATTR_MODE) && { mode: mode & 0o7777 }),
    ...(set(spec.SETATTR_UID) && { uid }),
    ...(set(spec.SETATTR_GID) && { gid }),
    ...(set(spec.SETATTR_SIZE) && { size: Number(size) }),
    ...(set(spec.SETATTR_ATIME) && { accessed: set(spec.SETATTR_ATIME_SET) ? accessed : 'now' as const }),
    ...(set(spec.SETATTR_MTIME) && { modified: set(spec.SETATTR_MTIME_SET) ? modified : 'now' as const }),
  }
  await session.change(number, ({ node }) => {
    if (changes.size !== undefined && node.kind !== 'file') throw new CodedError(node.kind === 'directory' ? 'EISDIR' : 'EINVAL', '9P: has no size')
    return node.change(changes)
  })
}

const statfs: Operation = async (session, message, reply) => {
  const number = message.u32()
  message.end()
  await session.fids.use(number, async ({ node }) => {
    const s = await node.statistics()
    reply.u32(spec.V9FS_MAGIC).u32(s.blockSize).u64(s.blocks).u64(s.freeBlocks).u64(s.availableBlocks).u64(s.files).u64(s.freeFiles)
    reply.u64(0).u32(spec.NAME_MAX)
  })
}

const fsync: Operation = async (session, message) => {
  const [number, dataOnly] = [message.u32(), message.u32()]
  message.end()
  await session.fids.use(number, async ({ file, directory }) => {
    if (file === undefined && directory === undefined) throw new CodedError('EBADF', '9P: not open')
    await file?.sync(dataOnly !== 0)
  })
}

function lockFields(message: MessageReader): { start: bigint; length: bigint; process: number; client: string } {
  const [start, length, process, client] = [message.u64(), message.u64(), message.u32(), message.string()]
  message.end()
  if (client.length > spec.NAME_MAX) throw new CodedError('EINVAL', '9P: client name too long')
  return { start, length, process, client }
}

function checkedLock(type: number, fields: Omit<LockRequest, 'type'>): LockRequest {
  if (type > spec.LOCK_TYPE_UNLCK) throw new CodedError('EINVAL', '9P: bad lock type')
  return { type, ...fields }
}

const lock: Operation = async (session, message, reply) => {
  const [number, type] = [message.u32(), message.u8()]
  // A client that waits asks again.
  message.u32()
  const wanted = checkedLock(type, lockFields(message))
  await session.fids.use(number, async (fid) => {
    if (fid.file === undefined) throw new CodedError('EBADF', '9P: not open')
    const taken = session.locks.set(fid.node.id, wanted, fid)
    if (taken && type !== spec.LOCK_TYPE_UNLCK) fid.locked = fid.node.id
    reply.u8(taken ? spec.LOCK_SUCCESS : spec.LOCK_BLOCKED)
  })
}

const getlock: Operation = async (session, message, reply) => {
  const [number, type] = [message.u32(), message.u8()]
  const wanted = checkedLock(type, lockFields(message))
  await session.fids.use(number, async ({ node }) => {
    const found = session.locks.conflict(node.id, wanted) ?? { ...wanted, type: spec.LOCK_TYPE_UNLCK }
    reply.u8(found.type).u64(found.start).u64(found.length).u32(found.process).string(found.client)
  })
}

/** No extended attributes: Linux takes this answer as a file system without them. */
const noAttributes: Operation = async (session, message) => {
  session.fids.get(message.u32())
  throw new CodedError('EOPNOTSUPP', '9P: no extended attributes')
}

export const fileOperations: readonly (readonly [number, Operation])[] = [
  [spec.TLOPEN, lopen], [spec.TLCREATE, lcreate], [spec.TREAD, read], [spec.TWRITE, write], [spec.TREADDIR, readdir], [spec.TGETATTR, getattr],
  [spec.TSETATTR, setattr], [spec.TSTATFS, statfs], [spec.TFSYNC, fsync], [spec.TLOCK, lock], [spec.TGETLOCK, getlock],
  [spec.TXATTRWALK, noAttributes], [spec.TXATTRCREATE, noAttributes],
]
