import { AddressSpace, type BusSlot } from './address-space.ts'
import type { BusFaultListener } from './faults.ts'

/** Guest physical memory outside RAM: ranges sorted by base, the last hit tried first. */
export class MmioBus extends AddressSpace {
  readonly #slots: BusSlot[] = []
  #hit: BusSlot | undefined

  /** `physicalAddressBits` as CPUID 80000008h announces it (at most 52). */
  constructor(physicalAddressBits = 52, onFault?: BusFaultListener) {
    super('mmio', 2 ** physicalAddressBits - 1, onFault)
  }

  protected override find(address: number): BusSlot | undefined {
    const hit = this.#hit
    if (hit !== undefined && address >= hit.base && address < hit.end) return hit
    const slot = this.#slots[this.#firstEndingAfter(address)] as BusSlot | undefined
    if (slot === undefined || address < slot.base) return undefined
    this.#hit = slot
    return slot
  }

  protected override overlap(base: number, end: number): BusSlot | undefined {
    const slot = this.#slots[this.#firstEndingAfter(base)] as BusSlot | undefined
    return slot !== undefined && slot.base < end ? slot : undefined
  }

  protected override insert(slot: BusSlot): void {
    this.#slots.splice(this.#firstEndingAfter(slot.base), 0, slot)
  }

  protected override remove(slot: BusSlot): void {
    this.#slots.splice(this.#slots.indexOf(slot), 1)
    if (this.#hit === slot) this.#hit = undefined
  }

  /** Index of the first slot whose end lies above `address` (= the slot that holds it, if any does). */
  #firstEndingAfter(address: number): number {
    let low = 0
    let high = this.#slots.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#slots[middle].end <= address) low = middle + 1
      else high = middle
    }
    return low
  }
}
