import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageBackend, ImageExtent, ImageFormat, ImageInfo } from '../format.ts'
import { parseOptions } from '../support/options.ts'
import { SECTOR, checkAccess, checkSectors } from '../support/range.ts'

/** Zeroes are written in pieces of at most this many bytes where the store has no holes. */
const ZEROES = 2 ** 20

/** A disk whose bytes are the file's. A last part of a sector belongs to the disk, and reads on as zeroes. */
export class RawImage implements ImageBackend {
  readonly format = 'raw'
  readonly readOnly: boolean
  closed = false
  readonly #store: ByteStore
  #size: number

  constructor(store: ByteStore) {
    this.#store = store
    this.readOnly = store.readOnly
    this.#size = Math.ceil(store.size / SECTOR) * SECTOR
  }

  get size(): number {
    return this.#size
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    return this.#store.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    return this.#store.write(offset, from)
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#check(offset, length, true)
    if (unmap) return this.#store.punchHole(offset, length)
    const zeroes = new Uint8Array(Math.min(length, ZEROES))
    for (let at = 0; at < length; at += zeroes.length) await this.#store.write(offset + at, zeroes.subarray(0, Math.min(zeroes.length, length - at)))
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    if (!this.readOnly) await this.#store.flush()
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#check(offset, length, true)
    return this.#store.punchHole(offset, length)
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    this.#check(offset, length, false)
    const extent = await this.#store.extent(offset)
    // Extents of a host's file end at any byte; only whole sectors of a hole are certain to be zero.
    const whole = extent.hole ? Math.floor(extent.length / SECTOR) * SECTOR : Math.ceil(extent.length / SECTOR) * SECTOR
    if (extent.hole && whole > 0) return { length: Math.min(length, whole), allocated: false, zero: true, present: true, fileOffset: offset }
    if (extent.hole) return { length: Math.min(length, SECTOR), allocated: true, zero: false, fileOffset: offset }
    return { length: Math.min(length, whole), allocated: true, zero: false, fileOffset: offset }
  }

  async info(): Promise<ImageInfo> {
    return {}
  }

  async resize(size: number): Promise<void> {
    checkAccess(this, true)
    checkSectors(0, size, size)
    await this.#store.truncate(size)
    this.#size = size
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.#store.close()
  }

  #check(offset: number, length: number, writes: boolean): void {
    checkAccess(this, writes)
    checkSectors(offset, length, this.#size)
  }
}

export const raw: ImageFormat = {
  name: 'raw',
  // What no other format wants.
  probe: () => 1,
  open: async (store) => new RawImage(store),
  async create(store, { size, backing, options }) {
    if (backing) throw new CodedError('unsupported', 'raw images have no backing image')
    const { preallocation } = parseOptions(options, this.createOptions)
    if (preallocation !== undefined && preallocation !== 'off') throw new CodedError('unsupported', `raw: preallocation ${preallocation}`)
    await store.truncate(size)
  },
  createOptions: [{ name: 'preallocation', help: 'off' }],
}
