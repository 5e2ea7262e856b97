import { CodedError } from '@entresol/kit'

/** A file in the root directory of a CD; `name` is an ISO 9660 level 1 name (8.3). */
export interface IsoFile {
  readonly name: string
  readonly data: Uint8Array
}

/** ECMA-119 (ISO 9660) and the El Torito specification 1.0: logical sectors of 2048 bytes, descriptors from sector 16 on. */
const SECTOR = 2048
const PRIMARY = 16
const BOOT_RECORD = 17
const TERMINATOR = 18
const PATH_TABLE_L = 19
const PATH_TABLE_M = 20
const ROOT = 21
const CATALOG = 22
const FIRST_FILE = 23
/** Boot loaders read ahead (GRUB: 32 KiB); a drive that is asked for sectors behind the last one fails the whole read. */
const PADDING = 150

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

/** ECMA-119 7.2.3 and 7.3.3: numbers recorded in both byte orders. */
function both16(view: DataView, at: number, value: number): void {
  view.setUint16(at, value, true)
  view.setUint16(at + 2, value, false)
}

function both32(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true)
  view.setUint32(at + 4, value, false)
}

/** ECMA-119 9.1: a directory record. */
function directoryRecord(identifier: Uint8Array, extent: number, length: number, directory: boolean): Uint8Array {
  const size = 33 + identifier.length + (identifier.length % 2 === 0 ? 1 : 0)
  const record = new Uint8Array(size)
  const view = new DataView(record.buffer)
  record[0] = size
  both32(view, 2, extent)
  both32(view, 10, length)
  record.set([80, 1, 1, 0, 0, 0, 0], 18)
  record[25] = directory ? 2 : 0
  both16(view, 28, 1)
  record[32] = identifier.length
  record.set(identifier, 33)
  return record
}

/** ECMA-119 9.3: records in the order of their identifiers. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const i = a.findIndex((byte, at) => byte !== b[at])
  return i < 0 ? a.length - b.length : a[i]! - (b[i] ?? 0)
}

/** El Torito 2.0: the boot catalog, one no-emulation image of which the BIOS loads the first 2048 bytes. */
function bootCatalog(extent: number): Uint8Array {
  const catalog = new Uint8Array(SECTOR)
  const view = new DataView(catalog.buffer)
  catalog[0] = 1
  catalog.set(ascii('entresol'), 4)
  catalog.set([0x55, 0xaa], 30)
  let sum = 0
  for (let i = 0; i < 32; i += 2) sum += view.getUint16(i, true)
  view.setUint16(28, -sum & 0xffff, true)
  catalog[32] = 0x88
  view.setUint16(38, 4, true)
  view.setUint32(40, extent, true)
  return catalog
}

/** The boot information table that CD boot loaders find in their own image from byte 8 on. */
function withBootInformation(image: Uint8Array, extent: number): Uint8Array {
  const copy = new Uint8Array(Math.ceil(image.length / 4) * 4)
  copy.set(image)
  const view = new DataView(copy.buffer)
  let sum = 0
  for (let at = 64; at < copy.length; at += 4) sum = sum + view.getUint32(at, true) >>> 0
  copy.fill(0, 8, 64)
  view.setUint32(8, PRIMARY, true)
  view.setUint32(12, extent, true)
  view.setUint32(16, image.length, true)
  view.setUint32(20, sum, true)
  return copy
}

/** A bootable CD image: `boot` is an El Torito no-emulation boot image. */
export function bootableCd(boot: Uint8Array, files: readonly IsoFile[]): Uint8Array {
  const all = [{ name: 'BOOT.IMG', data: withBootInformation(boot, FIRST_FILE) }, ...files]
  let next = FIRST_FILE
  const placed = all.map(file => {
    if (!/^[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?$/.test(file.name)) throw new CodedError('bad-image', `${JSON.stringify(file.name)} is no ISO 9660 name`)
    const extent = next
    next += Math.ceil(file.data.length / SECTOR)
    return { identifier: ascii(`${file.name}${file.name.includes('.') ? '' : '.'};1`), extent, data: file.data }
  })
  next += PADDING
  const bytes = new Uint8Array(next * SECTOR)
  const view = new DataView(bytes.buffer)
  const rootRecord = directoryRecord(Uint8Array.of(0), ROOT, SECTOR, true)
  const records = [
    rootRecord, directoryRecord(Uint8Array.of(1), ROOT, SECTOR, true),
    ...[...placed].sort((a, b) => compare(a.identifier, b.identifier)).map(file => directoryRecord(file.identifier, file.extent, file.data.length, false))
  ]
  let at = ROOT * SECTOR
  for (const record of records) {
    bytes.set(record, at)
    at += record.length
  }
  if (at > (ROOT + 1) * SECTOR) throw new CodedError('bad-image', 'too many files for one directory sector')

  const primary = PRIMARY * SECTOR
  bytes.fill(0x20, primary + 8, primary + 72)
  bytes.fill(0x20, primary + 190, primary + 813)
  bytes.set([1, ...ascii('CD001'), 1], primary)
  bytes.set(ascii('ENTRESOL'), primary + 40)
  both32(view, primary + 80, next)
  both16(view, primary + 120, 1)
  both16(view, primary + 124, 1)
  both16(view, primary + 128, SECTOR)
  both32(view, primary + 132, 10)
  view.setUint32(primary + 140, PATH_TABLE_L, true)
  view.setUint32(primary + 148, PATH_TABLE_M, false)
  bytes.set(rootRecord, primary + 156)
  for (const date of [813, 830, 847, 864]) bytes.set([...ascii('0'.repeat(16)), 0], primary + date)
  bytes[primary + 881] = 1

  const record = BOOT_RECORD * SECTOR
  bytes.set([0, ...ascii('CD001'), 1, ...ascii('EL TORITO SPECIFICATION')], record)
  view.setUint32(record + 0x47, CATALOG, true)
  bytes.set([255, ...ascii('CD001'), 1], TERMINATOR * SECTOR)
  bytes.set([1, 0], PATH_TABLE_L * SECTOR)
  view.setUint32(PATH_TABLE_L * SECTOR + 2, ROOT, true)
  view.setUint16(PATH_TABLE_L * SECTOR + 6, 1, true)
  bytes.set([1, 0], PATH_TABLE_M * SECTOR)
  view.setUint32(PATH_TABLE_M * SECTOR + 2, ROOT, false)
  view.setUint16(PATH_TABLE_M * SECTOR + 6, 1, false)
  bytes.set(bootCatalog(FIRST_FILE), CATALOG * SECTOR)
  for (const file of placed) bytes.set(file.data, file.extent * SECTOR)
  return bytes
}
