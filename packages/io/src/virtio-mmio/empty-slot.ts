import type { AccessSize, BusDevice, IoFault } from '@entresol/interfaces'
import * as spec from './spec.ts'

/** A virtio-mmio slot with nothing plugged in: it identifies itself, with device ID 0. Stateless: nothing to reset or save. */
export class EmptyVirtioMmioSlot implements BusDevice {
  readonly name: string
  readonly length: number = spec.SLOT_LENGTH

  constructor(index: number) {
    this.name = `virtio-mmio-${index}`
  }

  /** Registers are 32 bits wide; the driver must use aligned 32-bit accesses (4.2.2.2). */
  read(offset: number, size: AccessSize): number | IoFault {
    if (size !== 4) return 'bad-size'
    if (offset & 3) return 'unaligned'
    switch (offset) {
      case spec.MAGIC_VALUE: return spec.MAGIC
      case spec.VERSION: return spec.VERSION_1
      case spec.DEVICE_ID: return spec.DEVICE_ID_NONE
      case spec.VENDOR_ID: return spec.VENDOR
      default: return 'no-register'
    }
  }

  write(): IoFault {
    return 'no-register'
  }
}
