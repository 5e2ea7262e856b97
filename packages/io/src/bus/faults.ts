import type { AccessSize, IoFault } from '@entresol/interfaces'

/** Counters of what a bus could not hand to a device. */
export interface BusFaults {
  /** Bytes-wide pieces that met no device. */
  unmapped: number
  /** Accesses a device declined for good, by reason. */
  'no-register': number
  'bad-size': number
  unaligned: number
  /** Accesses taken apart because they straddled devices or the device refused the width. */
  split: number
}

/** Told about each access nobody took. For traces; must not throw. */
export type BusFaultListener = (address: number, size: AccessSize, write: boolean, fault: IoFault | 'unmapped') => void

export function newBusFaults(): BusFaults {
  return { unmapped: 0, 'no-register': 0, 'bad-size': 0, unaligned: 0, split: 0 }
}

/** All ones of an access width. */
export function allOnes(size: AccessSize): number {
  return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff
}
