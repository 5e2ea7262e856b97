import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import type { ImageExtent } from '../format.ts'
import { checkAccess, checkSectors, SECTOR } from '../support/range.ts'
import { readBacking, type Backing } from './backing.ts'
import type { BlockMap, Place } from './block-map.ts'
import { Lock } from './lock.ts'
import type { PageCache } from './page-cache.ts'
import { blockPieces } from './pieces.ts'

/** Zeroes are written in pieces of at most this. */
const ZEROES = new Uint8Array(65536)
/** Places a status looks at before it answers with what it has. */
const STATUS_STEPS = 1024

export interface MappedDiskParts {
  /** Closed with the disk. */
  readonly store: ByteStore
  readonly map: BlockMap
  readonly pages: PageCache
  /** Bytes. */
  readonly size: number
  readonly readOnly: boolean
  /** Absent: what has no block reads as zeroes. */
  readonly backing?: Backing
  /** Runs before the first change of the content since it was opened. */
  readonly beforeFirstChange?: () => Promise<void>
  /** Runs when a writable disk is closed, after everything is written. */
  readonly beforeClose?: () => Promise<void>
}

/** A disk whose blocks a map places in a file. Blocks never move or lose their place; what is discarded becomes a hole in the file. */
export class MappedDisk implements BlockBackend {
  readonly size: number
  readonly readOnly: boolean
  closed = false
  readonly #parts: MappedDiskParts
  readonly #store: ByteStore
  readonly #map: BlockMap
  /** Held by whatever changes the map, and by commits. */
  readonly #lock = new Lock()
  #change: Promise<void> | undefined

  constructor(parts: MappedDiskParts) {
    this.size = parts.size
    this.readOnly = parts.readOnly
    this.#parts = parts
    this.#store = parts.store
    this.#map = parts.map
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkAccess(this, false)
    checkSectors(offset, into.length, this.size)
    for (let done = 0; done < into.length;) {
      const found = this.#map.locate(offset + done, into.length - done)
      const place = found instanceof Promise ? await found : found
      const part = into.subarray(done, done + place.length)
      if (typeof place.at === 'number') await this.#store.read(place.at, part)
      else if (place.at === 'backing' && this.#parts.backing) await readBacking(this.#parts.backing, offset + done, part)
      else part.fill(0)
      done += place.length
    }
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#begin(offset, from.length)
    for (const [index, within, at, length] of blockPieces(this.#map.blockSize, offset, from.length)) {
      await this.#put(index, within, from.subarray(at, at + length))
    }
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    await this.#begin(offset, length)
    for (const [index, within, at, part] of blockPieces(this.#map.blockSize, offset, length)) {
      const home = await this.#map.home(index)
      if (home !== undefined) await this.#zero(index, home, within, part, unmap)
      else await this.#zeroHomeless(index, within, offset + at, part, unmap)
    }
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    if (!this.readOnly) await this.#lock.run(() => this.#parts.pages.commit())
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#begin(offset, length)
    for (const [index, within, , part] of blockPieces(this.#map.blockSize, offset, length)) {
      const home = await this.#map.home(index)
      if (home !== undefined) await this.#store.punchHole(home + within, part)
    }
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    checkAccess(this, false)
    checkSectors(offset, length, this.size)
    let sum: ImageExtent | undefined
    for (let steps = 0; steps < STATUS_STEPS && (sum?.length ?? 0) < length; steps++) {
      const done = sum?.length ?? 0
      const next = await this.#statusOf(offset + done, await this.#map.locate(offset + done, length - done))
      if (sum === undefined) sum = next
      else if (!continues(sum, next)) break
      else sum = { ...sum, length: done + next.length }
    }
    return sum ?? { length: 0, allocated: false, zero: true }
  }

  /** Runs `body` while the tables in the file are those in memory, and nothing changes either. */
  protected settled<T>(body: () => Promise<T>): Promise<T> {
    return this.#lock.run(async () => {
      checkAccess(this, false)
      if (!this.readOnly) await this.#parts.pages.commit()
      return body()
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    try {
      await this.flush()
      if (!this.readOnly) await this.#parts.beforeClose?.()
    } finally {
      this.closed = true
      await this.#store.close()
    }
  }

  /** What every change of the content starts with. */
  async #begin(offset: number, length: number): Promise<void> {
    checkAccess(this, true)
    checkSectors(offset, length, this.size)
    const { beforeFirstChange } = this.#parts
    if (beforeFirstChange === undefined) return
    try {
      await (this.#change ??= this.#lock.run(beforeFirstChange))
    } catch (error) {
      this.#change = undefined
      throw error
    }
  }

  async #put(index: number, within: number, from: Uint8Array): Promise<void> {
    const found = this.#map.home(index)
    const home = found instanceof Promise ? await found : found
    if (home === undefined) return this.#allocate(index, within, from.length, (at) => this.#store.write(at, from))
    await this.#store.write(home + within, from)
    if (this.#map.sectorwise) await this.#lock.run(async () => this.#map.record(index, home, within, from.length))
  }

  /** Gives block `index` a home, has `fill` write [within, within + length) of it, and takes the rest of it from the backing image. */
  #allocate(index: number, within: number, length: number, fill: (at: number) => Promise<void>): Promise<void> {
    return this.#lock.run(async () => {
      const { pages } = this.#parts
      if (pages.crowded) await pages.commit()
      // Another write may have made it meanwhile.
      let home = await this.#map.home(index)
      if (home !== undefined) {
        await fill(home + within)
        if (this.#map.sectorwise) await this.#map.record(index, home, within, length)
        return
      }
      home = await this.#map.reserve(index)
      await fill(home + within)
      if (this.#map.sectorwise) return this.#map.record(index, home, within, length)
      const end = Math.min(this.#map.blockSize, this.size - index * this.#map.blockSize)
      await this.#copyUp(index, home, 0, within)
      await this.#copyUp(index, home, within + length, end)
      await this.#map.record(index, home, 0, this.#map.blockSize)
    })
  }

  /** Brings [from, to) of block `index` from the backing image to its new place. */
  async #copyUp(index: number, home: number, from: number, to: number): Promise<void> {
    const { backing } = this.#parts
    const start = index * this.#map.blockSize
    if (backing === undefined || from >= to || (await this.#map.locate(start, 1)).at !== 'backing') return
    for (let at = from; at < to; at += ZEROES.length) {
      const bytes = new Uint8Array(Math.min(ZEROES.length, to - at))
      await readBacking(backing, start + at, bytes)
      await this.#store.write(home + at, bytes)
    }
  }

  async #zero(index: number, home: number, within: number, length: number, unmap: boolean): Promise<void> {
    await this.#fillZeroes(home + within, length, unmap)
    if (this.#map.sectorwise) await this.#lock.run(async () => this.#map.record(index, home, within, length))
  }

  async #zeroHomeless(index: number, within: number, offset: number, length: number, unmap: boolean): Promise<void> {
    const { at } = await this.#map.locate(offset, length)
    if (at === 'zero' || (at === 'backing' && this.#parts.backing === undefined)) return
    const whole = within === 0 && length === Math.min(this.#map.blockSize, this.size - offset)
    const said = whole && await this.#lock.run(async () => await this.#map.home(index) === undefined && this.#map.recordZero(index))
    if (!said) await this.#allocate(index, within, length, (to) => this.#fillZeroes(to, length, unmap))
  }

  async #fillZeroes(at: number, length: number, unmap: boolean): Promise<void> {
    if (unmap) return this.#store.punchHole(at, length)
    for (let done = 0; done < length; done += ZEROES.length) await this.#store.write(at + done, ZEROES.subarray(0, length - done))
  }

  async #statusOf(offset: number, { length, at }: Place): Promise<ImageExtent> {
    const { backing } = this.#parts
    if (at === 'zero') return { length, allocated: true, zero: true }
    if (at === 'backing') {
      const behind = backing?.image !== undefined && backing.base + offset >= backing.image.size
      return { length, allocated: false, zero: backing === undefined || behind }
    }
    const { length: stretch, hole } = await this.#store.extent(at)
    const zero = hole || stretch === 0
    const known = Math.floor(Math.min(length, stretch === 0 ? length : stretch) / SECTOR) * SECTOR
    // A sector that is only partly a hole counts as data.
    return known === 0 ? { length: SECTOR, allocated: true, zero: false, fileOffset: at } : { length: known, allocated: true, zero, fileOffset: at }
  }
}

function continues(sum: ImageExtent, next: ImageExtent): boolean {
  if (sum.allocated !== next.allocated || sum.zero !== next.zero) return false
  return sum.fileOffset === undefined ? next.fileOffset === undefined : next.fileOffset === sum.fileOffset + sum.length
}
