import { callIndirectExpr, i32, i64, ModuleBuilder, select } from '@entresol/wasm-builder'
import type { FunctionType, I32, I64, Label } from '@entresol/wasm-builder'
import { PSEUDO_REGION } from '../interpreter/pseudo.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import { emitWords, KIND_WORDS, KINDS } from './lazy-flags.ts'

/** Added to an entry number: the region has to see that its pages are mapped as they were. */
export const CHECK_PAGES = 0x80000000
/** A region: (cpu, entry number, RIP of the entry's page) → REGION_* of interpreter/records.ts, RIP in the state block. */
export const REGION_TYPE: FunctionType = { params: ['i32', 'i32', 'i64'], results: ['i32'] }

/** What regions import, and the interpreter: see `buildCore`. */
export interface CoreExports {
  readonly regions: WebAssembly.Table
  enter(cpu: number, slot: number, entry: number): number
  chain(cpu: number, rip: bigint): number
  words(cpu: number, kind: number, a: bigint, b: bigint): void
}

/**
 * The module that owns the table of regions.
 * - `enter(cpu, slot, entry)`: runs a region from the interpreter, flags pending on the way in and words on the way out; counts how it came back.
 * - `chain(cpu, rip)`: the region at `rip` if there is one and fuel is left, as a tail call; otherwise back to the interpreter.
 * - `words(cpu, kind, a, b)`: FLAGS_RESULT and FLAGS_AUX from pending flags.
 */
export function buildCore(memory: { initialPages: number; maximumPages: number; shared: boolean }): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', memory.initialPages, memory.maximumPages, memory.shared)
  const regionType = module.typeIndex(REGION_TYPE.params, REGION_TYPE.results)
  module.exportTable('regions', module.table(new Array<undefined>(L.REGION_SLOTS).fill(undefined)))
  const words = emitWordsFunction(module)
  emitEnter(module, regionType, words)
  emitChain(module, regionType)
  return module.encode()
}

function emitWordsFunction(module: ModuleBuilder): number {
  const { index, builder: f } = module.func({ params: ['i32', 'i32', 'i64', 'i64'], results: [] }, 'words')
  const cpu = f.param('i32', 0).get
  const kind = f.param('i32', 1)
  const a = f.param('i64', 2)
  const b = f.param('i64', 3)
  f.block((done) => {
    const arm = (at: number, labels: Label[]): void => {
      if (at === KINDS) {
        f.brTable(kind.get, labels.slice().reverse(), done)
        return
      }
      f.block((label) => arm(at + 1, [label, ...labels]))
      emitWords(f, { kind, a, b }, at)
      f.br(done)
    }
    arm(0, [])
  })
  f.store('i64', cpu, L.FLAGS_RESULT, a.get)
  f.store('i32', cpu, L.FLAGS_AUX, i32.wrap_i64(b.get))
  return index
}

function emitEnter(module: ModuleBuilder, regionType: number, words: number): void {
  const { builder: f } = module.func({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'enter')
  const cpu = f.param('i32', 0).get
  const slot = f.param('i32', 1).get
  const entry = f.param('i32', 2).get
  f.store('i64', cpu, L.FLAGS_B, i64.load32_u(cpu, L.FLAGS_AUX))
  f.store('i32', cpu, L.FLAGS_KIND, i32.const(KIND_WORDS))
  const status = f.let(callIndirectExpr('i32', regionType, 0, slot, [cpu, i32.or(entry, i32.const(CHECK_PAGES)), i64.load(cpu, L.PAGE_RIP)]))
  const kind = f.let(i32.load(cpu, L.FLAGS_KIND))
  f.if(kind,
    () => f.call(words, cpu, kind, i64.load(cpu, L.FLAGS_RESULT), i64.load(cpu, L.FLAGS_B)),
    () => f.store('i32', cpu, L.FLAGS_AUX, i32.wrap_i64(i64.load(cpu, L.FLAGS_B))))
  // Statistics: the status is the cause, but for slices that end.
  const ended = i32.shl(i32.shr_u(i32.or(i32.load(cpu, L.FUEL), i32.load(cpu, L.KICK)), i32.const(31)), i32.const(Math.log2(L.EXIT_SLICE)))
  const cause = f.let(i32.add(cpu, i32.shl(select(i32.eqz(status), ended, status), i32.const(3))))
  f.store('i64', cause, L.REGION_EXITS, i64.add(i64.load(cause, L.REGION_EXITS), i64.const(1n)))
  f.emit(status)
}

/** Which byte of CHAIN_PAGES stands for the page of an address. */
export const chainPage = (linear: I64): I32 => i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(12))), i32.const(L.CHAIN_PAGE_COUNT - 1))

/** The record at `linear` in the page table `table`. */
const recordAt = (table: I32, linear: I64): I32 => i32.load(i32.add(table, i32.shl(i32.and(i32.wrap_i64(linear), i32.const(0xfff)), i32.const(2))))

/** Flat code segments: linear address and RIP are the same in every mode that is translated. */
function emitChain(module: ModuleBuilder, regionType: number): void {
  const { builder: f } = module.func({ params: ['i32', 'i64'], results: ['i32'] }, 'chain')
  const cpu = f.param('i32', 0).get
  const rip = f.param('i64', 1).get
  const page = i64.and(rip, i64.const(-4096n))
  const context = i64.load(cpu, L.TLB_BASE)
  const generation = i32.load(i32.add(cpu, i32.shl(i32.wrap_i64(i64.shr_u(rip, i64.const(63))), i32.const(2))), L.CHAIN_GENERATION)
  // Multiplicative: functions begin at multiples of 16, and return sites anywhere.
  const hash = i32.shr_u(i32.mul(i32.wrap_i64(rip), i32.const(0x9e3779b1)), i32.const(32 - Math.log2(L.CHAIN_ENTRIES)))
  f.block((leave) => {
    f.brIf(leave, i32.lt_s(i32.or(i32.load(cpu, L.FUEL), i32.load(cpu, L.KICK)), i32.const(0)))
    const known = f.let(i32.add(cpu, i32.shl(hash, i32.const(Math.log2(L.CHAIN_ENTRY_BYTES)))))
    const sameContext = i64.eq(i64.load(known, L.CHAIN + L.CHAIN_CONTEXT), context)
    const sameGeneration = i32.eq(i32.load(known, L.CHAIN + L.CHAIN_GENERATION_SEEN), generation)
    f.if(i32.and(i64.eq(i64.load(known, L.CHAIN + L.CHAIN_RIP), rip), i32.and(sameContext, sameGeneration)), () => {
      f.returnCallIndirect(regionType, 0, i32.load(known, L.CHAIN + L.CHAIN_SLOT), cpu, i32.load(known, L.CHAIN + L.CHAIN_REGION_ENTRY), page)
    }, undefined, { likely: true })
    const index = i32.and(i32.wrap_i64(i64.shr_u(rip, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))
    const slot = f.let(i32.add(i32.load(cpu, L.TLB_BASE), index))
    f.brIf(leave, i64.ne(i64.load(slot, L.TLB_FETCH), i64.or(page, i64.load32_u(cpu, L.CODE_MODE))))
    const record = f.let(recordAt(i32.load(slot, L.TLB_CODE), rip))
    f.brIf(leave, i32.eqz(record))
    f.brIf(leave, i32.ne(i32.load16_u(record, R.R_HANDLER), i32.const(PSEUDO_REGION)))
    const regionSlot = f.let(i32.load(record, R.R_REGION_SLOT))
    const entry = f.let(i32.load(record, R.R_REGION_ENTRY))
    f.store('i32_8', i32.add(cpu, chainPage(rip)), L.CHAIN_PAGES, i32.const(1))
    f.store('i64', known, L.CHAIN + L.CHAIN_RIP, rip)
    f.store('i64', known, L.CHAIN + L.CHAIN_CONTEXT, context)
    f.store('i32', known, L.CHAIN + L.CHAIN_GENERATION_SEEN, generation)
    f.store('i32', known, L.CHAIN + L.CHAIN_SLOT, regionSlot)
    f.store('i32', known, L.CHAIN + L.CHAIN_REGION_ENTRY, entry)
    f.returnCallIndirect(regionType, 0, regionSlot, cpu, i32.or(entry, i32.const(CHECK_PAGES)), page)
  })
  f.store('i64', cpu, L.RIP, rip)
  f.emit(i32.const(R.REGION_LEFT))
}
