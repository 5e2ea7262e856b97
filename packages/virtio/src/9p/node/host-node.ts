import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { CodedError } from '@entresol/kit'
import type {
  Creation, FileAttributes, FileChanges, FileKind, FileNode, FileSystemStatistics, OpenDirectory, OpenFile, OpenMode,
} from '../file-tree.ts'
import type { Found, HostAccess } from './access.ts'
import * as fs from './fs.ts'
import { HostDirectory, hostFile, kindOf } from './host-files.ts'
import type { HostVolume } from './host-tree.ts'

const SET_ID_BITS = 0o6000
const PERMISSIONS = 0o7777

/** Ownership is the host's to give: where it refuses, files stay whose they are. */
async function tryOwnership(change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (error) {
    const code = (error as { code?: string }).code
    if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'EINVAL') throw error
  }
}

/** A name in the host's folder and the object found behind it. Lives while a fid, an open directory or a node below it needs it. */
export class HostNode implements FileNode {
  readonly volume: HostVolume
  readonly kind: FileKind
  readonly id: bigint
  readonly #device: bigint
  readonly #inode: bigint
  #location: { readonly directory: HostNode; readonly name: string } | undefined
  readonly #children: Map<string, HostNode> = new Map()
  #references = 1

  /** Starts with one reference for the caller; keeps one of its directory. */
  constructor(volume: HostVolume, stats: BigIntStats, location?: { readonly directory: HostNode; readonly name: string }) {
    this.volume = volume
    this.kind = kindOf(stats)
    this.id = volume.idOf(stats)
    this.#device = stats.dev
    this.#inode = stats.ino
    this.move(location)
  }

  get access(): HostAccess {
    return this.volume.access
  }

  get location(): { readonly directory: HostNode; readonly name: string } | undefined {
    return this.#location
  }

  get isRoot(): boolean {
    return this.volume.root === this
  }

  is(stats: BigIntStats): boolean {
    return stats.dev === this.#device && stats.ino === this.#inode
  }

  retain(): this {
    this.#references++
    return this
  }

  release(): void {
    // A loop, not a recursion: how deep folders are is the guest's choice.
    for (let node: HostNode | undefined = this, next; node !== undefined && --node.#references === 0; node = next) {
      next = node.#leave()
      this.volume.later(this.access.forget(node))
    }
  }

  /** Gets another place, or none, after the host's folder has changed so. */
  move(to: { readonly directory: HostNode; readonly name: string } | undefined): void {
    to?.directory.retain()
    this.#leave()?.release()
    this.#location = to
    if (to !== undefined) to.directory.#children.set(to.name, this)
  }

  /** Gives up its place; the directory's reference goes to the caller. */
  #leave(): HostNode | undefined {
    const from = this.#location
    this.#location = undefined
    if (from !== undefined && from.directory.#children.get(from.name) === this) from.directory.#children.delete(from.name)
    return from?.directory
  }

  async attributes(): Promise<FileAttributes> {
    const s = await this.access.use(this, this.access.stat)
    return {
      mode: Number(s.mode), uid: Number(s.uid), gid: Number(s.gid), links: Number(s.nlink), rdev: s.rdev, size: Number(s.size),
      blockSize: Number(s.blksize), blocks: Number(s.blocks), accessed: s.atimeNs, modified: s.mtimeNs, changed: s.ctimeNs,
    }
  }

  async change({ mode, uid, gid, size, accessed, modified }: FileChanges): Promise<void> {
    if (size !== undefined) {
      const fd = await this.#open(constants.O_WRONLY)
      await fs.ftruncate(fd, size).finally(() => fs.close(fd))
    }
    const { access } = this
    await access.use(this, async (path) => {
      if (uid !== undefined || gid !== undefined) await tryOwnership(access.chown(path, uid ?? -1, gid ?? -1))
      if (mode !== undefined) {
        if (this.kind === 'symlink') throw new CodedError('EOPNOTSUPP', 'symlinks have no mode')
        await fs.chmod(path, this.#hostMode(mode))
      }
      if (accessed === undefined && modified === undefined) return
      const now = await access.stat(path)
      await access.utimes(path, this.volume.seconds(accessed ?? now.atimeNs), this.volume.seconds(modified ?? now.mtimeNs))
    })
  }

  async statistics(): Promise<FileSystemStatistics> {
    const s = await this.access.use(this, (path) => fs.statfs(path))
    return { blockSize: s.bsize, blocks: s.blocks, freeBlocks: s.bfree, availableBlocks: s.bavail, files: s.files, freeFiles: s.ffree }
  }

  async readLink(): Promise<string> {
    const location = this.#location
    if (location === undefined) throw new CodedError('ENOENT', 'the symlink was removed')
    return this.#named(location.directory, location.name, (path) => fs.readlink(path))
  }

  async open(mode: OpenMode): Promise<OpenFile> {
    return hostFile(await this.#open(hostFlags(mode)))
  }

  async openDirectory(): Promise<OpenDirectory> {
    const directory = new HostDirectory(this.retain())
    try {
      // Says now whether it can be read.
      await directory.entry(0)
      return directory
    } catch (error) {
      await directory.close()
      throw error
    }
  }

  async lookup(name: string): Promise<HostNode> {
    return this.#adopt(name, await this.access.find(this, this.volume.checkedName(name)))
  }

  async create(name: string, creation: Creation, mode: OpenMode, exclusive: boolean): Promise<{ node: HostNode; file: OpenFile }> {
    const flags = hostFlags(mode) | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
    const permissions = creation.mode & PERMISSIONS & ~SET_ID_BITS
    let fd: number
    try {
      fd = await this.#named(this, name, (path) => fs.open(path, flags, permissions))
    } catch (error) {
      if (exclusive || (error as { code?: string }).code !== 'EEXIST') throw error
      return this.#openExisting(name, mode)
    }
    try {
      await tryOwnership(fs.fchown(fd, creation.uid ?? -1, creation.gid))
      // The guest's umask was applied already; the host's is not meant.
      await fs.fchmod(fd, permissions)
      return { node: await this.#adopt(name, await this.access.findOpen(fd)), file: hostFile(fd) }
    } catch (error) {
      await fs.close(fd)
      throw error
    }
  }

  async makeDirectory(name: string, creation: Creation): Promise<HostNode> {
    await this.#named(this, name, (path) => fs.mkdir(path, { mode: creation.mode & PERMISSIONS }))
    return this.#made(name, creation)
  }

  async makeSymlink(name: string, target: string, creation: Creation): Promise<HostNode> {
    await this.#named(this, name, (path) => fs.symlink(target, path))
    return this.#made(name, creation)
  }

  async makeLink(name: string, target: FileNode): Promise<void> {
    const { location } = target as HostNode
    if (location === undefined) throw new CodedError('ENOENT', 'the file was removed')
    await this.#named(location.directory, location.name, (from) => this.#named(this, name, (path) => fs.link(from, path)))
  }

  async rename(name: string, to: FileNode, newName: string): Promise<void> {
    const directory = to as HostNode
    await this.#named(this, name, (from) => this.#named(directory, newName, (path) => fs.rename(from, path)))
    const moved = this.#children.get(name)
    const replaced = directory.#children.get(newName)
    if (moved === replaced) return
    replaced?.move(undefined)
    moved?.move({ directory, name: newName })
  }

  async unlink(name: string, directory: boolean): Promise<void> {
    await this.#named(this, name, directory ? fs.rmdir : fs.unlink)
    this.#children.get(name)?.move(undefined)
  }

  /** A call that does not follow a symlink in the last place, on a name in a directory. */
  #named<T>(directory: HostNode, name: string, work: (path: string) => Promise<T>): Promise<T> {
    this.volume.checkedName(name)
    return this.access.use(directory, (path) => work(`${path}/${name}`))
  }

  #hostMode(mode: number): number {
    return this.kind === 'directory' ? mode : mode & ~SET_ID_BITS
  }

  /** Opens the regular file this node is; nothing else is ever opened on the host. */
  async #open(flags: number): Promise<number> {
    if (this.kind !== 'file') throw new CodedError('EINVAL', 'not a regular file')
    const fd = await this.access.use(this, (path) => fs.open(path, flags | this.access.openFlags))
    if (this.is(await fs.fstat(fd))) return fd
    await fs.close(fd)
    throw new CodedError('ESTALE', 'the file was replaced')
  }

  async #openExisting(name: string, mode: OpenMode): Promise<{ node: HostNode; file: OpenFile }> {
    const node = await this.lookup(name)
    try {
      if (node.kind !== 'file') throw new CodedError(node.kind === 'directory' ? 'EISDIR' : 'ELOOP', `${name} exists`)
      return { node, file: await node.open(mode) }
    } catch (error) {
      node.release()
      throw error
    }
  }

  async #made(name: string, creation: Creation): Promise<HostNode> {
    const node = await this.lookup(name)
    try {
      const { access } = this
      await access.use(node, async (path) => {
        await tryOwnership(access.chown(path, creation.uid ?? -1, creation.gid))
        if (node.kind === 'directory') await fs.chmod(path, creation.mode & PERMISSIONS)
      })
      return node
    } catch (error) {
      node.release()
      throw error
    }
  }

  /** The node for what was found at `name`: the one that is known, if it is the same object. */
  async #adopt(name: string, found: Found): Promise<HostNode> {
    const known = this.#children.get(name)
    const same = known?.is(found.stats) === true ? known.retain() : undefined
    // Another process of the host put something else there.
    if (same === undefined) known?.move(undefined)
    const node = same ?? new HostNode(this.volume, found.stats, { directory: this, name })
    await this.access.adopt(node, found)
    return node
  }
}

function hostFlags({ read, write, truncate, sync }: OpenMode): number {
  return (read ? (write ? constants.O_RDWR : constants.O_RDONLY) : constants.O_WRONLY)
    | (truncate ? constants.O_TRUNC : 0) | (sync ? constants.O_SYNC ?? 0 : 0)
}
