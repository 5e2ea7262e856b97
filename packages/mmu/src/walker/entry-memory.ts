import type { Gfn, MachineMemory, PhysicalMap } from '@entresol/interfaces'

/** `locate`: memory without a frame yet, which reads as zero. */
const UNTOUCHED = -3

/**
 * Paging-structure entries by guest physical address. Entries are naturally aligned, so one never crosses a frame.
 *
 * Between threads: an 8-byte entry is read as low, high, low again, which cannot mix two values that other processors stored whole; flags
 * are set by compare-and-swap of the whole entry.
 */
export class EntryMemory {
  private readonly map: PhysicalMap
  private readonly i32: Int32Array
  private readonly u64: BigUint64Array
  private readonly shared: boolean

  constructor(memory: MachineMemory, map: PhysicalMap) {
    this.map = map
    const buffer = memory.wasm.buffer
    this.i32 = new Int32Array(buffer)
    this.u64 = new BigUint64Array(buffer)
    this.shared = !(buffer instanceof ArrayBuffer)
  }

  /** Machine address of the entry, or below 0 when it is not in memory (-1), or is untouched memory that a probe must not allocate (-3). */
  locate(low: number, high: number, probe: boolean): number {
    const gfn = (high * 0x100000 + (low >>> 12)) as Gfn
    const frame = probe ? this.map.peek(gfn, false) : this.map.frameForRead(gfn)
    return frame < 0 ? frame : frame + (low & 0xfff)
  }

  /** Low half of the located entry, signed; all ones where there is no memory. */
  low(at: number): number {
    if (at < 0) return at === UNTOUCHED ? 0 : -1
    return this.i32[at >>> 2]!
  }

  high(at: number): number {
    if (at < 0) return at === UNTOUCHED ? 0 : -1
    return this.i32[(at >>> 2) + 1]!
  }

  /** Whether the entry's low half changed since it was read as `low`, so that the high half may belong to another value. */
  torn(at: number, low: number): boolean {
    return this.shared && at >= 0 && Atomics.load(this.i32, at >>> 2) !== low
  }

  read32(low: number, probe: boolean): number {
    return this.low(this.locate(low, 0, probe))
  }

  /**
   * Sets `bits` in the entry at guest physical (low, high) if it still holds the given value; false when it changed meanwhile. The frame
   * is looked up for writing, so that the table's page is logged as dirty and copy-on-write is broken. ROM and MMIO drop
   * the update.
   */
  setBits(low: number, high: number, valueLow: number, valueHigh: number, bits: number, wide: boolean): boolean {
    const gfn = (high * 0x100000 + (low >>> 12)) as Gfn
    const frame = this.map.frameForWrite(gfn)
    // Also dropped where writes reach other memory than reads (shadow RAM under ROM): comparing there would never succeed.
    if (frame < 0 || this.map.peek(gfn, false) !== frame) return true
    const at = frame + (low & 0xfff)
    if (!this.shared) {
      // One thread: nobody can have changed the entry since the walk read it, except the walk itself (an entry that maps itself).
      const index = at >>> 2
      return Atomics.compareExchange(this.i32, index, valueLow, valueLow | bits) === valueLow
    }
    if (!wide) return Atomics.compareExchange(this.i32, at >>> 2, valueLow, valueLow | bits) === valueLow
    const expected = (BigInt(valueHigh >>> 0) << 32n) | BigInt(valueLow >>> 0)
    return Atomics.compareExchange(this.u64, Math.floor(at / 8), expected, expected | BigInt(bits)) === expected
  }
}
