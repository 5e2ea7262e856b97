import type { ByteStore } from '@entresol/interfaces'
import { SECTOR } from '../support/range.ts'

/** Part of a table, as it is in memory. */
export interface Slice {
  /** In the image file. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Bytes [from, to) are not yet written; none where from >= to. Only the cache changes them. */
  from: number
  to: number
  /** Writes of it under way. */
  writing: number
}

/** Slices are this big, or a cluster where that is less. */
const SLICE = 16384

/**
 * Parts of L2 tables or refcount blocks, written back only by `writeBack`, which the order of writes demands (metadata.ts). Bounded: least recently
 * used slices go when the cache is full; unwritten ones stay, and their owner writes them back before they are more than half of it.
 */
export class SliceCache {
  readonly sliceSize: number
  readonly #store: ByteStore
  readonly #limit: number
  /** In the order of their last use. */
  readonly #slices = new Map<number, Slice>()
  readonly #reading = new Map<number, Promise<void>>()
  readonly #dirty = new Set<Slice>()

  constructor(store: ByteStore, clusterSize: number, maxBytes: number) {
    this.#store = store
    this.sliceSize = Math.min(clusterSize, SLICE)
    this.#limit = Math.ceil(maxBytes / this.sliceSize)
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  /** So many unwritten slices that they should be written. */
  get crowded(): boolean {
    return this.#dirty.size > this.#limit / 2
  }

  /** The slice, if it is in memory. Changes must be made before the next await, since a slice can leave the cache then. */
  peek(offset: number): Slice | undefined {
    const slice = this.#slices.get(offset)
    if (slice) {
      this.#slices.delete(offset)
      this.#slices.set(offset, slice)
    }
    return slice
  }

  async load(offset: number): Promise<Slice> {
    for (;;) {
      const present = this.peek(offset)
      if (present) return present
      let reading = this.#reading.get(offset)
      if (!reading) {
        reading = this.#read(offset)
        this.#reading.set(offset, reading)
      }
      await reading
    }
  }

  /** A slice of zeroes that the file does not hold yet. */
  create(offset: number): Slice {
    this.drop(offset, this.sliceSize)
    const slice = this.#add(offset, new Uint8Array(this.sliceSize))
    this.changed(slice, 0, this.sliceSize)
    return slice
  }

  changed(slice: Slice, from: number, to: number): void {
    slice.from = slice.from < slice.to ? Math.min(slice.from, from) : from
    slice.to = Math.max(slice.to, to)
    this.#dirty.add(slice)
  }

  /** Forgets what lay there, written or not. */
  drop(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += this.sliceSize) {
      this.#reading.delete(at)
      const slice = this.#slices.get(at)
      if (!slice) continue
      this.#slices.delete(at)
      this.#dirty.delete(slice)
    }
  }

  /** Forgets everything, written or not. */
  clear(): void {
    this.#reading.clear()
    this.#slices.clear()
    this.#dirty.clear()
  }

  /** Writes every change made before the call. What fails stays to be written. */
  async writeBack(): Promise<void> {
    const slices = [...this.#dirty].sort((a, b) => a.offset - b.offset)
    this.#dirty.clear()
    await allDone(slices.map(async (slice) => {
      const from = Math.floor(slice.from / SECTOR) * SECTOR
      const to = Math.ceil(slice.to / SECTOR) * SECTOR
      slice.from = slice.to = 0
      slice.writing++
      try {
        await this.#store.write(slice.offset + from, slice.bytes.subarray(from, to))
      } catch (error) {
        if (this.#slices.get(slice.offset) === slice) this.changed(slice, from, to)
        throw error
      } finally {
        slice.writing--
      }
    }))
  }

  async #read(offset: number): Promise<void> {
    const bytes = new Uint8Array(this.sliceSize)
    // The map's entry is set before this goes on.
    await Promise.resolve()
    const own = this.#reading.get(offset)
    try {
      await this.#store.read(offset, bytes)
      // Dropped meanwhile: what was read may be out of date.
      if (this.#reading.get(offset) === own) this.#add(offset, bytes)
    } finally {
      if (this.#reading.get(offset) === own) this.#reading.delete(offset)
    }
  }

  #add(offset: number, bytes: Uint8Array): Slice {
    const slice: Slice = { offset, bytes, view: new DataView(bytes.buffer), from: 0, to: 0, writing: 0 }
    this.#slices.set(offset, slice)
    if (this.#slices.size <= this.#limit) return slice
    for (const old of this.#slices.values()) {
      if (old === slice) break
      this.#slices.delete(old.offset)
      if (old.writing === 0 && !this.#dirty.has(old)) break
      // Unwritten: it stays, behind the others, so that it is not looked at again and again.
      this.#slices.set(old.offset, old)
    }
    return slice
  }
}

/** Waits for all, also where one fails; then fails with the first failure. */
export async function allDone(all: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(all)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
