import { callExpr, i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'

/** One access of translated code, checked as far as the mode of the code asks. */
export interface TranslatedAccess {
  readonly linear: I64
  /** Bytes. */
  readonly size: number
  readonly write: boolean
  /** Leaves the region at this instruction; the interpreter carries it out. */
  bail(): void
}

/** How translated code reaches memory: the one decision between a machine with paging and a program in one flat address space. */
export interface MemoryStrategy {
  /** Machine address of the access; bails where it is not plain memory in one page. */
  address(f: FunctionBuilder, access: TranslatedAccess): I32
}

/**
 * Paging: the software TLB inline, and on a miss the walker through `fill(cpu, linear, access) → address or 0`. The entry of the
 * first byte's page must carry the tag of the last byte's: one comparison covers the page crossing too.
 */
export class TlbStrategy implements MemoryStrategy {
  readonly #cpu: I32
  readonly #tlb: I32
  readonly #fill: number

  constructor(cpu: I32, tlb: I32, fill: number) {
    this.#cpu = cpu
    this.#tlb = tlb
    this.#fill = fill
  }

  address(f: FunctionBuilder, access: TranslatedAccess): I32 {
    const { size, write } = access
    const linear = f.let(access.linear)
    const index = i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))
    const entry = f.let(i32.add(this.#tlb, index))
    const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1))
    const address = f.local('i32')
    f.if(i64.eq(i64.load(entry, write ? L.TLB_WRITE : L.TLB_READ), i64.and(last, i64.const(-4096n))),
      () => f.set(address, i32.add(i32.wrap_i64(linear), i32.load(entry, L.TLB_ADDEND))),
      () => {
        f.set(address, callExpr('i32', this.#fill, [this.#cpu, linear, i32.const(size | (write ? 0x100 : 0))]))
        f.if(i32.eqz(address.get), () => access.bail())
      }, { likely: true })
    return address.get
  }
}

/** One linear memory holds the whole address space: the engine's own bounds check is the only one. */
export class FlatStrategy implements MemoryStrategy {
  /** Machine address of linear address 0. */
  readonly #base: number

  constructor(base: number) {
    this.#base = base
  }

  address(f: FunctionBuilder, access: TranslatedAccess): I32 {
    return f.let(i32.add(i32.wrap_i64(access.linear), i32.const(this.#base)))
  }
}
