import { i32, i64, v128 } from '@entresol/wasm-builder'
import type { Expr, FunctionBuilder, I32, I64, Local, V128 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import type { FlagLocals } from './lazy-flags.ts'
import { PageWindows } from './page-windows.ts'

const ZERO_VECTOR: V128 = v128.const(new Array<number>(16).fill(0))
/** Numbers of register locals: general registers, then halves of YMM. */
const VECTORS = 16
const vectorId = (number: number, half: number): number => VECTORS + number * 2 + half

/** Registers a loop keeps in locals: found by emitting it. */
export class LoopRegisters {
  readonly used: Set<number> = new Set()
  readonly written: Set<number> = new Set()
  /** Emission met a register that was not here: what has been emitted does not load or store it. */
  grew = false

  use(id: number): void {
    if (this.used.has(id)) return
    this.used.add(id)
    this.grew = true
  }

  write(id: number): void {
    this.use(id)
    if (this.written.has(id)) return
    this.written.add(id)
    this.grew = true
  }
}

/**
 * Guest registers of one region. In straight code the state block holds them: a local caches what was read or written, and writes go
 * through. A loop has its registers in locals alone, loaded where it is entered and stored where it is left. Pending flags, fuel and the TLB
 * set are in locals all through.
 */
export class RegionLocals {
  readonly #f: FunctionBuilder
  readonly #cpu: I32
  readonly #locals: (Local | undefined)[] = []
  /** Registers whose local is current, in straight code. */
  #cached = new Set<number>()
  #loop: LoopRegisters | undefined
  /** The arm of control flow of the block in progress. */
  #arm = 0
  /** What the block in progress knows of the registers. */
  windows: PageWindows = new PageWindows()
  #flags: FlagLocals | undefined
  /** RIP of the head's page. */
  readonly pageRip: Local<'i64'>
  /** Instructions left. */
  readonly fuel: Local<'i32'>
  /** TLB set in use. */
  readonly tlb: Local<'i32'>

  constructor(f: FunctionBuilder, cpu: I32, pageRip: Local<'i64'>) {
    this.#f = f
    this.#cpu = cpu
    this.pageRip = pageRip
    this.fuel = f.lasting('i32')
    this.tlb = f.lasting('i32')
  }

  /** A block begins: in a loop or not, with what is cached and known on the only way into it. */
  begin(loop: LoopRegisters | undefined, cached: ReadonlySet<number> | undefined, windows: PageWindows | undefined): void {
    this.#arm = this.#f.arm
    this.#loop = loop
    this.#cached = new Set(cached)
    this.windows = new PageWindows(windows)
  }

  /** Registers whose local is current here, for a block with one way into it. */
  get cached(): ReadonlySet<number> {
    return this.#loop ? this.#loop.used : this.#cached
  }

  #local(id: number): Local {
    return this.#locals[id] ??= this.#f.lasting(id < VECTORS ? 'i64' : 'v128')
  }

  #home(id: number): Expr {
    return id < VECTORS ? i64.load(this.#cpu, L.REGS + id * 8) : v128.load(this.#cpu, L.YMM + (id - VECTORS) * 16)
  }

  #store(id: number): void {
    const value = this.#local(id).get
    if (id < VECTORS) this.#f.store('i64', this.#cpu, L.REGS + id * 8, value)
    else this.#f.store('v128', this.#cpu, L.YMM + (id - VECTORS) * 16, value)
  }

  #read(id: number): Expr {
    const local = this.#local(id)
    if (this.#loop) this.#loop.use(id)
    else if (!this.#cached.has(id)) {
      // In an arm that may not be taken, a local set there would be nothing to rely on behind it.
      if (this.#f.arm !== this.#arm) return this.#home(id)
      this.#f.set(local, this.#home(id))
      this.#cached.add(id)
    }
    return local.get
  }

  #write(id: number, value: Expr): void {
    this.#f.set(this.#local(id), value)
    if (this.#loop) {
      this.#loop.write(id)
      return
    }
    this.#store(id)
    if (this.#f.arm === this.#arm) this.#cached.add(id)
  }

  register(number: number): I64 {
    return this.#read(number) as I64
  }

  setRegister(number: number, value: I64): void {
    this.#write(number, value)
    this.windows.assign(number)
  }

  /** Register `number` += `delta`: addresses by it stay related. */
  moveRegister(number: number, value: I64, delta: number): void {
    const old = this.windows.value(number)
    this.setRegister(number, value)
    this.windows.derive(number, old, delta)
  }

  vector(number: number, half: number): V128 {
    return this.#read(vectorId(number, half)) as V128
  }

  setVector(number: number, half: number, value: V128): void {
    this.#write(vectorId(number, half), value)
  }

  zeroVector(number: number, half: number): void {
    this.setVector(number, half, ZERO_VECTOR)
  }

  get flags(): FlagLocals {
    return this.#flags ??= { kind: this.#f.lasting('i32'), a: this.#f.lasting('i64'), b: this.#f.lasting('i64') }
  }

  /** Before a loop: its registers into locals. */
  enterLoop(loop: LoopRegisters): void {
    for (const id of loop.used) this.#f.set(this.#local(id), this.#home(id))
  }

  /** Behind a loop: what it wrote back into the state block. */
  leaveLoop(loop: LoopRegisters): void {
    for (const id of loop.written) this.#store(id)
  }

  /** The function's first statements; emitted last, when it is known what the region uses. */
  load(): void {
    const f = this.#f
    const cpu = this.#cpu
    f.set(this.fuel, i32.load(cpu, L.FUEL))
    f.set(this.tlb, i32.load(cpu, L.TLB_BASE))
    if (this.#flags) {
      f.set(this.#flags.kind, i32.load(cpu, L.FLAGS_KIND))
      f.set(this.#flags.a, i64.load(cpu, L.FLAGS_RESULT))
      f.set(this.#flags.b, i64.load(cpu, L.FLAGS_B))
    }
  }

  /** Before the region is left. */
  store(): void {
    const f = this.#f
    const cpu = this.#cpu
    f.store('i32', cpu, L.FUEL, this.fuel.get)
    if (this.#flags) {
      f.store('i32', cpu, L.FLAGS_KIND, this.#flags.kind.get)
      f.store('i64', cpu, L.FLAGS_RESULT, this.#flags.a.get)
      f.store('i64', cpu, L.FLAGS_B, this.#flags.b.get)
    }
  }
}
