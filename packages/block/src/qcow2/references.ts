import { SECTOR } from '../support/range.ts'
import { compressedClusters } from './compressed.ts'
import { hostOffset } from './core.ts'
import type { Core } from './core.ts'
import type { Parts } from './image.ts'
import type { Slice } from './slice-cache.ts'
import { COMPRESSED_HI, COPIED_HI, L1_ENTRY } from './spec.ts'

/** Tables an L1 table names: its index and the table's offset. */
export function* tablesOf(l1: Uint8Array): Generator<{ readonly index: number; readonly offset: number }> {
  const view = new DataView(l1.buffer, l1.byteOffset, l1.byteLength)
  for (let index = 0; index < l1.length / L1_ENTRY; index++) {
    const offset = hostOffset(view.getUint32(index * L1_ENTRY), view.getUint32(index * L1_ENTRY + 4))
    if (offset !== 0) yield { index, offset }
  }
}

/** What an L2 entry uses in the file; `at` is its place in the slice. */
export interface Reference {
  readonly at: number
  readonly compressed: boolean
  /** Of the first cluster, or for compressed data, of the first byte. */
  readonly host: number
  readonly offset: number
  readonly clusters: number
}

/** What a slice's entries use in the file. Offsets are as they stand there: they need not be those of clusters. */
export function* referencesOf(core: Core, slice: Slice): Generator<Reference> {
  const { clusterSize, entrySize, header } = core
  if (header.externalData) return
  const offsetBits = 62 - (header.clusterBits - 8)
  for (let at = 0; at < slice.bytes.length; at += entrySize) {
    const hi = slice.view.getUint32(at)
    const lo = slice.view.getUint32(at + 4)
    if ((hi & COMPRESSED_HI) !== 0) {
      const descriptor = BigInt(hi & 0x3fffffff) << 32n | BigInt(lo)
      const host = Number(descriptor & (1n << BigInt(offsetBits)) - 1n)
      const compressedLength = (Number(descriptor >> BigInt(offsetBits)) + 1) * SECTOR - host % SECTOR
      yield { at, compressed: true, host, ...compressedClusters({ host, compressedLength }, clusterSize) }
    } else {
      const host = hostOffset(hi, lo)
      if (host !== 0) yield { at, compressed: false, host, offset: host, clusters: 1 }
    }
  }
}

/** Adds `delta` to the counts of everything an L1 table leads to, all or nothing; the L1 table's own clusters not included. */
export async function adjustCounts(parts: Parts, l1: Uint8Array, delta: 1 | -1): Promise<void> {
  const done = { references: 0 }
  try {
    await adjust(parts, l1, delta, done, Infinity)
  } catch (error) {
    if (delta === 1) await adjust(parts, l1, -1, { references: 0 }, done.references)
    throw error
  }
}

async function adjust(parts: Parts, l1: Uint8Array, delta: 1 | -1, done: { references: number }, limit: number): Promise<void> {
  const { core, mapping, refcounts } = parts
  const change = async (offset: number, clusters: number): Promise<void> => {
    if (delta === 1) await refcounts.change(offset, clusters, 1)
    else await refcounts.release(offset, clusters)
  }
  // References in a row are changed together.
  let row = { offset: 0, clusters: 0, references: 0 }
  const finish = async (): Promise<void> => {
    if (row.clusters > 0) await change(row.offset, row.clusters)
    done.references += row.references
    row = { offset: 0, clusters: 0, references: 0 }
  }
  const add = async (offset: number, clusters: number): Promise<void> => {
    if (done.references + row.references >= limit) return
    if (row.references > 0 && row.offset + row.clusters * core.clusterSize === offset) {
      row = { offset: row.offset, clusters: row.clusters + clusters, references: row.references + 1 }
      return
    }
    await finish()
    if (done.references < limit) row = { offset, clusters, references: 1 }
  }
  for (const { offset } of tablesOf(l1)) {
    await core.checkCluster(offset, 'L2 table')
    for (let at = 0; at < core.clusterSize; at += mapping.cache.sliceSize) {
      const slice = await mapping.cache.load(offset + at)
      for (const reference of referencesOf(core, slice)) {
        if (!reference.compressed) await core.checkCluster(reference.offset, 'data cluster')
        await add(reference.offset, reference.clusters)
      }
    }
    await add(offset, 1)
    if (refcounts.cache.crowded) await refcounts.cache.writeBack()
  }
  await finish()
}

/** Makes the flags "nobody else uses it" of the disk's own tables true; returns how many were wrong. With `only` nothing is changed. */
export async function updateCopied(parts: Parts, only?: 'count'): Promise<number> {
  const { core, mapping, refcounts } = parts
  let wrong = 0
  for (const { index, offset } of tablesOf(mapping.l1Bytes)) {
    if (offset % core.clusterSize !== 0) continue
    const own = await refcounts.get(offset / core.clusterSize) === 1
    if (own !== mapping.tableCopied(index)) {
      wrong++
      if (!only) mapping.setTable(index, offset, own)
    }
    for (let at = 0; at < core.clusterSize; at += mapping.cache.sliceSize) {
      wrong += await updateSlice(parts, await mapping.cache.load(offset + at), only)
    }
    if (mapping.cache.crowded) await mapping.writeBack()
  }
  return wrong
}

async function updateSlice({ core, mapping, refcounts }: Parts, slice: Slice, only?: 'count'): Promise<number> {
  let wrong = 0
  for (const { at, compressed, offset } of referencesOf(core, slice)) {
    if (offset % core.clusterSize !== 0) continue
    const hi = slice.view.getUint32(at)
    const own = !compressed && await refcounts.get(offset / core.clusterSize) === 1
    if (own === ((hi & COPIED_HI) !== 0)) continue
    wrong++
    if (only) continue
    slice.view.setUint32(at, (own ? hi | COPIED_HI : hi & ~COPIED_HI) >>> 0)
    mapping.cache.changed(slice, at, at + 4)
  }
  return wrong
}
