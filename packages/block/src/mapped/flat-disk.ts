import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import type { ImageExtent } from '../format.ts'
import { checkAccess, checkSectors, SECTOR } from '../support/range.ts'

const ZEROES = new Uint8Array(65536)

export interface FlatDiskParts {
  /** Closed with the disk. */
  readonly store: ByteStore
  /** Where the disk begins in the file, bytes. */
  readonly base: number
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
}

/** A disk that lies in a file in one piece. */
export class FlatDisk implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  closed = false
  readonly #store: ByteStore
  readonly #base: number

  constructor({ store, base, size, readOnly }: FlatDiskParts) {
    this.#store = store
    this.#base = base
    this.size = size
    this.readOnly = readOnly
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    return this.#store.read(this.#base + offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    return this.#store.write(this.#base + offset, from)
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#check(offset, length, true)
    if (unmap) return this.#store.punchHole(this.#base + offset, length)
    for (let at = 0; at < length; at += ZEROES.length) await this.#store.write(this.#base + offset + at, ZEROES.subarray(0, length - at))
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    if (!this.readOnly) await this.#store.flush()
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#check(offset, length, true)
    return this.#store.punchHole(this.#base + offset, length)
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    this.#check(offset, length, false)
    const { length: stretch, hole } = await this.#store.extent(this.#base + offset)
    // A sector that is only partly a hole counts as data; what is missing at the end of the file, as a hole.
    const known = Math.min(length, stretch === 0 ? length : Math.floor(stretch / SECTOR) * SECTOR)
    const fileOffset = this.#base + offset
    return known === 0 ? { length: SECTOR, allocated: true, zero: false, fileOffset } : { length: known, allocated: true, zero: hole, fileOffset }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.#store.close()
  }

  #check(offset: number, length: number, writes: boolean): void {
    checkAccess(this, writes)
    checkSectors(offset, length, this.size)
  }
}
