import { RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { CpuState } from '../state/state.ts'
import * as L from '../state/layout.ts'

const INVALID = 0xffffffff
const ENTRIES = L.TLB_SETS * L.TLB_ENTRIES
/** An entry's number with this bit changed is where what it displaces goes: two pages in use that share an entry do not evict each other. */
const SECOND = L.TLB_SECOND / L.TLB_ENTRY_BYTES
/** Sizes of large pages as shifts: 2 MiB, 4 MiB, 1 GiB. */
const LARGE_SHIFTS = [21, 22, 30]
const LARGE_SLOTS = 4096
const SEVERAL = -1

/** Number of a large page, never 0. */
const largeKey = (low: number, high: number, kind: number): number => (high * 0x1000 + (low >>> LARGE_SHIFTS[kind]!)) * 4 + kind + 1
const largeSlot = (low: number, high: number, kind: number): number => ((low >>> LARGE_SHIFTS[kind]!) ^ (high << 3) ^ (high >>> 9)) & (LARGE_SLOTS - 1)

/** Entry numbers in the order they were filled; an entry that changed its kind may stand in it more than once. */
class EntryList {
  readonly entries: Uint16Array = new Uint16Array(4 * ENTRIES)
  length = 0

  get full(): boolean {
    return this.length === this.entries.length
  }

  add(entry: number): void {
    this.entries[this.length++] = entry
  }
}

/** A valid entry, for inspection: `frame` is the machine address the page maps to, `code` its record table where it can be fetched from. */
export interface TlbEntry {
  readonly set: number
  readonly linear: bigint
  readonly read: boolean
  readonly write: boolean
  readonly fetch: boolean
  readonly frame: number
  readonly code: number
}

export type TlbFlush = 'all' | 'non-global' | 'page'

/** The software TLB of one vCPU: direct-mapped sets, one per kind of privilege (layout in state/layout.ts). */
export class Tlb {
  readonly #u32: Uint32Array
  /** Index (in u32 units) of set 0. */
  readonly #base: number
  readonly #generation: number
  readonly #chainPages: Uint8Array
  /** Code was fetched from a page of the upper half that is not global, since chains were forgotten. */
  #localUpperCode = false
  /** Entries in use, each in one of two lists, so that a flush touches only those. */
  readonly #local = new EntryList()
  readonly #global = new EntryList()
  /** 0 not listed, 1 in #local, 2 in #global. An entry may be in both after it changed its kind: the flag tells which counts. */
  readonly #listed = new Uint8Array(ENTRIES)
  /**
   * Large pages with entries since the last full flush, by `largeSlot`: a `largeKey`, or SEVERAL where two share the slot. INVLPG of any of
   * their addresses drops all their 4 KiB pieces; of pages that share a slot, too many.
   */
  readonly #large = new Float64Array(LARGE_SLOTS)
  fills = 0
  flushes = 0
  /** Told of every flush the guest or the board asks for, for traces. */
  onFlush: ((what: TlbFlush, linearLow: number, linearHigh: number) => void) | undefined

  constructor(state: CpuState) {
    this.#u32 = state.memory.u32
    this.#base = (state.base + L.TLB) >>> 2
    this.#generation = (state.base + L.CHAIN_GENERATION) >>> 2
    this.#chainPages = state.memory.u8.subarray(state.base + L.CHAIN_PAGES, state.base + L.CHAIN_PAGES + L.CHAIN_PAGE_COUNT)
    for (let entry = 0; entry < ENTRIES; entry++) this.#clear(entry)
  }

  #entry(set: number, linearLow: number): number {
    return set * L.TLB_ENTRIES + ((linearLow >>> 12) & (L.TLB_ENTRIES - 1))
  }

  /**
   * Enters a page. `rights` selects which tags are set; the others are cleared unless the entry already is of this page.
   * `frame` is the machine address of the page.
   */
  fill(set: number, linearLow: number, linearHigh: number, rights: number, frame: number, global: boolean, pageShift = 12): void {
    const entry = this.#entry(set, linearLow)
    const at = this.#base + entry * 8
    const u32 = this.#u32
    const page = (linearLow & ~0xfff) >>> 0
    this.fills++
    this.#makeRoom(entry, page, linearHigh)
    this.#list(entry, global ? 2 : 1)
    if (pageShift > 12) this.#noteLarge(linearLow, linearHigh, LARGE_SHIFTS.indexOf(pageShift))
    const keepFetch = u32[at + 4]! >>> 12 === page >>> 12 && u32[at + 5] === linearHigh && u32[at + 6] === (frame - page) >>> 0
    this.#setTag(at, rights & RIGHT_READ, page, linearHigh)
    this.#setTag(at + 2, rights & RIGHT_WRITE, page, linearHigh)
    if (!keepFetch || !(rights & RIGHT_EXECUTE)) this.#setTag(at + 4, 0, 0, 0)
    u32[at + 6] = frame - page
  }

  #list(entry: number, kind: number): void {
    if (this.#listed[entry] === kind || kind === 0) return
    const list = kind === 2 ? this.#global : this.#local
    if (list.full) this.flushAll()
    this.#listed[entry] = kind
    list.add(entry)
  }

  /** The entry has a tag of the page. */
  #holds(entry: number, page: number, high: number): boolean {
    const at = this.#base + entry * 8
    const u32 = this.#u32
    for (let tag = at; tag < at + 6; tag += 2) if (((u32[tag]! ^ page) & ~0xfff) === 0 && u32[tag + 1] === high && (u32[tag]! & 0xff8) !== 0xff8) return true
    return false
  }

  #used(entry: number): boolean {
    const at = this.#base + entry * 8
    const u32 = this.#u32
    return u32[at] !== INVALID || u32[at + 2] !== INVALID || u32[at + 4] !== INVALID
  }

  /** Another page in the entry moves to its second place; the page itself comes from there. */
  #makeRoom(entry: number, page: number, high: number): void {
    if (this.#holds(entry, page, high)) return
    const second = entry ^ SECOND
    if (this.#holds(second, page, high)) this.#swap(entry, second)
    else if (this.#used(entry)) {
      this.#list(second, this.#listed[entry]!)
      const from = this.#base + entry * 8
      this.#u32.copyWithin(this.#base + second * 8, from, from + 8)
    }
  }

  #swap(a: number, b: number): void {
    const [kindA, kindB] = [this.#listed[a]!, this.#listed[b]!]
    this.#list(a, kindB)
    this.#list(b, kindA)
    const u32 = this.#u32
    for (let word = 0; word < 8; word++) {
      const [i, j] = [this.#base + a * 8 + word, this.#base + b * 8 + word]
      const value = u32[i]!
      u32[i] = u32[j]!
      u32[j] = value
    }
  }

  /** Brings a page from its second place to the first, where generated code looks first; -1 when it is not there with the tag asked for. */
  promote(set: number, linearLow: number, linearHigh: number, tag: typeof L.TLB_READ | typeof L.TLB_WRITE | typeof L.TLB_FETCH, mode = 0): number {
    const entry = this.#entry(set, linearLow)
    const at = this.#base + (entry ^ SECOND) * 8
    const u32 = this.#u32
    if (u32[at + (tag >> 2)] !== ((linearLow & ~0xfff) | mode) >>> 0 || u32[at + (tag >> 2) + 1] !== linearHigh) return -1
    this.#swap(entry, entry ^ SECOND)
    return (linearLow + u32[this.#base + entry * 8 + 6]!) >>> 0
  }

  #noteLarge(low: number, high: number, kind: number): void {
    const slot = largeSlot(low, high, kind)
    const key = largeKey(low, high, kind)
    const known = this.#large[slot]!
    if (known !== key) this.#large[slot] = known === 0 ? key : SEVERAL
  }

  /** Machine address behind a linear address by an entry that allows reading (or writing); -1: none. */
  find(set: number, linearLow: number, linearHigh: number, write: boolean): number {
    return this.#look(set, linearLow, linearHigh, write ? 2 : 0, (linearLow & ~0xfff) >>> 0)
  }

  /** Machine address behind a linear address that code of `mode` was fetched from before; -1: none. */
  findFetch(set: number, linearLow: number, linearHigh: number, mode: number): number {
    return this.#look(set, linearLow, linearHigh, 4, ((linearLow & ~0xfff) | mode) >>> 0)
  }

  #look(set: number, linearLow: number, linearHigh: number, tag: number, value: number): number {
    const u32 = this.#u32
    let entry = this.#entry(set, linearLow)
    for (let place = 0; place < 2; place++, entry ^= SECOND) {
      const at = this.#base + entry * 8
      if (u32[at + tag] === value && u32[at + tag + 1] === linearHigh) return (linearLow + u32[at + 6]!) >>> 0
    }
    return -1
  }

  #setTag(at: number, on: number, low: number, high: number): void {
    this.#u32[at] = on ? low : INVALID
    this.#u32[at + 1] = on ? high : INVALID
  }

  /** Adds the fetch side to the entry `fill` just made for this page. */
  setFetch(set: number, linearLow: number, linearHigh: number, mode: number, codeTable: number): void {
    const entry = this.#entry(set, linearLow)
    const at = this.#base + entry * 8
    this.#u32[at + 4] = (linearLow & ~0xfff) | mode
    this.#u32[at + 5] = linearHigh
    this.#u32[at + 7] = codeTable
    if (linearHigh >= 0x80000000 && this.#listed[entry] !== 2) this.#localUpperCode = true
  }

  /** A tag whose low bits are all ones matches no address. */
  #clear(entry: number): void {
    const at = this.#base + entry * 8
    const u32 = this.#u32
    u32[at] = INVALID
    u32[at + 2] = INVALID
    u32[at + 4] = INVALID
  }

  #flush(list: EntryList, kind: number): void {
    const { entries, length } = list
    for (let i = 0; i < length; i++) {
      const entry = entries[i]!
      if (this.#listed[entry] !== kind) continue
      this.#listed[entry] = 0
      this.#clear(entry)
    }
    list.length = 0
  }

  /** Addresses may lead elsewhere now: translated code looks its ways up again. */
  forgetChains(): void {
    this.#u32[this.#generation]!++
    this.#u32[this.#generation + 1]!++
    this.#localUpperCode = false
    this.#chainPages.fill(0)
  }

  flushAll(): void {
    this.flushes++
    this.forgetChains()
    this.onFlush?.('all', 0, 0)
    this.#flush(this.#local, 1)
    this.#flush(this.#global, 2)
    this.#large.fill(0)
  }

  /** Everything but global translations. */
  flushNonGlobal(): void {
    this.flushes++
    // Kernels live in the upper half, in global pages: ways between their regions stay.
    if (this.#localUpperCode) this.forgetChains()
    else this.#u32[this.#generation]!++
    this.onFlush?.('non-global', 0, 0)
    this.#flush(this.#local, 1)
  }

  /** One page in every set: all of it when it is a large one. */
  flushPage(linearLow: number, linearHigh = 0): void {
    this.onFlush?.('page', linearLow, linearHigh)
    let first = this.#entry(0, linearLow)
    let count = 1
    for (let kind = 0; kind < LARGE_SHIFTS.length; kind++) {
      const slot = largeSlot(linearLow, linearHigh, kind)
      const known = this.#large[slot]!
      if (known === 0 || (known !== SEVERAL && known !== largeKey(linearLow, linearHigh, kind))) continue
      if (known !== SEVERAL) this.#large[slot] = 0
      count = Math.max(count, Math.min(2 ** (LARGE_SHIFTS[kind]! - 12), L.TLB_ENTRIES))
      first = this.#entry(0, linearLow) & ~(count - 1)
    }
    if (count > 1 || this.#chainPages[(linearLow >>> 12) & (L.CHAIN_PAGE_COUNT - 1)]) this.forgetChains()
    for (let set = 0; set < L.TLB_SETS; set++) {
      for (let i = 0; i < count; i++) {
        this.#clear(set * L.TLB_ENTRIES + first + i)
        this.#clear((set * L.TLB_ENTRIES + first + i) ^ SECOND)
      }
    }
  }

  /** Withdraws write access from every entry that maps the machine frame (it holds decoded code now, or is shared). */
  protectFrame(frame: number): void {
    const u32 = this.#u32
    for (let e = 0; e < ENTRIES; e++) {
      const at = this.#base + e * 8
      if (u32[at + 2] !== INVALID && (u32[at + 2]! + u32[at + 6]!) >>> 0 === frame) this.#setTag(at + 2, 0, 0, 0)
    }
  }

  /** Drops the fetch tags: their code tables or mode are gone. */
  flushFetch(): void {
    this.forgetChains()
    for (let e = 0; e < ENTRIES; e++) this.#setTag(this.#base + e * 8 + 4, 0, 0, 0)
  }

  /** What is in the TLB now. Slow: for monitors and tests. */
  list(): TlbEntry[] {
    const found: TlbEntry[] = []
    const u32 = this.#u32
    for (let e = 0; e < ENTRIES; e++) {
      const at = this.#base + e * 8
      const [read, write, fetch] = [at, at + 2, at + 4].map((tag) => (u32[tag]! & 0xff8) !== 0xff8)
      if (!read && !write && !fetch) continue
      const tag = read ? at : write ? at + 2 : at + 4
      const low = (u32[tag]! & ~0xfff) >>> 0
      found.push({
        set: Math.floor(e / L.TLB_ENTRIES), linear: (BigInt(u32[tag + 1]!) << 32n) | BigInt(low), read: read!, write: write!, fetch: fetch!,
        frame: (low + u32[at + 6]!) >>> 0, code: fetch ? u32[at + 7]! : 0,
      })
    }
    return found
  }
}
