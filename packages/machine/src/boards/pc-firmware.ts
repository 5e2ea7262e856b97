import type { PamSegment } from '@entresol/io'
import { placeFirmware } from '@entresol/loader'
import type { BootEntry, Firmware } from '@entresol/loader'
import type { GuestPhysicalMemory } from '@entresol/mmu'

/** The part of ROM that is decoded below 1 MiB. */
const LOW_ROM = 0xe0000
const MIB = 0x100000

/**
 * BIOS and shadow RAM: the whole image below 4 GiB, its end below 1 MiB; the host bridge's PAM registers choose ROM or RAM there, for reads
 * and for writes apart (82441FX datasheet, 3.2.16).
 */
export class PcFirmware {
  readonly #ram: GuestPhysicalMemory
  readonly #firmware: Firmware
  readonly #rom: ReturnType<GuestPhysicalMemory['createRegion']>
  readonly #main: ReturnType<GuestPhysicalMemory['regions']>[number]

  /** `main` is the region of the guest's RAM that starts at address 0. Throws `bad-firmware`. */
  constructor(ram: GuestPhysicalMemory, image: Uint8Array) {
    this.#ram = ram
    this.#firmware = placeFirmware(image)
    this.#main = ram.regions().find((region) => region.kind === 'ram')!
    this.#rom = ram.createRegion('bios', 'rom', image.length, image)
    ram.map(0x100000000 - image.length, this.#rom)
    this.#romAt(LOW_ROM, MIB - LOW_ROM)
  }

  get entry(): BootEntry {
    return this.#firmware.entry
  }

  /** Offset in ROM of an address below 1 MiB; negative above the image's low copy. */
  #romOffset(base: number): number {
    return this.#rom.bytes - (MIB - base)
  }

  #romAt(base: number, length: number): void {
    if (base >= LOW_ROM && this.#romOffset(base) >= 0) this.#ram.map(base, this.#rom, { offset: this.#romOffset(base), bytes: length })
    else this.#ram.unmap(base, length)
  }

  /** Follows the PAM registers. */
  shadow(segments: readonly PamSegment[]): void {
    for (const { base, length, readDram, writeDram } of segments) {
      if (readDram) this.#ram.map(base, this.#main, { offset: base, bytes: length, writes: writeDram ? 'memory' : 'drop' })
      else {
        this.#romAt(base, length)
        if (writeDram) this.#ram.mapWrites(base, length, this.#main, base)
      }
    }
  }
}
