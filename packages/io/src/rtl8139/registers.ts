import * as spec from './spec.ts'

/** Offset, width of one register in bytes, value after reset, bits software can write, how many of them. */
const TABLE: readonly (readonly [offset: number, width: 1 | 2 | 4, initial: number, writable: number, count?: number])[] = [
  [spec.IDR0, 1, 0, 0xff, 6], [spec.MAR0, 1, 0, 0xff, 8],
  [spec.TSD0, 4, spec.TSD_OWN, 0x003f_3fff, 4], [spec.TSAD0, 4, 0, 0xffff_ffff, 4], [spec.RBSTART, 4, 0, 0xffff_ffff],
  [spec.CR, 1, 0, spec.CR_TE | spec.CR_RE], [spec.CAPR, 2, 0xfff0, 0xffff], [spec.CBR, 2, 0, 0],
  [spec.IMR, 2, 0, 0xffff], [spec.ISR, 2, 0, 0],
  [spec.TCR, 4, spec.TCR_VERSION | 0x0300_0600, 0x0307_07f0], [spec.RCR, 4, 0, 0x0fff_ffbf], [spec.MPC, 4, 0, 0],
  [spec.CR9346, 1, 0, 0xce], [spec.CONFIG0, 1, 0, 0], [spec.CONFIG1, 1, 0x0c, 0xff], [spec.TIMERINT, 4, 0, 0xffff_ffff],
  [spec.MSR, 1, 0x10, 0xc0], [spec.CONFIG3, 1, 0x01, 0xff], [spec.CONFIG4, 1, 0, 0xff], [spec.MULINT, 2, 0, 0xffff],
  [spec.BMCR, 2, 0x1100, 0x3100], [spec.BMSR, 2, 0x7809, 0], [spec.ANAR, 2, 0x05e1, 0xffff], [spec.ANLPAR, 2, 0x45e1, 0], [spec.ANER, 2, 0x0001, 0],
  [spec.NWAYTR, 2, 0, 0xffff], [spec.CSCR, 2, 0x07c8, 0xffff], [0x78, 4, 0, 0xffff_ffff, 3],
  [spec.CONFIG5, 1, 0, 0xff], [spec.CPCR, 2, 0, 0x03ff], [spec.INTERRUPT_MITIGATION, 2, 0, 0xffff], [spec.RDSAR, 4, 0, 0xffff_ffff, 2],
  [spec.MTPS, 1, 0x3f, 0x3f]
]

/** 6.12: writable only with 9346CR's mode "configuration write enable". */
const LOCKED: readonly number[] = [spec.CONFIG0, spec.CONFIG1, spec.CONFIG3, spec.CONFIG4, spec.CONFIG5]

const initial = new Uint8Array(spec.LENGTH)
const writable = new Uint8Array(spec.LENGTH)
for (const [offset, width, value, mask, count = 1] of TABLE) {
  for (let index = 0; index < width * count; index++) {
    initial[offset + index] = value >>> (8 * (index % width))
    writable[offset + index] = mask >>> (8 * (index % width))
  }
}

/** The registers' bytes, and which bits software reaches. */
export class Rtl8139Registers {
  readonly bytes: Uint8Array = new Uint8Array(spec.LENGTH)
  readonly #view = new DataView(this.bytes.buffer)

  get8(offset: number): number {
    return this.bytes[offset]!
  }

  get16(offset: number): number {
    return this.#view.getUint16(offset, true)
  }

  get32(offset: number): number {
    return this.#view.getUint32(offset, true)
  }

  set16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, true)
  }

  set32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true)
  }

  has(offset: number, bits: number): boolean {
    return (this.bytes[offset]! & bits) !== 0
  }

  /** A write of one byte by software. */
  write(offset: number, value: number): void {
    if (LOCKED.includes(offset) && (this.bytes[spec.CR9346]! & spec.CR9346_MODE) !== spec.CR9346_CONFIG_WRITE) return
    const mask = writable[offset]!
    this.bytes[offset] = (this.bytes[offset]! & ~mask) | (value & mask)
  }

  /** A software reset (6.7): station address and multicast filter stay. */
  reset(): void {
    this.bytes.set(initial.subarray(spec.TSD0), spec.TSD0)
  }
}
