import { i32, i64 } from '@entresol/wasm-builder'
import { low32, narrow, sign64, zero64 } from '../emit/arithmetic.ts'
import type { Emitter, I32, I64, Int, Width } from '../emit/emitter.ts'
import { FLAG_AF, FLAG_PF, FLAG_SF, FLAG_ZF, FLAGS_ARITHMETIC } from '../state/layout.ts'
import { host, row } from './row.ts'
import type { Emit, Row } from './row.ts'

/** Multiplication and division (SDM vol. 2, MUL, IMUL, DIV, IDIV). */

/** High 64 bits of the unsigned product (Warren, Hacker's Delight, 8-2). */
export function multiplyHigh(e: Emitter, a: I64, b: I64): I64 {
  const low = i64.const(0xffffffffn)
  const split = (x: I64): [I64, I64] => [e.b.let(i64.and(x, low)), e.b.let(i64.shr_u(x, i64.const(32)))]
  const [a0, a1] = split(a)
  const [b0, b1] = split(b)
  const w0 = i64.mul(a0, b0)
  const t = e.b.let(i64.add(i64.mul(a1, b0), i64.shr_u(w0, i64.const(32))))
  const w1 = i64.add(i64.and(t, low), i64.mul(a0, b1))
  return e.b.let(i64.add(i64.add(i64.mul(a1, b1), i64.shr_u(t, i64.const(32))), i64.shr_u(w1, i64.const(32))))
}

/** Signed from unsigned: subtract the other factor where one is negative. */
function multiplyHighSigned(e: Emitter, a: I64, b: I64): I64 {
  const high = multiplyHigh(e, a, b)
  const correction = i64.add(i64.and(i64.shr_s(a, i64.const(63)), b), i64.and(i64.shr_s(b, i64.const(63)), a))
  return e.b.let(i64.sub(high, correction))
}

/** CF = OF = the high half carries information. */
const flags = (e: Emitter, width: Width, low: Int, significant: I32): void => {
  const s = e.b.let(significant)
  e.flagsSet(width, low, s, s)
}

/** rDX:rAX (or AX) = rAX × operand. */
const multiplyWide = (signed: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  const b = e.get(0)
  const a = e.reg(0, width)
  if (width === 64) {
    const [x, y] = [a as I64, b as I64]
    const high = signed ? multiplyHighSigned(e, x, y) : multiplyHigh(e, x, y)
    const low = e.b.let(i64.mul(x, y))
    e.setReg(0, 64, low)
    e.setReg(2, 64, high)
    flags(e, 64, low, signed ? i64.ne(high, i64.shr_s(low, i64.const(63))) : i64.ne(high, i64.const(0)))
    return
  }
  const extend = (v: Int): I64 => (signed ? sign64(width, v) : zero64(v))
  const product = e.b.let(i64.mul(extend(a), extend(b)))
  const low = e.b.let(narrow(width, product))
  if (width === 8) e.setReg(0, 16, narrow(16, product))
  else {
    e.setReg(0, width, low)
    e.setReg(2, width, narrow(width, i64.shr_u(product, i64.const(width))))
  }
  flags(e, width, low, i64.ne(extend(low), product))
}

/** Two- and three-operand IMUL. */
const multiply = (first: number, second: number): Emit => (e) => {
  const width = e.widthOf(0)
  const b = e.get(second)
  const a = e.get(first)
  if (width === 64) {
    const low = e.b.let(i64.mul(a as I64, b as I64))
    const high = multiplyHighSigned(e, a as I64, b as I64)
    flags(e, 64, low, i64.ne(high, i64.shr_s(low, i64.const(63))))
    e.set(0, low)
    return
  }
  const product = e.b.let(i64.mul(sign64(width, a), sign64(width, b)))
  const low = e.b.let(narrow(width, product))
  flags(e, width, low, i64.ne(sign64(width, low), product))
  e.set(0, low)
}

const DIVIDE_ERROR = 0

/** Dividends of up to 64 bits: AX, DX:AX, EDX:EAX. */
const divideNarrow = (e: Emitter, width: Width, signed: boolean): void => {
  const divisor = e.b.let(signed ? sign64(width, e.get(0)) : zero64(e.get(0)))
  e.raiseIf(i64.eqz(divisor), DIVIDE_ERROR)
  const dividend = e.b.let(width === 8
    ? (signed ? sign64(16, e.reg(0, 16)) : zero64(e.reg(0, 16)))
    : width === 16
      ? i64.extend_i32_u(i32.or(i32.shl(low32(e.reg(2, 16)), i32.const(16)), low32(e.reg(0, 16))))
      : i64.or(i64.shl(zero64(e.reg(2, 32)), i64.const(32)), zero64(e.reg(0, 32))))
  const wide = signed && width === 16 ? e.b.let(i64.extend32_s(dividend)) : dividend
  // The most negative dividend over -1 would trap in WebAssembly and overflows here as well.
  if (signed) e.raiseIf(i32.and(i64.eq(divisor, i64.const(-1)), i64.eq(wide, i64.const(1n << 63n))), DIVIDE_ERROR)
  const quotient = e.b.let(signed ? i64.div_s(wide, divisor) : i64.div_u(wide, divisor))
  const fits = signed ? i64.eq(sign64(width, narrow(width, quotient)), quotient) : i64.eqz(i64.shr_u(quotient, i64.const(width)))
  e.raiseIf(i32.eqz(fits), DIVIDE_ERROR)
  const remainder = e.b.let(signed ? i64.rem_s(wide, divisor) : i64.rem_u(wide, divisor))
  if (width === 8) {
    const high = i32.shl(low32(remainder), i32.const(8))
    e.setReg(0, 16, i32.or(high, i32.and(low32(quotient), i32.const(0xff))))
  } else {
    e.setReg(0, width, narrow(width, quotient))
    e.setReg(2, width, narrow(width, remainder))
  }
}

/**
 * high:low / divisor for high < divisor (Knuth, The Art of Computer Programming vol. 2, 4.3.1, algorithm D, with digits of 32 bits): a digit
 * guessed from the leading ones is at most two too large.
 */
function divideLong(e: Emitter, high: I64, low: I64, divisor: I64): { quotient: I64; remainder: I64 } {
  const { b } = e
  const digit = i64.const(0xffffffffn)
  const upper = (x: I64): I64 => i64.shr_u(x, i64.const(32))
  const shift = b.let(i64.clz(divisor))
  const d = b.let(i64.shl(divisor, shift))
  const [d1, d0] = [b.let(upper(d)), b.let(i64.and(d, digit))]
  const carried = i64.shr_u(i64.shr_u(low, i64.const(1)), i64.sub(i64.const(63), shift))
  const top = b.let(i64.or(i64.shl(high, shift), carried))
  const rest = b.let(i64.shl(low, shift))
  /** Next digit of the quotient, and what remains. */
  const step = (dividend: I64, next: I64): [I64, I64] => {
    const guess = b.variable(i64.div_u(dividend, d1))
    const left = b.variable(i64.sub(dividend, i64.mul(guess.get, d1)))
    b.block((done) => b.loop((again) => {
      const below = i64.or(i64.shl(left.get, i64.const(32)), next)
      b.brIf(done, i32.eqz(i32.or(i64.ne(upper(guess.get), i64.const(0)), i64.gt_u(i64.mul(guess.get, d0), below))))
      b.set(guess, i64.sub(guess.get, i64.const(1)))
      b.set(left, i64.add(left.get, d1))
      b.brIf(again, i64.eqz(upper(left.get)))
    }))
    return [guess.get, b.let(i64.sub(i64.add(i64.shl(dividend, i64.const(32)), next), i64.mul(guess.get, d)))]
  }
  const [q1, middle] = step(top, b.let(upper(rest)))
  const [q0, remainder] = step(middle, b.let(i64.and(rest, digit)))
  return { quotient: b.let(i64.add(i64.shl(q1, i64.const(32)), q0)), remainder: b.let(i64.shr_u(remainder, shift)) }
}

/** 128 by 64 bits: in one step while the dividend fits 64 bits, else by long division of the magnitudes. */
const divideWide = (e: Emitter, signed: boolean): void => {
  const { b } = e
  const divisor = e.get(0) as I64
  e.raiseIf(i64.eqz(divisor), DIVIDE_ERROR)
  const low = e.reg(0, 64) as I64
  const high = e.reg(2, 64) as I64
  const simple = signed
    ? i32.and(i64.eq(high, i64.shr_s(low, i64.const(63))), i64.ne(divisor, i64.const(-1)))
    : i64.eqz(high)
  const [quotient, remainder] = [b.local('i64'), b.local('i64')]
  b.if(simple, () => {
    b.set(quotient, signed ? i64.div_s(low, divisor) : i64.div_u(low, divisor))
    b.set(remainder, signed ? i64.rem_s(low, divisor) : i64.rem_u(low, divisor))
  }, () => {
    const sign = (x: I64): I64 => (signed ? b.let(i64.shr_s(x, i64.const(63))) : i64.const(0))
    const negated = (x: I64, by: I64): I64 => i64.sub(i64.xor(x, by), by)
    const [ofDividend, ofDivisor] = [sign(high), sign(divisor)]
    const magnitude = b.let(negated(divisor, ofDivisor))
    const magnitudeLow = b.let(negated(low, ofDividend))
    const borrow = i64.and(ofDividend, i64.extend_i32_u(i64.ne(low, i64.const(0))))
    const magnitudeHigh = b.let(i64.sub(negated(high, ofDividend), borrow))
    e.raiseIf(i64.ge_u(magnitudeHigh, magnitude), DIVIDE_ERROR)
    const result = divideLong(e, magnitudeHigh, magnitudeLow, magnitude)
    const ofQuotient = b.let(i64.xor(ofDividend, ofDivisor))
    b.set(quotient, negated(result.quotient, ofQuotient))
    // The quotient's sign must have come out right: 2^63 is representable only if negative.
    if (signed) e.raiseIf(i32.and(i64.ne(result.quotient, i64.const(0)), i64.ne(i64.shr_s(quotient.get, i64.const(63)), ofQuotient)), DIVIDE_ERROR)
    b.set(remainder, negated(result.remainder, ofDividend))
  }, { likely: true })
  e.setReg(0, 64, quotient.get)
  e.setReg(2, 64, remainder.get)
}

const divide = (signed: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  if (width === 64) divideWide(e, signed)
  else divideNarrow(e, width, signed)
}

const MULTIPLY_UNDEFINED = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF

/** ASCII and decimal adjustments: 16- and 32-bit code only (SDM vol. 2, AAA .. DAS). */
const bcd = (name: string): Emit => host(name)

export const MULTIPLY: readonly Row[] = [
  row('MUL', 'F6 /4', 'Eb', multiplyWide(false), { undefined: MULTIPLY_UNDEFINED }),
  row('MUL', 'F7 /4', 'Ev', multiplyWide(false), { undefined: MULTIPLY_UNDEFINED }),
  row('IMUL', 'F6 /5', 'Eb', multiplyWide(true), { undefined: MULTIPLY_UNDEFINED }),
  row('IMUL', 'F7 /5', 'Ev', multiplyWide(true), { undefined: MULTIPLY_UNDEFINED }),
  row('IMUL', '0F AF /r', 'Gv,Ev', multiply(0, 1), { undefined: MULTIPLY_UNDEFINED, hot: true }),
  row('IMUL', '69 /r', 'Gv,Ev,Iz', multiply(1, 2), { undefined: MULTIPLY_UNDEFINED }),
  row('IMUL', '6B /r', 'Gv,Ev,Ibs', multiply(1, 2), { undefined: MULTIPLY_UNDEFINED }),
  row('DIV', 'F6 /6', 'Eb', divide(false), { undefined: FLAGS_ARITHMETIC }),
  row('DIV', 'F7 /6', 'Ev', divide(false), { undefined: FLAGS_ARITHMETIC }),
  row('IDIV', 'F6 /7', 'Eb', divide(true), { undefined: FLAGS_ARITHMETIC }),
  row('IDIV', 'F7 /7', 'Ev', divide(true), { undefined: FLAGS_ARITHMETIC }),
  row('DAA', '27 i64', '', bcd('daa'), { undefined: 0x800 }),
  row('DAS', '2F i64', '', bcd('das'), { undefined: 0x800 }),
  row('AAA', '37 i64', '', bcd('aaa'), { undefined: 0x8c4 }),
  row('AAS', '3F i64', '', bcd('aas'), { undefined: 0x8c4 }),
  row('AAM', 'D4 i64', 'Ib', bcd('aam'), { undefined: 0x811 }),
  row('AAD', 'D5 i64', 'Ib', bcd('aad'), { undefined: 0x811 }),
]
