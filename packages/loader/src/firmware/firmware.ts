import { CodedError } from '@entresol/kit'
import { sizeText } from '../bytes.ts'
import { type BootEntry, resetEntry } from '../entry/entry.ts'

/** Read-only memory a board maps. */
export interface RomRegion {
  readonly base: number
  readonly data: Uint8Array
}

export interface Firmware {
  readonly regions: readonly RomRegion[]
  readonly entry: BootEntry
}

const KIB = 1024
const MIN_IMAGE = 64 * KIB
const MAX_IMAGE = 16 * KIB * KIB
/** How much of a PC's firmware is decoded again below 1 MiB: E0000h to FFFFFh. */
const LOW_WINDOW = 128 * KIB

/**
 * A BIOS image ends at 4 GiB, where the processor's reset vector is (Intel SDM vol. 3, 11.1.4), and its last 128 KiB show again
 * below 1 MiB. Throws `bad-firmware` unless the image is 64 KiB to 16 MiB in steps of 64 KiB.
 */
export function placeFirmware(image: Uint8Array): Firmware {
  if (image.length < MIN_IMAGE || image.length > MAX_IMAGE || image.length % MIN_IMAGE !== 0) {
    throw new CodedError('bad-firmware', `firmware image of ${sizeText(image.length)}: must be 64 KiB to 16 MiB in steps of 64 KiB`)
  }
  const low = image.subarray(image.length - Math.min(image.length, LOW_WINDOW))
  return {
    regions: [
      { base: 0x1_0000_0000 - image.length, data: image },
      { base: 0x10_0000 - low.length, data: low }
    ],
    entry: resetEntry()
  }
}
