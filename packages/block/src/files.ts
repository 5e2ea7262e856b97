import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MemoryStore } from './stores/memory-store.ts'

export interface FileAccess {
  readonly readOnly: boolean
  /** Makes the file, or empties one that is there. */
  readonly create?: boolean
  /** Does not mind other writers, and lets others write. */
  readonly shared?: boolean
  /** Goes around the host's page cache where the host can (cache=none). */
  readonly direct?: boolean
}

/** Where images are found by name: a host's file system, a browser's private files, memory. What it refuses, no image can name. */
export interface ImageFiles {
  /** Codes `file-error` (not there, not permitted) and `locked` (another process writes to it). */
  open(path: string, access: FileAccess): Promise<ByteStore>
  /** Path of the file that image `from` calls `name`. */
  resolve(from: string, name: string): string
}

/** `name` as seen from the folder of `from`; a name that begins with / or has a protocol (`nbd://`) stands for itself. */
export function resolveName(from: string, name: string): string {
  if (name.startsWith('/') || /^[a-z][a-z0-9+.-]+:/i.test(name)) return name
  return from.slice(0, from.lastIndexOf('/') + 1) + name
}

/** Files in memory, by name. Closing one keeps its content for the next who opens it. */
export class MemoryFiles implements ImageFiles {
  readonly #files: Map<string, MemoryStore>
  constructor(files: ReadonlyMap<string, MemoryStore> = new Map()) {
    this.#files = new Map(files)
  }

  async open(path: string, access: FileAccess): Promise<ByteStore> {
    if (access.create === true) this.#files.set(path, new MemoryStore())
    const store = this.#files.get(path)
    if (store === undefined) throw new CodedError('file-error', `${path}: no such file`)
    return new Handle(store, access.readOnly)
  }

  resolve(from: string, name: string): string {
    return resolveName(from, name)
  }
}

/** One opening of a store that outlives it. */
class Handle implements ByteStore {
  readonly #store: MemoryStore
  readonly readOnly: boolean
  #closed = false
  constructor(store: MemoryStore, readOnly: boolean) {
    this.#store = store
    this.readOnly = readOnly
  }
  get size(): number {
    return this.#store.size
  }
  #open(writes: boolean): MemoryStore {
    if (this.#closed) throw new CodedError('closed', 'the file is closed')
    if (writes && this.readOnly) throw new CodedError('read-only', 'the file is read-only')
    return this.#store
  }
  async read(offset: number, into: Uint8Array): Promise<void> {
    return this.#open(false).read(offset, into)
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    return this.#open(true).write(offset, from)
  }
  async flush(): Promise<void> {
    return this.#open(false).flush()
  }
  async truncate(size: number): Promise<void> {
    return this.#open(true).truncate(size)
  }
  async punchHole(offset: number, length: number): Promise<void> {
    return this.#open(true).punchHole(offset, length)
  }
  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    return this.#open(false).extent(offset)
  }
  async close(): Promise<void> {
    this.#closed = true
  }
}
