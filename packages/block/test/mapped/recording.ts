import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MemoryStore } from '../../src/index.ts'

/** What reached a file, in order. */
export type Op =
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'punch'; readonly file: string; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush'; readonly file: string }

/** Files in memory by name, every change of which is recorded. */
export class Recording {
  readonly files = new Map<string, MemoryStore>()
  readonly ops: Op[] = []

  constructor(files: ReadonlyMap<string, MemoryStore> = new Map()) {
    for (const [name, store] of files) this.files.set(name, store)
  }

  create(name: string): ByteStore {
    this.files.set(name, new MemoryStore())
    return this.open(name)
  }

  open(name: string, readOnly = false): ByteStore {
    const store = this.files.get(name)
    if (store === undefined) throw new CodedError('file-error', `${name}: no such file`)
    return new RecordedStore(name, store, this.ops, readOnly)
  }
}

class RecordedStore implements ByteStore {
  readonly #name: string
  readonly #store: MemoryStore
  readonly #ops: Op[]
  readonly readOnly: boolean
  #closed = false

  constructor(name: string, store: MemoryStore, ops: Op[], readOnly: boolean) {
    this.#name = name
    this.#store = store
    this.#ops = ops
    this.readOnly = readOnly
  }

  get size(): number {
    return this.#store.size
  }

  #record(op: Op): void {
    if (this.#closed) throw new CodedError('closed', 'the file is closed')
    if (this.readOnly && op.kind !== 'flush') throw new CodedError('read-only', 'the file is read-only')
    this.#ops.push(op)
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.#closed) throw new CodedError('closed', 'the file is closed')
    // A host answers later than at once, and in its own order.
    if (offset % 3 === 0) await Promise.resolve()
    return this.#store.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#record({ kind: 'write', file: this.#name, offset, bytes: from.slice() })
    return this.#store.write(offset, from)
  }

  async flush(): Promise<void> {
    this.#record({ kind: 'flush', file: this.#name })
  }

  async truncate(size: number): Promise<void> {
    this.#record({ kind: 'truncate', file: this.#name, size })
    return this.#store.truncate(size)
  }

  async punchHole(offset: number, length: number): Promise<void> {
    this.#record({ kind: 'punch', file: this.#name, offset, length })
    return this.#store.punchHole(offset, length)
  }

  extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    return this.#store.extent(offset)
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

/** Does one recorded change to `files`. */
export async function apply(files: ReadonlyMap<string, MemoryStore>, op: Op): Promise<void> {
  const store = files.get(op.file)!
  if (op.kind === 'write') await store.write(op.offset, op.bytes)
  else if (op.kind === 'truncate') await store.truncate(op.size)
  else if (op.kind === 'punch') await store.punchHole(op.offset, op.length)
}

/** Copies of files. */
export async function cloneFiles(files: ReadonlyMap<string, ByteStore>): Promise<Map<string, MemoryStore>> {
  const copies = new Map<string, MemoryStore>()
  for (const [name, store] of files) copies.set(name, await clone(store))
  return copies
}

async function clone(store: ByteStore): Promise<MemoryStore> {
  const copy = new MemoryStore()
  await copy.truncate(store.size)
  for (let at = 0; at < store.size;) {
    const { length, hole } = await store.extent(at)
    if (!hole) {
      const bytes = new Uint8Array(length)
      await store.read(at, bytes)
      await copy.write(at, bytes)
    }
    at += length
  }
  return copy
}
