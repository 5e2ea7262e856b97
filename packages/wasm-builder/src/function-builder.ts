import { unsignedLeb } from './leb128.ts'
import { VALUE_TYPE_CODE } from './types.ts'
import type { Expr, FunctionType, I32, ValueType } from './types.ts'

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

type StoreType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'i32_8' | 'i32_16' | 'i64_8' | 'i64_16' | 'i64_32'
const STORE_OP: Record<StoreType, readonly number[]> = {
  i32: [0x36], i64: [0x37], f32: [0x38], f64: [0x39], i32_8: [0x3a], i32_16: [0x3b], i64_8: [0x3c], i64_16: [0x3d], i64_32: [0x3e],
  v128: [0xfd, 11],
}

/** Emits one function body: statements in order, structured control flow by callbacks. */
export class FunctionBuilder {
  readonly type: FunctionType
  readonly params: Local[]
  readonly #locals: ValueType[] = []
  readonly #free: Partial<Record<ValueType, number[]>> = {}
  readonly #scopes: number[][] = []
  readonly code: number[] = []
  #depth = 0

  constructor(type: FunctionType) {
    this.type = type
    this.params = type.params.map((t, index) => this.#local(t, index))
  }

  #local<T extends ValueType>(type: T, index: number): Local<T> {
    return { type, index, get: { type, code: [0x20, ...unsignedLeb(index)] } }
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

  /** Locals made inside `body` are free for reuse afterwards. */
  scope(body: () => void): void {
    this.#scopes.push([])
    body()
    for (const index of this.#scopes.pop() ?? []) {
      const type = this.#locals[index - this.type.params.length]!
      ;(this.#free[type] ??= []).push(index)
    }
  }

  /** Appends an expression or raw bytes as they are. */
  emit(...parts: (Expr | readonly number[])[]): void {
    for (const part of parts) for (const byte of 'code' in part ? part.code : part) this.code.push(byte)
  }

  /** Evaluates once, now, into a new local. */
  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    // A constant or a parameter needs no copy only when nobody assigns it; constants are the safe case.
    if (value.code[0] === 0x41 || value.code[0] === 0x42) if (value.code.length <= 11 && isSingleConst(value.code)) return value
    const local = this.local(value.type)
    this.set(local, value)
    return local.get
  }

  variable<T extends ValueType>(value: Expr<T>): Local<T> {
    const local = this.local(value.type)
    this.set(local, value)
    return local
  }

  set<T extends ValueType>(local: Local<T>, value: Expr<T>): void {
    this.emit(value, [0x21, ...unsignedLeb(local.index)])
  }

  setGlobal(index: number, value: Expr): void {
    this.emit(value, [0x24, ...unsignedLeb(index)])
  }

  drop(value: Expr): void {
    this.emit(value, [0x1a])
  }

  store(type: StoreType, address: I32, offset: number, value: Expr): void {
    this.emit(address, value, STORE_OP[type], [0, ...unsignedLeb(offset)])
  }

  call(index: number, ...args: Expr[]): void {
    this.emit(...args, [0x10, ...unsignedLeb(index)])
  }

  /** `target` of `br` leaves the block at its end. */
  block(body: (end: Label) => void): void {
    this.emit([0x02, 0x40])
    body({ depth: ++this.#depth })
    this.#depth--
    this.emit([0x0b])
  }

  /** `target` of `br` goes to the start again; falling off the end leaves the loop. */
  loop(body: (start: Label) => void): void {
    this.emit([0x03, 0x40])
    body({ depth: ++this.#depth })
    this.#depth--
    this.emit([0x0b])
  }

  if(condition: I32, then: (end: Label) => void, otherwise?: (end: Label) => void): void {
    this.emit(condition, [0x04, 0x40])
    const label = { depth: ++this.#depth }
    then(label)
    if (otherwise) {
      this.emit([0x05])
      otherwise(label)
    }
    this.#depth--
    this.emit([0x0b])
  }

  br(label: Label): void {
    this.emit([0x0c, ...unsignedLeb(this.#depth - label.depth)])
  }

  brIf(label: Label, condition: I32): void {
    this.emit(condition, [0x0d, ...unsignedLeb(this.#depth - label.depth)])
  }

  brTable(index: I32, labels: readonly Label[], fallback: Label): void {
    this.emit(index, [0x0e, ...unsignedLeb(labels.length)])
    for (const label of labels) this.emit(unsignedLeb(this.#depth - label.depth))
    this.emit(unsignedLeb(this.#depth - fallback.depth))
  }

  callIndirect(typeIndex: number, table: number, target: I32, ...args: Expr[]): void {
    this.emit(...args, target, [0x11, ...unsignedLeb(typeIndex), ...unsignedLeb(table)])
  }

  return(value?: Expr): void {
    if (value) this.emit(value)
    this.emit([0x0f])
  }

  unreachable(): void {
    this.emit([0x00])
  }

  /** The code section entry: locals run-length encoded, body, `end`. */
  encode(): number[] {
    const runs: [number, ValueType][] = []
    for (const type of this.#locals) {
      const last = runs.at(-1)
      if (last && last[1] === type) last[0]++
      else runs.push([1, type])
    }
    const head = [...unsignedLeb(runs.length), ...runs.flatMap(([count, type]) => [...unsignedLeb(count), VALUE_TYPE_CODE[type]])]
    const out = unsignedLeb(head.length + this.code.length + 1)
    for (const byte of head) out.push(byte)
    for (const byte of this.code) out.push(byte)
    out.push(0x0b)
    return out
  }
}

function isSingleConst(code: readonly number[]): boolean {
  for (let i = 1; i < code.length; i++) if (!(code[i]! & 0x80)) return i === code.length - 1
  return false
}
