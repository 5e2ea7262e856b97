import type { AccessSize, MappableBus } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { allOnes } from '../bus/faults.ts'
import type { PciDevice } from './pci-device.ts'
import { FUNCTIONS_PER_SLOT, PIRQ_COUNT, SLOTS_PER_BUS } from './spec.ts'

/** What a bus gives the function plugged into it. */
export interface PciSlot {
  readonly ports: MappableBus
  readonly memory: MappableBus
  /** The function's BARs or decoding changed. */
  moved(): void
  /** Drives the function's interrupt pin, 0 for INTA#. */
  setPin(pin: number, asserted: boolean): void
}

/** Level of one of the four PIRQ lines, after the OR over all functions. */
export type PirqListener = (pirq: number, asserted: boolean) => void

/** PIRQ line a pin is wired to: slots rotate the four lines, slot 1 INTA# on PIRQA# (the PIIX3 boards' order, which SeaBIOS knows). */
export function pirqOf(slot: number, pin: number): number {
  return (slot + pin + 3) & 3
}

/** PCI bus 0: 32 slots of 8 functions, four shared interrupt lines. */
export class PciBus {
  readonly #ports: MappableBus
  readonly #memory: MappableBus
  readonly #functions: (PciDevice | undefined)[] = new Array<PciDevice | undefined>(SLOTS_PER_BUS * FUNCTIONS_PER_SLOT).fill(undefined)
  readonly #pirqCounts: number[] = new Array<number>(PIRQ_COUNT).fill(0)
  #onPirq: PirqListener | undefined

  constructor(ports: MappableBus, memory: MappableBus) {
    this.#ports = ports
    this.#memory = memory
  }

  /** The one listener for PIRQ levels: the interrupt router of the south bridge. */
  onPirq(listener: PirqListener): void {
    this.#onPirq = listener
  }

  /** Plugs a function in. Throws `pci-slot-taken`, `pci-slot-range`. */
  attach(slot: number, fn: number, device: PciDevice): void {
    if (!(slot >= 0 && slot < SLOTS_PER_BUS && fn >= 0 && fn < FUNCTIONS_PER_SLOT)) {
      throw new CodedError('pci-slot-range', `${device.name}: there is no PCI slot ${slot}.${fn}`)
    }
    const index = slot * FUNCTIONS_PER_SLOT + fn
    const other = this.#functions[index]
    if (other !== undefined) throw new CodedError('pci-slot-taken', `${device.name}: PCI slot ${slot}.${fn} holds ${other.name}`)
    this.#functions[index] = device
    device.attached({
      ports: this.#ports,
      memory: this.#memory,
      moved: () => this.#settle(),
      setPin: (pin, asserted) => {
        const pirq = pirqOf(slot, pin)
        this.#pirqCounts[pirq] += asserted ? 1 : -1
        this.#onPirq?.(pirq, this.#pirqCounts[pirq] > 0)
      }
    })
  }

  /** The function at a place, for management. */
  at(slot: number, fn: number): PciDevice | undefined {
    return this.#functions[slot * FUNCTIONS_PER_SLOT + fn]
  }

  /** Every function with its place, in configuration order. */
  *functions(): Generator<{ slot: number; fn: number; device: PciDevice }> {
    for (const [index, device] of this.#functions.entries()) {
      if (device !== undefined) yield { slot: index >> 3, fn: index & 7, device }
    }
  }

  /** Configuration read; all ones where no function answers (master abort) or behind its space. `devfn` is slot * 8 + function. */
  readConfig(bus: number, devfn: number, register: number, size: AccessSize): number {
    const device = bus === 0 ? this.#functions[devfn] : undefined
    if (device === undefined || register + size > device.config.length) return allOnes(size)
    return device.readConfig(register, size)
  }

  writeConfig(bus: number, devfn: number, register: number, size: AccessSize, value: number): void {
    const device = bus === 0 ? this.#functions[devfn] : undefined
    if (device !== undefined && register + size <= device.config.length) device.writeConfig(register, size, value)
  }

  /** Lets BARs move until nothing changes: one that waited for addresses gets them once their holder has left. */
  #settle(): void {
    let waiting = false
    for (const device of this.#functions) if (device?.updateBars() === false) waiting = true
    if (waiting) for (const device of this.#functions) device?.updateBars()
  }
}
