import { i32, i64, select } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64, Local } from '@entresol/wasm-builder'
import { add, eq, eqz, ltU, narrow, sign64, sub, xor, and, msb, zero64, mask } from '../emit/arithmetic.ts'
import type { ConditionCode, Int, Width } from '../emit/emitter.ts'
import { Flags, signExtend64 } from '../emit/flags.ts'
import type { FlagStorage } from '../emit/flags.ts'

/**
 * Arithmetic flags of translated code: what the last instruction that set them did (`kind`) and its operands. Who reads a flag computes it
 * from those; most are overwritten unread and cost nothing.
 *
 * kind = operation << 2 | log2(width / 8). Operands, zero-extended: ADD, SUB: both; INC, DEC: result and CF; LOGIC: the result sign-extended.
 * WORDS: FLAGS_RESULT and FLAGS_AUX of state/layout.ts.
 */
export const KIND_WORDS = 0
const OP_ADD = 1
const OP_SUB = 2
const OP_LOGIC = 3
const OP_INC = 4
const OP_DEC = 5
/** Kinds are below this. */
export const KINDS: number = (OP_DEC + 1) << 2

const WIDTHS: readonly Width[] = [8, 16, 32, 64]
const kindOf = (operation: number, width: Width): number => (operation << 2) | WIDTHS.indexOf(width)

/** Where pending flags live while a region runs. */
export interface FlagLocals {
  readonly kind: Local<'i32'>
  readonly a: Local<'i64'>
  readonly b: Local<'i64'>
}

/** FLAGS_RESULT and FLAGS_AUX kept in the two operand locals. */
const wordStorage = (f: FunctionBuilder, locals: FlagLocals): FlagStorage => ({
  aux: i32.wrap_i64(locals.b.get),
  result: locals.a.get,
  setAux: (value) => f.set(locals.b, i64.extend_i32_u(value)),
  setResult: (value) => f.set(locals.a, value),
})

/** Turns the pending flags of a known kind into words, in place. */
export function emitWords(f: FunctionBuilder, locals: FlagLocals, kind: number): void {
  const operation = kind >> 2
  const width = WIDTHS[kind & 3]!
  if (operation === 0) return
  // The operands are overwritten by what is computed from them.
  const a = f.let(narrow(width, locals.a.get))
  const b = f.let(narrow(width, locals.b.get))
  const flags = new Flags(f, wordStorage(f, locals))
  if (operation === OP_ADD) flags.add(width, a, b, f.let(mask(width, add(a, b))))
  else if (operation === OP_SUB) flags.sub(width, a, b, f.let(mask(width, sub(a, b))))
  else if (operation === OP_LOGIC) f.set(locals.b, i64.const(0))
  else flags.incDec(width, a, operation === OP_INC)
}

/** The flag half of an emitter over pending flags. One per basic block: what is known of the kind ends with it. */
export class LazyFlags {
  readonly #f: FunctionBuilder
  readonly #home: { readonly flags: FlagLocals }
  /** Emits code that turns pending flags of a kind not known here into words. */
  readonly #anyToWords: () => void
  /** The kind, where every path to this point agrees. */
  #kind: number | undefined
  /** The arm of control flow in which the kind was set: it is known as far as that reaches. */
  #arm: number

  constructor(f: FunctionBuilder, home: { readonly flags: FlagLocals }, kind: number | undefined, anyToWords: () => void) {
    this.#f = f
    this.#home = home
    this.#kind = kind
    this.#arm = f.arm
    this.#anyToWords = anyToWords
  }

  get #locals(): FlagLocals {
    return this.#home.flags
  }

  get #words(): Flags {
    return new Flags(this.#f, wordStorage(this.#f, this.#locals))
  }

  /** Nothing is known any more: several ways meet here. */
  forget(): void {
    this.#kind = undefined
  }

  /** The kind at this point of the code. */
  get kind(): number | undefined {
    // Set in a branch that has ended: another path may have kept the old one.
    if (!this.#f.isOpen(this.#arm)) this.#kind = undefined
    return this.#kind
  }

  #pend(operation: number, width: Width, a: I64, b: I64): void {
    const { kind } = this.#locals
    this.#f.set(this.#locals.a, a)
    this.#f.set(this.#locals.b, b)
    this.#setKind(kind, kindOf(operation, width))
  }

  #setKind(local: Local<'i32'>, value: number): void {
    this.#f.set(local, i32.const(value))
    this.#kind = value
    this.#arm = this.#f.arm
  }

  add(width: Width, a: Int, b: Int): void {
    this.#pend(OP_ADD, width, zero64(a), zero64(b))
  }

  sub(width: Width, a: Int, b: Int): void {
    this.#pend(OP_SUB, width, zero64(a), zero64(b))
  }

  logic(result: Int, width: Width): void {
    this.#pend(OP_LOGIC, width, signExtend64(width, result), i64.const(0))
  }

  incDec(width: Width, result: Int, increment: boolean): void {
    const carry = this.#f.let(i64.extend_i32_u(this.kind === undefined ? this.#carryOfAny() : this.carry()))
    this.#pend(increment ? OP_INC : OP_DEC, width, zero64(mask(width, result)), carry)
  }

  /** Through the formulas of emit/flags.ts; `keep`: they read flags that are not overwritten. */
  words(keep: boolean, write: (flags: Flags) => void): void {
    if (keep) this.#toWords()
    write(this.#words)
    this.#setKind(this.#locals.kind, KIND_WORDS)
  }

  #toWords(): void {
    const { kind } = this
    if (kind === KIND_WORDS) return
    if (kind === undefined) this.#anyToWords()
    else emitWords(this.#f, this.#locals, kind)
    this.#setKind(this.#locals.kind, KIND_WORDS)
  }

  /** CF of pending flags of any kind: INC and DEC keep it, whatever set it. */
  #carryOfAny(): I32 {
    const f = this.#f
    const { kind, a, b } = this.#locals
    f.if(i32.eq(i32.shr_u(kind.get, i32.const(2)), i32.const(OP_ADD)), () => {
      this.#anyToWords()
      f.set(kind, i32.const(KIND_WORDS))
    }, undefined, { likely: false })
    // LOGIC has 0 for its second operand: it borrows nothing.
    const borrows = i32.lt_u(i32.sub(i32.shr_u(kind.get, i32.const(2)), i32.const(OP_SUB)), i32.const(2))
    return select(borrows, i64.lt_u(a.get, b.get), i32.and(i32.wrap_i64(b.get), i32.const(1)))
  }

  image(): I32 {
    this.#toWords()
    return this.#words.image()
  }

  carry(): I32 {
    return this.condition(2)
  }

  condition(code: ConditionCode): I32 {
    const { kind } = this
    if (kind === undefined || kind >> 2 === 0) {
      this.#toWords()
      return this.#words.condition(code)
    }
    const width = WIDTHS[kind & 3]!
    const a = narrowKnown(width, this.#locals.a.get)
    const b = narrowKnown(width, this.#locals.b.get)
    const positive = this.#positive(kind >> 2, width, code >> 1, a, b)
    if (!positive) {
      this.#toWords()
      return this.#words.condition(code)
    }
    return code & 1 ? i32.eqz(positive) : positive
  }

  /** Conditions O, B, Z, BE, S, P, L, LE by number; undefined: by the words. */
  #positive(operation: number, width: Width, pair: number, a: Int, b: Int): I32 | undefined {
    const signed = (value: Int): I64 | I32 => (width === 64 ? value : width === 32 ? value : narrowSigned(width, value))
    const ltS = (x: Int, y: Int): I32 => (x.type === 'i64' ? i64.lt_s(x, y as I64) : i32.lt_s(x, y as I32))
    const zero: Int = width === 64 ? i64.const(0) : i32.const(0)
    switch (operation) {
      case OP_SUB: {
        switch (pair) {
          case 0: return msb(width, and(xor(a, b), xor(a, sub(a, b))))
          case 1: return ltU(a, b)
          case 2: return eq(a, b)
          case 3: return i32.eqz(ltU(b, a))
          case 4: return ltS(signed(mask(width, sub(a, b))), zero)
          case 6: return ltS(signed(a), signed(b))
          case 7: return i32.eqz(ltS(signed(b), signed(a)))
          default: return undefined
        }
      }
      case OP_ADD: {
        const result = mask(width, add(a, b))
        switch (pair) {
          case 1: return ltU(result, a)
          case 2: return eqz(result)
          case 4: return ltS(signed(result), zero)
          default: return undefined
        }
      }
      case OP_LOGIC: {
        const result = this.#locals.a.get
        switch (pair) {
          case 0: case 1: return i32.const(0)
          case 2: case 3: return i64.eqz(result)
          case 4: case 6: return i64.lt_s(result, i64.const(0))
          case 7: return i64.le_s(result, i64.const(0))
          default: return undefined
        }
      }
      default: {
        switch (pair) {
          case 1: return i32.wrap_i64(this.#locals.b.get)
          case 2: return eqz(a)
          case 4: return ltS(signed(a), zero)
          default: return undefined
        }
      }
    }
  }
}

/** Operands are stored zero-extended: narrowing needs no mask. */
const narrowKnown = (width: Width, value: I64): Int => (width === 64 ? value : i32.wrap_i64(value))
const narrowSigned = (width: Width, value: Int): I32 => i32.wrap_i64(sign64(width, value))
