import { callExpr, i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Local } from '@entresol/wasm-builder'
import { SLOW_BLOCK, SLOW_WRITE } from '../interpreter/records.ts'
import * as L from '../state/layout.ts'
import type { PageWindow, PageWindows, SymbolicAddress } from './page-windows.ts'

/** A place in a page that no access is near to. */
const NOWHERE = 1 << 20

/** One access of translated code, checked as far as the mode of the code asks. */
export interface TranslatedAccess {
  /** Emits the linear address. */
  linear(): I64
  /** The same in terms of what registers hold, where that is known. */
  readonly symbolic: SymbolicAddress | undefined
  /** What the code before this access checked; `undefined` where it may not have run. */
  readonly windows: PageWindows | undefined
  /** Bytes. */
  readonly size: number
  readonly write: boolean
  /** The store may go on to the end of the page: see SLOW_BLOCK. */
  readonly block: boolean
  /** Leaves the region at this instruction; the interpreter carries it out. */
  bail(): void
}

/** How translated code reaches memory: the one decision between a machine with paging and a program in one flat address space. */
export interface MemoryStrategy {
  /** Machine address of the access; bails where it is not plain memory in one page. */
  address(f: FunctionBuilder, access: TranslatedAccess): I32
}

/**
 * Paging. The first access by some register looks into the software TLB: the entry of the first byte's page must carry the tag of the last
 * byte's, so one comparison covers the page crossing too. Later ones near it only have to stay in its page. What fails goes through
 * `fill(cpu, linear, access) → address or 0`.
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
    const { symbolic, windows, write } = access
    const window = symbolic && windows?.find(symbolic, write)
    if (window) return this.#near(f, access, window, symbolic.delta - window.delta)
    const linear = f.let(access.linear())
    const inPage = f.local('i32')
    f.set(inPage, i32.and(i32.wrap_i64(linear), i32.const(0xfff)))
    // Where `fill` lets one store pass beside instructions, the next one has to ask again: nothing is near it.
    const address = this.#lookup(f, access, linear, () => write && f.set(inPage, i32.const(NOWHERE)))
    if (symbolic) windows?.note(f, symbolic, write, inPage.get, address)
    return address
  }

  #near(f: FunctionBuilder, access: TranslatedAccess, window: PageWindow, distance: number): I32 {
    const address = f.local('i32')
    f.if(i32.le_u(i32.add(window.inPage, i32.const(distance)), i32.const(4096 - access.size)),
      () => f.set(address, i32.add(window.address, i32.const(distance))),
      () => this.#call(f, access, access.linear(), address), { likely: true })
    return address.get
  }

  #lookup(f: FunctionBuilder, access: TranslatedAccess, linear: I64, missed: () => void): I32 {
    const { size, write } = access
    const index = i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))
    const entry = f.let(i32.add(this.#tlb, index))
    const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1))
    const address = f.local('i32')
    f.if(i64.eq(i64.load(entry, write ? L.TLB_WRITE : L.TLB_READ), i64.and(last, i64.const(-4096n))),
      () => f.set(address, i32.add(i32.wrap_i64(linear), i32.load(entry, L.TLB_ADDEND))),
      () => {
        this.#call(f, access, linear, address)
        missed()
      }, { likely: true })
    return address.get
  }

  #call(f: FunctionBuilder, access: TranslatedAccess, linear: I64, address: Local<'i32'>): void {
    f.set(address, callExpr('i32', this.#fill, [this.#cpu, linear, i32.const(access.size | (access.write ? SLOW_WRITE : 0) | (access.block ? SLOW_BLOCK : 0))]))
    f.if(i32.eqz(address.get), () => access.bail(), undefined, { likely: false })
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
    return f.let(i32.add(i32.wrap_i64(access.linear()), i32.const(this.#base)))
  }
}
