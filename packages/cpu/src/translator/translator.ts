import type { MachineMemory } from '@entresol/interfaces'
import { PSEUDO_REGION } from '../interpreter/pseudo.ts'
import type { CodeCache, CodePageId } from '../code/code-cache.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import { buildBatch } from './batch.ts'
import { buildCore } from './core.ts'
import type { CoreExports } from './core.ts'
import { formRegion } from './region.ts'
import type { Region } from './region.ts'

const ANY_MEMORY = { initialPages: 1, maximumPages: 65536 }
const cores = new Map<boolean, WebAssembly.Module>()

export interface TranslatorOptions {
  /** Arrivals at an address before it is translated, 1..65535. */
  readonly threshold: number
  readonly state: CpuState
  readonly memory: MachineMemory
  readonly code: CodeCache
  /** Functions instruction rows call by name: the vCPU's own instance. */
  readonly helpers: WebAssembly.ModuleImports
  /** Machine address of plain memory behind the linear address in HOST_VALUE, or 0: see LinearMemory.fill. */
  readonly fill: (access: number) => number
}

/** A region in use. */
interface Installed {
  readonly slot: number
  readonly page: CodePageId
  readonly region: Region
  /** Bytes of the page it was made from, as [from, to) pairs. */
  readonly ranges: readonly (readonly [number, number])[]
}

/** Turns hot code of one vCPU into WebAssembly and keeps it true to memory. */
export class Translator {
  readonly #state: CpuState
  readonly #code: CodeCache
  readonly #memory: MachineMemory
  readonly #shared: boolean
  readonly #core: CoreExports
  readonly #imports: WebAssembly.Imports
  readonly #u8: Uint8Array
  readonly #threshold: number
  /** By record table. */
  readonly #regions = new Map<number, Installed[]>()
  #nextSlot = 0
  readonly stats: { regions: number; instructions: number; bytes: number; milliseconds: number; invalidated: number; flushes: number } =
    { regions: 0, instructions: 0, bytes: 0, milliseconds: 0, invalidated: 0, flushes: 0 }

  constructor(options: TranslatorOptions) {
    const { threshold, state, memory, code, helpers, fill } = options
    this.#threshold = threshold
    this.#state = state
    this.#code = code
    this.#memory = memory
    this.#u8 = memory.u8
    this.#shared = !(memory.wasm.buffer instanceof ArrayBuffer)
    const env = { memory: memory.wasm, fill }
    this.#core = new WebAssembly.Instance(coreModule(this.#shared), { env }).exports as unknown as CoreExports
    const { chain, words } = this.#core
    this.#imports = { env: { memory: memory.wasm, chain, fill: this.#core.fill, words }, helpers }
    new Uint16Array(memory.wasm.buffer, state.base + L.HEAT, L.HEAT_COUNTERS).fill(threshold)
  }

  get enter(): CoreExports['enter'] {
    return this.#core.enter
  }

  /** Control reached `record` of the current page often: returns the record to go on at. */
  hot(record: number): number {
    const { view } = this.#state
    const counter = this.#state.base + L.HEAT + ((record >>> 4) & ((L.HEAT_COUNTERS - 1) * 2))
    view.setUint16(counter, this.#threshold, true)
    if (view.getUint16(record, true) === PSEUDO_REGION) return record
    const mode = this.#state.u32(L.CODE_MODE)
    if (mode !== L.MODE_64 && mode !== (L.MODE_32 | L.MODE_FLAT)) return record
    const page = this.#code.page(this.#state.u32(L.PAGE_TABLE))
    const offset = view.getUint16(record + R.R_OFFSET, true)
    if (this.#memory.u32[(page.table >>> 2) + offset] !== record) return record
    this.#translate(page, offset)
    return this.#memory.u32[(page.table >>> 2) + offset]!
  }

  #translate(page: CodePageId, head: number): void {
    const start = performance.now()
    const code = this.#code
    const region = formRegion({ at: (offset) => code.instructionAt(page, offset), hasRegion: (offset) => code.hasRegion(page, offset) }, head)
    if (!region || code.full) return
    if (this.#nextSlot === L.REGION_SLOTS) this.flush()
    const bytes = buildBatch([region], page.mode === L.MODE_64, this.#shared)
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports)
    this.#install(page, region, instance.exports['r0'] as () => number)
    this.stats.regions++
    this.stats.bytes += bytes.length
    this.stats.instructions += region.blocks.reduce((sum, block) => sum + block.instructions.length, 0)
    this.stats.milliseconds += performance.now() - start
  }

  #install(page: CodePageId, region: Region, run: () => number): void {
    const slot = this.#nextSlot++
    this.#core.regions.set(slot, run)
    this.#u8[this.#state.base + L.REGION_VALID + slot] = 1
    const installed: Installed = { slot, page, region, ranges: region.blocks.map((b) => [b.offset, b.end] as const) }
    const known = this.#regions.get(page.table)
    if (known) known.push(installed)
    else this.#regions.set(page.table, [installed])
    region.entries.forEach((block, n) => this.#code.enterRegion(page, region.blocks[block]!.offset, slot, n + 1))
  }

  /** Bytes [from, to) of the page changed. */
  overwritten(page: CodePageId, from: number, to: number): void {
    const regions = this.#regions.get(page.table)
    if (!regions) return
    for (let i = regions.length - 1; i >= 0; i--) {
      const installed = regions[i]!
      if (!installed.ranges.some(([start, end]) => start < to && from < end)) continue
      regions.splice(i, 1)
      this.#remove(installed)
      this.stats.invalidated++
    }
  }

  #remove({ slot, page, region }: Installed): void {
    this.#u8[this.#state.base + L.REGION_VALID + slot] = 0
    this.#core.regions.set(slot, null)
    for (const block of region.entries) this.#code.leaveRegion(page, region.blocks[block]!.offset, slot)
  }

  /** Drops every region; the records they stood for count again. */
  flush(): void {
    this.stats.flushes++
    for (const list of this.#regions.values()) for (const installed of list) this.#remove(installed)
    this.#regions.clear()
    this.#nextSlot = 0
  }
}

function coreModule(shared: boolean): WebAssembly.Module {
  let module = cores.get(shared)
  if (!module) cores.set(shared, module = new WebAssembly.Module(buildCore({ ...ANY_MEMORY, shared })))
  return module
}
