import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Label, Local } from '@entresol/wasm-builder'
import type { DecodedInstruction } from '../decode/decoder.ts'
import * as R from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import { RegionEmitter } from './emitter.ts'
import type { BlockContext, InstructionExits, RegionFunctions } from './emitter.ts'
import { KIND_WORDS, LazyFlags } from './lazy-flags.ts'
import { RegionLocals } from './locals.ts'
import type { MemoryStrategy } from './memory-access.ts'
import type { Block, Region } from './region.ts'
import { Structure } from './structure.ts'

/** What a region's function calls. */
export interface RegionImports extends RegionFunctions {
  readonly chain: number
  readonly words: number
  strategy(cpu: I32, locals: RegionLocals): MemoryStrategy
}

/** `exit` when the region is left for the interpreter: offset, REGION_*, and instructions to take back from or add to what was burnt. */
const EXIT_STATUS_SHIFT = 14
const EXIT_BURNT_SHIFT = 16
const exitWord = (offset: number, status: number, burnt: number): number => offset | (status << EXIT_STATUS_SHIFT) | ((burnt + 1) << EXIT_BURNT_SHIFT)

/** Writes the function of one region: (cpu, entry) → REGION_*. */
export function emitRegion(f: FunctionBuilder, region: Region, mode64: boolean, imports: RegionImports): void {
  new RegionWriter(f, region, mode64, imports).write()
}

class RegionWriter {
  readonly #f: FunctionBuilder
  readonly #region: Region
  readonly #mode64: boolean
  readonly #imports: RegionImports
  readonly #cpu: I32
  readonly #entry: Local<'i32'>
  readonly #exit: Local<'i32'>
  readonly #target: Local<'i64'>
  readonly #locals: RegionLocals
  readonly #memory: MemoryStrategy
  readonly #blockAt: ReadonlyMap<number, number>
  /** Kinds of pending flags blocks begin with, where all ways into them that were emitted agree. */
  readonly #kinds: (number | 'unknown' | undefined)[] = []
  readonly #written = new Set<number>()
  #leave: Label | undefined
  #chain: Label | undefined

  constructor(f: FunctionBuilder, region: Region, mode64: boolean, imports: RegionImports) {
    this.#f = f
    this.#region = region
    this.#mode64 = mode64
    this.#imports = imports
    this.#cpu = f.param('i32', 0).get
    this.#entry = f.param('i32', 1)
    this.#exit = f.local('i32')
    this.#target = f.local('i64')
    this.#locals = new RegionLocals(f, this.#cpu)
    this.#memory = imports.strategy(this.#cpu, this.#locals)
    this.#blockAt = new Map(region.blocks.map((block, n) => [block.offset, n]))
    for (const entry of region.entries) this.#kinds[entry] = 'unknown'
  }

  write(): void {
    const f = this.#f
    const locals = this.#locals
    f.block((leave) => {
      this.#leave = leave
      f.block((chain) => {
        this.#chain = chain
        const { successors, entries } = this.#region
        new Structure(f, { successors, entries }, this.#entry, (n, goto) => this.#block(n, goto), (target) => this.#backEdge(target)).emit()
      })
      locals.store()
      f.returnCall(this.#imports.chain, this.#cpu, this.#target.get)
    })
    const exit = this.#exit.get
    f.set(locals.fuel, i32.sub(i32.add(locals.fuel.get, i32.const(1)), i32.shr_s(exit, i32.const(EXIT_BURNT_SHIFT))))
    locals.store()
    f.store('i64', this.#cpu, L.RIP, this.#ripAt(i64.extend_i32_u(i32.and(exit, i32.const((1 << EXIT_STATUS_SHIFT) - 1)))))
    f.emit(i32.and(i32.shr_u(exit, i32.const(EXIT_STATUS_SHIFT)), i32.const(3)))
    f.prologue(() => locals.load())
  }

  #ripAt(offset: I64): I64 {
    const rip = i64.add(this.#locals.pageRip.get, offset)
    return this.#mode64 ? rip : i64.and(rip, i64.const(0xffffffffn))
  }

  #leaveAt(offset: number, status: number, burnt: number): void {
    this.#f.set(this.#exit, i32.const(exitWord(offset, status, burnt)))
    this.#f.br(this.#leave!)
  }

  /** Jumps back look at the fuel: interrupts wait no longer than one way round. */
  #backEdge(target: number): void {
    this.#f.if(i32.lt_s(this.#locals.fuel.get, i32.const(0)), () => this.#leaveAt(this.#region.blocks[target]!.offset, R.REGION_LEFT, 0), undefined, { likely: false })
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
    const context: BlockContext = {
      f, cpu: this.#cpu, locals: this.#locals, memory: this.#memory, functions: this.#imports, flags, units: new Set(), mode64: this.#mode64,
    }
    const go = (offset: number): void => {
      const to = this.#blockAt.get(offset)
      if (to === undefined || !this.#region.successors[n]!.includes(to)) {
        f.set(this.#target, this.#ripAt(i64.const(offset)))
        f.br(this.#chain!)
        return
      }
      this.#meet(to, flags.kind)
      goto(to)
    }
    const { instructions } = block
    let offset = block.offset
    instructions.forEach((instruction, at) => {
      const last = at === instructions.length - 1
      // The whole block is paid for before its last instruction, which may transfer control.
      if (last) this.#burn(instructions.length)
      this.#instruction(context, instruction, offset, last ? -1 : at, block, go)
      offset += instruction.length
    })
    if (!block.ends) go(block.end)
  }

  #instruction(context: BlockContext, instruction: DecodedInstruction, offset: number, burnt: number, block: Block, go: (offset: number) => void): void {
    const f = this.#f
    const exits: InstructionExits = {
      bail: () => this.#leaveAt(offset, R.REGION_BAILED, burnt),
      branch: () => go(block.target!),
      jump: (rip) => {
        f.set(this.#target, rip)
        f.br(this.#chain!)
      },
      repeat: () => {
        this.#burn(1)
        f.if(i32.lt_s(this.#locals.fuel.get, i32.const(0)), () => this.#leaveAt(offset, R.REGION_LEFT, burnt))
        f.br(again!)
      },
    }
    let again: Label | undefined
    const emit = (): void => f.scope(() => instruction.variant.row.emit(new RegionEmitter(context, instruction, offset, exits)))
    if (instruction.variant.repeat === 'none') {
      emit()
      return
    }
    context.flags.forget()
    f.loop((start) => {
      again = start
      emit()
    })
    context.flags.forget()
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
