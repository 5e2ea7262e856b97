import type { AccessSize, BusDevice, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { type Check, record, u32 } from '../device/saved-state.ts'
import type { PciBus } from './pci-bus.ts'
import * as spec from './spec.ts'

/** CONFIG_ADDRESS as last written. */
export interface PciConfigPortsState {
  address: number
}

const checkState: Check<PciConfigPortsState> = record<PciConfigPortsState>({ address: u32 })

/**
 * Configuration mechanism 1 at ports 0xCF8..0xCFF. CONFIG_ADDRESS is a register for 32-bit accesses only; narrower ones pass
 * by it to what else lives there (3.2.2.3.2): the reset control register at 0xCF9.
 */
export class PciConfigPorts implements BusDevice, Snapshotable<PciConfigPortsState>, Resettable {
  readonly name: string = 'pci-config'
  readonly length: number = 8
  readonly snapshotVersion: number = 1
  readonly #bus: PciBus
  readonly #resetControl: BusDevice | undefined
  #address = 0

  /** `resetControl` is the one-byte device at 0xCF9. */
  constructor(bus: PciBus, resetControl?: BusDevice) {
    this.#bus = bus
    this.#resetControl = resetControl
  }

  read(offset: number, size: AccessSize): number | IoFault {
    if (offset >= 4) {
      if ((this.#address & spec.CONFIG_ENABLE) === 0) return 'no-register'
      const register = (this.#address & 0xfc) + offset - 4
      return this.#bus.readConfig((this.#address >>> 16) & 0xff, (this.#address >>> 8) & 0xff, register, size)
    }
    if (offset === 0 && size === 4) return this.#address
    if (offset === 1 && size === 1 && this.#resetControl !== undefined) return this.#resetControl.read(0, 1)
    return offset + size > 4 ? 'unaligned' : 'no-register'
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset >= 4) {
      if ((this.#address & spec.CONFIG_ENABLE) === 0) return 'no-register'
      const register = (this.#address & 0xfc) + offset - 4
      this.#bus.writeConfig((this.#address >>> 16) & 0xff, (this.#address >>> 8) & 0xff, register, size, value)
      return undefined
    }
    if (offset === 0 && size === 4) {
      this.#address = (value & spec.CONFIG_ADDRESS_MASK) >>> 0
      return undefined
    }
    if (offset === 1 && size === 1 && this.#resetControl !== undefined) return this.#resetControl.write(0, 1, value)
    return offset + size > 4 ? 'unaligned' : 'no-register'
  }

  reset(): void {
    this.#address = 0
  }

  save(): PciConfigPortsState {
    return { address: this.#address }
  }

  restore(state: PciConfigPortsState): void {
    this.#address = (checkState(state, this.name).address & spec.CONFIG_ADDRESS_MASK) >>> 0
  }
}

/** Memory-mapped configuration space (ECAM): 4 KiB per function, 1 MiB per bus. */
export class EcamWindow implements BusDevice {
  readonly name: string = 'pci-ecam'
  readonly length: number
  readonly #bus: PciBus

  /** `buses` (1..256): how many buses the window covers, as MCFG announces. */
  constructor(bus: PciBus, buses = 256) {
    this.#bus = bus
    this.length = buses * 2 ** spec.ECAM_BUS_SHIFT
  }

  read(offset: number, size: AccessSize): number | IoFault {
    if ((offset & (size - 1)) !== 0) return 'unaligned'
    return this.#bus.readConfig(offset >>> spec.ECAM_BUS_SHIFT, (offset >>> spec.ECAM_FUNCTION_SHIFT) & 0xff, offset & 0xfff, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if ((offset & (size - 1)) !== 0) return 'unaligned'
    this.#bus.writeConfig(offset >>> spec.ECAM_BUS_SHIFT, (offset >>> spec.ECAM_FUNCTION_SHIFT) & 0xff, offset & 0xfff, size, value)
    return undefined
  }
}
