import type { BusDevice, BusMapping, MappableBus } from '@entresol/interfaces'
import type { ConfigSpace } from './config-space.ts'
import * as spec from './spec.ts'

/** What stands behind one base address register. Its size is the device's length rounded up to a power of two. */
export interface PciBarOptions {
  readonly kind: 'io' | 'memory' | 'memory64'
  readonly device: BusDevice
  readonly prefetchable?: boolean
  /** Told where the BAR is decoded now (a byte address), or undefined when it is not; e.g. to map a frame buffer as memory. */
  readonly onMove?: (base: number | undefined) => void
}

/** One base address register: its place in configuration space and on a bus. */
export class BaseAddressRegister {
  readonly offset: number
  readonly options: PciBarOptions
  readonly size: number
  #mapping: BusMapping | undefined
  #base: number | undefined

  constructor(config: ConfigSpace, index: number, options: PciBarOptions) {
    const rom = index === spec.ROM_BAR
    this.options = options
    this.offset = rom ? spec.PCI_EXPANSION_ROM : spec.PCI_BAR0 + 4 * index
    const least = rom ? 0x800 : options.kind === 'io' ? 4 : 16
    this.size = 2 ** Math.ceil(Math.log2(Math.max(options.device.length, least)))
    const flags = options.kind === 'io' ? spec.BAR_IO
      : (options.kind === 'memory64' ? spec.BAR_MEMORY_64 : 0) | (options.prefetchable === true ? spec.BAR_PREFETCHABLE : 0)
    const low = this.size >= 2 ** 32 ? 0 : (-this.size >>> 0)
    config.define(this.offset, 4, rom ? 0 : flags, rom ? (low | spec.ROM_ENABLE) >>> 0 : low)
    if (options.kind === 'memory64') {
      config.define(this.offset + 4, 4, 0, this.size > 2 ** 32 ? (-(this.size / 2 ** 32)) >>> 0 : 0xffff_ffff)
    }
  }

  /** Where the BAR is decoded, undefined when it is not. */
  get base(): number | undefined {
    return this.#base
  }

  /** The address software programmed, or undefined while decoding is off or the address cannot be meant. */
  #wanted(config: ConfigSpace): number | undefined {
    const command = config.read(spec.PCI_COMMAND, 2)
    const low = config.read(this.offset, 4)
    if (this.options.kind === 'io') {
      const base = (low & ~spec.BAR_IO_FLAGS) >>> 0
      // Zero is what an unprogrammed BAR holds, and x86 has 16 address lines for ports.
      return (command & spec.COMMAND_IO) !== 0 && base !== 0 && base + this.size <= 0x10000 ? base : undefined
    }
    if ((command & spec.COMMAND_MEMORY) === 0) return undefined
    if (this.offset === spec.PCI_EXPANSION_ROM) {
      const base = (low & 0xffff_f800) >>> 0
      return (low & spec.ROM_ENABLE) !== 0 && base !== 0 ? base : undefined
    }
    const high = this.options.kind === 'memory64' ? config.read(this.offset + 4, 4) : 0
    const base = high * 2 ** 32 + ((low & ~spec.BAR_MEMORY_FLAGS) >>> 0)
    return base !== 0 && base + this.size <= 2 ** 52 ? base : undefined
  }

  /**
   * Follows configuration space onto the bus. True when the BAR is where software wants it; false when another device holds
   * those addresses, as happens while software sizes BARs with decoding on. The caller tries again when something moved.
   */
  update(config: ConfigSpace, ports: MappableBus, memory: MappableBus): boolean {
    const wanted = this.#wanted(config)
    if (wanted === this.#base) return true
    this.release()
    if (wanted === undefined) return true
    try {
      this.#mapping = (this.options.kind === 'io' ? ports : memory).map(wanted, this.options.device)
    } catch {
      return false
    }
    this.#base = wanted
    this.options.onMove?.(wanted)
    return true
  }

  release(): void {
    this.#mapping?.unmap()
    this.#mapping = undefined
    if (this.#base === undefined) return
    this.#base = undefined
    this.options.onMove?.(undefined)
  }
}
