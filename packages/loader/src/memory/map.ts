import { CodedError } from '@entresol/kit'

/** Address range types of ACPI 6.5, table 15.4, as E820, PVH and multiboot all number them. */
export type MemoryType = 'ram' | 'reserved' | 'acpi' | 'nvs' | 'unusable'

/** One range of the guest-physical address map that firmware (or the loader in its place) reports. Bytes. */
export interface MemoryRegion {
  readonly base: number
  readonly length: number
  readonly type: MemoryType
}

const NUMBERS: Record<MemoryType, number> = { ram: 1, reserved: 2, acpi: 3, nvs: 4, unusable: 5 }

export function memoryTypeNumber(type: MemoryType): number {
  return NUMBERS[type]
}

/** Sorted copy of a board's map. A map with overlaps or impossible numbers is a board's mistake: `bad-memory-map`. */
export function sortedMap(map: readonly MemoryRegion[]): MemoryRegion[] {
  const sorted = [...map].filter(region => region.length !== 0).sort((a, b) => a.base - b.base)
  let end = 0
  for (const { base, length } of sorted) {
    if (!Number.isSafeInteger(base) || !Number.isSafeInteger(length) || length < 0 || base < end) {
      throw new CodedError('bad-memory-map', `memory map: range ${base}+${length} overlaps another or is no range`)
    }
    end = base + length
  }
  return sorted
}
