import { CodedError } from '@entresol/kit'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import { hostOffset } from './core.ts'
import type { Core } from './core.ts'
import type { Refcounts } from './refcounts.ts'
import { SliceCache, allDone } from './slice-cache.ts'
import type { Slice } from './slice-cache.ts'
import { COMPRESSED_HI, COPIED_HI, L1_ENTRY, SUBCLUSTERS, ZERO_LO } from './spec.ts'

/** Memory for L2 tables: enough for 128 GiB of the usual clusters; more is read again. */
const CACHE = 2 ** 24

/** What one L2 entry, or one subcluster of it, says. */
export interface Entry {
  /** 'backing': nothing here, ask the backing image; zeroes where there is none. */
  kind: 'backing' | 'zero' | 'data' | 'compressed'
  /** Host offset of the cluster; of the first byte of compressed data. Also where a cluster of zeroes keeps its space; else 0. */
  host: number
  /** The cluster has space of its own in the file (a host offset of 0 is a place in external data files). */
  allocated: boolean
  /** Nobody else uses it: may be written in place. */
  copied: boolean
  /** Bytes of whole sectors that hold compressed data. */
  compressedLength: number
}

/** A stretch of the disk of one kind; plain data lies in one piece. */
export interface Run extends Readonly<Entry> {
  /** Bytes from the offset asked for. For data, `host` belongs to that very byte. */
  readonly length: number
}

/** The L2 entry of a cluster of data at `host` that nobody else uses. */
export const plain = (host: number): readonly [hi: number, lo: number] => [(COPIED_HI | Math.floor(host / 2 ** 32)) >>> 0, host >>> 0]

/** Where the disk's clusters lie: the L1 table, whole in memory, and L2 tables in a cache. */
export class Mapping {
  readonly cache: SliceCache
  readonly #core: Core
  readonly #refcounts: Refcounts
  /** As in the file. */
  #l1: DataView
  /** Sectors of the L1 table that are to be written. */
  readonly #dirtyL1 = new Set<number>()
  readonly #perSlice: number
  /** Entries of the L1 table that are being given a table of their own. */
  readonly #making = new Map<number, Promise<void>>()

  private constructor(core: Core, refcounts: Refcounts, l1: Uint8Array) {
    this.#core = core
    this.#refcounts = refcounts
    this.#l1 = new DataView(l1.buffer)
    this.cache = new SliceCache(core.store, core.clusterSize, CACHE)
    this.#perSlice = this.cache.sliceSize / core.entrySize
  }

  static async open(core: Core, refcounts: Refcounts): Promise<Mapping> {
    const mapping = new Mapping(core, refcounts, new Uint8Array(0))
    await mapping.reload()
    return mapping
  }

  /** Reads the L1 table that the header names. */
  async reload(): Promise<void> {
    const bytes = new Uint8Array(this.#core.header.l1Size * L1_ENTRY)
    await this.#core.store.read(this.#core.header.l1TableOffset, bytes)
    this.#l1 = new DataView(bytes.buffer)
    this.#dirtyL1.clear()
  }

  get isDirty(): boolean {
    return this.#dirtyL1.size > 0 || this.cache.isDirty
  }

  get l1Entries(): number {
    return this.#l1.byteLength / L1_ENTRY
  }

  /** The L1 table's bytes; its owner must not change them. */
  get l1Bytes(): Uint8Array {
    return new Uint8Array(this.#l1.buffer)
  }

  /** Disk bytes that one L1 entry, one slice stand for. */
  get tableSpan(): number {
    return this.#core.tableEntries * this.#core.clusterSize
  }

  get sliceSpan(): number {
    return this.#perSlice * this.#core.clusterSize
  }

  tableOffset(index: number): number {
    if (index >= this.l1Entries) return 0
    return hostOffset(this.#l1.getUint32(index * L1_ENTRY), this.#l1.getUint32(index * L1_ENTRY + 4))
  }

  tableCopied(index: number): boolean {
    return index < this.l1Entries && (this.#l1.getUint32(index * L1_ENTRY) & COPIED_HI) !== 0
  }

  setTable(index: number, offset: number, copied: boolean): void {
    this.#l1.setUint32(index * L1_ENTRY, (Math.floor(offset / 2 ** 32) | (copied ? COPIED_HI : 0)) >>> 0)
    this.#l1.setUint32(index * L1_ENTRY + 4, offset >>> 0)
    this.#dirtyL1.add(Math.floor(index * L1_ENTRY / SECTOR))
  }

  /** The slice that describes the cluster at `offset`: null without a table, undefined if it is not in memory. */
  peek(offset: number): Slice | null | undefined {
    const table = this.tableOffset(Math.floor(offset / this.tableSpan))
    return table === 0 ? null : this.cache.peek(this.#sliceOffset(table, offset))
  }

  async load(offset: number): Promise<Slice | null> {
    const table = this.tableOffset(Math.floor(offset / this.tableSpan))
    if (table === 0) return null
    await this.#core.checkCluster(table, 'L2 table')
    return this.cache.load(this.#sliceOffset(table, offset))
  }

  #sliceOffset(table: number, offset: number): number {
    return table + Math.floor(offset % this.tableSpan / this.sliceSpan) * this.cache.sliceSize
  }

  /** What `slice` says of the disk from `offset` on, as far as it goes on in the same way: at most `length` bytes. Code `bad-image`. */
  run(slice: Slice | null, offset: number, length: number): Run {
    const { clusterSize, header } = this.#core
    const unit = header.extendedL2 ? clusterSize / SUBCLUSTERS : clusterSize
    const limit = Math.min(length, this.sliceSpan - offset % this.sliceSpan)
    if (slice === null) return { kind: 'backing', host: 0, allocated: false, copied: true, compressedLength: 0, length: limit }
    const first = { ...this.#decode(slice, offset) }
    const within = offset % unit
    if (first.kind === 'data') first.host += offset % clusterSize
    let end = unit - within
    if (first.kind === 'compressed') return { ...first, length: Math.min(limit, clusterSize - offset % clusterSize) }
    for (; end < limit; end += unit) {
      const next = this.#decode(slice, offset + end)
      if (next.kind !== first.kind || next.copied !== first.copied || next.allocated !== first.allocated) break
      if (next.kind === 'data' && next.host + (offset + end) % clusterSize !== first.host + end) break
    }
    return { ...first, length: Math.min(limit, end) }
  }

  readonly #entry: Entry = { kind: 'backing', host: 0, allocated: false, copied: false, compressedLength: 0 }

  #decode(slice: Slice, offset: number): Entry {
    const { clusterSize, entrySize, header } = this.#core
    const index = Math.floor(offset / clusterSize) % this.#perSlice
    const entry = this.#entry
    const hi = slice.view.getUint32(index * entrySize)
    const lo = slice.view.getUint32(index * entrySize + 4)
    if ((hi & COMPRESSED_HI) !== 0) return this.#decodeCompressed(hi, lo)
    entry.host = hostOffset(hi, lo)
    entry.copied = (hi & COPIED_HI) !== 0
    entry.compressedLength = 0
    entry.allocated = entry.host !== 0 || (header.externalData && entry.copied)
    if (entry.host % clusterSize !== 0) throw new CodedError('bad-image', `qcow2: data cluster at offset ${entry.host}`)
    entry.kind = entry.allocated ? 'data' : 'backing'
    if (header.extendedL2) {
      const sub = Math.floor(offset % clusterSize / (clusterSize / SUBCLUSTERS))
      const zero = slice.view.getUint32(index * entrySize + 8) >>> sub & 1
      const allocated = slice.view.getUint32(index * entrySize + 12) >>> sub & 1
      if ((zero & allocated) !== 0 || (allocated !== 0 && !entry.allocated)) throw new CodedError('bad-image', 'qcow2: contradictory subclusters')
      entry.kind = allocated !== 0 ? 'data' : zero !== 0 ? 'zero' : 'backing'
    } else if ((lo & ZERO_LO) !== 0) {
      if (header.version === 2) throw new CodedError('bad-image', 'qcow2: a cluster of zeroes in version 2')
      entry.kind = 'zero'
    }
    return entry
  }

  /** A compressed cluster: its byte offset in the low bits, the further sectors it reaches into above them. */
  #decodeCompressed(hi: number, lo: number): Entry {
    const entry = this.#entry
    const offsetBits = 62 - (this.#core.header.clusterBits - 8)
    const descriptor = BigInt(hi & 0x3fffffff) << 32n | BigInt(lo)
    entry.host = Number(descriptor & (1n << BigInt(offsetBits)) - 1n)
    const sectors = Number(descriptor >> BigInt(offsetBits)) + 1
    if (entry.host > MAX_SIZE || this.#core.header.externalData) throw new CodedError('bad-image', `qcow2: compressed data at offset ${entry.host}`)
    entry.compressedLength = sectors * SECTOR - entry.host % SECTOR
    entry.kind = 'compressed'
    entry.allocated = true
    entry.copied = false
    return entry
  }

  /** Sets the entry of the cluster at `offset`, and for extended ones all subclusters alike. */
  put(slice: Slice, offset: number, hi: number, lo: number, kind: 'backing' | 'zero' | 'data' | 'compressed'): void {
    const { clusterSize, entrySize, header } = this.#core
    const at = Math.floor(offset / clusterSize) % this.#perSlice * entrySize
    slice.view.setUint32(at, hi)
    slice.view.setUint32(at + 4, kind === 'zero' && !header.extendedL2 ? lo | ZERO_LO : lo)
    if (header.extendedL2) {
      slice.view.setUint32(at + 8, kind === 'zero' ? 0xffffffff : 0)
      slice.view.setUint32(at + 12, kind === 'data' ? 0xffffffff : 0)
    }
    this.cache.changed(slice, at, at + entrySize)
  }

  /** Makes sure that the table for `offset` exists and belongs to nobody else. `gate` is waited for before the L1 table changes. */
  async own(offset: number, gate: () => Promise<void> | undefined): Promise<void> {
    const index = Math.floor(offset / this.tableSpan)
    while (this.tableOffset(index) === 0 || !this.tableCopied(index)) {
      let making = this.#making.get(index)
      if (!making) {
        making = this.#make(index, gate).finally(() => this.#making.delete(index))
        this.#making.set(index, making)
      }
      await making
    }
  }

  async #make(index: number, gate: () => Promise<void> | undefined): Promise<void> {
    const { store, clusterSize } = this.#core
    const old = this.tableOffset(index)
    if (old !== 0) await this.#core.checkCluster(old, 'L2 table')
    const { offset, fresh } = await this.#refcounts.allocate(1)
    try {
      if (old !== 0 || !fresh) {
        const bytes = new Uint8Array(clusterSize)
        if (old !== 0) await store.read(old, bytes)
        await store.write(offset, bytes)
      }
    } catch (error) {
      await this.#refcounts.change(offset, 1, -1)
      throw error
    }
    for (let closed = gate(); closed; closed = gate()) await closed
    this.setTable(index, offset, true)
    if (old === 0) return
    this.cache.drop(old, clusterSize)
    this.#core.giveUp(old, 1)
  }

  /** Writes what has changed. What must be in the file before is the caller's business. */
  async writeBack(): Promise<void> {
    const sectors = [...this.#dirtyL1]
    this.#dirtyL1.clear()
    try {
      await allDone([this.cache.writeBack(), ...sectors.map((sector) => {
        const bytes = new Uint8Array(SECTOR)
        bytes.set(this.l1Bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR))
        return this.#core.store.write(this.#core.header.l1TableOffset + sector * SECTOR, bytes)
      })])
    } catch (error) {
      for (const sector of sectors) this.#dirtyL1.add(sector)
      throw error
    }
  }
}
