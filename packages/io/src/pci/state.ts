import { bool, bytes, type Check, record } from '../device/saved-state.ts'

export const PCI_DEVICE_STATE_VERSION = 1

/** A PCI function: its configuration space and the level of its INTx# pin before the disable bit. */
export interface PciDeviceState {
  config: Uint8Array
  interrupt: boolean
}

export function checkPciDeviceState(length: number): Check<PciDeviceState> {
  return record<PciDeviceState>({ config: bytes(length), interrupt: bool })
}
