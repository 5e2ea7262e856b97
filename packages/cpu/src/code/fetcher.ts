import { GP, GuestFault } from '../memory/fault.ts'
import type { LinearMemory } from '../memory/linear-memory.ts'
import type { Tlb } from '../memory/tlb.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { CodeCache, CodePageId } from './code-cache.ts'

/** Instruction fetch: from state.rip through segment, paging and TLB to a decoded record. Throws GuestFault for the guest's faults. */
export class CodeFetcher {
  readonly #state: CpuState
  readonly #memory: LinearMemory
  readonly #tlb: Tlb
  readonly #code: CodeCache
  readonly #secondPage: () => number = () => this.#nextPage()

  constructor(state: CpuState, memory: LinearMemory, tlb: Tlb, code: CodeCache) {
    this.#state = state
    this.#memory = memory
    this.#tlb = tlb
    this.#code = code
  }

  /** The record at state.rip, decoded if it is new; its page becomes the current one. 0: another thread wants this vCPU first. */
  lookup(): number {
    const address = this.#enterPage()
    const state = this.#state
    const low = state.u32(L.PAGE_LINEAR)
    const high = state.u32(L.PAGE_LINEAR + 4)
    if (this.#code.full) {
      this.#code.flush()
      state.setU32(L.PAGE_LINEAR, low)
      state.setU32(L.PAGE_LINEAR + 4, high)
    }
    const frame = (address & ~0xfff) >>> 0
    const offset = address & 0xfff
    const mode = state.u32(L.CODE_MODE)
    const table = this.#code.tableFor(frame, mode)
    if (state.u32(L.KICK)) {
      // While the others let go of the frame, one of them may have changed the map: look again after `run` has heard of it.
      state.setU64(L.PAGE_LINEAR, 0xffffffffffffffffn)
      return 0
    }
    this.#tlb.setFetch(this.#privilegeSet, low, high, mode, table)
    state.setU32(L.PAGE_TABLE, table)
    return state.memory.u32[(table >>> 2) + offset] || this.#code.decodeRun(frame, offset, mode, table)
  }

  /** Decodes the instruction at state.rip into STEP_RECORDS, with PSEUDO_EXIT behind it. */
  stepHere(): void {
    this.#decodeStep(this.#enterPage() & 0xfff, true)
  }

  /** Decodes the instruction at `offset` of the current page, which goes on in the next one, into STEP_RECORDS. */
  crossPage(offset: number): void {
    this.#decodeStep(offset, false)
  }

  /** Makes the page of state.rip the current one; machine address of the byte there. */
  /** The page of code `distance` bytes from the current one, as far as the TLB knows it. */
  findPage(distance: number): CodePageId | undefined {
    const state = this.#state
    const linear = BigInt.asUintN(state.mode64 ? 64 : 32, state.u64(L.PAGE_LINEAR) + BigInt(distance))
    const mode = state.u32(L.CODE_MODE)
    const address = this.#tlb.findFetch(this.#privilegeSet, Number(linear & 0xffffffffn), Number(linear >> 32n), mode)
    return address < 0 ? undefined : this.#code.page(this.#code.tableFor((address & ~0xfff) >>> 0, mode))
  }

  /** The page of code at a linear address, entered into the TLB. Throws GuestFault; undefined where it is not memory or room is short. */
  mapPage(linear: bigint): CodePageId | undefined {
    const state = this.#state
    const low = Number(linear & 0xffffffffn)
    const high = Number(linear >> 32n)
    const address = this.#memory.fetch(low, high)
    if (address < 0 || this.#code.full) return undefined
    const mode = state.u32(L.CODE_MODE)
    const table = this.#code.tableFor((address & ~0xfff) >>> 0, mode)
    this.#tlb.setFetch(this.#privilegeSet, low, high, mode, table)
    return this.#code.page(table)
  }

  #enterPage(): number {
    const state = this.#state
    const { mode64 } = state
    const low = state.u32(L.RIP)
    const high = state.u32(L.RIP + 4)
    if (!mode64 && (high !== 0 || low > state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
    // 64-bit code has no CS.base; elsewhere linear addresses have 32 bits.
    const base = state.u32(L.segment(L.SEG_CS) + L.SEG_BASE)
    const linear = mode64 ? low : (base + low) >>> 0
    const near = this.#tlb.promote(this.#privilegeSet, linear, high, L.TLB_FETCH, state.u32(L.CODE_MODE))
    const address = near >= 0 ? near : this.#memory.fetch(linear, high)
    if (address < 0) throw new GuestFault(GP, 0)
    const page = (linear & ~0xfff) >>> 0
    state.setU32(L.PAGE_LINEAR, page)
    state.setU32(L.PAGE_LINEAR + 4, high)
    state.setU32(L.PAGE_RIP, mode64 ? page : page - base)
    state.setU32(L.PAGE_RIP + 4, mode64 ? high : page < base ? 0xffffffff : 0)
    return address
  }

  /** The TLB set in use. */
  get #privilegeSet(): number {
    return (this.#state.u32(L.TLB_BASE) - this.#state.base - L.TLB) / L.TLB_SET_BYTES
  }

  /** Machine address of an instruction byte; -1 when it is not memory. Throws #PF, #GP. */
  #locate(low: number, high: number): number {
    const known = this.#tlb.findFetch(this.#privilegeSet, low, high, this.#state.u32(L.CODE_MODE))
    return known >= 0 ? known : this.#memory.fetch(low, high)
  }

  #nextPage(): number {
    const state = this.#state
    const low = state.u32(L.PAGE_LINEAR) + 0x1000
    const high = state.u32(L.PAGE_LINEAR + 4)
    return low > 0xffffffff ? this.#locate(low >>> 0, state.mode64 ? (high + 1) >>> 0 : 0) : this.#locate(low, high)
  }

  #decodeStep(offset: number, exit: boolean): void {
    const state = this.#state
    const first = this.#locate(state.u32(L.PAGE_LINEAR) + offset, state.u32(L.PAGE_LINEAR + 4))
    this.#code.decodeStep(first, this.#secondPage, offset, state.u32(L.CODE_MODE), exit)
  }
}
