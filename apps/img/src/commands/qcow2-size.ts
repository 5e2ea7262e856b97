import { badUsage } from '../arguments.ts'
import { parseCount } from '../values.ts'

/**
 * Bytes of a qcow2 file whose disk of `size` bytes is written in full: docs/interop/qcow2.txt, "General" (one cluster of header), "Cluster
 * mapping" (L1 and L2 tables of whole clusters) and "Host cluster management" (refcount tables and blocks, which count themselves).
 */
export function qcow2FileSize(size: number, clusterSize: number, options: Readonly<Record<string, string>>): number {
  if (clusterSize < 512 || clusterSize > 2 << 20 || (clusterSize & (clusterSize - 1)) !== 0) throw badUsage('cluster_size must be a power of two from 512 to 2M')
  const refcountBits = parseCount('refcount_bits', options['refcount_bits'] ?? '16', 1, 64)
  const l2Entry = options['extended_l2'] === 'on' ? 16 : 8
  const data = Math.ceil(size / clusterSize)
  const l2 = Math.ceil(data * l2Entry / clusterSize)
  const l1 = Math.ceil(l2 * 8 / clusterSize)
  const counted = 1 + data + l2 + l1
  let blocks = 0
  let table = 0
  for (let before = -1; before !== blocks + table;) {
    before = blocks + table
    blocks = Math.ceil((counted + before) * refcountBits / 8 / clusterSize)
    table = Math.ceil(blocks * 8 / clusterSize)
  }
  return (counted + blocks + table) * clusterSize
}
