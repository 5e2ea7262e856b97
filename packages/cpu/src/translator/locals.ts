import { i32, i64, v128 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Local, V128 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import type { FlagLocals } from './lazy-flags.ts'
import { PageWindows } from './page-windows.ts'

const ZERO_VECTOR: V128 = v128.const(new Array<number>(16).fill(0))

/** Guest registers of one region as WebAssembly locals: loaded where the function begins, those written stored where it is left. */
export class RegionLocals {
  readonly #f: FunctionBuilder
  readonly #cpu: I32
  readonly #registers: (Local<'i64'> | undefined)[] = []
  /** Low and high halves of YMM, by number * 2 + half. */
  readonly #vectors: (Local<'v128'> | undefined)[] = []
  readonly #writtenRegisters = new Set<number>()
  readonly #writtenVectors = new Set<number>()
  #flags: FlagLocals | undefined
  /** RIP of the page's first byte. */
  readonly pageRip: Local<'i64'>
  /** What the block in progress knows of the registers. */
  windows: PageWindows = new PageWindows()
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

  register(number: number): I64 {
    return (this.#registers[number] ??= this.#f.lasting('i64')).get
  }

  setRegister(number: number, value: I64): void {
    this.#writtenRegisters.add(number)
    this.windows.assign(number)
    this.#f.set(this.#registers[number] ??= this.#f.lasting('i64'), value)
  }

  /** Register `number` += `delta`: addresses by it stay related. */
  moveRegister(number: number, value: I64, delta: number): void {
    const old = this.windows.value(number)
    this.setRegister(number, value)
    this.windows.derive(number, old, delta)
  }

  vector(number: number, half: number): V128 {
    return (this.#vectors[number * 2 + half] ??= this.#f.lasting('v128')).get
  }

  setVector(number: number, half: number, value: V128): void {
    this.#writtenVectors.add(number * 2 + half)
    this.#f.set(this.#vectors[number * 2 + half] ??= this.#f.lasting('v128'), value)
  }

  zeroVector(number: number, half: number): void {
    this.setVector(number, half, ZERO_VECTOR)
  }

  get flags(): FlagLocals {
    return this.#flags ??= { kind: this.#f.lasting('i32'), a: this.#f.lasting('i64'), b: this.#f.lasting('i64') }
  }

  /** The function's first statements; emitted last, when it is known what the region uses. */
  load(): void {
    const f = this.#f
    const cpu = this.#cpu
    f.set(this.fuel, i32.load(cpu, L.FUEL))
    f.set(this.tlb, i32.load(cpu, L.TLB_BASE))
    this.#registers.forEach((local, n) => local && f.set(local, i64.load(cpu, L.REGS + n * 8)))
    this.#vectors.forEach((local, n) => local && f.set(local, v128.load(cpu, L.YMM + n * 16)))
    if (this.#flags) {
      f.set(this.#flags.kind, i32.load(cpu, L.FLAGS_KIND))
      f.set(this.#flags.a, i64.load(cpu, L.FLAGS_RESULT))
      f.set(this.#flags.b, i64.load(cpu, L.FLAGS_B))
    }
  }

  store(): void {
    const f = this.#f
    const cpu = this.#cpu
    f.store('i32', cpu, L.FUEL, this.fuel.get)
    for (const n of this.#writtenRegisters) f.store('i64', cpu, L.REGS + n * 8, this.register(n))
    for (const n of this.#writtenVectors) f.store('v128', cpu, L.YMM + n * 16, this.#vectors[n]!.get)
    if (this.#flags) {
      f.store('i32', cpu, L.FLAGS_KIND, this.#flags.kind.get)
      f.store('i64', cpu, L.FLAGS_RESULT, this.#flags.a.get)
      f.store('i64', cpu, L.FLAGS_B, this.#flags.b.get)
    }
  }
}
