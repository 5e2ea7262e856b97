import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { BlockMap, Place } from '../mapped/block-map.ts'
import type { Page, PageCache } from '../mapped/page-cache.ts'
import { SECTOR } from '../support/range.ts'
import { overlap, type Region } from './regions.ts'
import {
  BITMAP_PRESENT, BITMAP_SECTORS, LOG_SECTOR, MIB, PAYLOAD_FULLY_PRESENT, PAYLOAD_NOT_PRESENT, PAYLOAD_PARTIALLY_PRESENT, PAYLOAD_UNDEFINED,
  PAYLOAD_UNMAPPED, PAYLOAD_ZERO,
} from './spec.ts'

/** Tables are read and logged in pages of this many bytes. */
const PAGE = LOG_SECTOR

/** An entry of the block allocation table. */
export interface Entry {
  readonly state: number
  /** Bytes. */
  readonly offset: number
}

export interface VhdxMapParts {
  readonly store: ByteStore
  readonly pages: PageCache
  readonly bat: Region
  /** The stretches of the file where no block can be: log, tables, metadata. */
  readonly taken: readonly Region[]
  readonly blockSize: number
  readonly differencing: boolean
}

/** Payload blocks a sector bitmap block stands for [2.4]: the chunk ratio. */
export const chunkRatio = (blockSize: number): number => (BITMAP_SECTORS * SECTOR) / blockSize

/** Entries of the table of a disk of so many blocks [2.5]. */
export function batEntries(blocks: number, blockSize: number, differencing: boolean): number {
  const ratio = chunkRatio(blockSize)
  if (differencing) return Math.ceil(blocks / ratio) * (ratio + 1)
  return blocks === 0 ? 0 : blocks + Math.floor((blocks - 1) / ratio)
}

/** The block allocation table, with the sector bitmaps of a differencing disk. */
export class VhdxMap implements BlockMap {
  readonly blockSize: number
  readonly sectorwise: boolean
  readonly #parts: VhdxMapParts
  readonly #ratio: number

  constructor(parts: VhdxMapParts) {
    this.#parts = parts
    this.blockSize = parts.blockSize
    this.sectorwise = parts.differencing
    this.#ratio = chunkRatio(parts.blockSize)
  }

  locate(offset: number, length: number): Place | Promise<Place> {
    const index = Math.floor(offset / this.blockSize)
    const within = offset - index * this.blockSize
    const part = Math.min(length, this.blockSize - within)
    const place = (entry: Entry): Place | Promise<Place> => {
      if (entry.state === PAYLOAD_PARTIALLY_PRESENT) return this.#present(index, entry.offset, within, part)
      if (entry.state === PAYLOAD_FULLY_PRESENT) return { length: part, at: entry.offset + within }
      return { length: part, at: entry.state === PAYLOAD_NOT_PRESENT || !this.sectorwise ? 'backing' : 'zero' }
    }
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  home(index: number): number | undefined | Promise<number | undefined> {
    const place = ({ state, offset }: Entry): number | undefined =>
      state === PAYLOAD_FULLY_PRESENT || state === PAYLOAD_PARTIALLY_PRESENT ? offset : undefined
    const entry = this.entry(index)
    return entry instanceof Promise ? entry.then(place) : place(entry)
  }

  /** Blocks go behind the end of the file: what a crash has left there stays unused. */
  reserve(): Promise<number> {
    return this.#append(this.blockSize)
  }

  async record(index: number, home: number, within: number, length: number): Promise<void> {
    const { state } = await this.entry(index)
    if (state === PAYLOAD_FULLY_PRESENT) return
    const whole = within === 0 && length === this.blockSize
    if (!this.sectorwise || whole || (state !== PAYLOAD_NOT_PRESENT && state !== PAYLOAD_PARTIALLY_PRESENT)) {
      return this.#set(index, PAYLOAD_FULLY_PRESENT, home)
    }
    const bitmap = await this.#bitmapBlock(index)
    if (state === PAYLOAD_NOT_PRESENT) await this.#mark(bitmap, index, 0, this.blockSize, false)
    await this.#mark(bitmap, index, within, length, true)
    if (state === PAYLOAD_NOT_PRESENT) await this.#set(index, PAYLOAD_PARTIALLY_PRESENT, home)
  }

  async recordZero(index: number): Promise<boolean> {
    await this.#set(index, PAYLOAD_ZERO, 0)
    return true
  }

  /** Entry of payload block `index`. Code `bad-image` where it cannot be. */
  entry(index: number): Entry | Promise<Entry> {
    const at = index + Math.floor(index / this.#ratio)
    const page = this.#page(at)
    return page instanceof Promise ? page.then((loaded) => this.#parse(loaded, at, index)) : this.#parse(page, at, index)
  }

  #parse(page: Page, at: number, index: number): Entry {
    const { state, offset } = read(page, at)
    if ([PAYLOAD_NOT_PRESENT, PAYLOAD_UNDEFINED, PAYLOAD_ZERO, PAYLOAD_UNMAPPED].includes(state)) return { state, offset }
    if (state !== PAYLOAD_FULLY_PRESENT && (state !== PAYLOAD_PARTIALLY_PRESENT || !this.sectorwise)) {
      throw new CodedError('bad-image', `VHDX: block ${index} is in state ${state}`)
    }
    this.#mustBeFree(offset, this.blockSize, `block ${index}`)
    return { state, offset }
  }

  #mustBeFree(offset: number, length: number, what: string): void {
    const region = { offset, length }
    if (offset >= MIB && offset < this.#parts.store.size && !this.#parts.taken.some((other) => overlap(other, region))) return
    throw new CodedError('bad-image', `VHDX: ${what} is said to be at ${offset} in the file, where it cannot be`)
  }

  #page(entry: number): Page | Promise<Page> {
    return this.#parts.pages.get(this.#parts.bat.offset + Math.floor((entry * 8) / PAGE) * PAGE, PAGE)
  }

  async #set(index: number, state: number, offset: number): Promise<void> {
    await this.#write(index + Math.floor(index / this.#ratio), state, offset)
  }

  async #write(at: number, state: number, offset: number): Promise<void> {
    const page = await this.#page(at)
    page.view.setBigUint64((at * 8) % PAGE, (BigInt(offset / MIB) << 20n) | BigInt(state), true)
    this.#parts.pages.touch(page)
  }

  async #append(length: number): Promise<number> {
    const { store } = this.#parts
    const at = Math.ceil(store.size / MIB) * MIB
    await store.truncate(at + length)
    return at
  }

  /** Entry of the sector bitmap block for payload block `index`: the last of its chunk. */
  #bitmapEntry(index: number): number {
    const chunk = Math.floor(index / this.#ratio)
    return (chunk + 1) * this.#ratio + chunk
  }

  /** Where the sector bitmap block for payload block `index` is in the file; a new one if there is none. */
  async #bitmapBlock(index: number): Promise<number> {
    const at = this.#bitmapEntry(index)
    const { state, offset } = read(await this.#page(at), at)
    if (state === BITMAP_PRESENT) {
      this.#mustBeFree(offset, MIB, 'a sector bitmap')
      return offset
    }
    const made = await this.#append(MIB)
    await this.#write(at, BITMAP_PRESENT, made)
    return made
  }

  /** Byte of the bitmap for the sector at `within` of block `index`. */
  #bitmapByte(index: number, within: number): number {
    return Math.floor(((index % this.#ratio) * this.blockSize + within) / SECTOR / 8)
  }

  #bitmapPage(bitmap: number, byte: number): Page | Promise<Page> {
    return this.#parts.pages.get(bitmap + Math.floor(byte / PAGE) * PAGE, PAGE)
  }

  async #mark(bitmap: number, index: number, within: number, length: number, present: boolean): Promise<void> {
    for (let at = within; at < within + length; at += SECTOR) {
      const byte = this.#bitmapByte(index, at)
      const found = this.#bitmapPage(bitmap, byte)
      const page = found instanceof Promise ? await found : found
      const bit = 1 << ((at / SECTOR) & 7)
      const old = page.bytes[byte % PAGE]!
      const now = present ? old | bit : old & ~bit
      if (now === old) continue
      page.bytes[byte % PAGE] = now
      this.#parts.pages.touch(page)
    }
  }

  /** The first sectors from `within` on that are all here, or all in the parent. */
  async #present(index: number, home: number, within: number, length: number): Promise<Place> {
    const at = this.#bitmapEntry(index)
    const { state, offset } = read(await this.#page(at), at)
    if (state !== BITMAP_PRESENT) throw new CodedError('bad-image', `VHDX: block ${index} has no sector bitmap`)
    this.#mustBeFree(offset, MIB, 'a sector bitmap')
    const first = this.#bitmapByte(index, within)
    const { bytes } = await this.#bitmapPage(offset, first)
    const bit = (sector: number): boolean => ((bytes[(first % PAGE) + (sector >> 3)] ?? 0) & (1 << (sector & 7))) !== 0
    const start = (within / SECTOR) & 7
    const here = bit(start)
    const most = Math.min(length / SECTOR, (PAGE - (first % PAGE)) * 8 - start)
    let count = 1
    while (count < most && bit(start + count) === here) count++
    return { length: count * SECTOR, at: here ? home + within : 'backing' }
  }
}

function read(page: Page, at: number): Entry {
  const entry = page.view.getBigUint64((at * 8) % PAGE, true)
  return { state: Number(entry & 7n), offset: Number(entry >> 20n) * MIB }
}
