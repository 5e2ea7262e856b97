import { CodedError } from '@entresol/kit'
import { l1EntriesFor } from './header.ts'
import type { Parts } from './image.ts'
import { L1_ENTRY, MAX_L1_BYTES } from './spec.ts'

/** Makes the disk `size` bytes big. The image is locked and settled. `zero` makes a stretch of the disk read as zeroes. */
export async function resizeImage(parts: Parts, size: number, zero: (offset: number, length: number) => Promise<void>): Promise<void> {
  const { core, data, metadata } = parts
  const old = core.header.size
  if (core.header.version === 2 && core.header.nbSnapshots > 0) throw new CodedError('unsupported', 'qcow2: version 2 cannot resize with snapshots')
  if (size > old) {
    await lengthenL1(parts, size)
    // Behind the old end there may be the rest of a cluster, what a bigger disk left, or more of the backing image.
    core.header.size = size
    try {
      await zero(old, size - old)
      await metadata.settle()
    } catch (error) {
      core.header.size = old
      throw error
    }
    if (core.header.externalData) await data.truncate(size)
    await core.changeHeader({ size })
  } else if (size < old) {
    await core.changeHeader({ size })
    await cutTables(parts, size, old)
    if (core.header.externalData) await data.truncate(size)
  }
}

async function lengthenL1({ core, refcounts, mapping }: Parts, size: number): Promise<void> {
  const { l1Size, l1TableOffset } = core.header
  const entries = l1EntriesFor(core.header, size)
  if (entries <= l1Size) return
  if (entries * L1_ENTRY > MAX_L1_BYTES) throw new CodedError('unsupported', `qcow2: clusters of ${core.clusterSize} bytes are too small for a disk of ${size} bytes`)
  const bytes = new Uint8Array(core.roundUp(entries * L1_ENTRY))
  bytes.set(mapping.l1Bytes)
  const { offset } = await refcounts.allocateRow(bytes.length / core.clusterSize)
  await refcounts.writeBack()
  await core.store.write(offset, bytes)
  await core.changeHeader({ l1TableOffset: offset, l1Size: entries })
  await mapping.reload()
  if (l1Size > 0) core.giveUp(l1TableOffset, Math.ceil(l1Size * L1_ENTRY / core.clusterSize))
}

/** Gives up clusters behind the end, and the tables that described nothing else. */
async function cutTables({ core, mapping, disk, metadata }: Parts, size: number, old: number): Promise<void> {
  await disk.clear(core.roundUp(size), core.roundUp(old), 'empty', async () => {})
  await metadata.settle()
  for (let index = Math.ceil(size / mapping.tableSpan); index * mapping.tableSpan < old; index++) {
    const offset = mapping.tableOffset(index)
    if (offset === 0) continue
    mapping.setTable(index, 0, false)
    mapping.cache.drop(offset, core.clusterSize)
    core.giveUp(offset, 1)
  }
}
