import type { BusDevice, InterruptLine, Resettable } from '@entresol/interfaces'
import { EmptyVirtioMmioSlot } from '@entresol/io'
import { CodedError } from '@entresol/kit'
import { VIRTIO_MMIO_SLOT_LENGTH, VirtioMmio } from '@entresol/virtio'
import type { Platform } from '../platform.ts'
import { createDevice, type DeviceServices, namedDevices } from './create.ts'
import { defaultMac } from './nic.ts'
import type { DeviceOptions } from './options.ts'

export interface MmioSlots {
  readonly base: number
  readonly count: number
  readonly line: (slot: number) => InterruptLine
}

/**
 * Fills virtio-mmio slots from the first on, but for devices that name theirs; the rest stays empty. Returns the numbers of those taken. Throws
 * `mmio-slot-taken`, `too-many-devices`.
 */
export function attachMmioDevices(
  platform: Platform, slots: MmioSlots, devices: readonly DeviceOptions[], services: DeviceServices, keep: (device: Resettable) => void,
): number[] {
  const places: (VirtioMmio | undefined)[] = new Array<undefined>(slots.count).fill(undefined)
  const plug = (slot: number, name: string, options: DeviceOptions): void => {
    if (!(slot >= 0 && slot < slots.count)) throw new CodedError('too-many-devices', `${name}: there are virtio-mmio slots 0 to ${slots.count - 1}`)
    const other = places[slot]
    if (other) throw new CodedError('mmio-slot-taken', `${name}: virtio-mmio slot ${slot} holds ${other.name}`)
    const { ringFeatures } = options
    places[slot] = new VirtioMmio({
      device: createDevice(options, name, services, defaultMac(devices, options)), memory: platform.ram, line: slots.line(slot), ...(ringFeatures === undefined ? {} : { ringFeatures }),
    })
    keep(places[slot])
  }
  const named = namedDevices(devices)
  for (const { name, options } of named) if (options.address) plug(options.address.slot, name, options)
  for (const { name, options } of named) {
    const free = places.indexOf(undefined)
    if (!options.address) plug(free < 0 ? slots.count : free, name, options)
  }
  places.forEach((place, slot) => {
    const device: BusDevice = place ?? new EmptyVirtioMmioSlot(slot)
    platform.mmio.map(slots.base + slot * VIRTIO_MMIO_SLOT_LENGTH, device)
  })
  return [...places.keys()].filter((slot) => places[slot])
}
