import type { BlockBackend, BlockExtent } from '@entresol/interfaces'

/** A disk that may be a difference to another one, as an ImageBackend is. */
type Layered = Pick<BlockBackend, 'size' | 'status'> & { readonly backing?: { readonly image?: BlockBackend } | undefined }

/**
 * Status of the first stretch of a range, through all backing images: what none of them has is not allocated, and zero. The cost is a status of
 * each image down to the one that decides.
 */
export async function chainStatus(disk: Layered, offset: number, length: number): Promise<BlockExtent> {
  const extent = await disk.status(offset, length)
  const below: Layered | undefined = disk.backing?.image
  if (extent.allocated || extent.zero || below === undefined) return extent
  // Behind the end of a shorter backing image all is zeroes.
  if (offset >= below.size) return { length: extent.length, allocated: false, zero: true }
  return chainStatus(below, offset, Math.min(extent.length, below.size - offset))
}
