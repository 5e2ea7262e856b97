import type { BigIntStats, Dir, Dirent } from 'node:fs'
import type { DirectoryEntry, FileKind, OpenDirectory, OpenFile } from '../file-tree.ts'
import { close, fdatasync, fsync, lstat, opendir, read, write } from './fs.ts'
import type { HostNode } from './host-node.ts'

/** Names looked at together. */
const BATCH = 64

export function kindOf(object: BigIntStats | Dirent): FileKind {
  return object.isFile() ? 'file' : object.isDirectory() ? 'directory' : object.isSymbolicLink() ? 'symlink' : 'other'
}

/** An open regular file; owns the descriptor. */
export function hostFile(fd: number): OpenFile {
  return {
    read: (into, position) => read(fd, into, position),
    write: (from, position) => write(fd, from, position),
    sync: (dataOnly) => (dataOnly ? fdatasync(fd) : fsync(fd)),
    close: () => close(fd),
  }
}

/** Reads a directory from front to back with the memory of one batch; going back means beginning again. */
export class HostDirectory implements OpenDirectory {
  readonly #node: HostNode
  #dir: Dir | undefined
  #batch: DirectoryEntry[] = []
  /** Index of the batch's first entry. */
  #start = 0
  #turn: Promise<unknown> = Promise.resolve()

  /** Takes over the caller's reference of `node`. */
  constructor(node: HostNode) {
    this.#node = node
  }

  entry(index: number): Promise<DirectoryEntry | undefined> {
    const mine = this.#turn.then(() => this.#seek(index))
    this.#turn = mine.catch(() => {})
    return mine
  }

  async close(): Promise<void> {
    await this.#turn
    await this.#end()
    this.#node.release()
  }

  async #seek(index: number): Promise<DirectoryEntry | undefined> {
    if (index === 0 || index < this.#start) await this.#end()
    this.#dir ??= await this.#node.access.use(this.#node, (path) => opendir(path, { bufferSize: BATCH }))
    while (index >= this.#start + this.#batch.length) {
      this.#start += this.#batch.length
      this.#batch = await this.#next(this.#dir)
      if (this.#batch.length === 0) return undefined
    }
    return this.#batch[index - this.#start]
  }

  /** The next entries that are still there; none only at the end. */
  async #next(dir: Dir): Promise<DirectoryEntry[]> {
    for (;;) {
      const names: string[] = []
      for (let entry; names.length < BATCH && (entry = await dir.read()) !== null;) names.push(entry.name)
      if (names.length === 0) return []
      const looked = await this.#node.access.use(this.#node, (path) => Promise.all(names.map((name) => this.#look(path, name))))
      const found = looked.filter((entry) => entry !== undefined)
      if (found.length > 0) return found
    }
  }

  /** Undefined: gone, or a name that is not UTF-8 and cannot be said in 9P. */
  async #look(path: string, name: string): Promise<DirectoryEntry | undefined> {
    try {
      const stats = await lstat(`${path}/${name}`)
      return { name, kind: kindOf(stats), id: this.#node.volume.idOf(stats) }
    } catch {
      return undefined
    }
  }

  async #end(): Promise<void> {
    const dir = this.#dir
    this.#dir = undefined
    this.#batch = []
    this.#start = 0
    await dir?.close()
  }
}
