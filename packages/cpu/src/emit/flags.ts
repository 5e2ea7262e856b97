import { i32, i64 } from '@entresol/wasm-builder'
import type { FunctionBuilder, I32, I64 } from '@entresol/wasm-builder'
import type { ConditionCode, Int, Width } from './emitter.ts'
import { FLAGS_AUX, FLAGS_RESULT } from '../state/layout.ts'

/**
 * Arithmetic flags as two words, FLAGS_RESULT and FLAGS_AUX (see state/layout.ts). Every formula is the textbook one: carries
 * out of bit positions from operands and result (Warren, Hacker's Delight, 2-13).
 */
const asI32 = (value: Int): I32 => (value.type === 'i64' ? i32.wrap_i64(value) : value)

/** Sign-extends an operand of `width` bits to 64. */
export function signExtend64(width: Width, value: Int): I64 {
  if (value.type === 'i64') return value
  const narrow = width === 8 ? i32.extend8_s(value) : width === 16 ? i32.extend16_s(value) : value
  return i64.extend_i32_s(narrow)
}

/** Truncates to `width` bits, zero-extended. */
export function truncate(width: Width, value: Int): Int {
  if (value.type === 'i64' || width === 32) return value
  return i32.and(value, i32.const(width === 8 ? 0xff : 0xffff))
}

export interface FlagStorage {
  readonly aux: I32
  readonly result: I64
  setAux(value: I32): void
  setResult(value: I64): void
}

/** FLAGS_AUX and FLAGS_RESULT in the state block. */
export const memoryFlags = (b: FunctionBuilder, cpu: I32): FlagStorage => ({
  aux: i32.load(cpu, FLAGS_AUX),
  result: i64.load(cpu, FLAGS_RESULT),
  setAux: (value) => b.store('i32', cpu, FLAGS_AUX, value),
  setResult: (value) => b.store('i64', cpu, FLAGS_RESULT, value),
})

/** The flag formulas over wherever the two words live: memory in the interpreter, locals in translated code. */
export class Flags {
  readonly #b: FunctionBuilder
  readonly #storage: FlagStorage

  constructor(b: FunctionBuilder, storage: FlagStorage) {
    this.#b = b
    this.#storage = storage
  }

  get #aux(): I32 {
    return this.#storage.aux
  }

  get #result(): I64 {
    return this.#storage.result
  }

  #store(width: Width, result: Int, aux: I32): void {
    this.#storage.setAux(aux)
    this.#storage.setResult(signExtend64(width, result))
  }

  /** Moves bit `from` of `value` to bit `to` and clears the rest. */
  #bit(value: Int, from: number, to: number): I32 {
    if (value.type === 'i64') {
      return i32.and(i32.wrap_i64(i64.shr_u(value, i64.const(from - to))), i32.const(1 << to))
    }
    const moved = from > to ? i32.shr_u(value, i32.const(from - to)) : from < to ? i32.shl(value, i32.const(to - from)) : value
    return i32.and(moved, i32.const(1 << to))
  }

  #xor(a: Int, b: Int): Int {
    return a.type === 'i64' ? i64.xor(a, b as I64) : i32.xor(a, b as I32)
  }

  #and(a: Int, b: Int): Int {
    return a.type === 'i64' ? i64.and(a, b as I64) : i32.and(a, b as I32)
  }

  #af(a: Int, b: Int, result: Int): I32 {
    return i32.and(i32.xor(i32.xor(asI32(a), asI32(b)), asI32(result)), i32.const(0x10))
  }

  #less(a: Int, b: Int): I32 {
    return a.type === 'i64' ? i64.lt_u(a, b as I64) : i32.lt_u(a, b as I32)
  }

  add(width: Width, a: Int, b: Int, result: Int): void {
    const r = truncate(width, result)
    const overflow = this.#bit(this.#and(this.#xor(a, result), this.#xor(b, result)), width - 1, 11)
    this.#store(width, result, i32.or(i32.or(this.#less(r, a), this.#af(a, b, result)), overflow))
  }

  /** Carry out is r < a, or r == a with carry in (for b = all ones). */
  adc(width: Width, a: Int, b: Int, result: Int, carryIn: I32): void {
    const r = truncate(width, result)
    const equal = r.type === 'i64' ? i64.eq(r, a as I64) : i32.eq(r, a as I32)
    const carry = i32.or(this.#less(r, a), i32.and(equal, carryIn))
    const overflow = this.#bit(this.#and(this.#xor(a, result), this.#xor(b, result)), width - 1, 11)
    this.#store(width, result, i32.or(i32.or(carry, this.#af(a, b, result)), overflow))
  }

  sub(width: Width, a: Int, b: Int, result: Int): void {
    const overflow = this.#bit(this.#and(this.#xor(a, b), this.#xor(a, result)), width - 1, 11)
    this.#store(width, result, i32.or(i32.or(this.#less(a, b), this.#af(a, b, result)), overflow))
  }

  sbb(width: Width, a: Int, b: Int, result: Int, borrowIn: I32): void {
    const equal = a.type === 'i64' ? i64.eq(a, b as I64) : i32.eq(a, b as I32)
    const borrow = i32.or(this.#less(a, b), i32.and(equal, borrowIn))
    const overflow = this.#bit(this.#and(this.#xor(a, b), this.#xor(a, result)), width - 1, 11)
    this.#store(width, result, i32.or(i32.or(borrow, this.#af(a, b, result)), overflow))
  }

  logic(width: Width, result: Int): void {
    this.#store(width, result, i32.const(0))
  }

  /** `sign` is where OF stands: the result is the most negative (INC) or most positive (DEC) number. */
  incDec(width: Width, result: Int, increment: boolean): void {
    const r = truncate(width, result)
    const carry = i32.and(this.#aux, i32.const(1))
    const edge = increment ? 1n << BigInt(width - 1) : (1n << BigInt(width - 1)) - 1n
    const overflow = r.type === 'i64' ? i64.eq(r, i64.const(edge)) : i32.eq(r, i32.const(edge))
    const low = i32.and(asI32(r), i32.const(0xf))
    const af = i32.eq(low, i32.const(increment ? 0 : 0xf))
    this.#store(width, result, i32.or(i32.or(carry, i32.shl(overflow, i32.const(11))), i32.shl(af, i32.const(4))))
  }

  set(width: Width, result: Int, cf: I32, of: I32, af: I32 = i32.const(0)): void {
    this.#store(width, result, i32.or(i32.or(cf, i32.shl(of, i32.const(11))), i32.shl(af, i32.const(4))))
  }

  /** ZF picks the stored result (0 or 1); SF and PF are corrected by the deltas. */
  setImage(image: I32): void {
    const b = this.#b
    const zf = b.let(i32.and(i32.shr_u(image, i32.const(6)), i32.const(1)))
    const pf = i32.and(i32.shr_u(image, i32.const(2)), i32.const(1))
    const parityDelta = i32.shl(i32.xor(pf, zf), i32.const(16))
    this.#storage.setAux(i32.or(i32.and(image, i32.const(0x891)), parityDelta))
    this.#storage.setResult(i64.extend_i32_u(i32.xor(zf, i32.const(1))))
  }

  image(): I32 {
    const sf = i32.shl(this.#sign(), i32.const(7))
    const zf = i32.shl(i64.eqz(this.#result), i32.const(6))
    const pf = i32.shl(this.#parity(), i32.const(2))
    return i32.or(i32.or(i32.and(this.#aux, i32.const(0x811)), sf), i32.or(zf, pf))
  }

  carry(): I32 {
    return i32.and(this.#aux, i32.const(1))
  }

  setCarry(value: I32): void {
    this.#storage.setAux(i32.or(i32.and(this.#aux, i32.const(-2)), value))
  }

  setCarryOverflow(cf: I32, of: I32): void {
    const kept = i32.and(this.#aux, i32.const(~0x801))
    this.#storage.setAux(i32.or(i32.or(kept, cf), i32.shl(of, i32.const(11))))
  }

  #sign(): I32 {
    const raw = i32.wrap_i64(i64.shr_u(this.#result, i64.const(63)))
    return i32.xor(raw, i32.and(i32.shr_u(this.#aux, i32.const(7)), i32.const(1)))
  }

  #overflow(): I32 {
    return i32.and(i32.shr_u(this.#aux, i32.const(11)), i32.const(1))
  }

  #parity(): I32 {
    const low = i32.and(i32.xor(i32.wrap_i64(this.#result), i32.shr_u(this.#aux, i32.const(16))), i32.const(0xff))
    return i32.and(i32.xor(i32.popcnt(low), i32.const(1)), i32.const(1))
  }

  condition(code: ConditionCode): I32 {
    const positive = this.#positive(code >> 1)
    return code & 1 ? i32.eqz(positive) : positive
  }

  #positive(pair: number): I32 {
    switch (pair) {
      case 0: return this.#overflow()
      case 1: return this.carry()
      case 2: return i64.eqz(this.#result)
      case 3: return i32.or(this.carry(), i64.eqz(this.#result))
      case 4: return this.#sign()
      case 5: return this.#parity()
      case 6: return i32.xor(this.#sign(), this.#overflow())
      default: return i32.or(i64.eqz(this.#result), i32.xor(this.#sign(), this.#overflow()))
    }
  }
}

