import type { Gpa, GuestMemory } from '@entresol/interfaces'
import type { AcpiMachine } from './machine.ts'
import { OEM_ID } from './machine.ts'
import { HEADER_CHECKSUM, HEADER_LENGTH, setChecksum, table, TableWriter } from './table-writer.ts'
import { dsdt, facs, FADT_DSDT, FADT_FIRMWARE_CTRL, FADT_X_DSDT, fadt, hpetTable, madt, mcfg } from './tables.ts'

/** A pointer in `file` at `offset`, `size` bytes wide, that holds an offset into the tables until they have a place. */
export interface AcpiPointer {
  readonly file: 'tables' | 'rsdp'
  readonly offset: number
  readonly size: 4 | 8
}

/** A checksum byte at `offset` over [start, start + length) of `file`. */
export interface AcpiChecksum {
  readonly file: 'tables' | 'rsdp'
  readonly offset: number
  readonly start: number
  readonly length: number
}

/** All tables in one block without a place yet, and what must be done once it has one. */
export interface AcpiImage {
  /** Needs 64-byte alignment. */
  readonly tables: Uint8Array
  readonly rsdp: Uint8Array
  readonly pointers: readonly AcpiPointer[]
  readonly checksums: readonly AcpiChecksum[]
}

const RSDP_LENGTH = 36

/** FACS, DSDT, FADT, MADT, and MCFG and HPET where the machine has them; RSDT, XSDT and RSDP to find them. */
export function buildAcpiImage(machine: AcpiMachine): AcpiImage {
  const parts: { offset: number; bytes: Uint8Array }[] = []
  const pointers: AcpiPointer[] = []
  const checksums: AcpiChecksum[] = []
  let end = 0
  const add = (bytes: Uint8Array, alignment = 16): number => {
    const offset = Math.ceil(end / alignment) * alignment
    parts.push({ offset, bytes })
    end = offset + bytes.length
    return offset
  }
  const addSummed = (bytes: Uint8Array): number => {
    const offset = add(bytes)
    checksums.push({ file: 'tables', offset: offset + HEADER_CHECKSUM, start: offset, length: bytes.length })
    return offset
  }

  const facsAt = add(facs(), 64)
  const dsdtAt = addSummed(dsdt(machine))
  const fixed = fadt(machine)
  const view = new DataView(fixed.buffer)
  view.setUint32(FADT_FIRMWARE_CTRL, facsAt, true)
  view.setUint32(FADT_DSDT, dsdtAt, true)
  view.setBigUint64(FADT_X_DSDT, BigInt(dsdtAt), true)
  const fadtAt = addSummed(fixed)
  for (const [offset, size] of [[FADT_FIRMWARE_CTRL, 4], [FADT_DSDT, 4], [FADT_X_DSDT, 8]] as const) {
    pointers.push({ file: 'tables', offset: fadtAt + offset, size })
  }
  const listed = [fadtAt, addSummed(madt(machine))]
  if (machine.hpetBase !== undefined) listed.push(addSummed(hpetTable(machine.hpetBase)))
  if (machine.ecam !== undefined) listed.push(addSummed(mcfg(machine.ecam)))

  const root = (signature: string, size: 4 | 8): number => {
    const at = addSummed(table(signature, 1, (w) => { for (const offset of listed) if (size === 4) w.u32(offset); else w.u64(offset) }))
    for (let index = 0; index < listed.length; index++) pointers.push({ file: 'tables', offset: at + HEADER_LENGTH + index * size, size })
    return at
  }
  const rsdtAt = root('RSDT', 4)
  const xsdtAt = root('XSDT', 8)

  const rsdp = new TableWriter().text('RSD PTR ').u8(0).text(OEM_ID).u8(2).u32(rsdtAt).u32(RSDP_LENGTH).u64(xsdtAt).skipTo(RSDP_LENGTH).bytes()
  pointers.push({ file: 'rsdp', offset: 16, size: 4 }, { file: 'rsdp', offset: 24, size: 8 })
  // The first checksum covers ACPI 1.0's 20 bytes, the second all (5.2.5.3).
  checksums.push({ file: 'rsdp', offset: 8, start: 0, length: 20 }, { file: 'rsdp', offset: 32, start: 0, length: RSDP_LENGTH })

  const tables = new Uint8Array(end)
  for (const { offset, bytes } of parts) tables.set(bytes, offset)
  return { tables, rsdp, pointers, checksums }
}

export interface AcpiLayout {
  /** Guest physical address of the RSDP, for boot_params or a scan of E0000h-FFFFFh. */
  readonly rsdp: number
  /** The tables: memory the guest must not use ("ACPI data", reserved in the memory map). */
  readonly tables: { readonly base: number; readonly length: number }
}

/**
 * Writes the tables for a kernel that boots without firmware. `rsdpAt` wants 16-byte, `tablesAt` 64-byte alignment; the defaults
 * lie in the BIOS area, which every memory map reserves, and need RAM there. Throws nothing: memory that is not there takes no bytes.
 */
export function layOutAcpiTables(memory: GuestMemory, machine: AcpiMachine, rsdpAt = 0xe_0000, tablesAt = 0xe_1000): AcpiLayout {
  const image = buildAcpiImage(machine)
  const files = { tables: image.tables, rsdp: image.rsdp }
  for (const { file, offset, size } of image.pointers) {
    const view = new DataView(files[file].buffer)
    if (size === 4) view.setUint32(offset, view.getUint32(offset, true) + tablesAt, true)
    else view.setBigUint64(offset, view.getBigUint64(offset, true) + BigInt(tablesAt), true)
  }
  for (const { file, offset, start, length } of image.checksums) setChecksum(files[file].subarray(start, start + length), offset - start)
  memory.write(tablesAt as Gpa, image.tables)
  memory.write(rsdpAt as Gpa, image.rsdp)
  return { rsdp: rsdpAt, tables: { base: tablesAt, length: image.tables.length } }
}
