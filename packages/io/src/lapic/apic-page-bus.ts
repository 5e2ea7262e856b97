import type { AccessSize, Bus } from '@entresol/interfaces'
import { APIC_PAGE_SIZE } from './spec.ts'
import type { LocalApic } from './local-apic.ts'

/** The MMIO bus as one vCPU sees it: its own local APIC page first, everything else shared. */
export class ApicPageBus implements Bus {
  readonly #apic: LocalApic
  readonly #shared: Bus

  constructor(apic: LocalApic, shared: Bus) {
    this.#apic = apic
    this.#shared = shared
  }

  read(address: number, size: AccessSize): number {
    const page = this.#apic.page
    if (page === undefined || address < page || address + size > page + APIC_PAGE_SIZE) return this.#shared.read(address, size)
    const value = this.#apic.read(address - page, size)
    return typeof value === 'number' ? value : size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff
  }

  write(address: number, size: AccessSize, value: number): void {
    const page = this.#apic.page
    if (page === undefined || address < page || address + size > page + APIC_PAGE_SIZE) this.#shared.write(address, size, value)
    else this.#apic.write(address - page, size, value)
  }
}
