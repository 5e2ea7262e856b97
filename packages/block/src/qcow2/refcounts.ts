import { CodedError } from '@entresol/kit'
import type { Core } from './core.ts'
import { hostOffset } from './core.ts'
import { getRefcount, maxRefcount, setRefcount } from './refcount-entry.ts'
import { SliceCache, allDone } from './slice-cache.ts'
import type { Slice } from './slice-cache.ts'
import { MAX_REFCOUNT_TABLE_BYTES } from './spec.ts'

/** Memory for refcount blocks: enough for 32 GiB of the usual clusters; more is read again. */
const CACHE = 2 ** 20
/** The file grows by up to this much more than it must; closing takes it back. */
const AHEAD = 2 ** 22
/** Fewer free bytes in a row are not given back to the host: the hole would cost more than it brings. */
const SMALLEST_HOLE = 65536

/** A run of clusters just allocated. */
export interface Allocation {
  readonly offset: number
  readonly clusters: number
  /** Never used before: reads as zeroes. */
  readonly fresh: boolean
}

/**
 * Who counts the users of each cluster, and so knows which are free. Changes stay in memory until `writeBack`; a count may be too high in the file (a
 * leak), never too low, as long as what refers to a cluster is written after its count, and counts go down after what referred to it is gone.
 */
export class Refcounts {
  readonly cache: SliceCache
  readonly max: number
  readonly #core: Core
  readonly #order: number
  readonly #perBlock: number
  readonly #perSlice: number
  /** Host offsets of the blocks; 0: none, all counts are 0. */
  #table: Float64Array = new Float64Array(0)
  /** Blocks the table in the file does not name yet. */
  readonly #newBlocks = new Set<number>()
  /** No free cluster below this one. */
  #hint = 0
  /** Everything from here on was never used. */
  #fresh = 0
  #growing: Promise<void> | undefined
  #reaching: Promise<void> = Promise.resolve()

  private constructor(core: Core) {
    this.#core = core
    this.#order = core.header.refcountOrder
    this.max = maxRefcount(this.#order)
    this.cache = new SliceCache(core.store, core.clusterSize, CACHE)
    this.#perBlock = core.clusterSize * 8 / 2 ** this.#order
    this.#perSlice = this.cache.sliceSize * 8 / 2 ** this.#order
  }

  static async open(core: Core): Promise<Refcounts> {
    const refcounts = new Refcounts(core)
    await refcounts.reload()
    return refcounts
  }

  /** Reads the table that the header names. Nothing may be unwritten. */
  async reload(): Promise<void> {
    const { store, clusterSize, header } = this.#core
    const bytes = new Uint8Array(header.refcountTableClusters * clusterSize)
    await store.read(header.refcountTableOffset, bytes)
    const view = new DataView(bytes.buffer)
    // Bits 0 to 8 are reserved.
    this.#table = Float64Array.from({ length: bytes.length / 8 }, (_, at) => hostOffset(view.getUint32(at * 8), view.getUint32(at * 8 + 4)))
    this.cache.clear()
    this.#newBlocks.clear()
    this.#hint = 0
    this.#fresh = Math.max(this.#fresh, this.#core.roundUp(store.size))
  }

  get table(): Float64Array {
    return this.#table
  }

  get perBlock(): number {
    return this.#perBlock
  }

  /** End of the part of the file that is or was in use. */
  get end(): number {
    return this.#fresh
  }

  async get(cluster: number): Promise<number> {
    const slice = this.#peek(cluster) ?? await this.#load(cluster)
    return slice ? getRefcount(slice.view, cluster % this.#perSlice, this.#order) : 0
  }

  /** Adds `delta` to the counts of `clusters` clusters; all or none. Codes `unsupported` (count too large for its width), `bad-image` (below zero). */
  async change(offset: number, clusters: number, delta: 1 | -1): Promise<void> {
    const first = offset / this.#core.clusterSize
    for (let at = 0; at < clusters; at++) {
      try {
        await this.#add(first + at, delta)
      } catch (error) {
        for (let undo = 0; undo < at; undo++) await this.#add(first + undo, delta === 1 ? -1 : 1)
        throw error
      }
    }
  }

  /** Sets a count, whatever it was; for repairs. False: there is no block for it. */
  async set(cluster: number, value: number): Promise<boolean> {
    const slice = this.#peek(cluster) ?? await this.#load(cluster)
    if (!slice) return false
    this.#put(slice, cluster, value)
    return true
  }

  /** 1 to `wanted` free clusters in a row, from now on with a count of 1. Code `no-space`. */
  async allocate(wanted: number): Promise<Allocation> {
    for (;;) {
      await this.#growing
      const block = Math.floor(this.#hint / this.#perBlock)
      if (block >= this.#table.length) {
        await this.#growOnce()
        continue
      }
      if (this.#table[block] === 0) this.#addBlock(block, wanted)
      const slice = this.#peek(this.#hint)
      if (!slice) {
        await this.#load(this.#hint)
        continue
      }
      const found = this.#takeFrom(slice, wanted)
      if (found) return this.#grant(found.first, found.count)
    }
  }

  /** `count` free clusters in a row. */
  async allocateRow(count: number): Promise<Allocation> {
    for (;;) {
      await this.#growing
      let first = this.#hint
      const limit = this.#table.length * this.#perBlock
      let run = 0
      for (let at = first; at < limit && run < count; at++) {
        if (this.#table[Math.floor(at / this.#perBlock)] === 0) break
        if (await this.get(at) === 0) run++
        else {
          first = at + 1
          run = 0
        }
      }
      if (run === count) {
        if (!await this.#takeRow(first, count)) continue
        return this.#grant(first, count)
      }
      const start = this.#firstUncovered() * this.#perBlock
      const blocks = this.#blocksFor(count)
      if (start / this.#perBlock + blocks > this.#table.length) {
        await this.#growOnce()
        continue
      }
      this.#coverRow(start, count, blocks)
      return this.#grant(start, count)
    }
  }

  /** Takes one user from clusters; of those nobody uses any more, the space is given back to the host before they can be used again. */
  async release(offset: number, clusters: number): Promise<void> {
    const { clusterSize, store } = this.#core
    const first = offset / clusterSize
    for (let at = 0; at < clusters;) {
      let last = at
      while (last < clusters && await this.get(first + last) === 1) last++
      if ((last - at) * clusterSize >= SMALLEST_HOLE) await store.punchHole(offset + at * clusterSize, (last - at) * clusterSize)
      last = Math.max(last, at + 1)
      await this.change(offset + at * clusterSize, last - at, -1)
      at = last
    }
  }

  /** Writes counts, then names new blocks in the table; each step certain to be in the file only at the caller's next flush. */
  async writeBack(): Promise<void> {
    const blocks = [...this.#newBlocks]
    await this.#reach(this.#fresh)
    await this.cache.writeBack()
    if (blocks.length === 0) return
    await this.#core.store.flush()
    const sectors = new Set(blocks.map((block) => Math.floor(block / 64)))
    await allDone([...sectors].map((sector) => {
      const bytes = new Uint8Array(512)
      const view = new DataView(bytes.buffer)
      for (let at = 0; at < 64; at++) {
        const block = sector * 64 + at
        // One added meanwhile waits for its turn.
        if (block < this.#table.length && (blocks.includes(block) || !this.#newBlocks.has(block))) view.setBigUint64(at * 8, BigInt(this.#table[block]!))
      }
      return this.#core.store.write(this.#core.header.refcountTableOffset + sector * 512, bytes)
    }))
    for (const block of blocks) this.#newBlocks.delete(block)
  }

  get isDirty(): boolean {
    return this.cache.isDirty || this.#newBlocks.size > 0
  }

  #sliceOffset(cluster: number): number {
    const block = Math.floor(cluster / this.#perBlock)
    const start = this.#table[block]
    if (start === undefined || start === 0) return 0
    return start + Math.floor(cluster % this.#perBlock / this.#perSlice) * this.cache.sliceSize
  }

  #peek(cluster: number): Slice | undefined {
    const offset = this.#sliceOffset(cluster)
    return offset === 0 ? undefined : this.cache.peek(offset)
  }

  async #load(cluster: number): Promise<Slice | undefined> {
    const offset = this.#sliceOffset(cluster)
    if (offset === 0) return undefined
    if (offset % this.cache.sliceSize !== 0 || this.#table[Math.floor(cluster / this.#perBlock)]! % this.#core.clusterSize !== 0) {
      throw await this.#core.corrupt(`refcount block at offset ${offset}`)
    }
    return this.cache.load(offset)
  }

  #put(slice: Slice, cluster: number, value: number): void {
    const index = cluster % this.#perSlice
    setRefcount(slice.view, index, this.#order, value)
    const at = Math.floor(index * 2 ** this.#order / 8)
    this.cache.changed(slice, at, at + Math.max(1, 2 ** this.#order / 8))
    if (value === 0) this.#hint = Math.min(this.#hint, cluster)
  }

  async #add(cluster: number, delta: 1 | -1): Promise<number> {
    const slice = this.#peek(cluster) ?? await this.#load(cluster)
    const value = (slice ? getRefcount(slice.view, cluster % this.#perSlice, this.#order) : 0) + delta
    if (value > this.max) throw new CodedError('unsupported', `qcow2: a cluster has more users than refcounts of ${2 ** this.#order} bits can count`)
    if (!slice || value < 0) throw await this.#core.corrupt(`the refcount of the cluster at ${cluster * this.#core.clusterSize} is too low`)
    this.#put(slice, cluster, value)
    return value
  }

  #takeFrom(slice: Slice, wanted: number): { first: number; count: number } | undefined {
    const base = this.#hint - this.#hint % this.#perSlice
    let index = this.#hint - base
    while (index < this.#perSlice && getRefcount(slice.view, index, this.#order) !== 0) index++
    const first = base + index
    let count = 0
    for (; count < wanted && index < this.#perSlice && getRefcount(slice.view, index, this.#order) === 0; index++, count++) {
      this.#put(slice, first + count, 1)
    }
    this.#hint = first + count
    return count > 0 ? { first, count } : undefined
  }

  async #takeRow(first: number, count: number): Promise<boolean> {
    for (let at = 0; at < count; at++) {
      const slice = this.#peek(first + at) ?? await this.#load(first + at)
      if (slice && getRefcount(slice.view, (first + at) % this.#perSlice, this.#order) === 0) this.#put(slice, first + at, 1)
      else {
        // Somebody else was faster.
        for (let undo = 0; undo < at; undo++) await this.#add(first + undo, -1)
        return false
      }
    }
    return true
  }

  /** Clusters just taken are made part of the file. */
  async #grant(first: number, count: number): Promise<Allocation> {
    const { clusterSize } = this.#core
    const offset = first * clusterSize
    if (this.#core.isReserved(offset, count * clusterSize)) throw await this.#core.corrupt(`the cluster at ${offset} counts as free, but is in use`)
    const fresh = offset >= this.#fresh
    this.#fresh = Math.max(this.#fresh, offset + count * clusterSize)
    try {
      await this.#reach(offset + count * clusterSize)
    } catch (error) {
      await this.change(offset, count, -1)
      throw error
    }
    return { offset, clusters: count, fresh }
  }

  /** The file is made longer before anything is written there, in one place, since truncate would cut off what a write has just added. */
  #reach(end: number): Promise<void> {
    const { store } = this.#core
    if (end <= store.size) return Promise.resolve()
    const reached = this.#reaching.then(async () => {
      if (end > store.size) await store.truncate(end + Math.min(end, AHEAD))
    })
    this.#reaching = reached.catch(() => undefined)
    return reached
  }

  /** Index of the first block behind all that exist. */
  #firstUncovered(): number {
    let block = this.#table.length
    while (block > 0 && this.#table[block - 1] === 0) block--
    return block
  }

  /** Blocks that describe `count` clusters and themselves. */
  #blocksFor(count: number): number {
    return Math.ceil(count / (this.#perBlock - 1))
  }

  /** A new block, at a cluster that it describes itself, or that another new block does. */
  #insertBlock(table: Float64Array, block: number, cluster: number): void {
    const { clusterSize } = this.#core
    table[block] = cluster * clusterSize
    for (let at = 0; at < clusterSize; at += this.cache.sliceSize) this.cache.create(cluster * clusterSize + at)
    this.#newBlocks.add(block)
    this.#fresh = Math.max(this.#fresh, (cluster + 1) * clusterSize)
  }

  /** A block where there is none, behind `wanted` clusters left for who asks. */
  #addBlock(block: number, wanted: number): void {
    const cluster = block * this.#perBlock + Math.min(wanted, this.#perBlock - 1)
    this.#insertBlock(this.#table, block, cluster)
    this.#put(this.#peek(cluster)!, cluster, 1)
    this.#hint = block * this.#perBlock
  }

  /** Takes `count` clusters from `first` on, where no block is yet, and puts `blocks` blocks behind them. */
  #coverRow(first: number, count: number, blocks: number): void {
    for (let at = 0; at < blocks; at++) this.#insertBlock(this.#table, first / this.#perBlock + at, first + count + at)
    for (let at = 0; at < count + blocks; at++) this.#put(this.#peek(first + at)!, first + at, 1)
  }

  #growOnce(): Promise<void> {
    this.#growing ??= this.#growTable().finally(() => {
      this.#growing = undefined
    })
    return this.#growing
  }

  /** A longer table, behind all clusters there are. It is whole in the file before the header names it. */
  async #growTable(): Promise<void> {
    const { clusterSize, store, header } = this.#core
    const old = this.#table
    const firstBlock = this.#firstUncovered()
    const perCluster = clusterSize / 8
    let clusters = Math.ceil(old.length * 1.5 / perCluster) || 1
    while (clusters * perCluster < firstBlock + this.#blocksFor(clusters) + 1) clusters++
    if (clusters * clusterSize > MAX_REFCOUNT_TABLE_BYTES) throw new CodedError('no-space', 'qcow2: the refcount table cannot grow any more')
    const table = new Float64Array(clusters * perCluster)
    table.set(old)
    const offset = firstBlock * this.#perBlock * clusterSize
    this.#table = table
    try {
      this.#coverRow(offset / clusterSize, clusters, this.#blocksFor(clusters))
      await this.#reach(this.#fresh)
      await this.cache.writeBack()
      const bytes = new Uint8Array(clusters * clusterSize)
      const view = new DataView(bytes.buffer)
      table.forEach((entry, index) => view.setBigUint64(index * 8, BigInt(entry)))
      await store.write(offset, bytes)
    } catch (error) {
      this.#table = old
      for (let block = firstBlock; block < table.length; block++) {
        this.#newBlocks.delete(block)
        if (table[block] !== 0) this.cache.drop(table[block]!, clusterSize)
      }
      throw error
    }
    const { refcountTableOffset, refcountTableClusters } = header
    await this.#core.changeHeader({ refcountTableOffset: offset, refcountTableClusters: clusters })
    this.#newBlocks.clear()
    this.#core.giveUp(refcountTableOffset, refcountTableClusters)
  }
}
