import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageExtent } from '../format.ts'
import { Lock } from '../mapped/lock.ts'
import { blockPieces } from '../mapped/pieces.ts'
import type { Codecs } from '../support/codecs.ts'
import { checkAccess, checkSectors, isZero, SECTOR } from '../support/range.ts'
import { buildSparseHeader, directoryLength, type SparseHeader } from './sparse-header.ts'
import { GTE_ABSENT, MARKER, MARKER_EOS, MARKER_FOOTER, MARKER_GD, MARKER_GT } from './spec.ts'
import { StreamGrains } from './stream-grains.ts'

export interface StreamWriterParts {
  /** Closed with the disk. */
  readonly store: ByteStore
  readonly header: SparseHeader
  readonly codecs: Codecs
  /** Bytes. */
  readonly size: number
}

/**
 * An empty stream-optimised extent that is written once, from its beginning to its end, as a conversion does. Grains are compressed one by one
 * as they are complete; the tables follow when it is closed. Until then the file is no image.
 */
export class StreamWriter implements BlockBackend {
  readonly size: number
  readonly readOnly = false
  closed = false
  readonly #parts: StreamWriterParts
  readonly #grains: StreamGrains
  readonly #lock = new Lock()
  /** Grain tables by number, entries are sectors of the file. */
  readonly #tables = new Map<number, Uint32Array>()
  /** The grain being filled, and what it has so far. */
  #index = 0
  #grain: Uint8Array
  /** Where the next grain goes in the file. */
  #end: number

  constructor(parts: StreamWriterParts) {
    this.#parts = parts
    this.size = parts.size
    this.#grain = new Uint8Array(parts.header.grainSize)
    this.#grains = new StreamGrains(parts.store, parts.codecs, parts.header.grainSize)
    this.#end = parts.header.overHead
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#run(offset, into.length, async () => {
      for (const [index, within, at, length] of blockPieces(this.#grain.length, offset, into.length)) {
        const part = into.subarray(at, at + length)
        const entry = this.#entry(index)
        if (index === this.#index) part.set(this.#grain.subarray(within, within + length))
        else if (entry === GTE_ABSENT) part.fill(0)
        else part.set((await this.#grains.get((index * this.#grain.length) / SECTOR, entry * SECTOR)).subarray(within, within + length))
      }
    })
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.#run(offset, from.length, async () => {
      for (const [index, within, at, length] of blockPieces(this.#grain.length, offset, from.length)) {
        await this.#moveTo(index)
        this.#grain.set(from.subarray(at, at + length), within)
      }
    })
  }

  /** What is not written is zero already. */
  writeZeroes(offset: number, length: number): Promise<void> {
    return this.#run(offset, length, async () => {
      for (const [index, within, , part] of blockPieces(this.#grain.length, offset, length)) {
        if (index < this.#index && this.#entry(index) !== GTE_ABSENT) throw behind()
        if (index === this.#index) this.#grain.fill(0, within, within + part)
      }
    })
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#run(offset, length, () => Promise.resolve())
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    checkAccess(this, false)
    checkSectors(offset, length, this.size)
    const index = Math.floor(offset / this.#grain.length)
    const part = Math.min(length, this.#grain.length - (offset % this.#grain.length))
    if (index === this.#index) return { length: part, allocated: true, zero: false }
    const written = this.#entry(index) !== GTE_ABSENT
    return { length: part, allocated: written, zero: !written, ...(written && { compressed: true }) }
  }

  /** Makes durable what is in the file; without its tables that is no image. */
  async flush(): Promise<void> {
    checkAccess(this, false)
    await this.#parts.store.flush()
  }

  async close(): Promise<void> {
    if (this.closed) return
    try {
      await this.#lock.run(() => this.finish())
    } finally {
      this.closed = true
      await this.#parts.store.close()
    }
  }

  /** One after the other, in the order of the calls. */
  #run(offset: number, length: number, body: () => Promise<void>): Promise<void> {
    return this.#lock.run(async () => {
      checkAccess(this, false)
      checkSectors(offset, length, this.size)
      await body()
    })
  }

  #entry(index: number): number {
    const { tableEntries } = this.#parts.header
    return this.#tables.get(Math.floor(index / tableEntries))?.[index % tableEntries] ?? GTE_ABSENT
  }

  /** Completes the grains before `index`. */
  async #moveTo(index: number): Promise<void> {
    if (index === this.#index) return
    if (index < this.#index) throw behind()
    await this.#complete()
    this.#index = index
  }

  async #complete(): Promise<void> {
    const { header: { tableEntries }, codecs: { zlib } } = this.#parts
    if (isZero(this.#grain)) return
    if (!zlib?.compress) throw new CodedError('unsupported', 'VMDK: grains are to be compressed, and nothing compresses them')
    const data = await zlib.compress(this.#grain)
    const bytes = new Uint8Array(Math.ceil((MARKER.data + data.length) / SECTOR) * SECTOR)
    const view = new DataView(bytes.buffer)
    view.setBigUint64(MARKER.value, BigInt((this.#index * this.#grain.length) / SECTOR), true)
    view.setUint32(MARKER.size, data.length, true)
    bytes.set(data, MARKER.data)
    const sector = await this.#append(bytes)
    const table = Math.floor(this.#index / tableEntries)
    let entries = this.#tables.get(table)
    if (!entries) this.#tables.set(table, entries = new Uint32Array(tableEntries))
    entries[this.#index % tableEntries] = sector
    this.#grain = new Uint8Array(this.#grain.length)
  }

  async #append(bytes: Uint8Array): Promise<number> {
    const sector = this.#end / SECTOR
    // The tables of the empty image go, so that a stream that breaks off is none.
    if (this.#end === this.#parts.header.overHead) await this.#parts.store.truncate(this.#end)
    if (sector + bytes.length / SECTOR > 0xffffffff) throw new CodedError('image-full', 'VMDK: the extent has grown to 2 TiB, where its tables end')
    await this.#parts.store.write(this.#end, bytes)
    this.#end += bytes.length
    return sector
  }

  /** Tables, directory, footer, each behind its marker, and the end of the stream. Nothing is written after. */
  async finish(): Promise<void> {
    const { store, header } = this.#parts
    await this.#complete()
    const directory = new DataView(new ArrayBuffer(Math.ceil(directoryLength(header) / SECTOR) * SECTOR))
    for (const [number, entries] of [...this.#tables].sort(([a], [b]) => a - b)) {
      const table = new DataView(new ArrayBuffer(entries.length * 4))
      for (const [index, entry] of entries.entries()) table.setUint32(index * 4, entry, true)
      await this.#append(marker(MARKER_GT, table.byteLength / SECTOR))
      directory.setUint32(number * 4, await this.#append(new Uint8Array(table.buffer)), true)
    }
    await this.#append(marker(MARKER_GD, directory.byteLength / SECTOR))
    const gdOffset = await this.#append(new Uint8Array(directory.buffer)) * SECTOR
    await this.#append(marker(MARKER_FOOTER, 1))
    await this.#append(buildSparseHeader({ ...header, gdOffset }, true))
    await this.#append(marker(MARKER_EOS, 0))
    await store.truncate(this.#end)
    await store.flush()
  }
}

const behind = (): CodedError => new CodedError('unsupported', 'VMDK: a stream-optimised extent is written once, from its beginning to its end')

function marker(type: number, sectors: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(MARKER.value, BigInt(sectors), true)
  view.setUint32(MARKER.type, type, true)
  return bytes
}
