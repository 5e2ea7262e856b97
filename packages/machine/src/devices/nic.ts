import type { Resettable } from '@entresol/interfaces'
import { E1000, Rtl8139 } from '@entresol/io'
import type { PciDevice } from '@entresol/io'
import type { Platform } from '../platform.ts'
import type { DeviceServices } from './create.ts'
import type { DeviceOptions, PciNicOptions } from './options.ts'

/** QEMU's default addresses: 52:54:00:12:34:56 for the first adapter, and counting. */
const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]
const isNetwork = (device: DeviceOptions): boolean => 'port' in device

/** The address of an adapter that was given none: by its place among all of them. */
export function defaultMac(devices: readonly DeviceOptions[], device: DeviceOptions): Uint8Array {
  const mac = Uint8Array.from(MAC)
  mac[5]! += devices.filter(isNetwork).indexOf(device)
  return mac
}

export const isPciNic = (options: DeviceOptions): options is PciNicOptions => options.type === 'e1000' || options.type === 'rtl8139'

/** An adapter that is a PCI function itself, to be plugged in as `pci`. */
export function createNic(
  options: PciNicOptions, name: string, mac: Uint8Array, platform: Platform, { clock }: DeviceServices, multifunction: boolean
): Resettable & { readonly pci: PciDevice } {
  const common = { name, port: options.port, mac: options.mac ?? mac, memory: platform.ram, clock, multifunction }
  return options.type === 'e1000' ? new E1000(common) : new Rtl8139(common)
}
