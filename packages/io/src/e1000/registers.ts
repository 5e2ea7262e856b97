import * as spec from './spec.ts'

const ALL = 0xffff_ffff
/** Offset, number of words, bits software can write, value after reset. What is not here reads as zero and takes no write. */
const TABLE: readonly (readonly [offset: number, words: number, writable: number, initial: number])[] = [
  [spec.CTRL, 1, 0x7bff_ffff, spec.CTRL_FD | spec.CTRL_SLU | spec.CTRL_SPEED_1000],
  [spec.STATUS, 1, 0, spec.STATUS_FD | spec.STATUS_SPEED_1000 | spec.STATUS_ASDV_1000],
  [spec.EECD, 1, spec.EECD_WRITABLE, 0], [spec.CTRL_EXT, 1, ALL, 0],
  [spec.FCAL, 1, ALL, 0], [spec.FCAH, 1, 0xffff, 0], [spec.FCT, 1, 0xffff, 0], [spec.VET, 1, 0xffff, 0x8100],
  [spec.ITR, 1, 0xffff, 0], [spec.RCTL, 1, 0x06df_b3fe, 0], [spec.FCTTV, 1, 0xffff, 0], [spec.TXCW, 1, ALL, 0],
  [spec.TCTL, 1, 0x03ff_fffa, 0], [spec.TIPG, 1, 0x3fff_ffff, 0x0060_200a], [spec.AIFS, 1, 0xffff, 0], [spec.LEDCTL, 1, ALL, 0x0706_8302],
  [spec.PBA, 1, 0xffff, 0x0010_0030], [spec.FCRTL, 1, 0x8000_fff8, 0], [spec.FCRTH, 1, 0xfff8, 0],
  [spec.RDBAL, 1, 0xffff_fff0, 0], [spec.RDBAH, 1, ALL, 0], [spec.RDLEN, 1, spec.RING_LENGTH_MASK, 0], [spec.RDH, 1, 0xffff, 0], [spec.RDT, 1, 0xffff, 0],
  [spec.RDTR, 1, 0xffff, 0], [spec.RXDCTL, 1, 0x013f_3f3f, 0x0001_0000], [spec.RADV, 1, 0xffff, 0], [spec.RSRPD, 1, 0xfff, 0],
  [spec.TXDMAC, 1, 1, 0], [spec.TDFH, 5, 0x1fff, 0],
  [spec.TDBAL, 1, 0xffff_fff0, 0], [spec.TDBAH, 1, ALL, 0], [spec.TDLEN, 1, spec.RING_LENGTH_MASK, 0], [spec.TDH, 1, 0xffff, 0], [spec.TDT, 1, 0xffff, 0],
  [spec.TIDV, 1, 0xffff, 0], [spec.TXDCTL, 1, 0xff3f_3f3f, 0], [spec.TADV, 1, 0xffff, 0], [spec.TSPMT, 1, ALL, 0x0100_0400],
  [spec.RXCSUM, 1, 0x7ff, 0], [spec.MTA, spec.MTA_WORDS, ALL, 0], [spec.RAL0, 2 * spec.RA_ENTRIES, ALL, 0], [spec.VFTA, spec.VFTA_WORDS, ALL, 0],
  [spec.WUC, 1, 0xf, 0], [spec.WUFC, 1, 0xf_80ff, 0], [spec.MANC, 1, ALL, 0]
]

const WORDS = spec.REGISTERS_END / 4
const writable = new Uint32Array(WORDS)
const initial = new Uint32Array(WORDS)
for (const [offset, words, mask, value] of TABLE) {
  writable.fill(mask, offset / 4, offset / 4 + words)
  initial.fill(value, offset / 4, offset / 4 + words)
}

/** The register file by byte offset: values, and which bits software reaches. */
export class E1000Registers {
  readonly #words = new Uint32Array(WORDS)

  get(offset: number): number {
    return this.#words[offset >> 2]!
  }

  /** A change by the hardware. */
  set(offset: number, value: number): void {
    this.#words[offset >> 2] = value
  }

  /** A write by software. */
  write(offset: number, value: number): void {
    const mask = writable[offset >> 2]!
    this.#words[offset >> 2] = (this.#words[offset >> 2]! & ~mask) | (value & mask)
  }

  has(offset: number, bits: number): boolean {
    return (this.#words[offset >> 2]! & bits) !== 0
  }

  /** Adds to a counter that stops at its end (13.7). */
  count(offset: number, by: number = 1): void {
    this.#words[offset >> 2] = Math.min(this.#words[offset >> 2]! + by, ALL)
  }

  /** A frame of `length` bytes without FCS; `first` is the first byte of its destination. */
  countFrame(counters: typeof spec.RECEIVE_COUNTERS | typeof spec.TRANSMIT_COUNTERS, frame: Uint8Array, length: number): void {
    const size = length + spec.FCS_LENGTH
    this.count(counters.good)
    this.count(counters.total)
    if ((frame[0]! & 1) !== 0) this.count(frame.subarray(0, 6).every((byte) => byte === 0xff) ? counters.broadcast : counters.multicast)
    this.#countWide(counters.goodOctets, size)
    this.#countWide(counters.totalOctets, size)
    this.count(counters.sizes + 4 * (size <= 64 ? 0 : Math.min(5, 26 - Math.clz32(size))))
  }

  reset(mac: Uint8Array): void {
    this.#words.set(initial)
    const view = new DataView(mac.buffer, mac.byteOffset)
    this.set(spec.RAL0, view.getUint32(0, true))
    this.set(spec.RAH0, view.getUint16(4, true) | spec.RAH_AV)
  }

  save(): Uint32Array {
    return this.#words.slice()
  }

  /** Takes words that were checked to be as many. */
  restore(words: Uint32Array): void {
    this.#words.set(words)
  }

  /** A 64-bit counter in two registers. */
  #countWide(offset: number, by: number): void {
    const low = this.get(offset) + by
    this.set(offset, low)
    if (low > ALL) this.count(offset + 4)
  }
}
