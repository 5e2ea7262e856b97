import { callExpr, i32, i64, select } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Label, Local } from '@entresol/wasm-builder'
import type { DecodedInstruction } from '../decode/decoder.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import { chainPage } from './core.ts'
import { RegionEmitter } from './emitter.ts'
import type { BlockContext, InstructionExits, RegionFunctions } from './emitter.ts'
import { KIND_WORDS, LazyFlags } from './lazy-flags.ts'
import { LoopRegisters, RegionLocals } from './locals.ts'
import type { MemoryStrategy } from './memory-access.ts'
import type { PageWindows } from './page-windows.ts'
import { reachOf } from './region.ts'
import type { Region, RegionCode } from './region.ts'
import { isLoop, stronglyConnected, Structure } from './structure.ts'

/** What a region's function calls. */
export interface RegionImports extends RegionFunctions {
  readonly chain: number
  readonly words: number
  readonly prepare: number
  strategy(locals: RegionLocals): MemoryStrategy
}

/** `how` a region is left for the interpreter: REGION_*, and instructions to take back from what was burnt, less one. */
const HOW_BURNT_SHIFT = 2

/** The loops of a region that are in no other one, by block. */
export type RegionLoops = readonly (LoopRegisters | undefined)[]

export function loopsOf(region: Region): RegionLoops {
  const { successors } = region
  const loops: (LoopRegisters | undefined)[] = new Array(successors.length).fill(undefined)
  for (const component of stronglyConnected(successors, successors.map((_, n) => n), new Set())) {
    if (!isLoop(successors, component)) continue
    const loop = new LoopRegisters()
    for (const block of component) loops[block] = loop
  }
  return loops
}

/**
 * Writes the function of one region: see REGION_TYPE. False when a loop turned out to use registers that were not known of: then the function
 * is not right yet, and has to be written again into a new builder, with the same `loops`.
 */
export function emitRegion(f: FunctionBuilder, code: RegionCode, loops: RegionLoops, imports: RegionImports): boolean {
  for (const loop of loops) if (loop) loop.grew = false
  new RegionWriter(f, code, loops, imports).write()
  return !loops.some((loop) => loop?.grew)
}

/** What straight code has learnt. */
interface Knowledge {
  readonly windows: PageWindows
  readonly cached: ReadonlySet<number>
  readonly units: ReadonlySet<string>
}

class RegionWriter {
  readonly #f: FunctionBuilder
  readonly #region: Region
  readonly #code: RegionCode
  readonly #mode64: boolean
  readonly #imports: RegionImports
  readonly #cpu: I32
  readonly #entry: Local<'i32'>
  /** Offset at which the region is left for the interpreter. */
  readonly #exit: Local<'i32'>
  readonly #how: Local<'i32'>
  readonly #target: Local<'i64'>
  readonly #locals: RegionLocals
  readonly #memory: MemoryStrategy
  readonly #blockAt: ReadonlyMap<number, number>
  /** Kinds of pending flags blocks begin with, where all ways into them that were emitted agree. */
  readonly #kinds: (number | 'unknown' | undefined)[] = []
  readonly #written = new Set<number>()
  readonly #ends: (Knowledge | undefined)[] = []
  readonly #loops: RegionLoops
  /** Ways out of the function: for the interpreter, and to another region; from a loop, by storing its registers. */
  readonly #leave = new Map<LoopRegisters | undefined, Label>()
  readonly #chain = new Map<LoopRegisters | undefined, Label>()

  constructor(f: FunctionBuilder, code: RegionCode, loops: RegionLoops, imports: RegionImports) {
    this.#f = f
    const { region } = code
    this.#region = region
    this.#code = code
    this.#loops = loops
    this.#mode64 = code.mode === L.MODE_64
    this.#imports = imports
    this.#cpu = f.param('i32', 0).get
    this.#entry = f.param('i32', 1)
    this.#exit = f.local('i32')
    this.#how = f.local('i32')
    this.#target = f.local('i64')
    this.#locals = new RegionLocals(f, this.#cpu, f.param('i64', 2))
    this.#memory = imports.strategy(this.#locals)
    this.#blockAt = new Map(region.blocks.map((block, n) => [block.offset, n]))
    for (const entry of region.entries) this.#kinds[entry] = 'unknown'
  }

  write(): void {
    const f = this.#f
    const locals = this.#locals
    const loops = [...new Set(this.#loops)].filter((loop) => loop !== undefined)
    /** Labels of one way out: a loop's own stores lead to the common one. */
    const open = (labels: Map<LoopRegisters | undefined, Label>, at: number, body: () => void): void => {
      if (at === loops.length) {
        body()
        return
      }
      f.block((label) => {
        labels.set(loops[at], label)
        open(labels, at + 1, body)
      })
      locals.leaveLoop(loops[at]!)
      f.br(labels.get(undefined)!)
    }
    f.block((leave) => {
      this.#leave.set(undefined, leave)
      open(this.#leave, 0, () => {
        f.block((chain) => {
          this.#chain.set(undefined, chain)
          open(this.#chain, 0, () => {
            const { successors, entries } = this.#region
            new Structure(f, { successors, entries }, this.#entry, {
              block: (n, goto) => this.#block(n, goto),
              enterLoop: (head) => locals.enterLoop(this.#loops[head]!),
              backEdge: (target) => this.#backEdge(target),
            }).emit()
          })
        })
        locals.store()
        f.returnCall(this.#imports.chain, this.#cpu, this.#target.get)
      })
    })
    const how = this.#how.get
    f.set(locals.fuel, i32.sub(i32.add(locals.fuel.get, i32.const(1)), i32.shr_s(how, i32.const(HOW_BURNT_SHIFT))))
    locals.store()
    const rip = f.let(this.#ripAt(i64.extend_i32_s(this.#exit.get)))
    const page = f.let(i64.and(rip, i64.const(-4096n)))
    f.store('i64', this.#cpu, L.RIP, rip)
    f.store('i64', this.#cpu, L.PAGE_LINEAR, page)
    f.store('i64', this.#cpu, L.PAGE_RIP, page)
    f.store('i32', this.#cpu, L.PAGE_TABLE, this.#table())
    f.emit(i32.and(how, i32.const(3)))
    f.prologue(() => {
      this.#enterHome()
      locals.load()
    })
  }

  /** Record table of the page in which the region is left. */
  #table(): I32 {
    let table: I32 = i32.const(this.#code.pages.get(0)!.table)
    for (const [distance, page] of this.#code.pages) {
      if (distance !== 0) table = select(i32.eq(i32.and(this.#exit.get, i32.const(-4096)), i32.const(distance)), i32.const(page.table), table)
    }
    return table
  }

  /** From the page of the entry to the head's page, and whether all pages are mapped as they were. */
  #enterHome(): void {
    const f = this.#f
    const { pageRip } = this.#locals
    const { region, pages, slot, mode } = this.#code
    const check = f.let(i32.lt_s(this.#entry.get, i32.const(0)))
    f.set(this.#entry, i32.and(this.#entry.get, i32.const(0x7fffffff)))
    region.entries.forEach((block, n) => {
      const distance = region.blocks[block]!.offset & ~0xfff
      if (distance === 0) return
      f.if(i32.eq(this.#entry.get, i32.const(n + 1)), () => f.set(pageRip, i64.sub(pageRip.get, i64.const(distance))))
    })
    f.if(check, () => {
      let mapped = this.#mode64 ? this.#isCanonical() : i32.const(1)
      for (const [distance, page] of pages) {
        const linear = this.#ripAt(i64.const(distance))
        const at = f.let(i32.add(i32.load(this.#cpu, L.TLB_BASE),
          i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))))
        const same = i32.and(i64.eq(i64.load(at, L.TLB_FETCH), i64.or(linear, i64.const(mode))), i32.eq(i32.load(at, L.TLB_CODE), i32.const(page.table)))
        mapped = i32.and(mapped, same)
        f.store('i32_8', i32.add(this.#cpu, chainPage(linear)), L.CHAIN_PAGES, i32.const(1))
      }
      f.if(i32.eqz(mapped), () => {
        f.if(i32.eqz(callExpr('i32', this.#imports.prepare, [i32.const(slot), this.#entry.get, pageRip.get])), () => f.return(i32.const(R.REGION_BAILED)))
      }, undefined, { likely: false })
    }, undefined, { likely: false })
  }

  /** Everything the region reaches lies in one half of the 48-bit address space. */
  #isCanonical(): I32 {
    const reach = BigInt(reachOf(this.#region))
    const inside = (rip: I64): I32 => i64.eqz(i64.shr_u(i64.add(rip, i64.const(1n << 47n)), i64.const(48)))
    return i32.and(inside(i64.add(this.#locals.pageRip.get, i64.const(reach))), inside(i64.sub(this.#locals.pageRip.get, i64.const(reach))))
  }

  #ripAt(offset: I64): I64 {
    const rip = i64.add(this.#locals.pageRip.get, offset)
    return this.#mode64 ? rip : i64.and(rip, i64.const(0xffffffffn))
  }

  #leaveAt(block: number, offset: number, status: number, burnt: number): void {
    this.#f.set(this.#exit, i32.const(offset))
    this.#f.set(this.#how, i32.const(status | ((burnt + 1) << HOW_BURNT_SHIFT)))
    this.#f.br(this.#leave.get(this.#loops[block])!)
  }

  /** Jumps back look at the fuel: interrupts wait no longer than one way round. */
  #backEdge(target: number): void {
    this.#f.if(i32.lt_s(i32.or(this.#locals.fuel.get, i32.load(this.#cpu, L.KICK)), i32.const(0)), () => this.#leaveAt(target, this.#region.blocks[target]!.offset, R.REGION_LEFT, 0), undefined, { likely: false })
  }

  #burn(instructions: number): void {
    const { fuel } = this.#locals
    if (instructions) this.#f.set(fuel, i32.sub(fuel.get, i32.const(instructions)))
  }

  #block(n: number, goto: (target: number) => void): void {
    const f = this.#f
    const block = this.#region.blocks[n]!
    this.#written.add(n)
    const flags = new LazyFlags(f, this.#locals, this.#kindAt(n), () => this.#anyToWords())
    const known = this.#onlyWay(n)
    const units = new Set(known?.units)
    this.#locals.begin(this.#loops[n], known?.cached, known?.windows)
    const context: BlockContext = {
      f, cpu: this.#cpu, locals: this.#locals, memory: this.#memory, functions: this.#imports, flags, units, mode64: this.#mode64, arm: f.arm,
    }
    const go = (offset: number): void => {
      const to = this.#blockAt.get(offset)
      if (to === undefined || !this.#region.successors[n]!.includes(to)) {
        f.set(this.#target, this.#ripAt(i64.const(offset)))
        f.br(this.#chain.get(this.#loops[n])!)
        return
      }
      this.#meet(to, flags.kind)
      const loop = this.#loops[n]
      if (loop && loop !== this.#loops[to]) this.#locals.leaveLoop(loop)
      goto(to)
    }
    const { instructions } = block
    let offset = block.offset
    instructions.forEach((instruction, at) => {
      const last = at === instructions.length - 1
      // The whole block is paid for before its last instruction, which may transfer control.
      if (last) this.#burn(instructions.length)
      this.#instruction(context, instruction, offset, last ? -1 : at, n, go)
      offset += instruction.length
    })
    this.#ends[n] = { windows: this.#locals.windows, cached: this.#locals.cached, units }
    if (!block.ends) go(block.end)
  }

  /** What holds at the end of the one block that leads to this one, if it is one and has been emitted. */
  #onlyWay(block: number): Knowledge | undefined {
    if (this.#region.entries.includes(block)) return undefined
    let only: number | undefined
    for (let from = 0; from < this.#region.successors.length; from++) {
      if (!this.#region.successors[from]!.includes(block)) continue
      if (only !== undefined) return undefined
      only = from
    }
    return only === undefined ? undefined : this.#ends[only]
  }

  #instruction(context: BlockContext, instruction: DecodedInstruction, offset: number, burnt: number, n: number, go: (offset: number) => void): void {
    const f = this.#f
    const block = this.#region.blocks[n]!
    const exits: InstructionExits = {
      bail: () => this.#leaveAt(n, offset, R.REGION_BAILED, burnt),
      branch: () => go(block.target!),
      jump: (rip) => {
        const target = f.let(rip)
        for (const site of block.returns) {
          if (this.#blockAt.has(site)) f.if(i64.eq(target, this.#ripAt(i64.const(site))), () => go(site))
        }
        f.set(this.#target, target)
        f.br(this.#chain.get(this.#loops[n])!)
      },
      repeat: () => {
        this.#burn(1)
        f.if(i32.lt_s(i32.or(this.#locals.fuel.get, i32.load(this.#cpu, L.KICK)), i32.const(0)), () => this.#leaveAt(n, offset, R.REGION_LEFT, burnt))
        f.br(again!)
      },
    }
    let again: Label | undefined
    const emit = (): void => f.scope(() => instruction.variant.row.emit(new RegionEmitter(context, instruction, offset, exits)))
    if (instruction.variant.repeat === 'none') {
      const derive = this.#derivation(instruction)
      emit()
      derive?.()
      return
    }
    context.flags.forget()
    f.loop((start) => {
      again = start
      emit()
    })
    context.flags.forget()
  }

  /** Instructions that make a register out of another one and a constant: notes that once they are emitted. */
  #derivation(i: DecodedInstruction): (() => void) | undefined {
    const { variant } = i
    const { windows } = this.#locals
    if (variant.width !== (this.#mode64 ? 64 : 32)) return undefined
    const register = (cell: number): number => (cell - L.REGS) >> 3
    const [to, from] = variant.operands
    if (to?.kind !== 'gpr') return undefined
    const target = register(i[to.field])
    const plus = (source: number, constant: number): (() => void) => {
      const value = windows.value(source)
      return () => windows.derive(target, value, constant)
    }
    switch (variant.row.mnemonic) {
      case 'MOV': return from?.kind === 'gpr' ? plus(register(i[from.field]), 0) : undefined
      case 'ADD': return from?.kind === 'immediate' ? plus(target, Number(i.immediate)) : undefined
      case 'SUB': return from?.kind === 'immediate' ? plus(target, -Number(i.immediate)) : undefined
      case 'INC': return plus(target, 1)
      case 'DEC': return plus(target, -1)
      case 'LEA': {
        const plain = i.index === L.ZERO && i.base !== L.ZERO && !i.ripRelative && i.addressSize === variant.width
        return plain ? plus(register(i.base), i.displacement) : undefined
      }
      default: return undefined
    }
  }

  /** The kind a block begins with, if every way into it has been emitted and they agree. */
  #kindAt(block: number): number | undefined {
    const open = this.#region.successors.some((targets, from) => targets.includes(block) && (from === block || !this.#written.has(from)))
    const kind = this.#kinds[block]
    return open || kind === 'unknown' ? undefined : kind
  }

  /** Notes the kind of flags one way into a block brings. */
  #meet(block: number, kind: number | undefined): void {
    const known = this.#kinds[block]
    this.#kinds[block] = kind === undefined || (known !== undefined && known !== kind) ? 'unknown' : kind
  }

  #anyToWords(): void {
    const f = this.#f
    const { kind, a, b } = this.#locals.flags
    f.if(i32.ne(kind.get, i32.const(KIND_WORDS)), () => {
      f.call(this.#imports.words, this.#cpu, kind.get, a.get, b.get)
      f.set(a, i64.load(this.#cpu, L.FLAGS_RESULT))
      f.set(b, i64.load32_u(this.#cpu, L.FLAGS_AUX))
    })
  }
}
