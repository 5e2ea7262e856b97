import type { MemoryRegion } from '@entresol/loader'

/** Where RAM stops below 4 GiB: above are PCI windows, ECAM, APICs and firmware. */
export const PCI_HOLE = 0xc0000000
/** Conventional memory ends where the extended BIOS data area starts. */
export const EBDA = 0x9fc00

/**
 * E820 map of a PC with `size` bytes of RAM; `tables` at the top of low RAM hold ACPI. `ecam` is the PCI Express configuration window, which must be
 * reserved here (PCI Firmware Specification 3.0, 4.1.2).
 */
export function memoryMap(size: number, tables?: { base: number; length: number }, ecam?: { base: number; length: number }): MemoryRegion[] {
  const low = Math.min(size, PCI_HOLE)
  const top = tables?.base ?? low
  const map: MemoryRegion[] = [
    { base: 0, length: Math.min(low, EBDA), type: 'ram' },
    { base: EBDA, length: 0xa0000 - EBDA, type: 'reserved' },
    { base: 0xf0000, length: 0x10000, type: 'reserved' },
  ]
  if (top > 0x100000) map.push({ base: 0x100000, length: top - 0x100000, type: 'ram' })
  if (tables) map.push({ base: tables.base, length: tables.length, type: 'acpi' })
  if (ecam) map.push({ base: ecam.base, length: ecam.length, type: 'reserved' })
  if (size > low) map.push({ base: 0x100000000, length: size - low, type: 'ram' })
  return map
}
