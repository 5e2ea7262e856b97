import type { AccessSize, BusDevice, BusMapping, IoFault, MappableBus } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { allOnes, type BusFaultListener, type BusFaults, newBusFaults } from './faults.ts'

/** One mapped device: [base, end). */
export interface BusSlot {
  readonly base: number
  readonly end: number
  readonly device: BusDevice
}

/**
 * What both buses share: dispatch to one device, and the rules for accesses no single device takes. Such an access is halved
 * until a device takes the parts (a 32-bit access to 8-bit registers becomes four byte accesses, in ascending order, as the
 * PCI-ISA bridge does); a byte nobody takes reads as ones.
 */
export abstract class AddressSpace implements MappableBus {
  readonly name: string
  readonly faults: BusFaults = newBusFaults()
  readonly #last: number
  readonly #onFault: BusFaultListener | undefined

  /** `last` is the highest address of the space. */
  protected constructor(name: string, last: number, onFault?: BusFaultListener) {
    this.name = name
    this.#last = last
    this.#onFault = onFault
  }

  /** The device at `address`, or undefined. Hot. */
  protected abstract find(address: number): BusSlot | undefined
  protected abstract insert(slot: BusSlot): void
  protected abstract remove(slot: BusSlot): void
  /** The first slot that shares an address with [base, end), or undefined. */
  protected abstract overlap(base: number, end: number): BusSlot | undefined

  /** Throws `bus-range` outside the address space and `bus-overlap` where a device is mapped already. */
  map(base: number, device: BusDevice): BusMapping {
    const end = base + device.length
    if (!Number.isInteger(base) || base < 0 || device.length < 1 || end - 1 > this.#last) {
      throw new CodedError('bus-range', `${device.name}: 0x${base.toString(16)}+0x${device.length.toString(16)} is outside the ${this.name} bus`)
    }
    const other = this.overlap(base, end)
    if (other !== undefined) {
      throw new CodedError('bus-overlap', `${device.name} at 0x${base.toString(16)} overlaps ${other.device.name} at 0x${other.base.toString(16)}`)
    }
    const slot: BusSlot = { base, end, device }
    this.insert(slot)
    let mapped = true
    return {
      base,
      unmap: () => {
        if (mapped) this.remove(slot)
        mapped = false
      }
    }
  }

  /** The device mapped over `address`, for traces. */
  deviceAt(address: number): BusDevice | undefined {
    return this.find(address)?.device
  }

  read(address: number, size: AccessSize): number {
    const slot = this.find(address)
    let fault: IoFault | 'unmapped' = 'unmapped'
    if (slot !== undefined) {
      if (address + size <= slot.end) {
        const value = slot.device.read(address - slot.base, size)
        if (typeof value === 'number') return value
        fault = value
      } else fault = 'bad-size'
    }
    if (size === 1 || fault === 'no-register') {
      this.#count(address, size, false, fault)
      return allOnes(size)
    }
    if (fault !== 'unmapped') this.faults.split++
    const half = (size >> 1) as AccessSize
    const low = this.read(address, half)
    const high = this.read(address + half, half)
    return half === 2 ? (low | (high << 16)) >>> 0 : low | (high << 8)
  }

  write(address: number, size: AccessSize, value: number): void {
    const slot = this.find(address)
    let fault: IoFault | 'unmapped' = 'unmapped'
    if (slot !== undefined) {
      if (address + size <= slot.end) {
        const answer = slot.device.write(address - slot.base, size, value)
        if (answer === undefined) return
        fault = answer
      } else fault = 'bad-size'
    }
    if (size === 1 || fault === 'no-register') {
      this.#count(address, size, true, fault)
      return
    }
    if (fault !== 'unmapped') this.faults.split++
    const half = (size >> 1) as AccessSize
    this.write(address, half, half === 2 ? value & 0xffff : value & 0xff)
    this.write(address + half, half, half === 2 ? value >>> 16 : (value >>> 8) & 0xff)
  }

  #count(address: number, size: AccessSize, write: boolean, fault: IoFault | 'unmapped'): void {
    this.faults[fault]++
    this.#onFault?.(address, size, write, fault)
  }
}
