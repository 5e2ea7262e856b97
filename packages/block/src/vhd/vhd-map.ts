import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { BlockMap, Place } from '../mapped/block-map.ts'
import type { Page, PageCache } from '../mapped/page-cache.ts'
import { SECTOR } from '../support/range.ts'
import type { DynamicHeader } from './dynamic-header.ts'
import { BLOCK_UNUSED, HEADER_LENGTH } from './spec.ts'

const PAGE = 4096

export interface VhdMapParts {
  readonly store: ByteStore
  readonly pages: PageCache
  readonly header: DynamicHeader
  /** Of the dynamic disk header in the file. */
  readonly headerOffset: number
  /** Blocks of the disk. */
  readonly blocks: number
  /** The bitmap of a block says which of its sectors are in this image, not in the parent. */
  readonly differencing: boolean
}

/**
 * The block allocation table of a dynamic disk: entry n is the sector of the file where the n-th block of the disk begins, with its bitmap.
 * What the bitmaps of dynamic disks say is not looked at: sectors never written are zeroes in the file.
 */
export class VhdMap implements BlockMap {
  readonly blockSize: number
  readonly sectorwise: boolean
  readonly bitmapLength: number
  readonly #parts: VhdMapParts
  /** Where the next block and the footer go; known once one is needed. */
  #end: number | undefined

  constructor(parts: VhdMapParts) {
    this.#parts = parts
    this.blockSize = parts.header.blockSize
    this.sectorwise = parts.differencing
    this.bitmapLength = Math.ceil(this.blockSize / SECTOR / 8 / SECTOR) * SECTOR
  }

  locate(offset: number, length: number): Place | Promise<Place> {
    const index = Math.floor(offset / this.blockSize)
    const within = offset - index * this.blockSize
    const part = Math.min(length, this.blockSize - within)
    const place = (home: number | undefined): Place | Promise<Place> => {
      if (home === undefined) return { length: part, at: 'backing' }
      return this.sectorwise ? this.#present(home, within, part) : { length: part, at: home + within }
    }
    const home = this.home(index)
    return home instanceof Promise ? home.then(place) : place(home)
  }

  home(index: number): number | undefined | Promise<number | undefined> {
    const place = (entry: number): number | undefined => entry === BLOCK_UNUSED ? undefined : this.#dataOf(index, entry)
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  async reserve(): Promise<number> {
    const { store } = this.#parts
    const at = await this.end()
    if (at / SECTOR >= BLOCK_UNUSED) throw new CodedError('image-full', 'VHD: the file has grown to 2 TiB, where the table ends')
    // The footer, or what a write that was cut off has left there.
    if (store.size > at) await store.truncate(at)
    await store.truncate(at + this.bitmapLength + this.blockSize)
    if (!this.sectorwise) await store.write(at, new Uint8Array(this.bitmapLength).fill(0xff))
    return at + this.bitmapLength
  }

  async record(index: number, home: number, within: number, length: number): Promise<void> {
    const { pages } = this.#parts
    const page = await this.#page(index)
    if (this.sectorwise) await this.#setPresent(home, within, length)
    page.view.setUint32((index * 4) % PAGE, (home - this.bitmapLength) / SECTOR)
    pages.touch(page)
    this.#end = Math.max(await this.end(), home + this.blockSize)
  }

  recordZero(): boolean {
    return false
  }

  /** Entry `index` of the table as it stands there. */
  entry(index: number): number | Promise<number> {
    const page = this.#page(index)
    const at = (index * 4) % PAGE
    return page instanceof Promise ? page.then(({ view }) => view.getUint32(at)) : page.view.getUint32(at)
  }

  /** Whether a block with its bitmap may begin at sector `entry`. */
  plausible(entry: number): boolean {
    const { header, headerOffset, blocks, store } = this.#parts
    const from = entry * SECTOR
    const to = from + this.bitmapLength + this.blockSize
    const apart = (start: number, length: number): boolean => to <= start || from >= start + length
    return from + this.bitmapLength < store.size && from >= SECTOR && apart(headerOffset, HEADER_LENGTH) && apart(header.tableOffset, blocks * 4)
  }

  /** Where the last block ends, or the tables do. */
  async end(): Promise<number> {
    if (this.#end !== undefined) return this.#end
    const { header, headerOffset, blocks } = this.#parts
    let end = Math.max(headerOffset + HEADER_LENGTH, Math.ceil((header.tableOffset + header.entries * 4) / SECTOR) * SECTOR, header.locatorsEnd)
    for (let index = 0; index < blocks; index++) {
      const found = this.entry(index)
      const entry = found instanceof Promise ? await found : found
      if (entry !== BLOCK_UNUSED && this.plausible(entry)) end = Math.max(end, entry * SECTOR + this.bitmapLength + this.blockSize)
    }
    return this.#end = end
  }

  #page(index: number): Page | Promise<Page> {
    const { pages, header, blocks } = this.#parts
    const start = Math.floor((index * 4) / PAGE) * PAGE
    return pages.get(header.tableOffset + start, Math.min(PAGE, blocks * 4 - start))
  }

  #dataOf(index: number, entry: number): number {
    if (!this.plausible(entry)) throw new CodedError('bad-image', `VHD: block ${index} is said to be at sector ${entry} of the file, where none can be`)
    return entry * SECTOR + this.bitmapLength
  }

  /** Page of the bitmap with the bit of the sector at `within`. */
  #bitmap(home: number, within: number): Page | Promise<Page> {
    return this.#parts.pages.get(home - this.bitmapLength + Math.floor(within / SECTOR / 8 / SECTOR) * SECTOR, SECTOR)
  }

  /** The first sectors from `within` on that are all here, or all in the parent. */
  async #present(home: number, within: number, length: number): Promise<Place> {
    const { bytes } = await this.#bitmap(home, within)
    const first = (within / SECTOR) % (SECTOR * 8)
    const here = bit(bytes, first)
    const most = Math.min(length / SECTOR, SECTOR * 8 - first)
    let count = 1
    while (count < most && bit(bytes, first + count) === here) count++
    return { length: count * SECTOR, at: here ? home + within : 'backing' }
  }

  async #setPresent(home: number, within: number, length: number): Promise<void> {
    for (let at = within; at < within + length; at += SECTOR) {
      const found = this.#bitmap(home, at)
      const page = found instanceof Promise ? await found : found
      const sector = (at / SECTOR) % (SECTOR * 8)
      if (bit(page.bytes, sector)) continue
      page.bytes[sector >> 3]! |= 0x80 >> (sector & 7)
      this.#parts.pages.touch(page)
    }
  }
}

/** The first sector is the highest bit of the first byte ("Mapping a Disk Sector to a Sector in the Block"). */
const bit = (bytes: Uint8Array, sector: number): boolean => (bytes[sector >> 3]! & (0x80 >> (sector & 7))) !== 0
