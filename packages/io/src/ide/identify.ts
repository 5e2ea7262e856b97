import * as spec from './spec.ts'

/** Strings in identity blocks: two characters a word, the first in the high byte, padded with spaces (ATA-7 vol. 1, 6.17). */
function putText(words: Uint16Array, at: number, length: number, text: string): void {
  const padded = text.padEnd(length * 2, ' ')
  for (let i = 0; i < length; i++) words[at + i] = ((padded.charCodeAt(2 * i) & 0x7f) << 8) | (padded.charCodeAt(2 * i + 1) & 0x7f)
}

/** Words 255 (integrity) make the block's byte sum zero; the result is little-endian bytes. */
function finish(words: Uint16Array): Uint8Array {
  const out = new Uint8Array(512)
  words[255] = 0x00a5
  words.forEach((word, i) => {
    out[2 * i] = word & 0xff
    out[2 * i + 1] = word >> 8
  })
  out[511] = -out.reduce((sum, byte) => sum + byte, 0) & 0xff
  return out
}

export interface DriveIdentity {
  readonly model: string
  readonly serial: string
  readonly firmware: string
}

export interface DiskGeometry {
  readonly total: number
  readonly heads: number
  readonly sectors: number
  readonly multiple: number
  readonly transferMode: number
  readonly writeCache: boolean
}

/** Selected mode bits of words 63 (multiword DMA, type 4) and 88 (Ultra DMA, type 8). */
function selected(transferMode: number, type: number): number {
  return transferMode >> 3 === type ? 0x100 << (transferMode & 7) : 0
}

function putCommon(words: Uint16Array, identity: DriveIdentity, transferMode: number): void {
  putText(words, 10, 10, identity.serial)
  putText(words, 23, 4, identity.firmware)
  putText(words, 27, 20, identity.model)
  words[49] = 0x0f00 // IORDY supported and can be disabled, LBA, DMA
  words[51] = 0x0200
  words[53] = 0x0007
  words[63] = 0x0007 | selected(transferMode, 4)
  words[64] = 0x0003 // PIO 3 and 4
  words.fill(120, 65, 69) // cycle times in ns
  words[80] = 0x00f0 // ATA/ATAPI-4 to 7
  words[88] = 0x003f | selected(transferMode, 8)
  words[93] = 0x6101 // hardware reset result: 80-conductor cable, device 0 passed
}

/** IDENTIFY DEVICE data. */
export function identifyDisk(identity: DriveIdentity, g: DiskGeometry): Uint8Array {
  const words = new Uint16Array(256)
  const cylinders = Math.min(16383, Math.floor(g.total / (16 * 63)))
  const currentCylinders = Math.min(65535, Math.floor(g.total / (g.heads * g.sectors)))
  const current = currentCylinders * g.heads * g.sectors
  const lba28 = Math.min(g.total, 0x0fff_ffff)
  putCommon(words, identity, g.transferMode)
  words[0] = 0x0040
  words[1] = cylinders
  words[3] = 16
  words[6] = 63
  words[47] = 0x8000 | spec.MULTIPLE_MAX
  words[50] = 0x4000
  words[54] = currentCylinders
  words[55] = g.heads
  words[56] = g.sectors
  words[57] = current & 0xffff
  words[58] = Math.floor(current / 0x10000) & 0xffff
  words[59] = g.multiple > 0 ? 0x0100 | g.multiple : 0
  words[60] = lba28 & 0xffff
  words[61] = lba28 >> 16
  words[82] = 0x4068 // NOP, look-ahead, write cache, power management
  words[83] = 0x7400 // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses
  words[84] = 0x4000
  words[85] = 0x4048 | (g.writeCache ? 0x20 : 0)
  words[86] = 0x3400
  words[87] = 0x4000
  for (let i = 0; i < 4; i++) words[100 + i] = Math.floor(g.total / 2 ** (16 * i)) & 0xffff
  words[105] = 1 // DATA SET MANAGEMENT takes one block at a time
  words[106] = 0x4000
  words[169] = 0x0001 // TRIM
  words[217] = 0x0001 // does not rotate
  return finish(words)
}

/** IDENTIFY PACKET DEVICE data of a CD-ROM drive. */
export function identifyCdrom(identity: DriveIdentity, transferMode: number): Uint8Array {
  const words = new Uint16Array(256)
  putCommon(words, identity, transferMode)
  words[0] = 0x85c0 // packet device, CD-ROM, removable, DRQ within 50 us, 12-byte packets
  words[82] = 0x4210 // NOP, DEVICE RESET, PACKET
  words[83] = 0x4000
  words[84] = 0x4000
  words[85] = 0x4210
  words[87] = 0x4000
  return finish(words)
}
