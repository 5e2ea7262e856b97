import { RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { CpuState } from '../state/state.ts'
import * as L from '../state/layout.ts'

const INVALID = 0xffffffff

/** Remembered fills before a flush just clears everything. */
const MAX_FILLS = 4096

/** The software TLB of one vCPU: three direct-mapped sets, one per kind of privilege (layout in state/layout.ts). */
export class Tlb {
  readonly #u32: Uint32Array
  /** Index (in u32 units) of set 0. */
  readonly #base: number
  /** Entries filled since the last full flush, so that a flush touches only those. */
  readonly #fills = new Uint32Array(MAX_FILLS)
  #fillCount = 0
  readonly #global = new Uint8Array(3 * L.TLB_ENTRIES)
  fills = 0
  flushes = 0

  constructor(state: CpuState) {
    this.#u32 = state.memory.u32
    this.#base = (state.base + L.TLB) >>> 2
    this.#fillCount = MAX_FILLS
    this.flushAll()
  }

  #entry(set: number, linearLow: number): number {
    return set * L.TLB_ENTRIES + ((linearLow >>> 12) & (L.TLB_ENTRIES - 1))
  }

  /**
   * Enters a page. `rights` selects which tags are set; the others are cleared unless the entry already is of this page.
   * `frame` is the machine address of the page.
   */
  fill(set: number, linearLow: number, linearHigh: number, rights: number, frame: number, global: boolean): void {
    const entry = this.#entry(set, linearLow)
    const at = this.#base + entry * 8
    const u32 = this.#u32
    const page = (linearLow & ~0xfff) >>> 0
    this.fills++
    if (this.#fillCount < MAX_FILLS) this.#fills[this.#fillCount++] = entry
    const keepFetch = u32[at + 4]! >>> 12 === page >>> 12 && u32[at + 5] === linearHigh && u32[at + 6] === (frame - page) >>> 0
    this.#setTag(at, rights & RIGHT_READ, page, linearHigh)
    this.#setTag(at + 2, rights & RIGHT_WRITE, page, linearHigh)
    if (!keepFetch || !(rights & RIGHT_EXECUTE)) this.#setTag(at + 4, 0, 0, 0)
    u32[at + 6] = frame - page
    this.#global[entry] = global ? 1 : 0
  }

  #setTag(at: number, on: number, low: number, high: number): void {
    this.#u32[at] = on ? low : INVALID
    this.#u32[at + 1] = on ? high : INVALID
  }

  /** Adds the fetch side to the entry `fill` just made for this page. */
  setFetch(set: number, linearLow: number, linearHigh: number, mode: number, codeTable: number): void {
    const at = this.#base + this.#entry(set, linearLow) * 8
    this.#u32[at + 4] = (linearLow & ~0xfff) | mode
    this.#u32[at + 5] = linearHigh
    this.#u32[at + 7] = codeTable
  }

  #clear(entry: number): void {
    this.#u32.fill(INVALID, this.#base + entry * 8, this.#base + entry * 8 + 6)
  }

  flushAll(): void {
    this.flushes++
    if (this.#fillCount >= MAX_FILLS) for (let e = 0; e < 3 * L.TLB_ENTRIES; e++) this.#clear(e)
    else for (let i = 0; i < this.#fillCount; i++) this.#clear(this.#fills[i]!)
    this.#fillCount = 0
  }

  /** Everything but global translations. */
  flushNonGlobal(): void {
    this.flushes++
    const overflow = this.#fillCount >= MAX_FILLS
    const count = overflow ? 3 * L.TLB_ENTRIES : this.#fillCount
    let kept = 0
    for (let i = 0; i < count; i++) {
      const entry = overflow ? i : this.#fills[i]!
      if (!this.#global[entry]) this.#clear(entry)
      else if (!overflow) this.#fills[kept++] = entry
    }
    // After an overflow the survivors are not listed: the next flush of all must visit every entry.
    if (!overflow) this.#fillCount = kept
  }

  /** One page in every set. */
  flushPage(linearLow: number, _linearHigh = 0): void {
    for (let set = 0; set < 3; set++) this.#clear(this.#entry(set, linearLow))
  }

  /** Withdraws write access from every entry that maps the machine frame (it holds decoded code now, or is shared). */
  protectFrame(frame: number): void {
    const u32 = this.#u32
    for (let e = 0; e < 3 * L.TLB_ENTRIES; e++) {
      const at = this.#base + e * 8
      if (u32[at + 2] !== INVALID && (u32[at + 2]! + u32[at + 6]!) >>> 0 === frame) this.#setTag(at + 2, 0, 0, 0)
    }
  }

  /** Drops the fetch tags: their code tables or mode are gone. */
  flushFetch(): void {
    for (let e = 0; e < 3 * L.TLB_ENTRIES; e++) this.#setTag(this.#base + e * 8 + 4, 0, 0, 0)
  }
}
