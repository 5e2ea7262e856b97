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
import { describeJob } from './region-job.ts'
import type { TranslationHelper } from './region-job.ts'
import { buildRegionModule } from './region-module.ts'
import type { RegionTarget } from './region-module.ts'
import { formRegion, reachOf } from './region.ts'
import type { RegionCode } from './region.ts'

const ANY_MEMORY = { initialPages: 1, maximumPages: 65536 }
const cores = new Map<boolean, WebAssembly.Module>()

/** Regions kept: each is a WebAssembly module of its own, some 50 KB with its code. */
const MAX_LIVE = 1500
/**
 * Arrivals further apart than this, in instructions, make no region: whenever control comes by, its code, several times as large as the
 * interpreter's records, would have left the processor's caches.
 */
const RARE = 30_000
/** Regions in the making that are waited for. */
const MAX_PENDING = 16

/** What is kept of a region, in the making or made: no instructions, which would be most of the heap. Offsets as in `Region`. */
interface KnownRegion {
  readonly rip: bigint
  readonly slot: number
  readonly mode: number
  readonly pages: ReadonlyMap<number, CodePageId>
  readonly spans: readonly { readonly offset: number; readonly end: number }[]
  readonly entries: readonly number[]
  readonly reach: bigint
  readonly instructions: number
  /** Bytes at the start of pages that belong to instructions which begin before them. */
  readonly tails: ReadonlyMap<CodePageId, number>
}

const overlaps = ({ pages, spans }: KnownRegion, page: CodePageId, from: number, to: number): boolean => {
  for (const [distance, used] of pages) {
    if (used === page && spans.some((span) => span.offset < to + distance && from + distance < span.end)) return true
  }
  return false
}

function describe({ region, rip, slot, mode, pages }: RegionCode, tails: ReadonlyMap<CodePageId, number>): KnownRegion {
  const { blocks } = region
  return {
    rip, slot, mode, pages, tails, spans: blocks.map(({ offset, end }) => ({ offset, end })), entries: region.entries.map((block) => blocks[block]!.offset),
    reach: BigInt(reachOf(region)), instructions: blocks.reduce((sum, block) => sum + block.instructions.length, 0),
  }
}

export interface TranslatorOptions {
  /** Arrivals at an address before it is translated, at least 1, where they follow each other closely. */
  readonly threshold: number
  /** Instructions executed so far. */
  readonly instructions: () => number
  /** Makes the modules; undefined: they are made here, at once. */
  readonly helper: TranslationHelper | undefined
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
  /** By counter of L.HEAT: instructions executed when its countdown began. */
  readonly #since = new Float64Array(L.HEAT_COUNTERS)
  readonly #instructions: () => number
  readonly #helper: TranslationHelper | undefined
  /** By ticket. */
  readonly #pending = new Map<number, KnownRegion>()
  #tickets = 0
  /** By record table. */
  readonly #regions = new Map<number, Set<KnownRegion>>()
  readonly #bySlot: (KnownRegion | undefined)[] = []
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
    this.#threshold = Math.min(threshold, 0xffff)
    this.#instructions = options.instructions
    this.#helper = options.helper
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
    new Uint16Array(memory.wasm.buffer, state.base + L.HEAT, L.HEAT_COUNTERS).fill(this.#threshold)
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
    if (this.#pending.size === MAX_PENDING || this.#isPending(page, offset)) return record
    this.#translate(page, offset)
    return this.#memory.u32[(page.table >>> 2) + offset]!
  }

  /** A countdown ended: did the arrivals follow each other closely? Begins the next one. */
  #isHot(counter: number): boolean {
    const now = this.#instructions()
    // One arrival has no distance.
    const hot = this.#threshold === 1 || now - this.#since[counter]! < this.#threshold * RARE
    this.#since[counter] = now
    this.#state.view.setUint16(this.#state.base + L.HEAT + counter * 2, this.#threshold, true)
    return hot
  }

  #translate(home: CodePageId, head: number): void {
    const start = hostTime()
    const space = new MappedCode(this.#code, home, this.#findPage, (page, offset) => this.#isWarm(page, offset))
    const region = formRegion(space, head)
    if (!region || this.#code.full) return
    if (this.#nextSlot === L.REGION_SLOTS) this.flush()
    else if (this.stats.live >= MAX_LIVE) this.#evict()
    const slot = this.#nextSlot++
    const rip = this.#state.u64(L.PAGE_RIP) + BigInt(head)
    const code: RegionCode = { region, rip, slot, mode: home.mode, pages: space.pages }
    if (this.#helper) {
      const ticket = this.#tickets++
      this.#pending.set(ticket, describe(code, space.tails))
      this.#helper.post(describeJob(ticket, code, this.#memory, this.#target.symbol))
      this.stats.milliseconds += hostTime() - start
    } else {
      const bytes = buildRegionModule(code, this.#target)
      this.#install(describe(code, space.tails), new WebAssembly.Module(bytes), bytes.length, start)
    }
  }

  /** Between slices: takes over what the helper has made. */
  collect(): void {
    if (this.#pending.size === 0) return
    for (let result = this.#helper!.take(); result; result = this.#helper!.take()) {
      if (!result.module) throw result.error
      const pending = this.#pending.get(result.ticket)
      this.#pending.delete(result.ticket)
      if (pending && !this.#code.full) this.#install(pending, result.module, result.bytes!, hostTime())
    }
  }

  /** The instruction is part of a region in the making. */
  #isPending(page: CodePageId, offset: number): boolean {
    for (const region of this.#pending.values()) if (overlaps(region, page, offset, offset + 1)) return true
    return false
  }

  /** Arrivals would be a quarter of what a region takes, or have made one. */
  #isWarm(page: CodePageId, offset: number): boolean {
    const record = this.#memory.u32[(page.table >>> 2) + offset]!
    if (record === 0) return false
    if (this.#code.hasRegion(page, offset) || this.#isPending(page, offset)) return true
    const counter = counterOf(record)
    const left = this.#state.view.getUint16(this.#state.base + L.HEAT + counter * 2, true)
    return this.#threshold - left > this.#threshold / 4
  }

  #install(known: KnownRegion, module: WebAssembly.Module, bytes: number, start: number): void {
    const { slot, pages, rip, tails, entries, instructions } = known
    const { exports } = new WebAssembly.Instance(module, this.#imports)
    this.#core.regions.set(slot, exports['region'] as () => number)
    this.#bySlot[slot] = known
    this.stats.live++
    for (const page of pages.values()) {
      const others = this.#regions.get(page.table)
      if (others) others.add(known)
      else this.#regions.set(page.table, new Set([known]))
    }
    for (const [page, length] of tails) this.#code.coverStart(page, length)
    entries.forEach((offset, n) => {
      const page = pages.get(offset & ~0xfff)!
      // Another one may have come first, while this one was in the making.
      if (!this.#code.hasRegion(page, offset & 0xfff)) this.#code.enterRegion(page, offset & 0xfff, slot, n + 1)
    })
    const milliseconds = hostTime() - start
    this.stats.regions++
    this.stats.bytes += bytes
    this.stats.instructions += instructions
    this.stats.milliseconds += milliseconds
    this.#onTranslated?.({ rip, pages: pages.size, blocks: known.spans.length, instructions, bytes, milliseconds })
  }

  /** Bytes [from, to) of the page changed. */
  overwritten(page: CodePageId, from: number, to: number): void {
    for (const [ticket, region] of this.#pending) if (overlaps(region, page, from, to)) this.#pending.delete(ticket)
    for (const region of this.#regions.get(page.table) ?? []) {
      if (!overlaps(region, page, from, to)) continue
      this.#remove(region)
      this.stats.invalidated++
      this.#onDropped?.('overwritten', region.rip)
    }
  }

  #remove(region: KnownRegion): void {
    const { slot, pages, entries } = region
    this.#core.regions.set(slot, null)
    this.#bySlot[slot] = undefined
    this.stats.live--
    // Ways into it that translated code remembers.
    this.#forgetChains()
    for (const page of pages.values()) this.#regions.get(page.table)?.delete(region)
    for (const offset of entries) this.#code.leaveRegion(pages.get(offset & ~0xfff)!, offset & 0xfff, slot)
  }

  /**
   * A region found the TLB without one of its pages: 1 when they are mapped as it expects after all. Otherwise 0, with RIP and the current
   * page where the interpreter goes on; the region of a mapping that is gone goes too.
   */
  #prepare(slot: number, entry: number, home: bigint): number {
    const code = this.#bySlot[slot]!
    const { reach } = code
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
    const offset = code.entries[entry - 1]!
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

  #remapped(code: KnownRegion): void {
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
    this.#pending.clear()
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
