import { GP, GuestFault } from '../memory/fault.ts'
import type { LinearMemory } from '../memory/linear-memory.ts'
import type { Tlb } from '../memory/tlb.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { CodeCache } from './code-cache.ts'

/** Where state.rip is: its page's linear address and machine frame, the offset there, and how the TLB knows it. */
interface CodePage {
  readonly linear: bigint
  readonly frame: number
  readonly offset: number
  readonly low: number
  readonly high: number
  readonly mode: number
  readonly set: number
}

/** Instruction fetch: from state.rip through segment, paging and TLB to a decoded record. Throws GuestFault for the guest's faults. */
export class CodeFetcher {
  readonly #state: CpuState
  readonly #memory: LinearMemory
  readonly #tlb: Tlb
  readonly #code: CodeCache

  constructor(state: CpuState, memory: LinearMemory, tlb: Tlb, code: CodeCache) {
    this.#state = state
    this.#memory = memory
    this.#tlb = tlb
    this.#code = code
  }

  /** The record at state.rip, decoded if it is new; its page becomes the current one. */
  lookup(): number {
    const page = this.#enterPage()
    const state = this.#state
    if (this.#code.full) {
      this.#code.flush()
      state.setU64(L.PAGE_LINEAR, page.linear)
    }
    const table = this.#code.tableFor(page.frame, page.mode)
    this.#tlb.setFetch(page.set, page.low, page.high, page.mode, table)
    state.setU32(L.PAGE_TABLE, table)
    return state.memory.u32[(table >>> 2) + page.offset] || this.#code.decodeRun(page.frame, page.offset, page.mode, table)
  }

  /** Decodes the instruction at state.rip into STEP_RECORDS, with PSEUDO_EXIT behind it. */
  stepHere(): void {
    this.#decodeStep(this.#enterPage().offset, true)
  }

  /** Decodes the instruction at `offset` of the current page, which goes on in the next one, into STEP_RECORDS. */
  crossPage(offset: number): void {
    this.#decodeStep(offset, false)
  }

  #enterPage(): CodePage {
    const state = this.#state
    const { rip } = state
    if (!state.mode64 && rip > BigInt(state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
    const base = state.segBase(L.SEG_CS)
    const linear = BigInt.asUintN(state.mode64 ? 64 : 32, base + rip)
    const low = Number(linear & 0xffffffffn)
    const high = Number(linear >> 32n)
    const address = this.#memory.fetch(low, high)
    if (address < 0) throw new GuestFault(GP, 0)
    const page = linear & ~0xfffn
    state.setU64(L.PAGE_LINEAR, page)
    state.setU64(L.PAGE_RIP, BigInt.asUintN(64, page - base))
    return { linear: page, frame: (address & ~0xfff) >>> 0, offset: address & 0xfff, low, high, mode: state.u32(L.CODE_MODE), set: this.#privilegeSet }
  }

  /** The TLB set in use. */
  get #privilegeSet(): number {
    return (this.#state.u32(L.TLB_BASE) - this.#state.base - L.TLB) / L.TLB_SET_BYTES
  }

  #decodeStep(offset: number, exit: boolean): void {
    const state = this.#state
    const start = state.u64(L.PAGE_LINEAR) + BigInt(offset)
    const mode = state.u32(L.CODE_MODE)
    // `from` and `to` lie in one page.
    const fetch = (into: Uint8Array, from: number, to: number): void => {
      const linear = BigInt.asUintN(state.mode64 ? 64 : 32, start + BigInt(from))
      const low = Number(linear & 0xffffffffn)
      const high = Number(linear >> 32n)
      const known = this.#tlb.findFetch(this.#privilegeSet, low, high, mode)
      const address = known >= 0 ? known : this.#memory.fetch(low, high)
      if (address < 0) into.fill(0xff, from, to)
      else into.set(state.memory.u8.subarray(address, address + to - from), from)
    }
    this.#code.decodeStep(fetch, Math.min(15, 4096 - offset), offset, mode, exit)
  }
}
