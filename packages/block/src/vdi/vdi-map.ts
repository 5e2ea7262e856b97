import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { BlockMap, Place } from '../mapped/block-map.ts'
import type { Page, PageCache } from '../mapped/page-cache.ts'
import type { VdiHeader } from './header.ts'
import { BLOCK_FREE, BLOCK_ZERO, HEADER_LENGTH, VDI } from './spec.ts'

const PAGE = 4096

/** The block map of a VDI image: entry n is the number of the n-th block of the disk among the blocks of the file. */
export class VdiMap implements BlockMap {
  readonly blockSize: number
  readonly sectorwise = false
  readonly #store: ByteStore
  readonly #pages: PageCache
  readonly #header: VdiHeader
  /** Number of the next new block in the file; known once one is needed. */
  #next: number | undefined

  constructor(store: ByteStore, pages: PageCache, header: VdiHeader) {
    this.blockSize = header.blockSize
    this.#store = store
    this.#pages = pages
    this.#header = header
  }

  locate(offset: number, length: number): Place | Promise<Place> {
    const index = Math.floor(offset / this.blockSize)
    const within = offset - index * this.blockSize
    const part = Math.min(length, this.blockSize - within)
    const place = (entry: number): Place => ({
      length: part,
      at: entry === BLOCK_FREE ? 'backing' : entry === BLOCK_ZERO ? 'zero' : this.#offsetOf(index, entry) + within,
    })
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  home(index: number): number | undefined | Promise<number | undefined> {
    const place = (entry: number): number | undefined => entry >= BLOCK_ZERO ? undefined : this.#offsetOf(index, entry)
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  async reserve(): Promise<number> {
    const at = this.#header.offsetData + (this.#next ??= await this.#findEnd()) * this.blockSize
    if (this.#next >= this.#header.blocks) throw new CodedError('bad-image', 'VDI: all blocks of the file are in use, some twice')
    // What a write that was cut off has left there.
    if (this.#store.size > at) await this.#store.truncate(at)
    await this.#store.truncate(at + this.blockSize)
    return at
  }

  async record(index: number, home: number): Promise<void> {
    const number = (home - this.#header.offsetData) / this.blockSize
    const header = await this.#pages.get(0, HEADER_LENGTH)
    this.#next = number + 1
    header.view.setUint32(VDI.blocksAllocated, this.#next, true)
    this.#pages.touch(header)
    const page = await this.#page(index)
    page.view.setUint32((index * 4) % PAGE, number, true)
    this.#pages.touch(page)
  }

  recordZero(): boolean {
    return false
  }

  /** Entry `index` of the map as it stands there. */
  entry(index: number): number | Promise<number> {
    const page = this.#page(index)
    const at = (index * 4) % PAGE
    return page instanceof Promise ? page.then(({ view }) => view.getUint32(at, true)) : page.view.getUint32(at, true)
  }

  #page(index: number): Page | Promise<Page> {
    const start = Math.floor((index * 4) / PAGE) * PAGE
    return this.#pages.get(this.#header.offsetBlocks + start, Math.min(PAGE, this.#header.blocks * 4 - start))
  }

  #offsetOf(index: number, entry: number): number {
    const at = this.#header.offsetData + entry * this.blockSize
    if (entry >= this.#header.blocks || at >= this.#store.size) {
      throw new CodedError('bad-image', `VDI: block ${index} is said to be block ${entry} of the file, which is not there`)
    }
    return at
  }

  /** One more than the highest number in use: what the header says may be older, after a crash. */
  async #findEnd(): Promise<number> {
    let next = 0
    for (let index = 0; index < this.#header.blocks; index++) {
      const found = this.entry(index)
      const entry = found instanceof Promise ? await found : found
      if (entry < BLOCK_ZERO && entry < this.#header.blocks) next = Math.max(next, entry + 1)
    }
    return next
  }
}
