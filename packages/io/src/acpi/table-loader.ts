import { buildAcpiImage } from './image.ts'
import type { AcpiMachine } from './machine.ts'
import { TableWriter } from './table-writer.ts'

/** The table-loader protocol of QEMU's fw_cfg, as firmware (SeaBIOS, OVMF) reads it: 128-byte little-endian entries. */
const ENTRY_LENGTH = 128
const FILE_NAME_LENGTH = 56
const ALLOCATE = 1
const ADD_POINTER = 2
const ADD_CHECKSUM = 3
const ZONE_HIGH = 1
const ZONE_FSEG = 2

const FILES = { tables: 'etc/acpi/tables', rsdp: 'etc/acpi/rsdp' } as const
const LOADER = 'etc/table-loader'

/** Contents of the fw_cfg files "etc/acpi/tables", "etc/acpi/rsdp" and "etc/table-loader", by name. */
export function acpiFwCfgFiles(machine: AcpiMachine): ReadonlyMap<string, Uint8Array> {
  const image = buildAcpiImage(machine)
  const script = new TableWriter()
  const entry = (command: number, body: () => void): void => {
    const start = script.length
    script.u32(command)
    body()
    script.skipTo(start + ENTRY_LENGTH)
  }
  const file = (name: string): void => { script.text(name).zero(FILE_NAME_LENGTH - name.length) }
  entry(ALLOCATE, () => { file(FILES.tables); script.u32(64).u8(ZONE_HIGH) })
  entry(ALLOCATE, () => { file(FILES.rsdp); script.u32(16).u8(ZONE_FSEG) })
  for (const pointer of image.pointers) {
    entry(ADD_POINTER, () => {
      file(FILES[pointer.file])
      file(FILES.tables)
      script.u32(pointer.offset).u8(pointer.size)
    })
  }
  // Firmware adds what is missing to zero to the byte there: it must start as zero.
  const bytes = { tables: image.tables, rsdp: image.rsdp }
  for (const checksum of image.checksums) {
    bytes[checksum.file][checksum.offset] = 0
    entry(ADD_CHECKSUM, () => {
      file(FILES[checksum.file])
      script.u32(checksum.offset).u32(checksum.start).u32(checksum.length)
    })
  }
  return new Map([[FILES.tables, image.tables], [FILES.rsdp, image.rsdp], [LOADER, script.bytes()]])
}
