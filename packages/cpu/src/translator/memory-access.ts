import { FLAT_EDGE_BYTES } from '@entresol/interfaces'
import type { FlatWindow, MachineMemory } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64 } from '@entresol/wasm-builder'
import * as L from '../state/layout.ts'
import type { PageWindow, PageWindows, SymbolicAddress } from './page-windows.ts'

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
  /** Leaves the region at this instruction; the interpreter carries it out. */
  bail(): void
}

/** How translated code reaches memory: the one decision between a machine with paging and a program in a flat window. */
export interface MemoryStrategy {
  /** Machine address of the access; bails where it is not plain memory in one page. */
  address(f: FunctionBuilder, access: TranslatedAccess): I32
}

/**
 * Paging. The first access by some register looks into the software TLB: the entry of the first byte's page must carry the tag of the last
 * byte's, so one comparison covers the page crossing too. Later ones near it only have to stay in its page. A miss bails: a call here would
 * cost more in registers and code than it saves, as the interpreter fills the TLB once and for all.
 */
export class TlbStrategy implements MemoryStrategy {
  readonly #tlb: I32

  constructor(tlb: I32) {
    this.#tlb = tlb
  }

  address(f: FunctionBuilder, access: TranslatedAccess): I32 {
    const { symbolic, windows, write } = access
    const window = symbolic && windows?.find(symbolic, write)
    if (window) return this.#near(f, access, window, symbolic.delta - window.delta)
    const linear = f.let(access.linear())
    const address = this.#lookup(f, access, linear)
    if (symbolic) windows?.note(f, symbolic, write, i32.and(i32.wrap_i64(linear), i32.const(0xfff)), address)
    return address
  }

  #near(f: FunctionBuilder, access: TranslatedAccess, window: PageWindow, distance: number): I32 {
    const address = f.variable(i32.add(window.address, i32.const(distance)))
    f.if(i32.gt_u(i32.add(window.inPage, i32.const(distance)), i32.const(4096 - access.size)), () => {
      f.set(address, this.#lookup(f, access, f.let(access.linear())))
    }, undefined, { likely: false })
    return address.get
  }

  #lookup(f: FunctionBuilder, access: TranslatedAccess, linear: I64): I32 {
    const { size, write } = access
    const index = i32.and(i32.wrap_i64(i64.shr_u(linear, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))
    const place = f.let(index)
    const entry = f.variable(i32.add(this.#tlb, place))
    const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1))
    const missed = (): I32 => i64.ne(i64.load(entry.get, write ? L.TLB_WRITE : L.TLB_READ), i64.and(last, i64.const(-4096n)))
    f.if(missed(), () => {
      f.set(entry, i32.add(this.#tlb, i32.xor(place, i32.const(L.TLB_SECOND))))
      f.if(missed(), () => access.bail(), undefined, { likely: false })
    }, undefined, { likely: false })
    return f.let(i32.add(i32.wrap_i64(linear), i32.load(entry.get, L.TLB_ADDEND)))
  }
}

/**
 * A window of linear addresses in one piece of machine memory. An access between its edges is found by one comparison; others near it, by the same
 * registers, need none: they are less than an edge away. The guest thus stays in its window, whatever it does; what lies outside bails before anything has
 * happened, so it faults precisely. Rights of pages are not looked at, nor whether a store meets decoded code.
 */
export class FlatStrategy implements MemoryStrategy {
  readonly #window: FlatWindow

  constructor(window: FlatWindow) {
    this.#window = window
  }

  address(f: FunctionBuilder, access: TranslatedAccess): I32 {
    const { symbolic, windows } = access
    const near = symbolic && windows?.find(symbolic, true)
    if (near) return f.let(i32.add(near.address, i32.const(symbolic.delta - near.delta)))
    const { linear, machine, bytes } = this.#window
    const offset = f.let(i64.sub(access.linear(), i64.const(linear + FLAT_EDGE_BYTES)))
    f.if(i64.gt_u(offset, i64.const(bytes - 2 * FLAT_EDGE_BYTES - access.size)), () => access.bail(), undefined, { likely: false })
    const address = f.let(i32.add(i32.wrap_i64(offset), i32.const(machine + FLAT_EDGE_BYTES)))
    if (symbolic) windows?.note(f, symbolic, true, address, address)
    return address
  }
}

/** A guest of this window reaches nothing else of `memory`; throws `bad-flat-window` where it is not one. */
export function requireInside({ linear, machine, bytes }: FlatWindow, memory: MachineMemory): void {
  const pages = [linear, machine, bytes].map((value) => value / 4096)
  const inside = pages.every((value) => Number.isInteger(value) && value >= 0) && linear + bytes <= 2 ** 32 && machine + bytes <= memory.u8.length
  if (!inside || bytes <= 2 * FLAT_EDGE_BYTES) {
    throw new CodedError('bad-flat-window', `linear ${linear}, machine ${machine}, ${bytes} bytes are not whole pages of machine memory below linear address 4 GiB`)
  }
}
