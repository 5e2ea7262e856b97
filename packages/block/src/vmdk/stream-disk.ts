import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageExtent } from '../format.ts'
import { readBacking, type Backing } from '../mapped/backing.ts'
import { PageCache } from '../mapped/page-cache.ts'
import type { Codecs } from '../support/codecs.ts'
import { checkAccess, checkSectors, SECTOR } from '../support/range.ts'
import type { SparseHeader } from './sparse-header.ts'
import { SparseMap } from './sparse-map.ts'
import { GTE_ABSENT } from './spec.ts'
import { StreamGrains } from './stream-grains.ts'

export interface StreamDiskParts {
  /** Closed with the disk. */
  readonly store: ByteStore
  readonly header: SparseHeader
  readonly codecs: Codecs
  /** Bytes. */
  readonly size: number
  readonly backing?: Backing
}

/** An extent of compressed grains, which is only read. */
export class StreamDisk implements BlockBackend {
  readonly size: number
  readonly readOnly = true
  closed = false
  readonly map: SparseMap
  readonly #parts: StreamDiskParts
  readonly #grains: StreamGrains

  constructor(parts: StreamDiskParts) {
    const { store, header, codecs, size } = parts
    this.size = size
    this.#parts = parts
    this.map = new SparseMap(store, new PageCache(store), header)
    this.#grains = new StreamGrains(store, codecs, header.grainSize)
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkAccess(this, false)
    checkSectors(offset, into.length, this.size)
    const { header: { grainSize }, backing } = this.#parts
    for (let done = 0; done < into.length;) {
      const index = Math.floor((offset + done) / grainSize)
      const within = (offset + done) % grainSize
      const part = into.subarray(done, done + grainSize - within)
      const entry = await this.map.entry(index)
      if (this.map.isZero(entry) || (entry === GTE_ABSENT && !backing)) part.fill(0)
      else if (entry === GTE_ABSENT && backing) await readBacking(backing, offset + done, part)
      else part.set((await this.#grains.get((index * grainSize) / SECTOR, entry * SECTOR)).subarray(within, within + part.length))
      done += part.length
    }
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    checkAccess(this, false)
    checkSectors(offset, length, this.size)
    const place = await this.map.locate(offset, length)
    if (place.at === 'zero') return { length: place.length, allocated: true, zero: true }
    if (place.at === 'backing') return { length: place.length, allocated: false, zero: !this.#parts.backing }
    return { length: place.length, allocated: true, zero: false, compressed: true }
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
  }

  async write(): Promise<void> {
    checkAccess(this, false)
    throw new CodedError('read-only', 'VMDK: a finished stream-optimised extent is only read')
  }

  writeZeroes(): Promise<void> {
    return this.write()
  }

  discard(): Promise<void> {
    return this.write()
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.#parts.store.close()
  }
}
