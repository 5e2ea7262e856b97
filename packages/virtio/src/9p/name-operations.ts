import { CodedError } from '@entresol/kit'
import type { Fid } from './fids.ts'
import type { Creation, FileNode } from './file-tree.ts'
import { checkedName, directoryOf, qidOf } from './session.ts'
import type { Session } from './session.ts'
import * as spec from './spec.ts'
import type { MessageReader, MessageWriter } from './wire.ts'

/** Reads one T-message's fields, does it, and writes the answer's. Whatever it throws becomes Rlerror. */
export type Operation = (session: Session, message: MessageReader, reply: MessageWriter) => Promise<void>

const PERMISSIONS = 0o7777

function creation(fid: Fid, mode: number, gid: number): Creation {
  return { mode: mode & PERMISSIONS, uid: fid.uid, gid }
}

const attach: Operation = async (session, message, reply) => {
  const [fid] = [message.u32(), message.u32()]
  message.string()
  message.string()
  const uid = message.u32()
  message.end()
  session.fids.checkFree(fid)
  const root = await session.tree.root()
  const qid = qidOf(root)
  session.fids.add(fid, root, uid === spec.NONUNAME ? undefined : uid)
  reply.qid(qid)
}

async function step(from: FileNode, name: string): Promise<FileNode> {
  if (from.kind !== 'directory') throw new CodedError('ENOTDIR', '9P: not a directory')
  if (name === '.') return from.retain()
  // Above the root is the root; above what was unlinked is nothing.
  if (name === '..') return (from.location?.directory ?? from).retain()
  return from.lookup(checkedName(name))
}

const walk: Operation = async (session, message, reply) => {
  const [number, newNumber, count] = [message.u32(), message.u32(), message.u16()]
  if (count > spec.MAX_WALK_NAMES) throw new CodedError('EINVAL', '9P: too many names in a walk')
  const names = Array.from({ length: count }, () => message.string())
  message.end()
  if (newNumber !== number) session.fids.checkFree(newNumber)
  await session.fids.use(number, async (fid) => {
    const nodes: FileNode[] = []
    let at = fid.node.retain()
    try {
      for (const name of names) {
        const next = await step(at, name)
        nodes.push(next)
        at.release()
        at = next.retain()
      }
    } catch (error) {
      // Only the first name's failure is an error; later, fewer qids say so and newfid is not made (walk(5)).
      if (nodes.length === 0) {
        at.release()
        throw error
      }
    }
    reply.u16(nodes.length)
    for (const node of nodes) reply.qid(qidOf(node))
    for (const node of nodes) node.release()
    if (nodes.length < names.length) at.release()
    else if (newNumber !== number) session.fids.add(newNumber, at, fid.uid)
    else if (fid.opened) {
      at.release()
      throw new CodedError('EBADF', '9P: the fid is open')
    } else {
      fid.node.release()
      fid.node = at
    }
  })
}

const mkdir: Operation = async (session, message, reply) => {
  const [number, name, mode, gid] = [message.u32(), checkedName(message.string()), message.u32(), message.u32()]
  message.end()
  await session.change(number, async (fid) => {
    const made = await directoryOf(fid).makeDirectory(name, creation(fid, mode, gid))
    reply.qid(qidOf(made))
    made.release()
  })
}

const symlink: Operation = async (session, message, reply) => {
  const [number, name, target, gid] = [message.u32(), checkedName(message.string()), message.string(), message.u32()]
  message.end()
  if (target === '' || target.includes('\0')) throw new CodedError('EINVAL', '9P: not a link target')
  await session.change(number, async (fid) => {
    const made = await directoryOf(fid).makeSymlink(name, target, creation(fid, 0o777, gid))
    reply.qid(qidOf(made))
    made.release()
  })
}

/** Linux creates regular files this way where it does not open them. Devices, pipes and sockets of a guest are not put into the host's folder. */
const mknod: Operation = async (session, message, reply) => {
  const [number, name, mode] = [message.u32(), checkedName(message.string()), message.u32()]
  message.u32()
  message.u32()
  const gid = message.u32()
  message.end()
  const type = mode & spec.S_IFMT
  if (type !== spec.S_IFREG && type !== 0) throw new CodedError('EPERM', '9P: special files are not shared')
  await session.change(number, async (fid) => {
    const open = { read: false, write: true, truncate: false, sync: false }
    const { node, file } = await directoryOf(fid).create(name, creation(fid, mode, gid), open, true)
    reply.qid(qidOf(node))
    node.release()
    await file.close()
  })
}

const link: Operation = async (session, message) => {
  const [directory, number, name] = [message.u32(), message.u32(), checkedName(message.string())]
  message.end()
  await session.changeBoth(directory, number, (into, fid) => {
    if (fid.node.kind === 'directory') throw new CodedError('EPERM', '9P: directories have one name')
    return directoryOf(into).makeLink(name, fid.node)
  })
}

function locationOf(fid: Fid): { readonly directory: FileNode; readonly name: string } {
  const { location } = fid.node
  if (location === undefined) throw new CodedError(fid.node.kind === 'directory' ? 'EBUSY' : 'ENOENT', '9P: the file has no name')
  return location
}

const rename: Operation = async (session, message) => {
  const [number, directory, name] = [message.u32(), message.u32(), checkedName(message.string())]
  message.end()
  await session.changeBoth(number, directory, async (fid, to) => {
    const from = locationOf(fid)
    await from.directory.rename(from.name, directoryOf(to), name)
  })
}

const renameat: Operation = async (session, message) => {
  const [from, name, to, newName] = [message.u32(), checkedName(message.string()), message.u32(), checkedName(message.string())]
  message.end()
  await session.changeBoth(from, to, (a, b) => directoryOf(a).rename(name, directoryOf(b), newName))
}

const unlinkat: Operation = async (session, message) => {
  const [number, name, flags] = [message.u32(), checkedName(message.string()), message.u32()]
  message.end()
  await session.change(number, (fid) => directoryOf(fid).unlink(name, (flags & spec.AT_REMOVEDIR) !== 0))
}

/** The fid is gone afterwards, whether the file is or not (remove(5)). */
const remove: Operation = async (session, message) => {
  const number = message.u32()
  message.end()
  try {
    await session.change(number, async (fid) => {
      const { directory, name } = locationOf(fid)
      await directory.unlink(name, fid.node.kind === 'directory')
    })
  } finally {
    await session.clunk(number)
  }
}

const clunk: Operation = async (session, message) => {
  const number = message.u32()
  message.end()
  await session.clunk(number)
}

const readlink: Operation = async (session, message, reply) => {
  const number = message.u32()
  message.end()
  await session.fids.use(number, async (fid) => {
    if (fid.node.kind !== 'symlink') throw new CodedError('EINVAL', '9P: not a symlink')
    reply.string(await fid.node.readLink())
  })
}

export const nameOperations: readonly (readonly [number, Operation])[] = [
  [spec.TATTACH, attach], [spec.TWALK, walk], [spec.TMKDIR, mkdir], [spec.TSYMLINK, symlink], [spec.TMKNOD, mknod], [spec.TLINK, link],
  [spec.TRENAME, rename], [spec.TRENAMEAT, renameat], [spec.TUNLINKAT, unlinkat], [spec.TREMOVE, remove], [spec.TCLUNK, clunk],
  [spec.TREADLINK, readlink],
]
