import { MMIO_LENGTH, VRAM_DEFAULT } from './spec.ts'

/** The display's PCI identity (QEMU standard VGA), as plain data for a board's PCI code. The expansion ROM is the board's business. */
export const VGA_PCI_IDENTITY: {
  readonly vendorId: number
  readonly deviceId: number
  /** From 2 on, drivers look for the extended registers in BAR 2. */
  readonly revision: number
  readonly classCode: number
  readonly subsystemVendorId: number
  readonly subsystemId: number
  /** BAR 0: `linearFramebuffer` (its size is the VRAM's); BAR 2: `mmio`. */
  readonly bars: readonly { readonly index: number; readonly kind: 'memory32'; readonly size: number; readonly prefetchable: boolean }[]
} = {
  vendorId: 0x1234,
  deviceId: 0x1111,
  revision: 2,
  classCode: 0x030000,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
  bars: [
    { index: 0, kind: 'memory32', size: VRAM_DEFAULT, prefetchable: true },
    { index: 2, kind: 'memory32', size: MMIO_LENGTH, prefetchable: false },
  ],
}
