import { i32, i64 } from '@entresol/wasm-builder'
import { constant, low32, mask, msb, narrow, or, shl, shrS, shrU, signExtend, widen, xor, zero64 } from '../emit/arithmetic.ts'
import type { Emitter, I32, I64, Int, Width } from '../emit/emitter.ts'
import { FLAG_AF, FLAG_OF } from '../state/layout.ts'
import { row } from './row.ts'
import type { Emit, Row } from './row.ts'

/**
 * Shifts and rotates (SDM vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD/SHRD). The count is masked to 5 bits, 6 for 64-bit
 * operands; a masked count of zero changes no flag. OF is defined for a count of one only.
 */
type Shifter = (e: Emitter, width: Width, a: Int, count: I32) => Int

const masked = (e: Emitter, width: Width): I32 => e.b.let(i32.and(low32(e.get(1)), i32.const(width === 64 ? 63 : 31)))

const shift = (shifter: Shifter): Emit => (e) => {
  const width = e.widthOf(0)
  const count = masked(e, width)
  e.modify(0, (a) => {
    const result = e.b.variable(a)
    e.b.if(count, () => e.b.set(result, shifter(e, width, a, count)))
    return result.get as Int
  })
}

/** Bit `at` of `a` as 0 or 1. */
const bit = (a: Int, at: Int): I32 => i32.and(low32(shrU(a, at)), i32.const(1))
const minus = (a: number, b: I32): I32 => i32.sub(i32.const(a), b)

const shiftLeft: Shifter = (e, width, a, count) => {
  if (width === 64) {
    const r = e.b.let(shl(a, widen(64, count)))
    const cf = e.b.let(bit(a, widen(64, minus(64, count))))
    e.flagsSet(64, r, cf, i32.xor(msb(64, r), cf))
    return r
  }
  const wide = e.b.let(i64.shl(zero64(a), i64.extend_i32_u(count)))
  const r = e.b.let(narrow(width, wide))
  const cf = e.b.let(bit(wide, i64.const(width)))
  e.flagsSet(width, r, cf, i32.xor(msb(width, r), cf))
  return r
}

const shiftRight: Shifter = (e, width, a, count) => {
  const n = widen(width, count)
  const r = e.b.let(shrU(a, n))
  e.flagsSet(width, r, bit(a, widen(width, i32.sub(count, i32.const(1)))), msb(width, a))
  return r
}

const shiftArithmetic: Shifter = (e, width, a, count) => {
  const signed = e.b.let(signExtend(width, a))
  const r = e.b.let(mask(width, shrS(signed, widen(width, count))))
  e.flagsSet(width, r, i32.and(low32(shrS(signed, widen(width, i32.sub(count, i32.const(1))))), i32.const(1)), i32.const(0))
  return r
}

/** x rotated left by n within `width` bits, n in 0..width-1. */
function rotated(width: Width, a: Int, n: I32): Int {
  if (width === 64) return i64.rotl(a as I64, i64.extend_i32_u(n))
  if (width === 32) return i32.rotl(a as I32, n)
  return mask(width, or(shl(a, n), shrU(a, i32.and(minus(width, n), i32.const(31)))))
}

const rotateLeft: Shifter = (e, width, a, count) => {
  const n = e.b.let(i32.and(count, i32.const(width - 1)))
  const r = e.b.let(rotated(width, a, n))
  const cf = e.b.let(i32.and(low32(r), i32.const(1)))
  e.setCarryOverflow(cf, i32.xor(msb(width, r), cf))
  return r
}

const rotateRight: Shifter = (e, width, a, count) => {
  const n = e.b.let(i32.and(minus(width, count), i32.const(width - 1)))
  const r = e.b.let(rotated(width, a, n))
  e.setCarryOverflow(msb(width, r), i32.xor(msb(width, r), bit(r, constant(width, width - 2))))
  return r
}

/** Through carry: width + 1 bits. */
const rotateCarry = (left: boolean): Shifter => (e, width, a, count) => {
  const carry = e.b.let(e.carry())
  if (width === 64) {
    const n = i64.extend_i32_u(count)
    const rest = i64.extend_i32_u(minus(64, count))
    const c = i64.extend_i32_u(carry)
    const v = a as I64
    const r = e.b.let(left
      ? i64.or(i64.or(i64.shl(v, n), i64.shl(c, i64.sub(n, i64.const(1)))), i64.shr_u(i64.shr_u(v, i64.const(1)), rest))
      : i64.or(i64.or(i64.shr_u(v, n), i64.shl(c, rest)), i64.shl(i64.shl(v, i64.const(1)), rest)))
    const cf = e.b.let(left ? bit(v, rest) : bit(v, i64.sub(n, i64.const(1))))
    e.setCarryOverflow(cf, left ? i32.xor(msb(64, r), cf) : i32.xor(msb(64, r), bit(r, i64.const(62))))
    return r
  }
  const bits = width + 1
  const n = e.b.let(i64.extend_i32_u(i32.rem_u(count, i32.const(bits))))
  const x = e.b.let(i64.or(zero64(a), i64.shl(i64.extend_i32_u(carry), i64.const(width))))
  const rest = i64.sub(i64.const(bits), n)
  const y = e.b.let(left ? i64.or(i64.shl(x, n), i64.shr_u(x, rest)) : i64.or(i64.shr_u(x, n), i64.shl(x, rest)))
  const r = e.b.let(narrow(width, y))
  const cf = e.b.let(bit(y, i64.const(width)))
  e.setCarryOverflow(cf, left ? i32.xor(msb(width, r), cf) : i32.xor(msb(width, r), bit(r, constant(width, width - 2))))
  return r
}

/** SHLD/SHRD: the third operand counts. */
const double = (left: boolean): Emit => (e) => {
  const width = e.widthOf(0)
  const count = e.b.let(i32.and(low32(e.get(2)), i32.const(width === 64 ? 63 : 31)))
  const source = e.get(1)
  e.modify(0, (a) => {
    const result = e.b.variable(a)
    e.b.if(count, () => {
      const r = e.b.let(left ? doubleLeft(width, a, source, count) : doubleRight(width, a, source, count))
      const cf = left
        ? (width === 64 ? bit(a, widen(64, minus(64, count))) : bit(i64.shl(zero64(a), i64.extend_i32_u(count)), i64.const(width)))
        : bit(a, widen(width, i32.sub(count, i32.const(1))))
      e.flagsSet(width, r, cf, msb(width, xor(r, a)))
      e.b.set(result, r)
    })
    return result.get as Int
  })
}

function doubleLeft(width: Width, a: Int, source: Int, count: I32): Int {
  if (width === 64) return or(shl(a, widen(64, count)), shrU(source, widen(64, minus(64, count))))
  const both = i64.or(i64.shl(zero64(a), i64.const(width)), zero64(source))
  return narrow(width, i64.shr_u(i64.shl(both, i64.extend_i32_u(count)), i64.const(width)))
}

function doubleRight(width: Width, a: Int, source: Int, count: I32): Int {
  if (width === 64) return or(shrU(a, widen(64, count)), shl(source, widen(64, minus(64, count))))
  const both = i64.or(i64.shl(zero64(source), i64.const(width)), zero64(a))
  return narrow(width, i64.shr_u(both, i64.extend_i32_u(count)))
}

const GROUP: readonly [string, Shifter, number][] = [
  ['ROL', rotateLeft, FLAG_OF], ['ROR', rotateRight, FLAG_OF], ['RCL', rotateCarry(true), FLAG_OF], ['RCR', rotateCarry(false), FLAG_OF],
  ['SHL', shiftLeft, FLAG_OF | FLAG_AF], ['SHR', shiftRight, FLAG_OF | FLAG_AF], ['SAL', shiftLeft, FLAG_OF | FLAG_AF], ['SAR', shiftArithmetic, FLAG_OF | FLAG_AF],
]

export const SHIFT: readonly Row[] = [
  ...GROUP.flatMap(([name, shifter, undefined_], digit) => {
    const emit = shift(shifter)
    const hot = digit >= 4 ? { hot: true } as const : {}
    return [
      row(name, `C0 /${digit}`, 'Eb,Ib', emit, { undefined: undefined_ }),
      row(name, `C1 /${digit}`, 'Ev,Ib', emit, { undefined: undefined_, ...hot }),
      row(name, `D0 /${digit}`, 'Eb,1', emit, { undefined: undefined_ & FLAG_AF }),
      row(name, `D1 /${digit}`, 'Ev,1', emit, { undefined: undefined_ & FLAG_AF, ...hot }),
      row(name, `D2 /${digit}`, 'Eb,CL', emit, { undefined: undefined_ }),
      row(name, `D3 /${digit}`, 'Ev,CL', emit, { undefined: undefined_, ...hot }),
    ]
  }),
  row('SHLD', '0F A4 /r', 'Ev,Gv,Ib', double(true), { undefined: FLAG_AF | FLAG_OF }),
  row('SHLD', '0F A5 /r', 'Ev,Gv,CL', double(true), { undefined: FLAG_AF | FLAG_OF }),
  row('SHRD', '0F AC /r', 'Ev,Gv,Ib', double(false), { undefined: FLAG_AF | FLAG_OF }),
  row('SHRD', '0F AD /r', 'Ev,Gv,CL', double(false), { undefined: FLAG_AF | FLAG_OF }),
]
