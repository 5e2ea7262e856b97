import { ATOMIC, Expr, sequence, TWO } from './expr.ts'
import type { I32 } from './expr.ts'

/**
 * Atomic accesses (Threads proposal, binary format of atomic memory instructions), names as in the text format. Sequentially
 * consistent; an address that is not a multiple of the access's size traps. They are expressions with effects: the effect happens where the
 * expression is placed, once for each place.
 */
type AtomicLoad<T extends 'i32' | 'i64'> = (address: I32, offset?: number) => Expr<T>
type Modify<T extends 'i32' | 'i64'> = (address: I32, operand: Expr<T>, offset?: number) => Expr<T>
type CompareExchange<T extends 'i32' | 'i64'> = (address: I32, expected: Expr<T>, replacement: Expr<T>, offset?: number) => Expr<T>

/** Read, modify, write; the result is the old value. */
export interface ModifyOps<T extends 'i32' | 'i64'> {
  add: Modify<T>; sub: Modify<T>; and: Modify<T>; or: Modify<T>; xor: Modify<T>; xchg: Modify<T>; cmpxchg: CompareExchange<T>
}

/** The same on fewer bits than the type has: the old value is zero-extended. */
export interface NarrowModifyOps<T extends 'i32' | 'i64'> {
  add_u: Modify<T>; sub_u: Modify<T>; and_u: Modify<T>; or_u: Modify<T>; xor_u: Modify<T>; xchg_u: Modify<T>; cmpxchg_u: CompareExchange<T>
}

export interface AtomicOps<T extends 'i32' | 'i64'> {
  load: AtomicLoad<T>; load8_u: AtomicLoad<T>; load16_u: AtomicLoad<T>
  rmw: ModifyOps<T>; rmw8: NarrowModifyOps<T>; rmw16: NarrowModifyOps<T>
}

/** Memory access shapes in the order of the opcodes, with their natural alignment (log2 of bytes). */
const SHAPES = ['i32', 'i64', 'i32_8', 'i32_16', 'i64_8', 'i64_16', 'i64_32'] as const
export type AtomicShape = (typeof SHAPES)[number]
const ALIGNMENT = [2, 3, 0, 1, 0, 1, 2]

const LOAD = 0x10
const STORE = 0x17
const MODIFY = 0x1e

/** Opcode and alignment of an atomic store. */
export function atomicStore(shape: AtomicShape): { op: number; align: number } {
  const n = SHAPES.indexOf(shape)
  return { op: ATOMIC | (STORE + n), align: ALIGNMENT[n]! }
}

function atomicLoad<T extends 'i32' | 'i64'>(type: T, shape: AtomicShape): AtomicLoad<T> {
  const n = SHAPES.indexOf(shape)
  const op = TWO | ATOMIC | (LOAD + n)
  const align = ALIGNMENT[n]!
  return (address, offset = 0) => new Expr(type, op, address, undefined, align, offset)
}

function modifyOps<T extends 'i32' | 'i64'>(type: T, shape: AtomicShape): ModifyOps<T> {
  const n = SHAPES.indexOf(shape)
  const align = ALIGNMENT[n]!
  const op = (operation: number): number => TWO | ATOMIC | (MODIFY + operation * SHAPES.length + n)
  const modify = (operation: number): Modify<T> => (address, operand, offset = 0) => new Expr(type, op(operation), address, operand, align, offset)
  return {
    add: modify(0), sub: modify(1), and: modify(2), or: modify(3), xor: modify(4), xchg: modify(5),
    cmpxchg: (address, expected, replacement, offset = 0) => new Expr(type, op(6), sequence(address, expected), replacement, align, offset),
  }
}

function narrowModifyOps<T extends 'i32' | 'i64'>(type: T, shape: AtomicShape): NarrowModifyOps<T> {
  const o = modifyOps(type, shape)
  return { add_u: o.add, sub_u: o.sub, and_u: o.and, or_u: o.or, xor_u: o.xor, xchg_u: o.xchg, cmpxchg_u: o.cmpxchg }
}

const atomicOps = <T extends 'i32' | 'i64'>(type: T): AtomicOps<T> => ({
  load: atomicLoad(type, type), load8_u: atomicLoad(type, `${type}_8`), load16_u: atomicLoad(type, `${type}_16`),
  rmw: modifyOps(type, type), rmw8: narrowModifyOps(type, `${type}_8`), rmw16: narrowModifyOps(type, `${type}_16`),
})

export const atomic32: AtomicOps<'i32'> = atomicOps('i32')
export const atomic64: AtomicOps<'i64'> & { load32_u: AtomicLoad<'i64'>; rmw32: NarrowModifyOps<'i64'> } = {
  ...atomicOps('i64'), load32_u: atomicLoad('i64', 'i64_32'), rmw32: narrowModifyOps('i64', 'i64_32'),
}
