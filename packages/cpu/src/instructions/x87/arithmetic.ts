import { i32, i64, select } from '@entresol/wasm-builder'
import type { Emitter, I32, I64 } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import {
  begin, C1, C2, conclude, CONDITIONS, controlWord, fromInteger, head, needing, operand, pop, put, putResult, requireUsed, result, setResult,
  significand, st, st0, unless, value, widenPlain,
} from './stack.ts'

/** x87 basic arithmetic (SDM vol. 1, 8.3.5): ModRM.reg says which, by the same numbers in every group. */
const OPERATIONS: readonly (readonly [digit: number, name: string, helper: string, swap: boolean])[] = [
  [0, 'ADD', 'f80_add', false], [1, 'MUL', 'f80_mul', false],
  [4, 'SUB', 'f80_sub', false], [5, 'SUBR', 'f80_sub', true],
  [6, 'DIV', 'f80_div', false], [7, 'DIVR', 'f80_div', true],
]

/** ST(0) op ST(i), to either of them. */
const registers = (helper: string, swap: boolean, toTop: boolean, pops: boolean): Emit => (e) => {
  begin(e)
  const a = st0(e)
  const b = operand(e, toTop ? 1 : 0)
  needing(e, [a, b], () => e.helperVoid(helper, ...value(swap ? b : a), ...value(swap ? a : b), controlWord(e)))
  conclude(e, C1, () => {
    putResult(e, toTop ? a : b)
    if (pops) pop(e)
  })
}

/** How a memory operand becomes an extended number, exactly: its value, and what the control word of the operation is to have beside. */
export interface Widen {
  readonly bytes: number
  widen(e: Emitter, address: I32): { value: [I64, I32]; denormal: I32 }
}

/** A denormal in its own format counts as one. */
const widenFloat = (bits: I32 | I64, helper: string, e: Emitter): ReturnType<Widen['widen']> => {
  const { b } = e
  const bound = b.let<'i32' | 'i64'>(bits) as I32 | I64
  const [s, h, denormal] = [b.local('i64'), b.local('i32'), b.variable(i32.const(0))]
  b.block((end) => {
    b.block((slow) => {
      const [plainS, plainH] = widenPlain(e, bound, slow)
      b.set(s, plainS)
      b.set(h, plainH)
      b.br(end)
    })
    e.helperVoid(helper, bound)
    b.set(s, e.helperGlobal('sigResult', 'i64'))
    b.set(h, e.helperGlobal('expResult', 'i32'))
    b.set(denormal, e.helperGlobal('widenedDenormal', 'i32'))
  })
  return { value: [s.get, h.get], denormal: denormal.get }
}
const widenInteger = (e: Emitter, x: I64): ReturnType<Widen['widen']> => {
  const [s, h] = fromInteger(e, e.b.let(x))
  return { value: [e.b.let(s), e.b.let(h)], denormal: i32.const(0) }
}
export const F32: Widen = { bytes: 4, widen: (e, a) => widenFloat(i32.load(a), 'f80_widenF32', e) }
export const F64: Widen = { bytes: 8, widen: (e, a) => widenFloat(i64.load(a), 'f80_widenF64', e) }
export const I16: Widen = { bytes: 2, widen: (e, a) => widenInteger(e, i64.load16_s(a)) }
export const INT32: Widen = { bytes: 4, widen: (e, a) => widenInteger(e, i64.load32_s(a)) }

const memory = (helper: string, swap: boolean, widen: Widen): Emit => (e) => {
  const address = begin(e, () => e.readAddress(widen.bytes))
  const a = st0(e)
  needing(e, [a], () => {
    const { value: b, denormal } = widen.widen(e, address)
    e.helperVoid(helper, ...(swap ? b : value(a)), ...(swap ? value(a) : b), i32.or(controlWord(e), denormal))
  })
  conclude(e, C1, () => putResult(e, a))
}

/** One operand, ST(0), replaced by the result. */
const unary = (helper: string, mask: number = C1): Emit => (e) => {
  begin(e)
  const a = st0(e)
  needing(e, [a], () => e.helperVoid(helper, ...value(a), controlWord(e)))
  conclude(e, mask, () => putResult(e, a))
}

/** ST(0) and ST(1); the result replaces ST(0). */
const scale: Emit = (e) => {
  begin(e)
  const [a, b] = [st0(e), st(e, 1)]
  needing(e, [a, b], () => e.helperVoid('f80_scale', ...value(a), ...value(b), controlWord(e)))
  conclude(e, C1, () => putResult(e, a))
}

/** FPREM, FPREM1: without a quotient (the result is NaN, or there is none) C0 and C3 stay. */
const remainder = (helper: string): Emit => (e) => {
  begin(e)
  const [a, b] = [st0(e), st(e, 1)]
  needing(e, [a, b], () => {
    setResult(e, i64.const(0), i32.const(0x7fff))
    e.helperVoid(helper, ...value(a), ...value(b), controlWord(e))
  })
  const none = i32.eq(i32.and(result(e)[1], i32.const(0x7fff)), i32.const(0x7fff))
  conclude(e, e.b.let(select(none, i32.const(C1 | C2), i32.const(CONDITIONS))), () => putResult(e, a))
}

/** FCHS, FABS: the sign of any bit pattern. */
const sign = (change: (old: I32) => I32): Emit => (e) => {
  begin(e)
  const a = st0(e)
  unless(e, (slow) => {
    requireUsed(e, [a], slow)
    put(e, a, significand(a), change(head(a)))
  }, () => {
    needing(e, [a], () => setResult(e, significand(a), change(head(a))))
    conclude(e, C1, () => putResult(e, a))
  })
}

const nothing: Emit = (e) => {
  begin(e)
}

export const X87_ARITHMETIC: readonly Row[] = [
  ...OPERATIONS.flatMap(([digit, name, helper, swap]) => [
    row(`F${name}`, `D8 /${digit} !mod3`, 'Md', memory(helper, swap, F32)),
    row(`F${name}`, `D8 /${digit} mod3`, 'ST,ST(i)', registers(helper, swap, true, false)),
    row(`FI${name}`, `DA /${digit} !mod3`, 'Md', memory(helper, swap, INT32)),
    row(`F${name}`, `DC /${digit} !mod3`, 'Mq', memory(helper, swap, F64)),
    row(`FI${name}`, `DE /${digit} !mod3`, 'Mw', memory(helper, swap, I16)),
  ]),
  // With ST(i) as destination the assembler's names of the reversed forms change places; what is computed from which register does not.
  ...OPERATIONS.flatMap(([digit, , helper, swap]) => {
    const name = ['ADD', 'MUL', '', '', 'SUBR', 'SUB', 'DIVR', 'DIV'][digit]!
    return [
      row(`F${name}`, `DC /${digit} mod3`, 'ST(i),ST', registers(helper, swap, false, false)),
      row(`F${name}P`, `DE /${digit} mod3`, 'ST(i),ST', registers(helper, swap, false, true)),
    ]
  }),
  row('FNOP', 'D9 /2 mod3 rm=0', 'ST', nothing),
  row('FCHS', 'D9 /4 mod3 rm=0', 'ST', sign((h) => i32.xor(h, i32.const(0x8000)))),
  row('FABS', 'D9 /4 mod3 rm=1', 'ST', sign((h) => i32.and(h, i32.const(0x7fff)))),
  row('FPREM1', 'D9 /6 mod3 rm=5', 'ST', remainder('f80_rem1')),
  row('FPREM', 'D9 /7 mod3 rm=0', 'ST', remainder('f80_rem')),
  row('FSQRT', 'D9 /7 mod3 rm=2', 'ST', unary('f80_sqrt')),
  row('FRNDINT', 'D9 /7 mod3 rm=4', 'ST', unary('f80_roundToIntegral')),
  row('FSCALE', 'D9 /7 mod3 rm=5', 'ST', scale),
]
