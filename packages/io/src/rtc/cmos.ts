import * as spec from './spec.ts'
import type { Rtc } from './rtc.ts'

export type CmosBootDevice = 'floppy' | 'disk' | 'cdrom' | 'network'

export interface CmosContents {
  /** Bytes of RAM below 4 GiB and from 4 GiB up. */
  readonly memoryBelow4G: number
  readonly memoryAbove4G: number
  readonly cpus: number
  /** At most three; default disk, cdrom. */
  readonly boot?: readonly CmosBootDevice[]
}

const BOOT_CODES: Record<CmosBootDevice, number> = { floppy: 1, disk: 2, cdrom: 3, network: 4 }

/** Fills the bytes a PC's firmware keeps in CMOS and SeaBIOS reads from there: memory sizes, boot order, processors, checksum. */
export function fillCmos(rtc: Rtc, contents: CmosContents): void {
  const put16 = (index: number, value: number): void => {
    rtc.writeCmos(index, value & 0xff)
    rtc.writeCmos(index + 1, value >> 8)
  }
  const kib = Math.floor(contents.memoryBelow4G / 1024)
  put16(spec.CMOS_BASE_MEMORY, Math.min(kib, 640))
  const extended = Math.min(Math.max(kib - 1024, 0), 0xffff)
  put16(spec.CMOS_EXTENDED_MEMORY, extended)
  put16(spec.CMOS_EXTENDED_MEMORY_2, extended)
  put16(spec.CMOS_MEMORY_ABOVE_16M, Math.min(Math.max(Math.floor((kib - 16 * 1024) / 64), 0), 0xffff))
  const above = Math.min(Math.floor(contents.memoryAbove4G / 0x10000), 0xff_ffff)
  put16(spec.CMOS_MEMORY_ABOVE_4G, above & 0xffff)
  rtc.writeCmos(spec.CMOS_MEMORY_ABOVE_4G + 2, above >> 16)
  rtc.writeCmos(spec.CMOS_CPU_COUNT, contents.cpus - 1)
  // FPU and PS/2 mouse present, no floppy drive.
  rtc.writeCmos(spec.CMOS_FLOPPY, 0)
  rtc.writeCmos(spec.CMOS_EQUIPMENT, 0x06)
  const [first = 0, second = 0, third = 0] = (contents.boot ?? (['disk', 'cdrom'] as const)).map((device) => BOOT_CODES[device])
  rtc.writeCmos(spec.CMOS_BOOT_12, first | (second << 4))
  rtc.writeCmos(spec.CMOS_BOOT_3, (third << 4) | 0x01)
  let sum = 0
  for (let index = 0x10; index < 0x2e; index++) sum += rtc.readCmos(index)
  rtc.writeCmos(0x2e, (sum >> 8) & 0xff)
  rtc.writeCmos(0x2f, sum & 0xff)
}
