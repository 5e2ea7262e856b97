import { i32 } from '@entresol/wasm-builder'
import { add, and, constant, eqz, not, or, pick, sub, widen, xor } from '../emit/arithmetic.ts'
import type { Emitter, I32, Int } from '../emit/emitter.ts'
import { FLAG_AF } from '../state/layout.ts'
import { row } from './row.ts'
import type { Emit, Row, RowOptions } from './row.ts'

/** Two-operand integer arithmetic: the eight operations of opcodes 00..3D and groups 80..83 (SDM vol. 2). */
type Operation = (e: Emitter, a: Int, b: Int, carry: I32) => Int

const operations: Record<string, Operation> = {
  ADD: (e, a, b) => {
    const r = e.b.let(add(a, b))
    e.flagsAdd(e.widthOf(0), a, b, r)
    return r
  },
  OR: (e, a, b) => {
    const r = e.b.let(or(a, b))
    e.flagsLogic(e.widthOf(0), r)
    return r
  },
  ADC: (e, a, b, carry) => {
    const r = e.b.let(add(add(a, b), widen(e.widthOf(0), carry)))
    e.flagsAdc(e.widthOf(0), a, b, r, carry)
    return r
  },
  SBB: (e, a, b, carry) => {
    const r = e.b.let(sub(sub(a, b), widen(e.widthOf(0), carry)))
    e.flagsSbb(e.widthOf(0), a, b, r, carry)
    return r
  },
  AND: (e, a, b) => {
    const r = e.b.let(and(a, b))
    e.flagsLogic(e.widthOf(0), r)
    return r
  },
  SUB: (e, a, b) => {
    const r = e.b.let(sub(a, b))
    e.flagsSub(e.widthOf(0), a, b, r)
    return r
  },
  XOR: (e, a, b) => {
    const r = e.b.let(xor(a, b))
    e.flagsLogic(e.widthOf(0), r)
    return r
  },
}

const binary = (operation: Operation, withCarry: boolean): Emit => (e) => {
  // The source is read first: a memory source may fault, and a memory destination is then accessed only once.
  const b = e.get(1)
  const carry = withCarry ? e.b.let(e.carry()) : i32.const(0)
  e.modify(0, (a) => operation(e, a, b, carry))
}

const compare: Emit = (e) => {
  const a = e.get(0)
  const b = e.get(1)
  e.flagsSub(e.widthOf(0), a, b, e.b.let(sub(a, b)))
}

const test: Emit = (e) => {
  const a = e.get(0)
  e.flagsLogic(e.widthOf(0), e.b.let(and(a, e.get(1))))
}

const NAMES = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'] as const
const LOGIC = new Set<string>(['OR', 'AND', 'XOR'])

function group(name: (typeof NAMES)[number], n: number): Row[] {
  const emit = name === 'CMP' ? compare : binary(operations[name]!, name === 'ADC' || name === 'SBB')
  const undefined_: RowOptions = LOGIC.has(name) ? { undefined: FLAG_AF } : {}
  const lock: RowOptions = name === 'CMP' ? {} : { lock: true }
  const hot: RowOptions = name === 'ADC' || name === 'SBB' ? {} : { hot: true }
  const hex = (low: number): string => (n * 8 + low).toString(16).toUpperCase().padStart(2, '0')
  return [
    row(name, `${hex(0)} /r`, 'Eb,Gb', emit, { ...undefined_, ...lock }),
    row(name, `${hex(1)} /r`, 'Ev,Gv', emit, { ...undefined_, ...lock, ...hot }),
    row(name, `${hex(2)} /r`, 'Gb,Eb', emit, undefined_),
    row(name, `${hex(3)} /r`, 'Gv,Ev', emit, { ...undefined_, ...hot }),
    row(name, hex(4), 'AL,Ib', emit, undefined_),
    row(name, hex(5), 'rAX,Iz', emit, { ...undefined_, ...hot }),
    row(name, `80 /${n}`, 'Eb,Ib', emit, { ...undefined_, ...lock, ...(name === 'CMP' ? { hot: true } : {}) }),
    row(name, `81 /${n}`, 'Ev,Iz', emit, { ...undefined_, ...lock, ...hot }),
    row(name, `82 /${n} i64`, 'Eb,Ib', emit, { ...undefined_, ...lock }),
    row(name, `83 /${n}`, 'Ev,Ibs', emit, { ...undefined_, ...lock, ...hot }),
  ]
}

const increment: Emit = (e) => e.modify(0, (a) => {
  const r = e.b.let(add(a, constant(e.widthOf(0), 1)))
  e.flagsInc(e.widthOf(0), r)
  return r
})

const decrement: Emit = (e) => e.modify(0, (a) => {
  const r = e.b.let(sub(a, constant(e.widthOf(0), 1)))
  e.flagsDec(e.widthOf(0), r)
  return r
})

const negate: Emit = (e) => e.modify(0, (a) => {
  const zero = constant(e.widthOf(0), 0)
  const r = e.b.let(sub(zero, a))
  e.flagsSub(e.widthOf(0), zero, a, r)
  return r
})

const invert: Emit = (e) => e.modify(0, (a) => not(a))

/** XADD: the register gets the old value first, so that XADD r, r leaves the sum. */
const exchangeAdd: Emit = (e) => {
  const b = e.b.let(e.get(1))
  e.modify(0, (a) => {
    const r = e.b.let(add(a, b))
    e.flagsAdd(e.widthOf(0), a, b, r)
    e.set(1, a)
    return r
  })
}

const compareExchange: Emit = (e) => {
  const width = e.widthOf(0)
  const accumulator = e.reg(0, width)
  const source = e.get(1)
  if (!e.isMemory(0)) {
    // A register that does not match is not written at all: the upper half of a 32-bit one stays (as CPUs have it).
    const a = e.get(0)
    e.flagsSub(width, accumulator, a, e.b.let(sub(accumulator, a)))
    e.b.if(eqz(sub(accumulator, a)), () => e.set(0, source), () => e.setReg(0, width, a))
    return
  }
  const expected = e.b.let(accumulator)
  const whole = e.b.let(e.reg(0, 64))
  const replacement = e.b.let(source)
  e.modify(0, (a) => {
    e.flagsSub(width, expected, a, e.b.let(sub(expected, a)))
    const equal = e.b.let(eqz(sub(expected, a)))
    e.b.if(equal, () => e.setReg(0, 64, whole), () => e.setReg(0, width, a))
    return pick(equal, replacement, a)
  })
}

/** CMPXCHG8B / CMPXCHG16B: ZF alone changes; memory is written in either case. */
const compareExchangeWide: Emit = (e) => {
  const wide = e.width === 64
  const half = wide ? 64 : 32
  if (wide) e.requireAligned(16, true)
  let found: readonly [low: Int, high: Int, equal: I32] | undefined
  e.modifyPair(half, (low, high) => {
    const equal = e.b.let(eqz(or(xor(low, e.reg(0, half)), xor(high, e.reg(2, half)))))
    found = [low, high, equal]
    return [pick(equal, e.reg(3, half), low), pick(equal, e.reg(1, half), high)]
  })
  const [low, high, equal] = found!
  e.b.if(i32.eqz(equal), () => {
    e.setReg(0, half, low)
    e.setReg(2, half, high)
  })
  const flags = i32.and(e.arithmeticFlags(), i32.const(~0x40))
  e.setArithmeticFlags(i32.or(flags, i32.shl(equal, i32.const(6))))
}

export const ARITHMETIC: readonly Row[] = [
  ...NAMES.flatMap(group),
  row('TEST', '84 /r', 'Eb,Gb', test, { undefined: FLAG_AF, hot: true }),
  row('TEST', '85 /r', 'Ev,Gv', test, { undefined: FLAG_AF, hot: true }),
  row('TEST', 'A8', 'AL,Ib', test, { undefined: FLAG_AF, hot: true }),
  row('TEST', 'A9', 'rAX,Iz', test, { undefined: FLAG_AF }),
  row('TEST', 'F6 /0', 'Eb,Ib', test, { undefined: FLAG_AF, hot: true }),
  row('TEST', 'F6 /1', 'Eb,Ib', test, { undefined: FLAG_AF }),
  row('TEST', 'F7 /0', 'Ev,Iz', test, { undefined: FLAG_AF, hot: true }),
  row('TEST', 'F7 /1', 'Ev,Iz', test, { undefined: FLAG_AF }),
  row('INC', '40+r i64', 'Zv', increment),
  row('DEC', '48+r i64', 'Zv', decrement),
  row('INC', 'FE /0', 'Eb', increment, { lock: true }),
  row('DEC', 'FE /1', 'Eb', decrement, { lock: true }),
  row('INC', 'FF /0', 'Ev', increment, { lock: true, hot: true }),
  row('DEC', 'FF /1', 'Ev', decrement, { lock: true, hot: true }),
  row('NOT', 'F6 /2', 'Eb', invert, { lock: true }),
  row('NOT', 'F7 /2', 'Ev', invert, { lock: true }),
  row('NEG', 'F6 /3', 'Eb', negate, { lock: true }),
  row('NEG', 'F7 /3', 'Ev', negate, { lock: true }),
  row('XADD', '0F C0 /r', 'Eb,Gb', exchangeAdd, { lock: true }),
  row('XADD', '0F C1 /r', 'Ev,Gv', exchangeAdd, { lock: true }),
  row('CMPXCHG', '0F B0 /r', 'Eb,Gb', compareExchange, { lock: true }),
  row('CMPXCHG', '0F B1 /r', 'Ev,Gv', compareExchange, { lock: true }),
  row('CMPXCHG8B', '0F C7 /1 !mod3 W0', 'Mq', compareExchangeWide, { lock: true }),
  row('CMPXCHG16B', '0F C7 /1 !mod3 REX.W o64', 'Mdq', compareExchangeWide, { lock: true, feature: 'cx16' }),
]

