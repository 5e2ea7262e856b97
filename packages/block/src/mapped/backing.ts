import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** The part of a backing image an image, or one extent of it, is a difference to. */
export interface Backing {
  /** Absent: it was not opened. */
  readonly image?: BlockBackend
  /** Where in the backing image the part begins, bytes. */
  readonly base: number
}

/** Reads of a backing image; behind its end are zeroes. Code `no-backing` where it was not opened. */
export async function readBacking({ image, base }: Backing, offset: number, into: Uint8Array): Promise<void> {
  if (image === undefined) throw new CodedError('no-backing', 'the backing image was not opened')
  const inside = Math.max(0, Math.min(into.length, image.size - base - offset))
  if (inside > 0) await image.read(base + offset, into.subarray(0, inside))
  into.fill(0, inside)
}
