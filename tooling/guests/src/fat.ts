import { CodedError } from '@entresol/kit'

/** A file in the root directory of a FAT volume; `name` is an 8.3 name. */
export interface FatFile {
  readonly name: string
  readonly data: Uint8Array
}

const SECTOR = 512
const ROOT_ENTRIES = 512
/** A volume with fewer clusters is FAT12, with more FAT32 (Microsoft FAT specification 1.03, "FAT Type Determination"). */
const MIN_CLUSTERS = 4085
const MAX_CLUSTERS = 65524
/** 1 January 1980, the first day of FAT's calendar: equal files give equal volumes. */
const DATE = 1 << 5 | 1

function shortName(name: string): Uint8Array {
  const match = /^([A-Z0-9_-]{1,8})(?:\.([A-Z0-9_-]{1,3}))?$/.exec(name.toUpperCase())
  if (!match) throw new CodedError('bad-image', `${JSON.stringify(name)} is no 8.3 file name`)
  return new TextEncoder().encode(match[1]!.padEnd(8) + (match[2] ?? '').padEnd(3))
}

/** A FAT16 volume with `files` in its root directory and some room left. `hidden`: sectors before it on its disk. */
export function fat16(files: readonly FatFile[], hidden: number): Uint8Array {
  const content = files.reduce((sum, file) => sum + file.data.length, 0)
  const sectors = Math.ceil(Math.max(32 << 20, content * 1.25) / SECTOR)
  let sectorsPerCluster = 1
  while (sectors / sectorsPerCluster > MAX_CLUSTERS) sectorsPerCluster *= 2
  const fatSectors = Math.ceil((sectors / sectorsPerCluster + 2) * 2 / SECTOR)
  const rootAt = 1 + 2 * fatSectors
  const dataAt = rootAt + ROOT_ENTRIES * 32 / SECTOR
  if ((sectors - dataAt) / sectorsPerCluster < MIN_CLUSTERS) throw new CodedError('bad-image', 'volume is too small for FAT16')

  const bytes = new Uint8Array(sectors * SECTOR)
  const view = new DataView(bytes.buffer)
  const text = (at: number, value: string): void => bytes.set(new TextEncoder().encode(value), at)
  bytes.set([0xeb, 0x3c, 0x90])
  text(3, 'ENTRESOL')
  view.setUint16(11, SECTOR, true)
  bytes[13] = sectorsPerCluster
  view.setUint16(14, 1, true)
  bytes[16] = 2
  view.setUint16(17, ROOT_ENTRIES, true)
  view.setUint16(19, sectors < 65536 ? sectors : 0, true)
  bytes[21] = 0xf8
  view.setUint16(22, fatSectors, true)
  view.setUint16(24, 63, true)
  view.setUint16(26, 255, true)
  view.setUint32(28, hidden, true)
  view.setUint32(32, sectors < 65536 ? 0 : sectors, true)
  bytes.set([0x80, 0, 0x29, 1, 2, 3, 4], 36)
  text(43, 'ENTRESOL   FAT16   ')
  bytes.set([0x55, 0xaa], 510)

  const setFat = (cluster: number, value: number): void => {
    view.setUint16(SECTOR + cluster * 2, value, true)
    view.setUint16(SECTOR * (1 + fatSectors) + cluster * 2, value, true)
  }
  setFat(0, 0xfff8)
  setFat(1, 0xffff)
  let next = 2
  files.forEach((file, i) => {
    const clusters = Math.ceil(file.data.length / (sectorsPerCluster * SECTOR))
    const entry = rootAt * SECTOR + i * 32
    bytes.set(shortName(file.name), entry)
    bytes[entry + 11] = 0x20
    view.setUint16(entry + 16, DATE, true)
    view.setUint16(entry + 24, DATE, true)
    view.setUint16(entry + 26, clusters === 0 ? 0 : next, true)
    view.setUint32(entry + 28, file.data.length, true)
    bytes.set(file.data, (dataAt + (next - 2) * sectorsPerCluster) * SECTOR)
    for (let n = 0; n < clusters; n++) setFat(next + n, n === clusters - 1 ? 0xffff : next + n + 1)
    next += clusters
  })
  return bytes
}
