import { atomicStore } from './atomics.ts'
import type { AtomicShape } from './atomics.ts'
import { ByteWriter } from './byte-writer.ts'
import { ATOMIC, CALL, CALL_INDIRECT, Expr, isConstant, ONE, SIMD, writeExpr, writeOpcode } from './expr.ts'
import type { I32 } from './expr.ts'
import { isZero } from './fold.ts'
import { VALUE_TYPE_CODE } from './types.ts'
import type { FunctionType, ValueType } from './types.ts'

/** A branch target inside a function; valid while the block it names is open. */
export interface Label {
  readonly depth: number
}

/** A local variable: read it as an expression with `get`. */
export interface Local<T extends ValueType = ValueType> {
  readonly type: T
  readonly index: number
  readonly get: Expr<T>
}

/** What the engine may assume of a condition (Branch Hinting proposal): `likely` when it is usually true. */
export interface BranchHint {
  readonly likely: boolean
}

/** A finished body: its entry in the code section without the size, in two parts, and hints by offset from the entry's first byte. */
export interface FunctionBody {
  readonly locals: Uint8Array<ArrayBuffer>
  readonly code: Uint8Array<ArrayBuffer>
  readonly hints: readonly { readonly offset: number; readonly likely: boolean }[]
}

type StoreType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'i32_8' | 'i32_16' | 'i64_8' | 'i64_16' | 'i64_32'
const STORE_OP: Record<StoreType, number> = {
  i32: 0x36, i64: 0x37, f32: 0x38, f64: 0x39, i32_8: 0x3a, i32_16: 0x3b, i64_8: 0x3c, i64_16: 0x3d, i64_32: 0x3e, v128: SIMD | 11,
}
const MEMORY_COPY = 0xfc000a
const MEMORY_FILL = 0xfc000b
const EMPTY_BLOCK = 0x40
const END = 0x0b

/** Emits one function body: statements in order, structured control flow by callbacks. */
export class FunctionBuilder {
  readonly type: FunctionType
  readonly params: Local[]
  readonly #locals: ValueType[] = []
  readonly #free: Partial<Record<ValueType, number[]>> = {}
  readonly #scopes: number[][] = []
  #code = new ByteWriter()
  #hints: { offset: number; likely: boolean }[] = []
  #depth = 0
  /** Open arms of control flow, the function's body first: each body of a block, loop, `if` or `else` is one. */
  readonly #arms = [0]
  #armCount = 0

  constructor(type: FunctionType) {
    this.type = type
    this.params = type.params.map((t, index) => this.#local(t, index))
  }

  /** Bytes of code so far. */
  get size(): number {
    return this.#code.size
  }

  /** The arm of control flow that is being emitted: `isOpen` says whether later code still lies in it. */
  get arm(): number {
    return this.#arms.at(-1)!
  }

  /** False: control may have come to this place without having been in that arm. */
  isOpen(arm: number): boolean {
    return this.#arms.includes(arm)
  }

  #local<T extends ValueType>(type: T, index: number): Local<T> {
    return { type, index, get: new Expr(type, ONE | 0x20, undefined, undefined, index) }
  }

  param<T extends ValueType>(type: T, index: number): Local<T> {
    return this.#local(type, index)
  }

  /** A local, zero on entry of the function only; reused after the enclosing `scope` ends. */
  local<T extends ValueType>(type: T): Local<T> {
    let index = this.#free[type]?.pop()
    if (index === undefined) {
      index = this.type.params.length + this.#locals.length
      this.#locals.push(type)
    }
    this.#scopes.at(-1)?.push(index)
    return this.#local(type, index)
  }

  /** A local that no `scope` frees. */
  lasting<T extends ValueType>(type: T): Local<T> {
    return this.#local(type, this.type.params.length + this.#locals.push(type) - 1)
  }

  /** Locals made inside `body` are free for reuse afterwards. */
  scope(body: () => void): void {
    this.#scopes.push([])
    body()
    for (const index of this.#scopes.pop() ?? []) {
      const type = this.#locals[index - this.type.params.length]!
      ;(this.#free[type] ??= []).push(index)
    }
  }

  /** Puts what `body` emits before everything emitted so far: for what is known only at the end. */
  prologue(body: () => void): void {
    const code = this.#code
    const hints = this.#hints
    this.#code = new ByteWriter(code.size + 256)
    this.#hints = []
    body()
    const moved = this.#code.size
    for (const { offset, likely } of hints) this.#hints.push({ offset: offset + moved, likely })
    this.#code.append(code.bytes)
  }

  /** Leaves the values on the stack: the results of a function that ends without `return`. */
  emit(...values: readonly Expr[]): void {
    for (const value of values) writeExpr(this.#code, value)
  }

  /** An instruction with one index or depth. */
  #one(op: number, immediate: number): void {
    this.#code.u8(op)
    this.#code.u32(immediate)
  }

  /** Evaluates once, now, into a new local; an integer constant stays itself. */
  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    return isConstant(value) ? value : this.variable(value).get
  }

  variable<T extends ValueType>(value: Expr<T>): Local<T> {
    const local = this.local(value.type)
    this.set(local, value)
    return local
  }

  set<T extends ValueType>(local: Local<T>, value: Expr<T>): void {
    writeExpr(this.#code, value)
    this.#one(0x21, local.index)
  }

  setGlobal(index: number, value: Expr): void {
    writeExpr(this.#code, value)
    this.#one(0x24, index)
  }

  drop(value: Expr): void {
    writeExpr(this.#code, value)
    this.#code.u8(0x1a)
  }

  store(type: StoreType, address: I32, offset: number, value: Expr): void {
    this.#store(STORE_OP[type], 0, address, offset, value)
  }

  /** Sequentially consistent store; traps unless the address is a multiple of the size (Threads proposal). */
  atomicStore(type: AtomicShape, address: I32, offset: number, value: Expr): void {
    const { op, align } = atomicStore(type)
    this.#store(op, align, address, offset, value)
  }

  #store(op: number, align: number, address: I32, offset: number, value: Expr): void {
    writeExpr(this.#code, address)
    writeExpr(this.#code, value)
    writeOpcode(this.#code, op)
    this.#code.u32(align)
    this.#code.u32(offset)
  }

  /** `atomic.fence`. */
  atomicFence(): void {
    writeOpcode(this.#code, ATOMIC | 3)
    this.#code.u8(0)
  }

  /** Copies `length` bytes; the ranges may overlap. */
  memoryCopy(to: I32, from: I32, length: I32): void {
    this.emit(to, from, length)
    writeOpcode(this.#code, MEMORY_COPY)
    this.#code.u8(0)
    this.#code.u8(0)
  }

  /** Sets `length` bytes to the low 8 bits of `value`. */
  memoryFill(to: I32, value: I32, length: I32): void {
    this.emit(to, value, length)
    writeOpcode(this.#code, MEMORY_FILL)
    this.#code.u8(0)
  }

  /** `target` of `br` leaves the block at its end. */
  block(body: (end: Label) => void): void {
    this.#structure(0x02, body)
  }

  /** `target` of `br` goes to the start again; falling off the end leaves the loop. */
  loop(body: (start: Label) => void): void {
    this.#structure(0x03, body)
  }

  #structure(op: number, body: (label: Label) => void, otherwise?: (label: Label) => void): void {
    this.#code.u8(op)
    this.#code.u8(EMPTY_BLOCK)
    const label = { depth: ++this.#depth }
    this.#arm(() => body(label))
    if (otherwise) {
      this.#code.u8(0x05)
      this.#arm(() => otherwise(label))
    }
    this.#depth--
    this.#code.u8(END)
  }

  #arm(body: () => void): void {
    this.#arms.push(++this.#armCount)
    body()
    this.#arms.pop()
  }

  /** `br` to the label leaves the statement. Of a constant condition only the side taken is emitted, a block if it asks for the label. */
  if(condition: I32, then: (end: Label) => void, otherwise?: (end: Label) => void, hint?: BranchHint): void {
    if (isConstant(condition)) {
      const taken = isZero(condition) ? otherwise : then
      if (taken?.length) this.block(taken)
      else taken?.({ depth: this.#depth })
      return
    }
    writeExpr(this.#code, condition)
    this.#hint(hint)
    this.#structure(0x04, then, otherwise)
  }

  #hint(hint: BranchHint | undefined): void {
    if (hint) this.#hints.push({ offset: this.#code.size, likely: hint.likely })
  }

  br(label: Label): void {
    this.#one(0x0c, this.#depth - label.depth)
  }

  brIf(label: Label, condition: I32, hint?: BranchHint): void {
    if (isConstant(condition)) {
      if (!isZero(condition)) this.br(label)
      return
    }
    writeExpr(this.#code, condition)
    this.#hint(hint)
    this.#one(0x0d, this.#depth - label.depth)
  }

  brTable(index: I32, labels: readonly Label[], fallback: Label): void {
    writeExpr(this.#code, index)
    this.#one(0x0e, labels.length)
    for (const label of labels) this.#code.u32(this.#depth - label.depth)
    this.#code.u32(this.#depth - fallback.depth)
  }

  call(index: number, ...args: readonly Expr[]): void {
    this.emit(...args)
    this.#one(CALL, index)
  }

  callIndirect(typeIndex: number, table: number, target: I32, ...args: readonly Expr[]): void {
    this.emit(...args, target)
    this.#one(CALL_INDIRECT, typeIndex)
    this.#code.u32(table)
  }

  /** Tail call of a function with the same results (Core Specification 3.0). */
  returnCall(index: number, ...args: readonly Expr[]): void {
    this.emit(...args)
    this.#one(0x12, index)
  }

  /** Tail call of element `target` of `table`. */
  returnCallIndirect(typeIndex: number, table: number, target: I32, ...args: readonly Expr[]): void {
    this.emit(...args, target)
    this.#one(0x13, typeIndex)
    this.#code.u32(table)
  }

  return(value?: Expr): void {
    if (value) writeExpr(this.#code, value)
    this.#code.u8(0x0f)
  }

  unreachable(): void {
    this.#code.u8(0x00)
  }

  /** Ends the body; nothing may be emitted afterwards. */
  finish(): FunctionBody {
    const runs: [number, ValueType][] = []
    for (const type of this.#locals) {
      const last = runs.at(-1)
      if (last && last[1] === type) last[0]++
      else runs.push([1, type])
    }
    const locals = new ByteWriter(16)
    locals.u32(runs.length)
    for (const [count, type] of runs) {
      locals.u32(count)
      locals.u8(VALUE_TYPE_CODE[type])
    }
    this.#code.u8(END)
    const hints = this.#hints.map(({ offset, likely }) => ({ offset: locals.size + offset, likely }))
    return { locals: locals.bytes, code: this.#code.bytes, hints }
  }
}
