import { CodedError } from '@entresol/kit'
import type { CountMap } from './count-map.ts'
import type { Parts } from './image.ts'
import { maxRefcount, setRefcount } from './refcount-entry.ts'
import { MAX_REFCOUNT_TABLE_BYTES } from './spec.ts'

/**
 * Makes refcounts anew: blocks and table behind everything that is used, then the header names them. The old ones are free by that: `users` does not
 * count them. Whatever state they were in, the new ones are right.
 */
export async function rebuildRefcounts({ core, refcounts, mapping }: Parts, users: CountMap): Promise<void> {
  const { clusterSize, store, header } = core
  const { perBlock } = refcounts
  const max = maxRefcount(header.refcountOrder)
  const counts = new Map<number, number>()
  const blocks = new Set<number>()
  let end = Math.ceil(store.size / clusterSize)
  for (const [cluster, count] of users.entries()) {
    if (count > max) throw new CodedError('unsupported', `qcow2: a cluster has more users than refcounts of ${2 ** header.refcountOrder} bits can count`)
    blocks.add(Math.floor(cluster / perBlock))
    counts.set(cluster, count)
    end = Math.max(end, cluster + 1)
  }
  // New blocks and the table are used too, and may need blocks themselves.
  const start = end
  let tableClusters = 1
  for (let before = -1; before !== end;) {
    before = end
    for (let cluster = start; cluster < end; cluster++) blocks.add(Math.floor(cluster / perBlock))
    tableClusters = Math.ceil((Math.max(...blocks) + 1) * 8 / clusterSize)
    end = start + blocks.size + tableClusters
  }
  if (tableClusters * clusterSize > MAX_REFCOUNT_TABLE_BYTES) throw new CodedError('no-space', 'qcow2: the image is too long for a refcount table')
  for (let cluster = start; cluster < end; cluster++) counts.set(cluster, 1)

  const table = new DataView(new ArrayBuffer(tableClusters * clusterSize))
  let at = start + tableClusters
  for (const block of blocks) {
    table.setBigUint64(block * 8, BigInt(at * clusterSize))
    const view = new DataView(new ArrayBuffer(clusterSize))
    for (let index = 0; index < perBlock; index++) setRefcount(view, index, header.refcountOrder, counts.get(block * perBlock + index) ?? 0)
    await store.write(at++ * clusterSize, new Uint8Array(view.buffer))
  }
  await store.write(start * clusterSize, new Uint8Array(table.buffer))
  await core.changeHeader({ refcountTableOffset: start * clusterSize, refcountTableClusters: tableClusters })
  mapping.cache.clear()
  await refcounts.reload()
}
