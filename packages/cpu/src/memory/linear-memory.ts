import {
  ACCESS_AC, ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE, RIGHT_EXECUTE, RIGHT_WRITE,
} from '@entresol/interfaces'
import type { Bus, MachineMemory, PageWalker } from '@entresol/interfaces'
import { SLOW_BLOCK, SLOW_MODIFY, SLOW_SIZE, SLOW_STACK, SLOW_WRITE } from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import { AC, GP, GuestFault, PF, SS } from './fault.ts'
import type { Tlb } from './tlb.ts'

/** What LinearMemory asks of the cache of decoded code. */
export interface CodeWatch {
  /** True when the 4 KiB machine frame at `frame` holds decoded instructions. */
  hasCode(frame: number): boolean
  /** False when it does; true: the vCPU may write there directly from now on, until it is told to protect the frame. */
  writable(frame: number): boolean
  /** A store to a frame that is not `writable` may go straight to memory: it overwrites no instruction and nobody needs to hear of it. */
  sparesCode(address: number, length: number): boolean
  /**
   * The frame has taken enough of such stores to be data: what was decoded from it goes. False: it has not. Not while translated code runs,
   * which would go on, unseen, where the next store may hit it.
   */
  giveUpCode(address: number): boolean
  /** Machine bytes [address, address + length) changed. */
  wrote(address: number, length: number): void
}

/** Data breakpoints: pages they lie in are kept out of the TLB so that every access comes by here. */
export interface DataWatch {
  readonly watching: boolean
  watchesPage(linear: bigint): boolean
  accessed(linear: bigint, size: number, write: boolean): void
}

/** Privilege of an access from TypeScript: the current one, or an implicit supervisor access (SDM vol. 3, 5.6.1). */
export type Privilege = 'current' | 'supervisor'

/** SCRATCH_PENDING: a store is staged; or a store goes to a page of code directly, and its machine address is in SCRATCH_LINEAR. */
const PENDING_STORE = 1
const PENDING_NOTE = 2

/** #AC(0) for words, doublewords and quadwords off their natural boundary (SDM vol. 3, table 7-7); other sizes are not checked. */
function requireAligned(low: number, size: number): void {
  if ((size === 2 || size === 4 || size === 8) && low & (size - 1)) throw new GuestFault(AC, 0)
}

/** What `#find` returns for a page fault. */
const FAULT = -3

const wide = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)

/**
 * The vCPU's linear address space outside the TLB's fast path: TLB fills, page-crossing and MMIO accesses staged in SCRATCH,
 * and typed accesses for TypeScript semantics. Faults are thrown as GuestFault with CR2 set.
 */
export class LinearMemory {
  readonly #state: CpuState
  readonly #memory: MachineMemory
  /** Other threads may be at it at the same time. */
  readonly #shared: boolean
  readonly #walker: PageWalker
  readonly #mmio: Bus
  readonly #tlb: Tlb
  readonly #code: CodeWatch
  readonly #bytes = new Uint8Array(64)
  readonly #view: DataView = new DataView(this.#bytes.buffer)
  #fault: GuestFault | undefined
  #firstPart = 0
  #firstLength = 0
  #secondPart = 0
  /** What the last `#translate` found: guest physical address halves. */
  #physicalLow = 0
  #physicalHigh = 0
  watch: DataWatch | undefined

  constructor(state: CpuState, walker: PageWalker, mmio: Bus, tlb: Tlb, code: CodeWatch) {
    this.#state = state
    this.#memory = state.memory
    this.#shared = !(state.memory.wasm.buffer instanceof ArrayBuffer)
    this.#walker = walker
    this.#mmio = mmio
    this.#tlb = tlb
    this.#code = code
  }

  /** Index of the TLB set and ACCESS_* bits for the privilege in force. */
  #set(privilege: Privilege): number {
    if (privilege === 'supervisor') return L.TLB_SUPERVISOR
    const base = this.#state.u32(L.TLB_BASE) - this.#state.base - L.TLB
    return base / L.TLB_SET_BYTES
  }

  /**
   * Translates to the machine address of the byte, -1 for MMIO, -2 for writes to ROM; fills the TLB where it has to walk. Throws #PF, and #GP or #SS for
   * addresses that are not canonical.
   */
  #translate(low: number, high: number, access: number, set: number, stack: boolean): number {
    // What the TLB has is plain memory with the right asked for: the parts of an access across two pages, mostly.
    if (!(access & ACCESS_FETCH) && !this.watch?.watching) {
      const known = this.#tlb.find(set, low, high, (access & ACCESS_WRITE) !== 0)
      if (known >= 0) return known
    }
    const found = this.#find(low, high, access, set, stack)
    if (found === FAULT) throw this.takeFault()!
    return found
  }

  /** The same without an exception for #PF: FAULT, and the fault is kept for `takeFault`. Guests live by page faults. */
  #find(low: number, high: number, access: number, set: number, stack: boolean): number {
    const state = this.#state
    if (high !== 0 || low >= 0x80000000) this.#requireCanonical(low, high, stack)
    let bits = access
    if (set >= L.TLB_USER) bits |= ACCESS_USER
    if (set !== L.TLB_SUPERVISOR) bits |= ACCESS_AC
    const walker = this.#walker
    const error = walker.walk(low, high, bits)
    if (error >= 0) {
      state.setU32(L.CR2, low)
      state.setU32(L.CR2 + 4, high)
      this.#fault = new GuestFault(PF, error)
      return FAULT
    }
    this.#physicalLow = walker.physicalLow
    this.#physicalHigh = walker.physicalHigh
    const frame = walker.frame
    if (frame >= 0) {
      let rights = walker.rights
      // A page of code is written by the slow path so that decoded instructions notice; ROM and shared frames by frameForWrite.
      if (rights & RIGHT_WRITE && (!(access & ACCESS_WRITE) || !this.#code.writable(frame))) rights &= ~RIGHT_WRITE
      if (set === L.TLB_USER_ALIGNED) rights &= RIGHT_EXECUTE
      if (!this.watch?.watching || !this.watch.watchesPage(wide(low, high))) this.#tlb.fill(set, low, high, rights, frame, walker.global !== 0, walker.pageShift)
      return frame + (low & 0xfff)
    }
    return frame
  }

  /** The page fault that made `slow` return 0. */
  takeFault(): GuestFault | undefined {
    const fault = this.#fault
    this.#fault = undefined
    return fault
  }

  #requireCanonical(low: number, high: number, stack: boolean): void {
    const state = this.#state
    if (!state.longMode) return
    const shift = state.u32(L.CANONICAL_SHIFT)
    if (((high << shift) >> shift) !== (high | 0)) throw new GuestFault(stack ? SS : GP, 0)
    void low
  }

  /** An access that runs out of the canonical range is refused before any page is looked at. */
  #requireCanonicalEnd(low: number, high: number, size: number, stack: boolean): void {
    if (low + size > 0x100000000 && this.#state.mode64) this.#requireCanonical(0, (high + 1) >>> 0, stack)
  }

  /**
   * The generated code's slow path: linear address in HOST_VALUE. Returns a machine address to access: RAM itself, or SCRATCH; 0 after a
   * page fault (`takeFault`). Other faults are thrown.
   * `segment`: state offset of the segment the access goes through.
   */
  slow(access: number, stackOperand: boolean, segment?: number): number {
    const state = this.#state
    const low = state.u32(L.HOST_VALUE)
    const high = state.u32(L.HOST_VALUE + 4)
    const size = access & SLOW_SIZE
    const write = (access & SLOW_WRITE) !== 0
    const stack = stackOperand || (access & SLOW_STACK) !== 0
    const set = this.#set('current')
    // Generated code leaves the limit of flat segments to this check (see emitter.ts).
    if (segment !== undefined && low + size > 0x100000000 && !state.mode64 && state.u32(segment + L.SEG_PERMISSIONS) & L.SEG_FLAT) {
      throw new GuestFault(stack ? SS : GP, 0)
    }
    if (set === L.TLB_USER_ALIGNED) requireAligned(low, size)
    if (this.watch?.watching) this.#noteAccess(wide(low, high), size, write, set, stack)
    if ((low & 0xfff) + size <= 0x1000) {
      const near = this.#tlb.promote(set, low, high, write ? L.TLB_WRITE : L.TLB_READ)
      if (near >= 0) return near
      const address = this.#find(low, high, write ? ACCESS_WRITE : 0, set, stack)
      if (address === FAULT) return 0
      if (address >= 0 && (!write || this.#mayStore(address, access) || this.#code.giveUpCode(address))) return address
      if (address >= 0 && access & SLOW_MODIFY && this.#shared) {
        // In place, so that it can be atomic; what it overwrote is told afterwards.
        state.setU32(L.SCRATCH_PENDING, PENDING_NOTE)
        state.setU32(L.SCRATCH_LINEAR, address)
        state.setU32(L.SCRATCH_SIZE, size)
        return address
      }
    }
    return this.#stage(low, high, size, access, set, stack)
  }

  #mayStore(address: number, access: number): boolean {
    const length = access & SLOW_BLOCK ? 0x1000 - (address & 0xfff) : access & SLOW_SIZE
    return this.#code.writable((address & ~0xfff) >>> 0) || this.#code.sparesCode(address, length)
  }

  /** Tells the data breakpoints of an access, once it is known not to fault. */
  #noteAccess(linear: bigint, size: number, write: boolean, set: number, stack: boolean): void {
    this.#eachPage(Number(linear & 0xffffffffn), Number(linear >> 32n), size,
      (l, h) => void this.#translate(l, h, write ? ACCESS_WRITE : 0, set, stack))
    this.watch!.accessed(linear, size, write)
  }

  /** Accesses that are not to one page of plain RAM go through SCRATCH. */
  #stage(low: number, high: number, size: number, access: number, set: number, stack: boolean): number {
    const state = this.#state
    const scratch = state.base + L.SCRATCH
    const write = (access & SLOW_WRITE) !== 0
    this.#requireCanonicalEnd(low, high, size, stack)
    if (write) {
      // Every page must accept the whole store before any byte is written.
      this.#eachPage(low, high, size, (l, h) => void this.#translate(l, h, ACCESS_WRITE, set, stack))
      state.setU32(L.SCRATCH_PENDING, PENDING_STORE)
      state.setU32(L.SCRATCH_LINEAR, low)
      state.setU32(L.SCRATCH_LINEAR + 4, high)
      state.setU32(L.SCRATCH_SIZE, size)
    }
    if (!write || access & SLOW_MODIFY) this.#transfer(low, high, size, write ? ACCESS_WRITE : 0, set, stack, this.#memory.u8, scratch, false)
    return scratch
  }

  #eachPage(low: number, high: number, size: number, visit: (low: number, high: number, offset: number, length: number) => void): void {
    let done = 0
    while (done < size) {
      const length = Math.min(size - done, 0x1000 - (low & 0xfff))
      visit(low, high, done, length)
      done += length
      const next = low + length
      if (next > 0xffffffff) high = this.#state.mode64 ? (high + 1) >>> 0 : high
      low = next >>> 0
    }
  }

  /** Moves bytes between linear memory and `bytes` at `at`. */
  #transfer(low: number, high: number, size: number, access: number, set: number, stack: boolean, bytes: Uint8Array, at: number, store: boolean): void {
    this.#eachPage(low, high, size, (l, h, offset, length) => {
      const address = this.#translate(l, h, access, set, stack)
      if (address >= 0) {
        if (store) {
          this.#memory.u8.set(bytes.subarray(at + offset, at + offset + length), address)
          if (this.#code.hasCode((address & ~0xfff) >>> 0)) this.#code.wrote(address, length)
        } else bytes.set(this.#memory.u8.subarray(address, address + length), at + offset)
      } else if (address === -1) this.#device(bytes, at + offset, length, store)
    })
  }

  /** MMIO: aligned pieces of 4, 2 and 1 bytes, in ascending order. */
  #device(bytes: Uint8Array, at: number, length: number, store: boolean): void {
    let physical = this.#physicalHigh * 0x100000000 + this.#physicalLow
    while (length > 0) {
      const size = length >= 4 && !(physical & 3) ? 4 : length >= 2 && !(physical & 1) ? 2 : 1
      if (store) {
        let value = 0
        for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
        this.#mmio.write(physical, size, value)
      } else {
        let value = this.#mmio.read(physical, size)
        for (let i = 0; i < size; i++) {
          bytes[at + i] = value & 0xff
          value = Math.floor(value / 256)
        }
      }
      physical += size
      at += size
      length -= size
    }
  }

  /** Carries out the store staged in SCRATCH. */
  commit(): void {
    const state = this.#state
    const pending = state.u32(L.SCRATCH_PENDING)
    if (!pending) return
    state.setU32(L.SCRATCH_PENDING, 0)
    if (pending === PENDING_NOTE) {
      this.#code.wrote(state.u32(L.SCRATCH_LINEAR), state.u32(L.SCRATCH_SIZE))
      return
    }
    const scratch = state.base + L.SCRATCH
    this.#transfer(state.u32(L.SCRATCH_LINEAR), state.u32(L.SCRATCH_LINEAR + 4), state.u32(L.SCRATCH_SIZE), ACCESS_WRITE,
      this.#set('current'), false, this.#memory.u8, scratch, true)
  }

  /**
   * Machine address of `linear` for accesses up to the end of its page, -1 where they need more than a store: devices, pages with decoded
   * instructions, breakpoints. Throws #PF, #GP.
   */
  direct(linear: bigint, write: boolean): number {
    if (this.watch?.watching) return -1
    const address = this.#translate(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), write ? ACCESS_WRITE : 0, this.#set('current'), false)
    return address >= 0 && !(write && !this.#code.writable((address & ~0xfff) >>> 0)) ? address : -1
  }

  /** Machine address of the instruction byte at a linear address, for fetching; -1 when it is not memory. Throws #PF, #GP. */
  fetch(low: number, high: number): number {
    return this.#translate(low, high, ACCESS_FETCH, this.#set('current'), false)
  }

  /** Checks that [linear, linear + size) can be accessed, without doing it. */
  probe(linear: bigint, size: number, write: boolean, privilege: Privilege = 'current', stack = false): void {
    const set = this.#set(privilege)
    this.#requireCanonicalEnd(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), size, stack)
    this.#eachPage(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), size,
      (l, h) => void this.#translate(l, h, write ? ACCESS_WRITE : 0, set, stack))
  }

  /** Machine address of bytes in one page the TLB knows; -1: take the long way. Watched pages and pages of code are not there. */
  cached(linear: bigint, size: number, privilege: Privilege, write: boolean): number {
    const low = Number(linear & 0xffffffffn)
    if ((low & 0xfff) + size > 0x1000) return -1
    return this.#tlb.find(this.#set(privilege), low, Number((linear >> 32n) & 0xffffffffn), write)
  }

  /** The same for bytes on two pages, found in #firstPart, #firstLength and #secondPart. */
  #cachedTwo(linear: bigint, size: number, privilege: Privilege, write: boolean): boolean {
    this.#firstLength = 0x1000 - Number(linear & 0xfffn)
    if (this.#firstLength >= size || size > 0x1000 || !this.#state.mode64) return false
    this.#firstPart = this.cached(linear, this.#firstLength, privilege, write)
    this.#secondPart = this.cached(BigInt.asUintN(64, linear + BigInt(this.#firstLength)), size - this.#firstLength, privilege, write)
    return this.#firstPart >= 0 && this.#secondPart >= 0
  }

  readBytes(linear: bigint, into: Uint8Array, privilege: Privilege = 'current', stack = false): void {
    const cached = this.cached(linear, into.length, privilege, false)
    if (cached >= 0) {
      into.set(this.#memory.u8.subarray(cached, cached + into.length))
      return
    }
    if (this.#cachedTwo(linear, into.length, privilege, false)) {
      into.set(this.#memory.u8.subarray(this.#firstPart, this.#firstPart + this.#firstLength))
      into.set(this.#memory.u8.subarray(this.#secondPart, this.#secondPart + into.length - this.#firstLength), this.#firstLength)
      return
    }
    this.#requireCanonicalEnd(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), into.length, stack)
    if (this.watch?.watching && privilege === 'current') this.#noteAccess(linear, into.length, false, this.#set(privilege), stack)
    this.#transfer(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), into.length, 0, this.#set(privilege), stack, into, 0, false)
  }

  writeBytes(linear: bigint, from: Uint8Array, privilege: Privilege = 'current', stack = false): void {
    const cached = this.cached(linear, from.length, privilege, true)
    if (cached >= 0) {
      this.#memory.u8.set(from, cached)
      return
    }
    if (this.#cachedTwo(linear, from.length, privilege, true)) {
      this.#memory.u8.set(from.subarray(0, this.#firstLength), this.#firstPart)
      this.#memory.u8.set(from.subarray(this.#firstLength), this.#secondPart)
      return
    }
    this.probe(linear, from.length, true, privilege, stack)
    if (this.watch?.watching && privilege === 'current') this.watch.accessed(linear, from.length, true)
    this.#transfer(Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn), from.length, ACCESS_WRITE, this.#set(privilege), stack, from, 0, true)
  }

  /** Reads `size` bytes (1, 2, 4, 8) little-endian. */
  read(linear: bigint, size: number, privilege: Privilege = 'current', stack = false): bigint {
    const cached = this.cached(linear, size, privilege, false)
    if (cached >= 0) {
      const { view } = this.#state
      if (size === 8) return view.getBigUint64(cached, true)
      return BigInt(size === 4 ? view.getUint32(cached, true) : size === 2 ? view.getUint16(cached, true) : view.getUint8(cached))
    }
    if (this.#set(privilege) === L.TLB_USER_ALIGNED) requireAligned(Number(linear & 0xfn), size)
    this.#view.setBigUint64(0, 0n, true)
    this.readBytes(linear, this.#bytes.subarray(0, size), privilege, stack)
    return this.#view.getBigUint64(0, true)
  }

  write(linear: bigint, size: number, value: bigint, privilege: Privilege = 'current', stack = false): void {
    if (this.#set(privilege) === L.TLB_USER_ALIGNED) requireAligned(Number(linear & 0xfn), size)
    this.#view.setBigUint64(8, BigInt.asUintN(64, value), true)
    this.writeBytes(linear, this.#bytes.subarray(8, 8 + size), privilege, stack)
  }
}
