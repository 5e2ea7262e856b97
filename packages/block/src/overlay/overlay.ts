import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageBackend } from '../format.ts'
import { qcow2 } from '../qcow2/qcow2.ts'
import { MemoryStore } from '../stores/memory-store.ts'

/** What the overlay's image calls the disk below; nobody opens it by that name. */
const BASE = 'base'

/**
 * A disk that reads as `base` until it is written to; `base` is never written to. What is written goes to `store`: to memory, where it ends with the
 * overlay, or to any other store (a browser's private file), where it is found again. The store holds a qcow2 image, so that space is taken only for what
 * was written, given back by discards, and bounded in bookkeeping. Closing the overlay closes both. Codes `bad-image`, `unsupported`.
 */
export async function openOverlay(base: BlockBackend, store: ByteStore = new MemoryStore()): Promise<ImageBackend> {
  if (store.size === 0) {
    await qcow2.create!(store, { size: base.size, backing: { name: BASE, format: 'raw' }, options: { cluster_size: String(clusterSize(base.size)) } })
  }
  const overlay = await qcow2.open(store, { openBacking: async () => base })
  if (overlay.backing?.name === BASE && overlay.size === base.size) return overlay
  throw new CodedError('bad-image', `the overlay is one of another disk: ${overlay.size} bytes, not ${base.size}`)
}

/** As small as the pages of guests, so that what they write needs nothing from below; for disks of terabytes, so that the first table stays small. */
function clusterSize(size: number): number {
  let bytes = 4096
  while (size / bytes / (bytes / 8) > 131072) bytes *= 2
  return bytes
}
