import { CodedError } from '@entresol/kit'
import { sizeText } from '../bytes.ts'
import type { Placement } from './placement.ts'

/** A file handed to the guest beside its kernel. */
export interface BootModule {
  readonly data: Uint8Array
  /** Its own command line. */
  readonly commandLine?: string
}

/** Puts a file as high as `limit` allows, page-aligned. Throws `initrd-too-large`. */
export function placeModule(placement: Placement, name: string, data: Uint8Array, limit: number): number {
  const base = placement.highest(data.length, 4096, limit)
  if (base === undefined) {
    throw new CodedError('initrd-too-large', `${name} of ${sizeText(data.length)} does not fit into the guest's memory beside the kernel`)
  }
  placement.claim(name, base, data.length)
  placement.write(base, data)
  return base
}
