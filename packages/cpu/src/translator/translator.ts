import type { FlatWindow, MachineMemory } from '@entresol/interfaces'
import { PSEUDO_REGION } from '../interpreter/pseudo.ts'
import type { CodeCache, CodePageId } from '../code/code-cache.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { RegionDropped, TranslatedRegion } from '../trace.ts'
import { MappedCode } from './code-space.ts'
import type { FindPage } from './code-space.ts'
import { buildCore } from './core.ts'
import type { CoreExports } from './core.ts'
import { requireInside } from './memory-access.ts'
import { buildRegionModule } from './region-module.ts'
import type { RegionTarget } from './region-module.ts'
import { formRegion, reachOf } from './region.ts'
import type { RegionCode } from './region.ts'

const ANY_MEMORY = { initialPages: 1, maximumPages: 65536 }
const cores = new Map<boolean, WebAssembly.Module>()

/** Regions kept: each is a WebAssembly module of its own, some 50 KB with its code. */
const MAX_LIVE = 3000
/** So many regions double the arrivals that make another one. */
const CROWD = 32

export interface TranslatorOptions {
  /** Arrivals at an address before it is translated, at least 1, as long as there are few regions. */
  readonly threshold: number
  readonly state: CpuState
  readonly memory: MachineMemory
  readonly code: CodeCache
  /** Linear addresses reached without the TLB: see `SoftwareVcpuOptions`. */
  readonly flat: FlatWindow | undefined
  /** Functions instruction rows call by name: the vCPU's own instance. */
  readonly helpers: WebAssembly.ModuleImports
  /** Names of places: `SoftwareVcpuOptions.symbol`. */
  readonly symbol: RegionTarget['symbol']
  /** Told of regions that are made and dropped, for traces. */
  readonly onTranslated: ((region: TranslatedRegion) => void) | undefined
  readonly onDropped: ((why: RegionDropped, rip: bigint | undefined) => void) | undefined
  /** The page of code `distance` bytes from the current one, if the TLB knows it. */
  readonly findPage: FindPage
  /** What generated code remembers of ways to regions is no longer true. */
  readonly forgetChains: () => void
  /** The page of code at a linear address, entered into the TLB; undefined where it is none. */
  readonly mapPage: (linear: bigint) => CodePageId | undefined
}

/** Turns hot code of one vCPU into WebAssembly and keeps it true to memory. */
export class Translator {
  readonly #state: CpuState
  readonly #code: CodeCache
  readonly #memory: MachineMemory
  readonly #target: RegionTarget
  readonly #core: CoreExports
  readonly #imports: WebAssembly.Imports
  readonly #threshold: number
  /** By counter of L.HEAT: what its countdown began at, and the arrivals before that. */
  readonly #countdown: Uint16Array
  readonly #arrivals = new Uint32Array(L.HEAT_COUNTERS)
  /** By record table. */
  readonly #regions = new Map<number, Set<RegionCode>>()
  readonly #bySlot: (RegionCode | undefined)[] = []
  readonly #findPage: FindPage
  readonly #forgetChains: () => void
  readonly #mapPage: (linear: bigint) => CodePageId | undefined
  readonly #onTranslated: TranslatorOptions['onTranslated']
  readonly #onDropped: TranslatorOptions['onDropped']
  #nextSlot = 0
  /** `live`: regions there are now; the others count since power-on. */
  readonly stats: { live: number; regions: number; instructions: number; bytes: number; milliseconds: number; invalidated: number; flushes: number } =
    { live: 0, regions: 0, instructions: 0, bytes: 0, milliseconds: 0, invalidated: 0, flushes: 0 }

  constructor(options: TranslatorOptions) {
    this.#forgetChains = options.forgetChains
    const { threshold, state, memory, code, flat, helpers } = options
    this.#threshold = threshold
    this.#state = state
    this.#code = code
    this.#memory = memory
    const shared = !(memory.wasm.buffer instanceof ArrayBuffer)
    if (flat) requireInside(flat, memory)
    this.#target = { shared, flat, symbol: options.symbol }
    this.#onTranslated = options.onTranslated
    this.#onDropped = options.onDropped
    const env = { memory: memory.wasm }
    this.#core = new WebAssembly.Instance(coreModule(shared), { env }).exports as unknown as CoreExports
    const { chain, words } = this.#core
    this.#findPage = options.findPage
    this.#mapPage = options.mapPage
    const prepare = (slot: number, entry: number, home: bigint): number => this.#prepare(slot, entry, home)
    this.#imports = { env: { memory: memory.wasm, chain, words, prepare }, helpers }
    this.#countdown = new Uint16Array(L.HEAT_COUNTERS).fill(Math.min(threshold, 0xffff))
    new Uint16Array(memory.wasm.buffer, state.base + L.HEAT, L.HEAT_COUNTERS).set(this.#countdown)
  }

  get enter(): CoreExports['enter'] {
    return this.#core.enter
  }

  /** Control reached `record` of the current page often: returns the record to go on at. */
  hot(record: number): number {
    const { view } = this.#state
    if (!this.#isHot(counterOf(record)) || view.getUint16(record, true) === PSEUDO_REGION) return record
    const mode = this.#state.u32(L.CODE_MODE)
    if (mode !== L.MODE_64 && mode !== (L.MODE_32 | L.MODE_FLAT)) return record
    const page = this.#code.page(this.#state.u32(L.PAGE_TABLE))
    const offset = view.getUint16(record + R.R_OFFSET, true)
    if (this.#memory.u32[(page.table >>> 2) + offset] !== record) return record
    this.#translate(page, offset)
    return this.#memory.u32[(page.table >>> 2) + offset]!
  }

  /** A countdown ended: are there arrivals enough by now? If not, counts on. */
  #isHot(counter: number): boolean {
    // Each region makes the others slower, as they share the processor's caches: more of them have to be worth more.
    const needed = this.#threshold * (1 + this.stats.live / CROWD)
    const arrivals = this.#arrivals[counter]! + this.#countdown[counter]!
    const hot = arrivals >= needed
    this.#arrivals[counter] = hot ? 0 : arrivals
    const next = Math.min(hot ? this.#threshold : Math.ceil(needed - arrivals), 0xffff)
    this.#countdown[counter] = next
    this.#state.view.setUint16(this.#state.base + L.HEAT + counter * 2, next, true)
    return hot
  }

  #translate(home: CodePageId, head: number): void {
    const start = hostTime()
    const space = new MappedCode(this.#code, home, this.#findPage, (page, offset) => this.#isWarm(page, offset))
    const region = formRegion(space, head)
    if (!region || this.#code.full) return
    if (this.#nextSlot === L.REGION_SLOTS) this.flush()
    else if (this.stats.live >= MAX_LIVE) this.#evict()
    const slot = this.#nextSlot
    const rip = this.#state.u64(L.PAGE_RIP) + BigInt(head)
    const code: RegionCode = { region, rip, slot, mode: home.mode, pages: space.pages }
    const bytes = buildRegionModule(code, this.#target)
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports)
    this.#install(code, space.tails, instance.exports['region'] as () => number)
    this.stats.regions++
    this.stats.bytes += bytes.length
    const instructions = region.blocks.reduce((sum, block) => sum + block.instructions.length, 0)
    const milliseconds = hostTime() - start
    this.stats.instructions += instructions
    this.stats.milliseconds += milliseconds
    this.#onTranslated?.({ rip, pages: space.pages.size, blocks: region.blocks.length, instructions, bytes: bytes.length, milliseconds })
  }

  /** Arrivals would be a quarter of what the first region takes, or have made one. */
  #isWarm(page: CodePageId, offset: number): boolean {
    const record = this.#memory.u32[(page.table >>> 2) + offset]!
    if (record === 0) return false
    if (this.#code.hasRegion(page, offset)) return true
    const counter = counterOf(record)
    const left = this.#state.view.getUint16(this.#state.base + L.HEAT + counter * 2, true)
    return this.#arrivals[counter]! + this.#countdown[counter]! - left > this.#threshold / 4
  }

  #install(code: RegionCode, tails: ReadonlyMap<CodePageId, number>, run: () => number): void {
    const { region, slot, pages } = code
    this.#nextSlot = slot + 1
    this.#core.regions.set(slot, run)
    this.#bySlot[slot] = code
    this.stats.live++
    for (const page of pages.values()) {
      const known = this.#regions.get(page.table)
      if (known) known.add(code)
      else this.#regions.set(page.table, new Set([code]))
    }
    for (const [page, length] of tails) this.#code.coverStart(page, length)
    region.entries.forEach((block, n) => {
      const { offset } = region.blocks[block]!
      this.#code.enterRegion(pages.get(offset & ~0xfff)!, offset & 0xfff, slot, n + 1)
    })
  }

  /** Bytes [from, to) of the page changed. */
  overwritten(page: CodePageId, from: number, to: number): void {
    const regions = this.#regions.get(page.table)
    if (!regions) return
    for (const code of regions) {
      for (const [distance, used] of code.pages) {
        if (used !== page || !code.region.blocks.some((b) => b.offset < to + distance && from + distance < b.end)) continue
        this.#remove(code)
        this.stats.invalidated++
        this.#onDropped?.('overwritten', code.rip)
        break
      }
    }
  }

  #remove(code: RegionCode): void {
    const { slot, pages, region } = code
    this.#core.regions.set(slot, null)
    this.#bySlot[slot] = undefined
    this.stats.live--
    // Ways into it that translated code remembers.
    this.#forgetChains()
    for (const page of pages.values()) this.#regions.get(page.table)?.delete(code)
    for (const block of region.entries) {
      const { offset } = region.blocks[block]!
      this.#code.leaveRegion(pages.get(offset & ~0xfff)!, offset & 0xfff, slot)
    }
  }

  /**
   * A region found the TLB without one of its pages: 1 when they are mapped as it expects after all. Otherwise 0, with RIP and the current
   * page where the interpreter goes on; the region of a mapping that is gone goes too.
   */
  #prepare(slot: number, entry: number, home: bigint): number {
    const code = this.#bySlot[slot]!
    const reach = BigInt(reachOf(code.region))
    const canonical = (rip: bigint): boolean => BigInt.asIntN(48, rip) === BigInt.asIntN(64, rip)
    let good = code.mode !== L.MODE_64 || (canonical(home + reach) && canonical(home - reach))
    for (const [distance, page] of code.pages) {
      const mapped = this.#mapPage(BigInt.asUintN(code.mode === L.MODE_64 ? 64 : 32, home + BigInt(distance)))
      good &&= mapped !== undefined && mapped.table === page.table
      if (mapped && mapped.table !== page.table) this.#remapped(code)
    }
    if (good) return 1
    // Nobody enters it unchecked now.
    this.#forgetChains()
    const { offset } = code.region.blocks[code.region.entries[entry - 1]!]!
    const state = this.#state
    const rip = BigInt.asUintN(code.mode === L.MODE_64 ? 64 : 32, home + BigInt(offset))
    state.rip = rip
    state.setU64(L.PAGE_LINEAR, rip & ~0xfffn)
    state.setU64(L.PAGE_RIP, rip & ~0xfffn)
    state.setU32(L.PAGE_TABLE, code.pages.get(offset & ~0xfff)!.table)
    return 0
  }

  /** Drops the older half: what is still hot comes back, what was left from programs that ended does not. */
  #evict(): void {
    let surplus = this.stats.live >> 1
    for (const code of this.#bySlot) {
      if (!code) continue
      if (surplus-- <= 0) break
      this.#remove(code)
      this.#onDropped?.('evicted', code.rip)
    }
  }

  #remapped(code: RegionCode): void {
    if (this.#bySlot[code.slot] !== code) return
    this.#remove(code)
    this.#onDropped?.('remapped', code.rip)
  }

  /** Drops every region; the records they stood for count again. */
  flush(): void {
    this.stats.flushes++
    this.#onDropped?.('flush', undefined)
    for (const code of this.#bySlot) if (code) this.#remove(code)
    this.#regions.clear()
    this.#nextSlot = 0
  }
}

/** The counter of L.HEAT for arrivals at a record; emitHeat of the interpreter finds the same one. */
const counterOf = (record: number): number => (record >>> 5) & (L.HEAT_COUNTERS - 1)

/** Milliseconds for statistics, which no guest sees. */
// eslint-disable-next-line no-restricted-properties -- the host's time is what is measured
const hostTime = (): number => performance.now()

function coreModule(shared: boolean): WebAssembly.Module {
  let module = cores.get(shared)
  if (!module) cores.set(shared, module = new WebAssembly.Module(buildCore({ ...ANY_MEMORY, shared })))
  return module
}
