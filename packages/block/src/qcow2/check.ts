import type { CheckResult } from '../format.ts'
import { CountMap } from './count-map.ts'
import type { Parts } from './image.ts'
import { rebuildRefcounts } from './rebuild.ts'
import { referencesOf, tablesOf, updateCopied } from './references.ts'
import { snapshotTableLength } from './snapshots.ts'
import type { SnapshotEntry } from './snapshots.ts'
import { EXTENSION, L1_ENTRY } from './spec.ts'

const MAX_MESSAGES = 100
const MAX_BITMAP_DIRECTORY = 2 ** 26

/** Counts all uses of clusters, compares them with the refcounts, and mends what was asked for. The image is locked and settled. */
export async function checkImage(parts: Parts, snapshots: readonly SnapshotEntry[], repair: 'leaks' | 'all' | undefined): Promise<CheckResult> {
  const census = new Census(parts)
  await census.take(snapshots)
  const found = await census.compare()
  let leaksFixed = 0
  let corruptionsFixed = 0
  const { core, mapping, refcounts } = parts
  if (repair === 'all' && found.wrong > 0) {
    await rebuildRefcounts(parts, census.users)
    corruptionsFixed += found.wrong
    leaksFixed = found.leaks.length
  } else if (repair) {
    for (const cluster of found.leaks) {
      await refcounts.set(cluster, census.counts.get(cluster))
      if (refcounts.cache.crowded) await refcounts.cache.writeBack()
      leaksFixed++
    }
  }
  const flags = await updateCopied(parts, repair === 'all' ? undefined : 'count')
  if (flags > 0) census.complain(`${flags} entries are wrong about whether others use their cluster`)
  if (repair === 'all') {
    corruptionsFixed += flags
    await refcounts.writeBack()
    await mapping.writeBack()
    if ((core.header.dirty || core.header.corrupt) && census.corruptions === 0) await core.changeHeader({ dirty: false, corrupt: false })
  }
  return {
    checkErrors: 0,
    corruptions: census.corruptions + found.wrong + flags,
    leaks: found.leaks.length,
    corruptionsFixed, leaksFixed,
    imageEndOffset: census.end,
    totalClusters: Math.ceil(core.header.size / core.clusterSize),
    ...census.statistics,
    messages: census.messages,
  }
}

/** Who uses which cluster. */
class Census {
  readonly messages: string[] = []
  /** What cannot be mended: entries that lead nowhere. */
  corruptions = 0
  /** Uses by everything but the refcounts themselves. */
  readonly users: CountMap = new CountMap()
  /** All uses. */
  readonly counts: CountMap = new CountMap()
  /** Bytes of the file that are used. */
  end = 0
  readonly statistics = { allocatedClusters: 0, fragmentedClusters: 0, compressedClusters: 0 }
  readonly #parts: Parts
  readonly #fileEnd: number
  /** L2 tables by offset: how many L1 tables lead to them. */
  readonly #tables = new Map<number, number>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#fileEnd = parts.core.roundUp(parts.core.store.size)
  }

  complain(message: string): void {
    if (this.messages.length < MAX_MESSAGES) this.messages.push(message)
  }

  async take(snapshots: readonly SnapshotEntry[]): Promise<void> {
    const { core, mapping } = this.#parts
    const { header, clusterSize } = core
    this.#use(0, 1, 'the header')
    this.#useBytes(header.l1TableOffset, header.l1Size * L1_ENTRY, 'the L1 table')
    this.#countTables(mapping.l1Bytes, 'the L1 table')
    if (header.nbSnapshots > 0) this.#useBytes(header.snapshotsOffset, snapshotTableLength(snapshots), 'the snapshot table')
    for (const { l1TableOffset, l1Size, id } of snapshots) {
      const what = `the L1 table of snapshot ${id}`
      // Overlapping tables could keep this busy for ages.
      const clusters = Math.ceil(l1Size * L1_ENTRY / clusterSize)
      const taken = Array.from({ length: clusters }, (_, at) => this.users.get(l1TableOffset / clusterSize + at)).some((count) => count > 0)
      if (!this.#useBytes(l1TableOffset, l1Size * L1_ENTRY, what) || taken) {
        if (taken) this.#corrupt(`${what} overlaps something else`)
        continue
      }
      const bytes = new Uint8Array(l1Size * L1_ENTRY)
      await core.store.read(l1TableOffset, bytes)
      this.#countTables(bytes, what)
    }
    for (const [offset, times] of this.#tables) await this.#countData(offset, times)
    if (header.bitmaps) await this.#countBitmaps()
    await this.#gatherStatistics()
  }

  #corrupt(message: string): void {
    this.corruptions++
    this.complain(message)
  }

  /** False: it does not lie in the file. */
  #use(offset: number, clusters: number, what: string, times = 1): boolean {
    const { clusterSize } = this.#parts.core
    if (offset % clusterSize !== 0 || offset + clusters * clusterSize > this.#fileEnd) {
      this.#corrupt(`${what}: offset ${offset} is ${offset % clusterSize === 0 ? 'behind the end of the file' : 'not that of a cluster'}`)
      return false
    }
    for (let at = 0; at < clusters; at++) this.users.add(offset / clusterSize + at, times)
    this.end = Math.max(this.end, offset + clusters * clusterSize)
    return true
  }

  #useBytes(offset: number, bytes: number, what: string): boolean {
    return this.#use(offset, Math.ceil(bytes / this.#parts.core.clusterSize), what)
  }

  #countTables(l1: Uint8Array, what: string): void {
    for (const { offset } of tablesOf(l1)) {
      if (this.#use(offset, 1, `L2 table of ${what}`)) this.#tables.set(offset, (this.#tables.get(offset) ?? 0) + 1)
    }
  }

  async #countData(table: number, times: number): Promise<void> {
    const { core, mapping } = this.#parts
    for (let at = 0; at < core.clusterSize; at += mapping.cache.sliceSize) {
      for (const { offset, clusters, compressed } of referencesOf(core, await mapping.cache.load(table + at))) {
        this.#use(offset, clusters, compressed ? 'compressed data' : 'data', times)
      }
    }
  }

  /** Bitmaps are not kept up to date, but where they are true, their clusters are in use (qcow2.txt, "Bitmaps extension"). */
  async #countBitmaps(): Promise<void> {
    const { core } = this.#parts
    const extension = core.header.extensions.find(({ type }) => type === EXTENSION.bitmaps)?.data
    if (!extension || extension.length < 24) return this.#corrupt('the bitmaps extension is missing')
    const view = new DataView(extension.buffer, extension.byteOffset, extension.byteLength)
    const length = Number(view.getBigUint64(8))
    const offset = Number(view.getBigUint64(16))
    if (length > MAX_BITMAP_DIRECTORY || !this.#useBytes(offset, length, 'the bitmap directory')) return
    const directory = new Uint8Array(length)
    await core.store.read(offset, directory)
    const entry = new DataView(directory.buffer)
    // Entries: table offset (8 bytes), table size (4), flags (4), type, granularity, name length (2), extra data length (4); multiples of 8.
    for (let at = 0; at + 24 <= length;) {
      const tableOffset = Number(entry.getBigUint64(at))
      const tableSize = entry.getUint32(at + 8)
      if (this.#useBytes(tableOffset, tableSize * 8, 'a bitmap table')) await this.#countBitmap(tableOffset, tableSize)
      at += Math.ceil((24 + entry.getUint16(at + 18) + entry.getUint32(at + 20)) / 8) * 8
    }
  }

  async #countBitmap(offset: number, entries: number): Promise<void> {
    const table = new Uint8Array(Math.min(entries * 8, MAX_BITMAP_DIRECTORY))
    await this.#parts.core.store.read(offset, table)
    for (const { offset: cluster } of tablesOf(table)) this.#use(cluster, 1, 'a bitmap')
  }

  async #gatherStatistics(): Promise<void> {
    const { core, mapping } = this.#parts
    const { statistics } = this
    let next = -1
    for (const { offset } of tablesOf(mapping.l1Bytes)) {
      if (!this.#tables.has(offset)) continue
      for (let at = 0; at < core.clusterSize; at += mapping.cache.sliceSize) {
        for (const { host, compressed } of referencesOf(core, await mapping.cache.load(offset + at))) {
          statistics.allocatedClusters++
          if (compressed) statistics.compressedClusters++
          if (compressed || (next !== -1 && host !== next)) statistics.fragmentedClusters++
          next = compressed ? -1 : host + core.clusterSize
        }
      }
    }
  }

  /** Compares the refcounts with the uses: clusters with more than they need, and how many have fewer. */
  async compare(): Promise<{ readonly leaks: readonly number[]; readonly wrong: number }> {
    const { core, refcounts } = this.#parts
    const { header, clusterSize } = core
    let wrong = 0
    const complain = (message: string): void => {
      wrong++
      this.complain(message)
    }
    const use = (offset: number, clusters: number, what: string): boolean => {
      const fits = offset !== 0 && offset % clusterSize === 0 && offset + clusters * clusterSize <= this.#fileEnd
      if (!fits) complain(`${what} at offset ${offset}`)
      for (let at = 0; fits && at < clusters; at++) this.counts.add(offset / clusterSize + at, 1)
      if (fits) this.end = Math.max(this.end, offset + clusters * clusterSize)
      return fits
    }
    for (const [cluster, count] of this.users.entries()) this.counts.add(cluster, count)
    use(header.refcountTableOffset, header.refcountTableClusters, 'the refcount table')
    const blocks = new Map<number, number>()
    refcounts.table.forEach((offset, block) => {
      if (offset === 0) return
      if (blocks.has(offset)) complain(`refcount block at offset ${offset} is used twice`)
      else if (use(offset, 1, 'refcount block')) blocks.set(offset, block)
    })
    for (const [cluster, count] of this.counts.entries()) {
      const offset = refcounts.table[Math.floor(cluster / refcounts.perBlock)] ?? 0
      const stored = blocks.has(offset) && blocks.get(offset) === Math.floor(cluster / refcounts.perBlock) ? await refcounts.get(cluster) : 0
      if (stored < count) complain(`the cluster at ${cluster * clusterSize} counts ${stored} users, and has ${count}`)
    }
    const leaks: number[] = []
    for (const block of blocks.values()) {
      const end = Math.min((block + 1) * refcounts.perBlock, this.#fileEnd / clusterSize)
      for (let cluster = block * refcounts.perBlock; cluster < end; cluster++) {
        const stored = await refcounts.get(cluster)
        if (stored <= this.counts.get(cluster)) continue
        leaks.push(cluster)
        this.complain(`the cluster at ${cluster * clusterSize} counts ${stored} users, and has ${this.counts.get(cluster)}: leaked`)
      }
    }
    return { leaks, wrong }
  }
}
