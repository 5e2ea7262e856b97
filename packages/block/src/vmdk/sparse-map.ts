import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { BlockMap, Place } from '../mapped/block-map.ts'
import type { Page, PageCache } from '../mapped/page-cache.ts'
import { SECTOR } from '../support/range.ts'
import { directoryLength, zeroedGrains, type SparseHeader } from './sparse-header.ts'
import { GTE_ABSENT, GTE_ZERO, HEADER_LENGTH } from './spec.ts'

const PAGE = 4096

/** Grain directory and grain tables of a hosted sparse extent. */
export class SparseMap implements BlockMap {
  readonly blockSize: number
  readonly sectorwise = false
  readonly #store: ByteStore
  readonly #pages: PageCache
  readonly #header: SparseHeader
  /** Bytes of the disk a grain table stands for. */
  readonly #span: number

  constructor(store: ByteStore, pages: PageCache, header: SparseHeader) {
    this.blockSize = header.grainSize
    this.#store = store
    this.#pages = pages
    this.#header = header
    this.#span = header.grainSize * header.tableEntries
  }

  locate(offset: number, length: number): Place | Promise<Place> {
    const index = Math.floor(offset / this.blockSize)
    const within = offset - index * this.blockSize
    const table = this.#table(this.#header.gdOffset, index)
    const place = (page: Page | number): Place => {
      const entry = typeof page === 'number' ? page : page.view.getUint32(this.#within(index), true)
      // Where there is no table, all of its grains are alike.
      const most = typeof page === 'number' ? this.#span - (offset % this.#span) : this.blockSize - within
      const part = Math.min(length, most)
      if (this.isZero(entry)) return { length: part, at: 'zero' }
      return { length: part, at: entry === GTE_ABSENT ? 'backing' : this.#grainAt(index, entry) + within }
    }
    return table instanceof Promise ? table.then(place) : place(table)
  }

  home(index: number): number | undefined | Promise<number | undefined> {
    const place = (entry: number): number | undefined => entry === GTE_ABSENT || this.isZero(entry) ? undefined : this.#grainAt(index, entry)
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  async reserve(): Promise<number> {
    return this.#append(this.blockSize)
  }

  async record(index: number, home: number): Promise<void> {
    await this.#set(index, home / SECTOR)
  }

  async recordZero(index: number): Promise<boolean> {
    if (!zeroedGrains(this.#header)) return false
    await this.#set(index, GTE_ZERO)
    return true
  }

  /** Grain table entry of grain `index`, as it stands there or as it counts. */
  entry(index: number): number | Promise<number> {
    const table = this.#table(this.#header.gdOffset, index)
    const read = (page: Page | number): number => typeof page === 'number' ? page : page.view.getUint32(this.#within(index), true)
    return table instanceof Promise ? table.then(read) : read(table)
  }

  /** Entry of the grain directory for the grains from `table` times 512 on. */
  async directoryEntry(table: number): Promise<number> {
    return (await this.#directory(this.#header.gdOffset, table)).view.getUint32((table * 4) % PAGE, true)
  }

  /** Whether a grain may begin at this sector of the file. */
  plausible(entry: number): boolean {
    return entry * SECTOR >= HEADER_LENGTH && entry * SECTOR < this.#store.size
  }

  /** Whether this entry stands for zeroes. */
  isZero(entry: number): boolean {
    return entry === GTE_ZERO && zeroedGrains(this.#header)
  }

  #within(index: number): number {
    return (index % this.#header.tableEntries) * 4
  }

  #grainAt(index: number, entry: number): number {
    if (!this.plausible(entry)) throw new CodedError('bad-image', `VMDK: grain ${index} is said to be at sector ${entry} of the file, which is not there`)
    return entry * SECTOR
  }

  #directory(offset: number, table: number): Page | Promise<Page> {
    const start = Math.floor((table * 4) / PAGE) * PAGE
    return this.#pages.get(offset + start, Math.min(PAGE, directoryLength(this.#header) - start))
  }

  /** The grain table for grain `index` of the directory at `offset`; the directory's entry where there is no table. */
  #table(offset: number, index: number): Page | number | Promise<Page | number> {
    const table = Math.floor(index / this.#header.tableEntries)
    const follow = (page: Page): Page | number | Promise<Page> => {
      const entry = page.view.getUint32((table * 4) % PAGE, true)
      if (entry === GTE_ABSENT || this.isZero(entry)) return entry
      const at = entry * SECTOR
      const length = this.#header.tableEntries * 4
      if (at < HEADER_LENGTH || at + length > this.#store.size) {
        throw new CodedError('bad-image', `VMDK: grain table ${table} is said to be at sector ${entry} of the file, which is not there`)
      }
      return this.#pages.get(at, length)
    }
    const directory = this.#directory(offset, table)
    return directory instanceof Promise ? directory.then(follow) : follow(directory)
  }

  /** Changes the entry in the redundant table, if there is one, and in the table proper. */
  async #set(index: number, entry: number): Promise<void> {
    const { rgdOffset, gdOffset } = this.#header
    for (const offset of rgdOffset === undefined ? [gdOffset] : [rgdOffset, gdOffset]) {
      const found = await this.#table(offset, index)
      const page = typeof found === 'number' ? await this.#newTable(offset, index, found) : found
      page.view.setUint32(this.#within(index), entry, true)
      this.#pages.touch(page)
    }
  }

  /** A new grain table all of whose entries are what the directory says of the whole. */
  async #newTable(offset: number, index: number, entry: number): Promise<Page> {
    const at = await this.#append(this.#header.tableEntries * 4)
    const page = await this.#pages.get(at, this.#header.tableEntries * 4)
    for (let grain = 0; grain < this.#header.tableEntries; grain++) page.view.setUint32(grain * 4, entry, true)
    this.#pages.touch(page)
    const table = Math.floor(index / this.#header.tableEntries)
    const directory = await this.#directory(offset, table)
    directory.view.setUint32((table * 4) % PAGE, at / SECTOR, true)
    this.#pages.touch(directory)
    return page
  }

  /** Space behind the end of the file, on a boundary of grains. */
  async #append(length: number): Promise<number> {
    const at = Math.ceil(this.#store.size / this.blockSize) * this.blockSize
    if (at / SECTOR > 0xffffffff) throw new CodedError('image-full', 'VMDK: the extent has grown to 2 TiB, where its tables end')
    await this.#store.truncate(at + length)
    return at
  }
}
