/**
 * The controller's PCI identity (Intel 82371SB datasheet, 2.3 "IDE interface", function 1), as plain data for a board's PCI code.
 * The channels stay at their legacy ports: programming interface 80h is "bus master, both channels in compatibility mode".
 */
export const IDE_PCI_IDENTITY: {
  readonly vendorId: number
  readonly deviceId: number
  readonly revision: number
  /** Class, subclass, programming interface. */
  readonly classCode: number
  readonly bars: readonly { readonly index: number; readonly kind: 'io'; readonly size: number }[]
  /** Initial configuration bytes by offset: IDETIM with IDE decode enabled (bit 15) on both channels. */
  readonly config: readonly { readonly offset: number; readonly size: 2; readonly value: number; readonly writable: number }[]
} = {
  vendorId: 0x8086,
  deviceId: 0x7010,
  revision: 0,
  classCode: 0x010180,
  bars: [{ index: 4, kind: 'io', size: 16 }],
  config: [
    { offset: 0x40, size: 2, value: 0x8000, writable: 0xffff },
    { offset: 0x42, size: 2, value: 0x8000, writable: 0xffff },
  ],
}
