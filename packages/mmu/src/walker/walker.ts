import {
  ACCESS_AC, ACCESS_FETCH, ACCESS_PROBE, ACCESS_USER, ACCESS_WRITE, RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE,
} from '@entresol/interfaces'
import type { Gfn, MachineMemory, PageWalker, PagingControl, PhysicalMap } from '@entresol/interfaces'
import {
  CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_NXE, PDE_2M_RESERVED_LOW, PDPTE_1G_RESERVED_LOW, PDPTE_PAE_RESERVED_LOW, PFEC_ID, PFEC_P, PFEC_RSVD, PFEC_US, PFEC_WR, PG_A, PG_D, PG_G, PG_P, PG_PS, PG_RW, PG_US, PG_XD_HIGH,
} from '@entresol/x86'
import { EntryMemory } from './entry-memory.ts'
import { MODE_32BIT, MODE_4LEVEL, MODE_OFF, MODE_PAE, highMask, pagingMode } from './mode.ts'

export interface PageWalkerOptions {
  /** The CPU model announces 1 GiB pages (CPUID 80000001h:EDX[26]); without them PDPTE.PS is reserved. Default true. */
  oneGigabytePages?: boolean
}

const SUCCESS = -1
/** Walk again: a concurrent change of an entry was noticed, or flags must be set and the entries' addresses are wanted for that. */
const RETRY = -2

const NOT_PRESENT = 0
const RESERVED: number = PFEC_P | PFEC_RSVD

/**
 * Walks the guest's own tables on every call ("native" translation), for all paging modes. References are to the Intel SDM vol. 3A,
 * chapter 5 "Paging".
 *
 * Choices where the architecture leaves one:
 * - Accessed and dirty flags are set only when the whole walk succeeds and the access is allowed (5.8 allows more).
 * - A paging-structure entry that is not in memory reads as all ones, as an unclaimed bus cycle does.
 * - A probe's `frame` is the one for reading, -1 where RAM has no frame yet.
 * - No paging-structure cache (5.10.3): what the walker returns is always what the tables say now.
 */
export class NativePageWalker implements PageWalker {
  physicalLow = 0
  physicalHigh = 0
  rights = 0
  global = 0
  pageShift = 12
  frame = -1

  private readonly entries: EntryMemory
  private readonly map: PhysicalMap
  private readonly oneGigabytePages: boolean

  private mode: number = MODE_OFF
  private rootLow = 0
  private rootHigh = 0
  /** PDPTE registers of PAE paging (5.4.1): low halves at 0, 2, 4, 6, high halves behind them. */
  private readonly pdptes: Int32Array = new Int32Array(8)
  private cr0 = 0
  private cr4 = 0
  private efer = 0
  /** Physical address bits as configured. */
  private width = 0
  private nxe = false
  /** I/D is reported (5.7). */
  private fetchBit = 0
  private globalBit = 0
  private addressMask: number
  /** Reserved bits in the high half of every 64-bit entry, and the part of it that is address. */
  private reservedHigh = 0
  private addressHigh = 0
  /** Reserved low bits of a 4 MiB PDE, and the width of its address (5.3, PSE-36). */
  private reserved4M = 0

  // Entries used by the walk in progress, noted only in the second walk of an access that must set flags: address of the entry, its value.
  private recording = false
  private readonly usedLow: Int32Array = new Int32Array(5)
  private readonly usedHigh: Int32Array = new Int32Array(5)
  private readonly usedValue: Int32Array = new Int32Array(5)
  private readonly usedValueHigh: Int32Array = new Int32Array(5)

  constructor(memory: MachineMemory, map: PhysicalMap, options: PageWalkerOptions = {}) {
    this.entries = new EntryMemory(memory, map)
    this.map = map
    this.oneGigabytePages = options.oneGigabytePages ?? true
    this.addressMask = map.addressMask
    map.onInvalidate(() => {
      this.addressMask = map.addressMask
    })
  }

  configure(control: PagingControl): boolean {
    // A switch of address spaces changes the root alone.
    if (this.mode >= MODE_4LEVEL && control.cr0 === this.cr0 && control.cr4 === this.cr4 && control.efer === this.efer && control.physicalAddressBits === this.width) {
      this.rootLow = control.cr3Low & ~0xfff
      this.rootHigh = control.cr3High & this.addressHigh
      return true
    }
    const mode = pagingMode(control)
    const width = Math.min(52, Math.max(32, control.physicalAddressBits))
    // Bit 63 is XD (reserved without NXE); bits 62:52 are ignored in IA-32e modes, reserved in PAE (tables 5-9..5-11, 5-15..5-20).
    const nxe = (control.efer & EFER_NXE) !== 0
    const reservedHigh = highMask(width, mode === MODE_PAE ? 63 : 52) | (nxe ? 0 : PG_XD_HIGH)
    if (mode === MODE_PAE && !this.loadPdptes(control.cr3Low, highMask(width, 64))) return false

    this.mode = mode
    this.nxe = nxe
    this.reservedHigh = reservedHigh
    this.addressHigh = highMask(32, width)
    this.rootLow = control.cr3Low & ~0xfff
    this.rootHigh = mode >= MODE_4LEVEL ? control.cr3High & this.addressHigh : 0
    this.cr0 = control.cr0
    this.cr4 = control.cr4
    this.efer = control.efer
    this.width = control.physicalAddressBits
    this.fetchBit = (control.cr4 & CR4_SMEP) !== 0 || ((control.cr4 & CR4_PAE) !== 0 && nxe) ? PFEC_ID : 0
    this.globalBit = (control.cr4 & CR4_PGE) !== 0 ? PG_G : 0
    // Table 5-4: bits 20:13 are address bits 39:32 as far as M = min(40, MAXPHYADDR) goes; bits 21:(M-19) are reserved.
    const m = Math.min(40, width)
    this.reserved4M = 0
    for (let bit = m - 19; bit <= 21; bit++) this.reserved4M |= 1 << bit
    return true
  }

  walk(linearLow: number, linearHigh: number, access: number): number {
    this.recording = false
    let outcome = this.walkOnce(linearLow, linearHigh, access)
    while (outcome === RETRY) outcome = this.walkOnce(linearLow, linearHigh, access)
    return outcome
  }

  private walkOnce(linearLow: number, linearHigh: number, access: number): number {
    if (this.mode >= MODE_PAE) return this.walk64(linearLow, linearHigh, access)
    return this.mode === MODE_32BIT ? this.walk32(linearLow, access) : this.walkOff(linearLow, access)
  }

  /** 5.1.1: with CR0.PG = 0 linear addresses are physical ones, of 32 bits. */
  private walkOff(linearLow: number, access: number): number {
    this.global = 0
    this.pageShift = 12
    return this.finish(linearLow, 0, access, RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)
  }

  /** 5.3: 32-bit paging. */
  private walk32(linearLow: number, access: number): number {
    const entries = this.entries
    const probe = (access & ACCESS_PROBE) !== 0
    const pdeLow = (this.rootLow | ((linearLow >>> 20) & 0xffc)) & this.addressMask
    const pde = entries.read32(pdeLow, probe)
    if ((pde & PG_P) === 0) return this.fault(NOT_PRESENT, access)
    if (this.recording) this.use(0, pdeLow, 0, pde, 0)
    if ((pde & PG_PS) !== 0 && (this.cr4 & CR4_PSE) !== 0) {
      if ((pde & this.reserved4M) !== 0) return this.fault(RESERVED, access)
      return this.leaf(1, 22, (pde & 0xffc00000) | (linearLow & 0x3fffff), (pde >>> 13) & 0xff, pde, pde, 0, access)
    }
    const pteLow = ((pde & ~0xfff) | ((linearLow >>> 10) & 0xffc)) & this.addressMask
    const pte = entries.read32(pteLow, probe)
    if ((pte & PG_P) === 0) return this.fault(NOT_PRESENT, access)
    if (this.recording) this.use(1, pteLow, 0, pte, 0)
    return this.leaf(2, 12, (pte & ~0xfff) | (linearLow & 0xfff), 0, pde & pte, pte, 0, access)
  }

  /** 5.4 and 5.5: PAE, 4-level and 5-level paging, which differ in where they start. */
  private walk64(linearLow: number, linearHigh: number, access: number): number {
    const entries = this.entries
    const probe = (access & ACCESS_PROBE) !== 0
    const reservedHigh = this.reservedHigh
    let tableLow = this.rootLow
    let tableHigh = this.rootHigh
    /** AND of the entries' low halves, OR of their XD bits (5.6.1: every entry has a say). */
    let all = -1
    let xd = 0
    let used = 0

    let level = this.mode
    if (level === MODE_PAE) {
      const register = (linearLow >>> 29) & 6
      tableLow = this.pdptes[register]!
      tableHigh = this.pdptes[register + 1]! & this.addressHigh
      if ((tableLow & PG_P) === 0) return this.fault(NOT_PRESENT, access)
      level = 2
    }

    for (; ; level--) {
      // Index × 8 from linear bits 56:48, 47:39, 38:30, 29:21, 20:12.
      const offset =
        level === 1 ? linearLow >>> 9
        : level === 2 ? linearLow >>> 18
        : level === 3 ? (linearLow >>> 27) | (linearHigh << 5)
        : level === 4 ? linearHigh >>> 4
        : linearHigh >>> 13
      const entryLow = ((tableLow & ~0xfff) | (offset & 0xff8)) & this.addressMask
      const at = entries.locate(entryLow, tableHigh, probe)
      const low = entries.low(at)
      const high = entries.high(at)
      if (entries.torn(at, low)) return RETRY
      if ((low & PG_P) === 0) return this.fault(NOT_PRESENT, access)
      if ((high & reservedHigh) !== 0) return this.fault(RESERVED, access)
      if (this.recording) this.use(used, entryLow, tableHigh, low, high)
      used++
      all &= low
      xd |= high
      tableLow = low
      tableHigh = high & this.addressHigh

      if (level === 1) {
        return this.leaf(used, 12, (low & ~0xfff) | (linearLow & 0xfff), tableHigh, all, low, xd, access)
      }
      if ((low & PG_PS) !== 0) {
        if (level === 2) {
          if ((low & PDE_2M_RESERVED_LOW) !== 0) return this.fault(RESERVED, access)
          return this.leaf(used, 21, (low & ~0x1fffff) | (linearLow & 0x1fffff), tableHigh, all, low, xd, access)
        }
        if (level > 3 || (low & PDPTE_1G_RESERVED_LOW) !== 0 || !this.oneGigabytePages) return this.fault(RESERVED, access)
        return this.leaf(used, 30, (low & ~0x3fffffff) | (linearLow & 0x3fffffff), tableHigh, all, low, xd, access)
      }
    }
  }

  /**
   * 5.6 and 5.8: rights of the accumulated entries, then the flags, then the frame. `all` ANDs the entries' low halves, `xd` ORs their high
   * halves, `leaf` is the low half of the entry that maps the page.
   */
  private leaf(
    used: number, shift: number, physicalLow: number, physicalHigh: number, all: number, leaf: number, xd: number, access: number,
  ): number {
    const rights = this.permitted(all, xd, access)
    const wanted = (access & ACCESS_WRITE) !== 0 ? RIGHT_WRITE : (access & ACCESS_FETCH) !== 0 ? RIGHT_EXECUTE : RIGHT_READ
    if ((rights & wanted) === 0) return this.fault(PFEC_P, access)

    let dirty = leaf & PG_D
    const write = (access & ACCESS_WRITE) !== 0
    if (((all & PG_A) === 0 || (write && dirty === 0)) && (access & ACCESS_PROBE) === 0) {
      if (!this.recording) {
        this.recording = true
        return RETRY
      }
      if (!this.setFlags(used, write)) return RETRY
      if (write) dirty = PG_D
    }
    this.global = (leaf & this.globalBit) !== 0 ? 1 : 0
    this.pageShift = shift
    return this.finish(physicalLow, physicalHigh, access, dirty !== 0 ? rights : rights & ~RIGHT_WRITE)
  }

  /** 5.8: sets the accessed flag in every entry used and, for a write, the dirty flag in the last. False when an entry changed meanwhile. */
  private setFlags(used: number, write: boolean): boolean {
    for (let index = 0; index < used; index++) {
      const value = this.usedValue[index]!
      const bits = write && index === used - 1 ? PG_A | PG_D : PG_A
      if ((value & bits) === bits) continue
      const wide = this.mode !== MODE_32BIT
      if (!this.entries.setBits(this.usedLow[index]!, this.usedHigh[index]!, value, this.usedValueHigh[index]!, bits, wide)) return false
    }
    return true
  }

  /** RIGHT_* that the entries give to accesses of this kind (5.6.1). */
  private permitted(all: number, xd: number, access: number): number {
    const executable = !this.nxe || xd >= 0
    if ((access & ACCESS_USER) !== 0) {
      if ((all & PG_US) === 0) return 0
      return RIGHT_READ | ((all & PG_RW) !== 0 ? RIGHT_WRITE : 0) | (executable ? RIGHT_EXECUTE : 0)
    }
    const userPage = (all & PG_US) !== 0
    const writable = (all & PG_RW) !== 0 || (this.cr0 & CR0_WP) === 0
    let rights = 0
    if (!userPage || (this.cr4 & CR4_SMAP) === 0 || (access & ACCESS_AC) !== 0) rights = RIGHT_READ | (writable ? RIGHT_WRITE : 0)
    if (executable && !(userPage && (this.cr4 & CR4_SMEP) !== 0)) rights |= RIGHT_EXECUTE
    return rights
  }

  /** Looks up the frame and keeps the rights that hold for it. */
  private finish(physicalLow: number, physicalHigh: number, access: number, rights: number): number {
    physicalLow &= this.addressMask
    const gfn = (physicalHigh * 0x100000 + (physicalLow >>> 12)) as Gfn
    const write = (access & ACCESS_WRITE) !== 0
    const map = this.map
    let frame: number
    if ((access & ACCESS_PROBE) !== 0) {
      frame = map.peek(gfn, false)
      if (frame === -3) frame = -1
    } else {
      frame = write ? map.frameForWrite(gfn) : map.frameForRead(gfn)
    }
    // The other direction counts only where it needs nothing first and reaches the same frame (copy-on-write, dirty log, ROM, shadow RAM).
    if (write && (access & ACCESS_PROBE) === 0) {
      if (map.peek(gfn, false) !== frame) rights &= RIGHT_WRITE
    } else if ((rights & RIGHT_WRITE) !== 0 && map.peek(gfn, true) !== frame) {
      rights &= ~RIGHT_WRITE
    }
    this.physicalLow = physicalLow >>> 0
    this.physicalHigh = physicalHigh
    this.frame = frame
    this.rights = frame === -2 ? rights & ~RIGHT_WRITE : rights
    return SUCCESS
  }

  /** 5.7: the error code. */
  private fault(cause: number, access: number): number {
    let code = cause
    if ((access & ACCESS_WRITE) !== 0) code |= PFEC_WR
    if ((access & ACCESS_USER) !== 0) code |= PFEC_US
    if ((access & ACCESS_FETCH) !== 0) code |= this.fetchBit
    return code
  }

  private use(index: number, low: number, high: number, value: number, valueHigh: number): void {
    this.usedLow[index] = low
    this.usedHigh[index] = high
    this.usedValue[index] = value
    this.usedValueHigh[index] = valueHigh
  }

  /** 5.4.1: loads the PDPTE registers; keeps the old ones when a present entry has reserved bits set. */
  private loadPdptes(cr3Low: number, reservedHigh: number): boolean {
    const loaded = new Int32Array(8)
    for (let index = 0; index < 4; index++) {
      const at = this.entries.locate(((cr3Low & ~0x1f) + index * 8) & this.addressMask, 0, false)
      const low = this.entries.low(at)
      const high = this.entries.high(at)
      if ((low & PG_P) !== 0 && ((low & PDPTE_PAE_RESERVED_LOW) !== 0 || (high & reservedHigh) !== 0)) return false
      loaded[index * 2] = low
      loaded[index * 2 + 1] = high
    }
    this.pdptes.set(loaded)
    return true
  }
}

/** Page walker over the guest's own tables. One per vCPU. `configure` it before the first walk; until then paging is off. */
export function createPageWalker(memory: MachineMemory, map: PhysicalMap, options?: PageWalkerOptions): NativePageWalker {
  return new NativePageWalker(memory, map, options)
}

