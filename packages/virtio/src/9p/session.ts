import { CodedError } from '@entresol/kit'
import { FidTable } from './fids.ts'
import type { Fid } from './fids.ts'
import type { FileKind, FileNode, FileTree } from './file-tree.ts'
import { LockTable } from './locks.ts'
import { NAME_MAX, QID_DIRECTORY, QID_FILE, QID_SYMLINK } from './spec.ts'

export interface SessionLimits {
  /** Fids at a time. */
  readonly fids: number
  /** Open files and directories at a time: each costs the host a descriptor. */
  readonly openFiles: number
  /** Record locks at a time. */
  readonly locks: number
}

export interface Qid {
  readonly type: number
  readonly version: number
  readonly path: bigint
}

const utf8 = new TextEncoder()
const qidTypes: Readonly<Record<FileKind, number>> = { directory: QID_DIRECTORY, symlink: QID_SYMLINK, file: QID_FILE, other: QID_FILE }

/** The version is left 0, which tells clients not to trust what they cached (v9fs looks at it only with cache modes of its own choice). */
export function qidOf(object: { readonly kind: FileKind; readonly id: bigint }): Qid {
  return { type: qidTypes[object.kind], version: 0, path: BigInt.asUintN(64, object.id) }
}

/** A name a guest gives to something in a directory. */
export function checkedName(name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new CodedError(name === '.' || name === '..' ? 'EEXIST' : 'EINVAL', '9P: not a file name')
  }
  if (utf8.encode(name).length > NAME_MAX) throw new CodedError('ENAMETOOLONG', '9P: file name too long')
  return name
}

/** What one client has: fids and locks on a tree. */
export class Session {
  readonly tree: FileTree
  readonly readOnly: boolean
  readonly fids: FidTable
  readonly locks: LockTable
  /** Bytes of the longest message, both ways; 0 before a version is agreed on. */
  messageSize = 0

  constructor(tree: FileTree, readOnly: boolean, limits: SessionLimits) {
    this.tree = tree
    this.readOnly = readOnly
    this.fids = new FidTable(limits.fids, limits.openFiles)
    this.locks = new LockTable(limits.locks)
  }

  /** `use` for what changes the tree. */
  async change<T>(number: number, work: (fid: Fid) => Promise<T>): Promise<T> {
    if (this.readOnly) throw new CodedError('EROFS', '9P: shared read-only')
    return this.fids.use(number, work)
  }

  /** The same with two fids. */
  async changeBoth<T>(first: number, second: number, work: (first: Fid, second: Fid) => Promise<T>): Promise<T> {
    return this.change(first, (a) => this.fids.use(second, (b) => work(a, b)))
  }

  async clunk(number: number): Promise<void> {
    const fid = this.fids.get(number)
    if (fid.locked !== undefined) this.locks.drop(fid.locked, fid)
    await this.fids.remove(number)
  }
}

export function directoryOf(fid: Fid): FileNode {
  if (fid.node.kind !== 'directory') throw new CodedError('ENOTDIR', '9P: not a directory')
  return fid.node
}
