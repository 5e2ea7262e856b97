/**
 * What a 9P server shares: a tree of files. Implementations: `MemoryFileTree`, `HostFileTree` of `@entresol/virtio/9p-node`, yours.
 *
 * Every method may fail with an error whose `code` is the name of a Linux error (`ENOENT`, `EACCES`, …); other errors reach the guest as
 * EIO. Names given to a tree are single components: never empty, `.`, `..`, or with `/` or NUL in them.
 */
export interface FileTree {
  /** The root directory, with one reference for the caller. */
  root(): Promise<FileNode>
}

export type FileKind = 'file' | 'directory' | 'symlink' | 'other'

export interface FileAttributes {
  /** Type and permission bits, as in Linux's st_mode. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly rdev: bigint
  /** Bytes. */
  readonly size: number
  readonly blockSize: number
  /** Allocated, in units of 512 bytes. */
  readonly blocks: number
  /** Nanoseconds since 1970. */
  readonly accessed: bigint
  readonly modified: bigint
  readonly changed: bigint
}

/** What is absent stays as it is. `'now'`: the tree's own clock. */
export interface FileChanges {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly accessed?: bigint | 'now'
  readonly modified?: bigint | 'now'
}

export interface OpenMode {
  readonly read: boolean
  readonly write: boolean
  readonly truncate: boolean
  /** Each write is on stable storage before it is answered. */
  readonly sync: boolean
}

/** Who creates, and the permission bits asked for. A tree that cannot give files away ignores the owner. */
export interface Creation {
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number
}

export interface FileSystemStatistics {
  readonly blockSize: number
  readonly blocks: number
  readonly freeBlocks: number
  readonly availableBlocks: number
  readonly files: number
  readonly freeFiles: number
}

/** A name in the tree and the object behind it. Follows renames made through the tree; an unlinked object lives until its last `release`. */
export interface FileNode {
  readonly kind: FileKind
  /** Number of the object, unique in the tree (its inode): the path of its qid. */
  readonly id: bigint
  /** Where it is; undefined for the root and for what was unlinked. The directory comes without a reference of its own. */
  readonly location: { readonly directory: FileNode; readonly name: string } | undefined
  retain(): this
  release(): void

  attributes(): Promise<FileAttributes>
  change(changes: FileChanges): Promise<void>
  statistics(): Promise<FileSystemStatistics>
  /** Target of a symlink, as the guest wrote it; nobody on the host follows it. */
  readLink(): Promise<string>
  open(mode: OpenMode): Promise<OpenFile>
  openDirectory(): Promise<OpenDirectory>

  // Of directories:
  /** The object called `name`, with a reference for the caller; never follows a symlink. */
  lookup(name: string): Promise<FileNode>
  /** Creates a regular file and opens it. Where it exists it is opened, or refused with `EEXIST` when `exclusive`. */
  create(name: string, creation: Creation, mode: OpenMode, exclusive: boolean): Promise<{ readonly node: FileNode; readonly file: OpenFile }>
  makeDirectory(name: string, creation: Creation): Promise<FileNode>
  makeSymlink(name: string, target: string, creation: Creation): Promise<FileNode>
  /** A second name for `target`, a node of the same tree. */
  makeLink(name: string, target: FileNode): Promise<void>
  rename(name: string, to: FileNode, newName: string): Promise<void>
  /** Removes a directory when `directory`, anything else otherwise. */
  unlink(name: string, directory: boolean): Promise<void>
}

export interface OpenFile {
  /** Returns the bytes read: fewer than asked for only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  write(from: Uint8Array, position: number): Promise<number>
  sync(dataOnly: boolean): Promise<void>
  close(): Promise<void>
}

export interface DirectoryEntry {
  readonly name: string
  readonly kind: FileKind
  readonly id: bigint
}

export interface OpenDirectory {
  /** The entry at `index`, counted from 0 without `.` and `..`; undefined behind the last. 0 begins afresh; made for reading in order. */
  entry(index: number): Promise<DirectoryEntry | undefined>
  close(): Promise<void>
}
