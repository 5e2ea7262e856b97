import type { AccessSize } from '@entresol/interfaces'
import { PciDevice } from './pci-device.ts'

/** Intel 82441FX PMC datasheet (290549), section numbers below. */
export const I440FX_VENDOR_ID = 0x8086
export const I440FX_DEVICE_ID = 0x1237
/** 3.2.16: programmable attribute map, PAM0..PAM6. */
export const I440FX_PAM0 = 0x59
export const I440FX_PAM_COUNT = 7
export const PAM_READ_ENABLE = 0x1
export const PAM_WRITE_ENABLE = 0x2
/** 3.2.20: system management RAM control. */
export const I440FX_SMRAM = 0x72

/** One segment below 1 MiB and who answers there: DRAM (true) or the PCI bus, that is ROM (false), for reads and for writes. */
export interface PamSegment {
  readonly base: number
  readonly length: number
  readonly readDram: boolean
  readonly writeDram: boolean
}

/** Segments in ascending address order, with the PAM register and nibble that rules each (table 3-2). */
const SEGMENTS: readonly { base: number; length: number; register: number; shift: 0 | 4 }[] = [
  ...Array.from({ length: 12 }, (_, index) => ({
    base: 0xc0000 + index * 0x4000, length: 0x4000, register: I440FX_PAM0 + 1 + (index >> 1), shift: (index & 1) === 0 ? (0 as const) : (4 as const)
  })),
  { base: 0xf0000, length: 0x10000, register: I440FX_PAM0, shift: 4 }
]

/**
 * The host bridge of the 440FX. Of its memory controller only the PAM registers do something: `onPam` is told every segment
 * (C0000h..FFFFFh, ascending) after a change and after reset, so that the board can map ROM or shadow RAM there. The ids are the ones
 * SeaBIOS and every guest know; the 440FX has no PCIEXBAR, so the board's ECAM window is at an address fixed by the board.
 */
export class I440fxHostBridge extends PciDevice {
  readonly #onPam: ((segments: readonly PamSegment[]) => void) | undefined
  #lastPam = ''

  constructor(onPam?: (segments: readonly PamSegment[]) => void) {
    super({ name: 'i440fx', vendorId: I440FX_VENDOR_ID, deviceId: I440FX_DEVICE_ID, classCode: 0x060000, revision: 2 })
    this.#onPam = onPam
    const config = this.config
    // PMCCFG, DETURBO, DBC, AXC, DRT, DRAMC, DRAMT (3.2.8-3.2.15): stored, without effect.
    config.define(0x50, 4, 0, 0x00ff_ffff)
    config.define(0x54, 4, 0, 0xffff_ffff)
    config.define(0x58, 1, 0, 0xff)
    for (let index = 0; index < I440FX_PAM_COUNT; index++) config.define(I440FX_PAM0 + index, 1, 0, index === 0 ? 0x30 : 0x33)
    // DRB0..7 (3.2.17), FDHC (3.2.18), MTT (3.2.19).
    config.define(0x60, 4, 0x01010101, 0xffff_ffff)
    config.define(0x64, 4, 0x01010101, 0xffff_ffff)
    config.define(0x68, 1, 0, 0xff)
    config.define(0x70, 1, 0, 0xf8)
    config.define(I440FX_SMRAM, 1, 0x02, 0x78)
    config.define(0x90, 4, 0, 0xffff_ffff)
    this.reserveConfig(0xa0)
    this.onConfigChange(() => this.#pamChanged())
  }

  /** The state of the segments now. */
  pam(): PamSegment[] {
    return SEGMENTS.map(({ base, length, register, shift }) => {
      const nibble = this.config.bytes[register] >>> shift
      return { base, length, readDram: (nibble & PAM_READ_ENABLE) !== 0, writeDram: (nibble & PAM_WRITE_ENABLE) !== 0 }
    })
  }

  /** SMRAM space at A0000h is open to ordinary accesses (D_OPEN). No SMM is modelled: for boards that want to map RAM there. */
  get smramOpen(): boolean {
    return (this.config.bytes[I440FX_SMRAM] & 0x40) !== 0
  }

  /** D_LCK (SMRAM bit 4), once set, holds until reset and clears D_OPEN. */
  override writeConfig(offset: number, size: AccessSize, value: number): void {
    const before = this.config.bytes[I440FX_SMRAM]
    super.writeConfig(offset, size, value)
    const after = this.config.bytes[I440FX_SMRAM]
    if ((before & 0x10) !== 0) this.config.bytes[I440FX_SMRAM] = before
    else if ((after & 0x10) !== 0) this.config.bytes[I440FX_SMRAM] = after & ~0x40
  }

  #pamChanged(): void {
    const pam = this.config.bytes.subarray(I440FX_PAM0, I440FX_PAM0 + I440FX_PAM_COUNT).join()
    if (pam === this.#lastPam) return
    this.#lastPam = pam
    this.#onPam?.(this.pam())
  }
}
