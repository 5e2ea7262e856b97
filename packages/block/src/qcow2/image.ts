import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { BackingReference, CheckResult, ImageBackend, ImageExtent, ImageInfo, ImageOpenOptions } from '../format.ts'
import type { Codecs } from '../support/codecs.ts'
import { RangeLock } from '../support/range-lock.ts'
import type { HeldRange } from '../support/range-lock.ts'
import { checkAccess, checkSectors } from '../support/range.ts'
import { checkImage } from './check.ts'
import { Compressed } from './compressed.ts'
import { Core } from './core.ts'
import { Disk } from './disk.ts'
import { parseHeader, serialiseHeader } from './header.ts'
import { Mapping } from './mapping.ts'
import { Metadata } from './metadata.ts'
import { Refcounts } from './refcounts.ts'
import { resizeImage } from './resize.ts'
import { Snapshots, readSnapshots } from './snapshots.ts'
import type { SnapshotEntry } from './snapshots.ts'
import { MAX_CLUSTER_BITS } from './spec.ts'

/** Zeroes are written in pieces of at most this many bytes, where they must be written. */
const ZEROES = 2 ** 20

/** The parts of an open image, for what works on all of it: snapshots, resizing, checking. */
export interface Parts {
  readonly core: Core
  readonly data: ByteStore
  readonly refcounts: Refcounts
  readonly mapping: Mapping
  readonly metadata: Metadata
  readonly compressed: Compressed
  readonly disk: Disk
  readonly backing: BlockBackend | undefined
}

/** A disk in a qcow2 image. */
export class Qcow2Image implements ImageBackend {
  readonly format = 'qcow2'
  readonly readOnly: boolean
  readonly snapshots: Snapshots
  closed = false
  readonly #parts: Parts
  readonly #lock = new RangeLock()
  /** Size of the file when it was opened: closing does not make it shorter than that. */
  readonly #fileSize: number

  private constructor(parts: Parts, snapshots: readonly SnapshotEntry[]) {
    this.#parts = parts
    this.readOnly = parts.core.store.readOnly
    this.snapshots = new Snapshots(parts, snapshots, (action) => this.#whole(true, action))
    this.#fileSize = parts.core.store.size
  }

  static async open(store: ByteStore, options: ImageOpenOptions): Promise<Qcow2Image> {
    const first = new Uint8Array(Math.min(2 ** MAX_CLUSTER_BITS, store.size))
    await store.read(0, first)
    const header = parseHeader(first)
    const core = new Core(store, header)
    const writable = !store.readOnly
    if (header.corrupt && writable && options.check !== true) {
      throw new CodedError('bad-image', 'qcow2: the image is marked corrupt; it can be read, or repaired')
    }
    let data = store
    if (header.externalData) {
      if (header.dataFile === undefined || !options.openFile) throw new CodedError('unsupported', 'qcow2: the data is in another file, and nothing here opens it')
      data = await options.openFile(header.dataFile)
    }
    const backing = header.backing && options.openBacking ? await options.openBacking(header.backing.name, header.backing.format) : undefined
    const opened = new Qcow2Image(await connect(core, data, backing, options.codecs), await readSnapshots(core))
    if (writable && options.check !== true) {
      if (header.dirty) await opened.#repairDirty()
      // Whoever writes clears what it does not keep up to date: bitmaps, and features it does not know.
      if (header.version === 3) {
        header.bitmaps = false
        await core.writeFields()
      }
    }
    return opened
  }

  get size(): number {
    return this.#parts.core.header.size
  }

  get backing(): (BackingReference & { readonly image?: BlockBackend }) | undefined {
    const { core, backing } = this.#parts
    return core.header.backing && { ...core.header.backing, ...(backing && { image: backing }) }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(offset, into.length, false)
    return this.#locked(offset, into.length, false, () => this.#parts.disk.read(offset, into))
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    const { disk } = this.#parts
    const done = await this.#locked(offset, from.length, false, () => disk.writeInPlace(offset, from))
    if (done === from.length) return
    await this.#locked(offset + done, from.length - done, true, () => disk.write(offset + done, from.subarray(done)))
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#check(offset, length, true)
    return this.#locked(offset, length, true, () => this.#writeZeroes(offset, length, unmap ? 'unmap' : 'keep'))
  }

  async #writeZeroes(offset: number, length: number, how: 'keep' | 'unmap'): Promise<void> {
    const { core, disk } = this.#parts
    const end = offset + length
    const start = Math.min(end, core.roundUp(offset))
    const stop = end === this.size ? end : Math.max(start, end - end % core.clusterSize)
    await this.#zeroPart(offset, start)
    if (start < stop) await disk.clear(start, stop, how, (at, bytes) => this.#zeroPart(at, at + bytes))
    await this.#zeroPart(Math.max(start, stop), end)
  }

  /** Writes zeroes where the disk does not read as zeroes already. */
  async #zeroPart(start: number, end: number): Promise<void> {
    const { disk } = this.#parts
    for (let at = start; at < end;) {
      const { length, zero } = await disk.status(at, Math.min(end - at, ZEROES))
      if (!zero) await disk.write(at, new Uint8Array(length))
      at += length
    }
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#check(offset, length, true)
    const { core, disk } = this.#parts
    const start = core.roundUp(offset)
    const end = offset + length === this.size ? this.size : offset + length - (offset + length) % core.clusterSize
    if (start < end) await this.#locked(start, end - start, true, () => disk.clear(start, end, 'discard', async () => {}))
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    this.#check(offset, length, false)
    if (length === 0) return { length: 0, allocated: false, zero: false }
    return this.#locked(offset, length, false, () => this.#parts.disk.status(offset, length))
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    if (!this.readOnly) await this.#parts.metadata.sync()
  }

  async writeCompressed(offset: number, from: Uint8Array): Promise<void> {
    this.#check(offset, from.length, true)
    const { core, compressed, disk } = this.#parts
    if (offset % core.clusterSize !== 0 || from.length !== Math.min(core.clusterSize, this.size - offset)) {
      throw new CodedError('bad-range', 'qcow2: only whole clusters can be written compressed')
    }
    if (core.header.externalData) throw new CodedError('unsupported', 'qcow2: no compression with an external data file')
    const cluster = new Uint8Array(core.clusterSize)
    cluster.set(from)
    const bytes = await compressed.compress(cluster)
    if (!bytes) return this.write(offset, from)
    await this.#locked(offset, from.length, true, () => disk.writeCompressed(offset, bytes))
  }

  async info(): Promise<ImageInfo> {
    const { header, clusterSize } = this.#parts.core
    return {
      clusterSize,
      dirty: header.dirty,
      specific: header.version === 2 ? { 'compat': '0.10', 'compression-type': 'zlib', 'refcount-bits': 16 } : {
        'compat': '1.1',
        'compression-type': header.compressionType,
        'lazy-refcounts': header.lazyRefcounts,
        'refcount-bits': 2 ** header.refcountOrder,
        'corrupt': header.corrupt,
        'extended-l2': header.extendedL2,
        ...(header.dataFile !== undefined && { 'data-file': header.dataFile, 'data-file-raw': header.rawExternalData }),
      },
    }
  }

  async check(repair?: 'leaks' | 'all'): Promise<CheckResult> {
    return this.#whole(repair !== undefined, () => checkImage(this.#parts, this.snapshots.entries, repair))
  }

  async resize(size: number): Promise<void> {
    checkSectors(0, size, size)
    await this.#whole(true, () => resizeImage(this.#parts, size, (offset, length) => this.#writeZeroes(offset, length, 'unmap')))
  }

  /** Gives every cluster space of its own, which nothing is written to. */
  async preallocate(): Promise<void> {
    await this.#whole(true, () => this.#parts.disk.preallocate(this.size))
  }

  async changeBacking(backing: BackingReference | undefined): Promise<void> {
    await this.#whole(true, async () => {
      const { core } = this.#parts
      const bytes = serialiseHeader({ ...core.header, backing })
      core.header.backing = backing
      await core.store.flush()
      await core.store.write(0, bytes)
      await core.store.flush()
    })
  }

  async makeEmpty(): Promise<void> {
    const { disk, core } = this.#parts
    if (core.header.rawExternalData) throw new CodedError('unsupported', 'qcow2: with raw external data, all of it is data')
    await this.#whole(true, () => disk.clear(0, this.size, 'empty', async () => {}))
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    const held = await this.#lock.acquire(0, Infinity, true)
    const { core, data, metadata, refcounts, backing } = this.#parts
    try {
      if (!this.readOnly) {
        await metadata.settle()
        const end = Math.max(this.#fileSize, refcounts.end)
        if (core.store.size > end) await core.store.truncate(end)
        if (core.header.dirty && core.header.lazyRefcounts && !core.header.corrupt) await core.changeHeader({ dirty: false })
        await core.store.flush()
      }
    } finally {
      this.#lock.release(held)
      const ends = [core.store, ...(data === core.store ? [] : [data]), ...(backing ? [backing] : [])].map((part) => part.close())
      await Promise.allSettled(ends)
    }
  }

  /** The last writer did not finish: counts are made anew, as version 3 asks for. */
  async #repairDirty(): Promise<void> {
    const { corruptions, corruptionsFixed } = await this.check('all')
    if (corruptions > corruptionsFixed) throw new CodedError('bad-image', 'qcow2: the last writer did not finish, and not all of it can be repaired')
  }

  #check(offset: number, length: number, writes: boolean): void {
    checkAccess(this, writes)
    checkSectors(offset, length, this.size)
  }

  /** Does something with a stretch, in whole clusters, locked. */
  async #locked<T>(offset: number, length: number, exclusive: boolean, action: () => Promise<T>): Promise<T> {
    const { core } = this.#parts
    const acquired = this.#lock.acquire(offset - offset % core.clusterSize, core.roundUp(offset + length), exclusive)
    const held: HeldRange = acquired instanceof Promise ? await acquired : acquired
    try {
      // The disk may have become smaller while this waited.
      checkSectors(offset, length, this.size)
      return await action()
    } finally {
      this.#lock.release(held)
    }
  }

  /** Does something with the whole image while nothing else is under way; if it `writes`, with nothing left in memory, before and after. */
  async #whole<T>(writes: boolean, action: () => Promise<T>): Promise<T> {
    checkAccess(this, writes)
    const held = await this.#lock.acquire(0, Infinity, true)
    try {
      if (this.readOnly) return await action()
      this.#parts.core.checkWritable()
      await this.#parts.metadata.settle()
      const result = await action()
      await this.#parts.metadata.settle()
      return result
    } finally {
      this.#lock.release(held)
    }
  }
}

/** Reads the tables the header names, and makes everything that works on them. */
async function connect(core: Core, data: ByteStore, backing: BlockBackend | undefined, codecs: Codecs | undefined): Promise<Parts> {
  const refcounts = await Refcounts.open(core)
  const mapping = await Mapping.open(core, refcounts)
  const compressed = new Compressed(core, refcounts, codecs)
  const metadata = new Metadata(core, data, refcounts, mapping, () => compressed.forget())
  const parts = { core, data, refcounts, mapping, metadata, compressed, backing }
  return { ...parts, disk: new Disk(parts) }
}
