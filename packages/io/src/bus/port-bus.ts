import { AddressSpace, type BusSlot } from './address-space.ts'
import type { BusFaultListener } from './faults.ts'

/** Number of I/O ports (Intel SDM vol. 1, 19.3 "I/O Address Space"). */
export const PORT_COUNT = 0x10000

/** The 64 Ki I/O ports. Dispatch is one table look-up. */
export class PortBus extends AddressSpace {
  /** Port → index into #slots; 0 is nothing. */
  readonly #table: Uint16Array = new Uint16Array(PORT_COUNT)
  readonly #slots: (BusSlot | undefined)[] = [undefined]

  constructor(onFault?: BusFaultListener) {
    super('port', PORT_COUNT - 1, onFault)
  }

  protected override find(address: number): BusSlot | undefined {
    return this.#slots[this.#table[address]]
  }

  protected override overlap(base: number, end: number): BusSlot | undefined {
    for (let port = base; port < end; port++) if (this.#table[port] !== 0) return this.#slots[this.#table[port]]
    return undefined
  }

  protected override insert(slot: BusSlot): void {
    let index = this.#slots.indexOf(undefined, 1)
    if (index < 0) index = this.#slots.length
    this.#slots[index] = slot
    this.#table.fill(index, slot.base, slot.end)
  }

  protected override remove(slot: BusSlot): void {
    this.#slots[this.#table[slot.base]] = undefined
    this.#table.fill(0, slot.base, slot.end)
  }
}
