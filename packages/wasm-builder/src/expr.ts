import type { ByteWriter } from './byte-writer.ts'
import type { ValueType } from './types.ts'

/**
 * A value-producing instruction and its operands: a tree without identity, turned into bytes where it is emitted. Built by the
 * constructors of `i32`, `i64` and so on; its fields are their business, all but `type`.
 */
export class Expr<T extends ValueType = ValueType> {
  readonly type: T
  /** Opcode, its prefix byte in bits 16 to 23, and in bits 24 up which immediates follow it. */
  readonly op: number
  readonly a: Expr | undefined
  readonly b: Expr | undefined
  /** First immediate; of an integer constant the low 32 bits, signed. */
  readonly low: number
  /** Second immediate; of an integer constant the high 32 bits, for i32 copies of its sign. */
  readonly high: number
  readonly bytes: readonly number[] | undefined

  constructor(type: T, op: number, a?: Expr, b?: Expr, low = 0, high = 0, bytes?: readonly number[]) {
    this.type = type
    this.op = op
    this.a = a
    this.b = b
    this.low = low
    this.high = high
    this.bytes = bytes
  }
}

export type I32 = Expr<'i32'>
export type I64 = Expr<'i64'>
export type F32 = Expr<'f32'>
export type F64 = Expr<'f64'>
export type V128 = Expr<'v128'>

/** Immediates: `low`, or `low` then `high`, as unsigned LEB128; or `bytes`. */
export const ONE: number = 1 << 24
export const TWO: number = 2 << 24
export const BYTES: number = 3 << 24
const I32_CONST = (4 << 24) | 0x41
const I64_CONST = (5 << 24) | 0x42
/** No instruction: the operands one after the other, for those that take more than two. */
const SEQUENCE = 6 << 24

export const SIMD = 0xfd0000
export const ATOMIC = 0xfe0000
export const CALL = 0x10
export const CALL_INDIRECT = 0x11

export const sequence = (first: Expr, second: Expr): Expr => new Expr(second.type, SEQUENCE, first, second)

/** Any number of operands as one. */
export function operands(args: readonly Expr[]): Expr | undefined {
  let all = args[0]
  for (let i = 1; i < args.length; i++) all = sequence(all!, args[i]!)
  return all
}

/** The integer constant with these halves; `high` counts for i64 only. */
export const constant = <T extends 'i32' | 'i64'>(type: T, low: number, high: number): Expr<T> =>
  type === 'i64' ? new Expr(type, I64_CONST, undefined, undefined, low, high) : new Expr(type, I32_CONST, undefined, undefined, low, low >> 31)

export const isConstant = (value: Expr): boolean => value.op === I32_CONST || value.op === I64_CONST

const scratch = new DataView(new ArrayBuffer(8))

/** The integer constant of this value, modulo 2^32 or 2^64. */
export function integerConstant<T extends 'i32' | 'i64'>(type: T, value: number | bigint): Expr<T> {
  if (typeof value === 'number') return constant(type, value | 0, Math.floor(value / 0x1_0000_0000) | 0)
  scratch.setBigInt64(0, value)
  return constant(type, scratch.getInt32(4), scratch.getInt32(0))
}

/** Value of an integer constant, signed: a number for i32, a bigint for i64; undefined for any other expression. */
export function constantOf(value: Expr): number | bigint | undefined {
  if (value.op === I32_CONST) return value.low
  if (value.op !== I64_CONST) return undefined
  scratch.setInt32(0, value.high)
  scratch.setInt32(4, value.low)
  return scratch.getBigInt64(0)
}

/** Whether leaving it out changes nothing: no calls, no atomic accesses, no division (which may trap). Loads count as harmless. */
export function isDroppable(value: Expr): boolean {
  const op = value.op & 0xffffff
  const division = (op >= 0x6d && op <= 0x70) || (op >= 0x7f && op <= 0x82)
  if (division || op === CALL || op === CALL_INDIRECT || (op & 0xff0000) === ATOMIC) return false
  return (!value.a || isDroppable(value.a)) && (!value.b || isDroppable(value.b))
}

/** Appends an expression in postfix order (Core Specification 5.4). */
export function writeExpr(out: ByteWriter, value: Expr): void {
  if (value.a) {
    writeExpr(out, value.a)
    if (value.b) writeExpr(out, value.b)
  }
  const op = value.op
  if (op < 0x100) {
    out.u8(op)
    return
  }
  if (op === SEQUENCE) return
  writeOpcode(out, op)
  if (op === I32_CONST) out.s32(value.low)
  else if (op === I64_CONST) out.s64(value.low, value.high)
  else if (op >= BYTES) out.append(value.bytes!)
  else if (op >= ONE) {
    out.u32(value.low)
    if (op >= TWO) out.u32(value.high)
  }
}

/** An opcode with its prefix byte, if it has one. */
export function writeOpcode(out: ByteWriter, op: number): void {
  const prefix = (op >>> 16) & 0xff
  if (prefix === 0) out.u8(op & 0xff)
  else {
    out.u8(prefix)
    out.u32(op & 0xffff)
  }
}
