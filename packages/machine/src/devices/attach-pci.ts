import type { Resettable } from '@entresol/interfaces'
import type { PciBus } from '@entresol/io'
import { CodedError } from '@entresol/kit'
import type { Platform } from '../platform.ts'
import { type BootDevice, bootDevice } from './boot-order.ts'
import { createDevice, type DeviceServices, namedDevices } from './create.ts'
import { createNic, defaultMac, isPciNic } from './nic.ts'
import type { DeviceOptions } from './options.ts'
import { VirtioPciFunction } from './virtio-pci.ts'

/** Slots 0 to 2 are the board's: host bridge, south bridge, display. */
const FIRST_SLOT = 3
const SLOTS = 32

/**
 * Plugs devices into their PCI slots, those without an address into the next free ones. Returns those firmware shall boot from. Throws
 * `pci-slot-taken`, `pci-slot-range`, `too-many-devices`.
 */
export function attachPciDevices(
  platform: Platform, pci: PciBus, devices: readonly DeviceOptions[], services: DeviceServices, keep: (device: Resettable) => void,
): BootDevice[] {
  const boot: BootDevice[] = []
  const attach = (slot: number, fn: number, name: string, options: DeviceOptions): void => {
    const bootable = bootDevice(options, slot, fn)
    if (bootable) boot.push(bootable)
    const multifunction = fn === 0 && devices.some(({ address }) => address?.slot === slot && (address.function ?? 0) > 0)
    if (isPciNic(options)) {
      const nic = createNic(options, name, defaultMac(devices, options), platform, services, multifunction)
      pci.attach(slot, fn, nic.pci)
      return keep(nic)
    }
    const device = createDevice(options, name, services, defaultMac(devices, options))
    const pciFunction = new VirtioPciFunction({ device, memory: platform.ram, messages: platform.apicBus, ringFeatures: options.ringFeatures, multifunction })
    pci.attach(slot, fn, pciFunction)
    keep(pciFunction)
  }
  const named = namedDevices(devices)
  for (const { name, options } of named) if (options.address) attach(options.address.slot, options.address.function ?? 0, name, options)
  for (const { name, options } of named) {
    if (options.address) continue
    let slot = FIRST_SLOT
    while (slot < SLOTS && pci.at(slot, 0)) slot++
    if (slot === SLOTS) throw new CodedError('too-many-devices', `${name}: no PCI slot is free`)
    attach(slot, 0, name, options)
  }
  return boot
}
