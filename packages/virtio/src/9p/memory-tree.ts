import { CodedError } from '@entresol/kit'
import type {
  Creation, DirectoryEntry, FileAttributes, FileChanges, FileKind, FileNode, FileSystemStatistics, FileTree, OpenDirectory, OpenFile, OpenMode,
} from './file-tree.ts'
import { S_IFDIR, S_IFLNK, S_IFREG } from './spec.ts'

const BLOCK = 4096

export interface MemoryFileTreeOptions {
  /** Bytes of contents at most; beyond it ENOSPC. Default 64 MiB. */
  readonly capacity?: number
  /** Files, directories and symlinks at most. Default 16,384. */
  readonly maxFiles?: number
  /** Wall-clock time in milliseconds since 1970, for the times of files. Default: always 0. */
  readonly wallClock?: () => number
}

/** Space and time of a whole tree. */
class Volume {
  readonly capacity: number
  readonly maxFiles: number
  readonly #wallClock: () => number
  used = 0
  files = 0
  #nextId = 1n

  constructor(options: MemoryFileTreeOptions) {
    this.capacity = options.capacity ?? 64 * 2 ** 20
    this.maxFiles = options.maxFiles ?? 16_384
    this.#wallClock = options.wallClock ?? (() => 0)
  }

  now(): bigint {
    return BigInt(Math.trunc(this.#wallClock())) * 1_000_000n
  }

  /** A new object's number. */
  claimFile(): bigint {
    if (this.files >= this.maxFiles) throw new CodedError('ENOSPC', 'file tree in memory: too many files')
    this.files++
    return this.#nextId++
  }

  claim(bytes: number): void {
    if (this.used + bytes > this.capacity) throw new CodedError('ENOSPC', 'file tree in memory: full')
    this.used += bytes
  }
}

/** An object; names (`MemoryNode`) refer to it. */
class Inode {
  readonly volume: Volume
  readonly id: bigint
  readonly kind: FileKind
  readonly target: string
  readonly entries: Map<string, MemoryNode> = new Map()
  mode: number
  uid: number
  gid: number
  links = 0
  /** Nodes and open files that refer to it. */
  references = 0
  contents: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  size = 0
  accessed: bigint
  modified: bigint
  changed: bigint

  constructor(volume: Volume, kind: FileKind, { mode, uid, gid }: Creation, target: string = '') {
    this.volume = volume
    this.id = volume.claimFile()
    this.kind = kind
    this.target = target
    this.mode = mode
    this.uid = uid ?? 0
    this.gid = gid
    this.accessed = this.modified = this.changed = volume.now()
  }

  touch(): void {
    this.modified = this.changed = this.volume.now()
  }

  resize(size: number): void {
    if (size > this.contents.length) {
      const { volume } = this
      const wanted = Math.max(size, 2 * this.contents.length, BLOCK)
      const length = wanted - this.contents.length <= volume.capacity - volume.used ? wanted : size
      volume.claim(length - this.contents.length)
      const larger = new Uint8Array(length)
      larger.set(this.contents.subarray(0, this.size))
      this.contents = larger
    } else if (size === 0) {
      this.#free()
    } else if (size < this.size) {
      this.contents.fill(0, size, this.size)
    }
    this.size = size
    this.touch()
  }

  release(): void {
    if (--this.references > 0 || this.links > 0) return
    this.#free()
    this.volume.files--
  }

  #free(): void {
    this.volume.used -= this.contents.length
    this.contents = new Uint8Array(0)
  }
}

class MemoryNode implements FileNode {
  readonly inode: Inode
  location: { readonly directory: MemoryNode; readonly name: string } | undefined

  constructor(inode: Inode, location: { readonly directory: MemoryNode; readonly name: string } | undefined) {
    this.inode = inode
    this.location = location
    inode.links++
  }

  get kind(): FileKind {
    return this.inode.kind
  }

  get id(): bigint {
    return this.inode.id
  }

  retain(): this {
    this.inode.references++
    return this
  }

  release(): void {
    this.inode.release()
  }

  async attributes(): Promise<FileAttributes> {
    const { kind, mode, uid, gid, links, size, accessed, modified, changed, entries, target } = this.inode
    const type = kind === 'directory' ? S_IFDIR : kind === 'symlink' ? S_IFLNK : S_IFREG
    const directories = [...entries.values()].filter((entry) => entry.kind === 'directory').length
    return {
      mode: type | mode, uid, gid, rdev: 0n, blockSize: BLOCK, accessed, modified, changed,
      links: kind === 'directory' ? 2 + directories : links,
      size: kind === 'symlink' ? new TextEncoder().encode(target).length : size,
      blocks: Math.ceil(size / 512),
    }
  }

  async change({ mode, uid, gid, size, accessed, modified }: FileChanges): Promise<void> {
    const { inode } = this
    if (size !== undefined) inode.resize(size)
    inode.mode = mode ?? inode.mode
    inode.uid = uid ?? inode.uid
    inode.gid = gid ?? inode.gid
    const now = inode.volume.now()
    inode.accessed = accessed === 'now' ? now : accessed ?? inode.accessed
    inode.modified = modified === 'now' ? now : modified ?? inode.modified
    inode.changed = now
  }

  async statistics(): Promise<FileSystemStatistics> {
    const { capacity, used, files, maxFiles } = this.inode.volume
    const free = Math.floor((capacity - used) / BLOCK)
    return { blockSize: BLOCK, blocks: Math.floor(capacity / BLOCK), freeBlocks: free, availableBlocks: free, files: maxFiles, freeFiles: maxFiles - files }
  }

  async readLink(): Promise<string> {
    return this.inode.target
  }

  async open({ truncate }: OpenMode): Promise<OpenFile> {
    if (truncate) this.inode.resize(0)
    return openInode(this.inode)
  }

  async openDirectory(): Promise<OpenDirectory> {
    const { entries } = this.inode
    let iterator = entries.entries()
    let next = 0
    let entry: DirectoryEntry | undefined
    return {
      entry: async (index) => {
        if (index === 0 || index < next - 1) [iterator, next] = [entries.entries(), 0]
        for (; next <= index; next++) {
          const { value } = iterator.next()
          entry = value && { name: value[0], kind: value[1].kind, id: value[1].id }
          if (entry === undefined) return undefined
        }
        return entry
      },
      close: async () => {},
    }
  }

  async lookup(name: string): Promise<MemoryNode> {
    return this.#entry(name).retain()
  }

  async create(name: string, creation: Creation, mode: OpenMode, exclusive: boolean): Promise<{ node: MemoryNode; file: OpenFile }> {
    const existing = this.inode.entries.get(name)
    if (existing !== undefined && (exclusive || existing.kind !== 'file')) {
      throw new CodedError(exclusive ? 'EEXIST' : existing.kind === 'directory' ? 'EISDIR' : 'ELOOP', `${name} exists`)
    }
    const node = existing?.retain() ?? this.#add(name, 'file', creation)
    return { node, file: await node.open(mode) }
  }

  async makeDirectory(name: string, creation: Creation): Promise<MemoryNode> {
    return this.#add(name, 'directory', creation)
  }

  async makeSymlink(name: string, target: string, creation: Creation): Promise<MemoryNode> {
    return this.#add(name, 'symlink', creation, target)
  }

  async makeLink(name: string, target: FileNode): Promise<void> {
    const { inode } = target as MemoryNode
    this.#checkFree(name)
    if (inode.links === 0) throw new CodedError('ENOENT', 'the file was removed')
    this.inode.entries.set(name, new MemoryNode(inode, { directory: this, name }))
    inode.changed = inode.volume.now()
    this.inode.touch()
  }

  async rename(name: string, to: FileNode, newName: string): Promise<void> {
    const target = to as MemoryNode
    const moved = this.#entry(name)
    target.#checkLinked()
    for (let at: MemoryNode | undefined = target; at !== undefined; at = at.location?.directory) {
      if (at === moved) throw new CodedError('EINVAL', 'a directory cannot be moved into itself')
    }
    const replaced = target.inode.entries.get(newName)
    if (replaced?.inode === moved.inode) return
    if (replaced !== undefined) {
      if (replaced.kind === 'directory' && moved.kind !== 'directory') throw new CodedError('EISDIR', `${newName} is a directory`)
      if (replaced.kind !== 'directory' && moved.kind === 'directory') throw new CodedError('ENOTDIR', `${newName} is no directory`)
      target.#remove(replaced)
    }
    this.inode.entries.delete(name)
    target.inode.entries.set(newName, moved)
    moved.location = { directory: target, name: newName }
    this.inode.touch()
    target.inode.touch()
  }

  async unlink(name: string, directory: boolean): Promise<void> {
    const node = this.#entry(name)
    if (directory && node.kind !== 'directory') throw new CodedError('ENOTDIR', `${name} is no directory`)
    if (!directory && node.kind === 'directory') throw new CodedError('EISDIR', `${name} is a directory`)
    this.#remove(node)
    this.inode.touch()
  }

  #entry(name: string): MemoryNode {
    const node = this.inode.entries.get(name)
    if (node === undefined) throw new CodedError('ENOENT', `no ${name}`)
    return node
  }

  #checkLinked(): void {
    if (this.inode.links === 0) throw new CodedError('ENOENT', 'the directory was removed')
  }

  #checkFree(name: string): void {
    this.#checkLinked()
    if (this.inode.entries.has(name)) throw new CodedError('EEXIST', `${name} exists`)
  }

  /** The new node, with one reference. */
  #add(name: string, kind: FileKind, creation: Creation, target?: string): MemoryNode {
    this.#checkFree(name)
    const node = new MemoryNode(new Inode(this.inode.volume, kind, creation, target), { directory: this, name })
    this.inode.entries.set(name, node)
    this.inode.touch()
    return node.retain()
  }

  #remove(node: MemoryNode): void {
    if (node.inode.entries.size > 0) throw new CodedError('ENOTEMPTY', 'the directory is not empty')
    this.inode.entries.delete(node.location!.name)
    node.location = undefined
    node.inode.links--
    node.retain().release()
  }
}

function openInode(inode: Inode): OpenFile {
  inode.references++
  return {
    read: async (into, position) => {
      const part = inode.contents.subarray(Math.min(position, inode.size), Math.min(position + into.length, inode.size))
      into.set(part)
      inode.accessed = inode.volume.now()
      return part.length
    },
    write: async (from, position) => {
      if (position + from.length > inode.size) inode.resize(position + from.length)
      inode.contents.set(from, position)
      inode.touch()
      return from.length
    },
    sync: async () => {},
    close: async () => inode.release(),
  }
}

/** A tree of files in memory, bounded: for browsers, tests, and folders that end with the machine. */
export class MemoryFileTree implements FileTree {
  readonly #root: MemoryNode

  constructor(options: MemoryFileTreeOptions = {}) {
    this.#root = new MemoryNode(new Inode(new Volume(options), 'directory', { mode: 0o755, uid: 0, gid: 0 }), undefined)
  }

  async root(): Promise<FileNode> {
    return this.#root.retain()
  }
}
