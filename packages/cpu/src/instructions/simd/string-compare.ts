import { i32, i64, select, v128 } from '@entresol/wasm-builder'
import type { Emitter, I64, Int } from '../../emit/emitter.ts'
import { bytes, i16x8, i8x16, IOTA, words, ZERO } from '../../emit/lanes.ts'
import type { FunctionBuilder, I32, V128 } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { immediateByte, requireVector } from './forms.ts'
import type { Emit, Row } from './forms.ts'

/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1). Names follow that section; masks have one bit per element. */

interface Lanes {
  readonly count: 8 | 16
  eq(a: V128, b: V128): V128
  gtS(a: V128, b: V128): V128
  bitmask(v: V128): I32
  /** Element `n`, in every element. */
  broadcast(v: V128, n: I32): V128
  /** What turns unsigned order into signed order. */
  readonly bias: V128
  /** Elements of ones where `mask` has a bit. */
  spread(mask: I32): V128
}

const BITS = [1, 2, 4, 8, 16, 32, 64, 128]

const BYTES: Lanes = {
  count: 16, eq: i8x16.eq, gtS: i8x16.gt_s, bitmask: i8x16.bitmask, bias: bytes(0x80),
  broadcast: (v, n) => i8x16.swizzle(v, i8x16.splat(n)),
  spread: (mask) => {
    const byteOfLane = i8x16.swizzle(i16x8.splat(mask), bytes(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1))
    return i8x16.eq(v128.and(byteOfLane, bytes(...BITS)), bytes(...BITS))
  },
}

const WORDS: Lanes = {
  count: 8, eq: i16x8.eq, gtS: i16x8.gt_s, bitmask: i16x8.bitmask, bias: words(0x8000),
  broadcast: (v, n) => i8x16.swizzle(v, i8x16.add(i8x16.splat(i32.shl(n, i32.const(1))), v128.and(IOTA, bytes(1)))),
  spread: (mask) => i16x8.eq(v128.and(i16x8.splat(mask), words(...BITS)), words(...BITS)),
}

interface Operand {
  readonly elements: V128
  /** Valid elements, 0..count. */
  readonly length: I32
  /** Bits of the valid elements. */
  readonly valid: I32
}

/** `body(n)` for n = 0, `step` .. while n < `end`. */
function each(b: FunctionBuilder, step: number, end: I32, body: (n: I32) => void): void {
  const n = b.variable(i32.const(0))
  b.block((done) => b.loop((again) => {
    b.brIf(done, i32.ge_s(n.get, end))
    body(n.get)
    b.set(n, i32.add(n.get, i32.const(step)))
    b.br(again)
  }))
}

const low = (bits: I32): I32 => i32.sub(i32.shl(i32.const(1), bits), i32.const(1))
const bit = (imm: I32, n: number): I32 => i32.and(imm, i32.const(1 << n))

function equalAny(b: FunctionBuilder, l: Lanes, first: Operand, second: Operand): I32 {
  const found = b.variable<'v128'>(ZERO)
  each(b, 1, first.length, (n) => b.set(found, v128.or(found.get, l.eq(l.broadcast(first.elements, n), second.elements))))
  return i32.and(l.bitmask(found.get), second.valid)
}

/** Pairs of the first operand are lower and upper bounds; one without its other half does not count. */
function ranges(b: FunctionBuilder, l: Lanes, first: Operand, second: Operand, imm: I32): I32 {
  const bias = select(bit(imm, 1), ZERO, l.bias)
  const bounds = b.let(v128.xor(first.elements, bias))
  const x = b.let(v128.xor(second.elements, bias))
  const found = b.variable<'v128'>(ZERO)
  each(b, 2, i32.sub(first.length, i32.const(1)), (n) => {
    const outside = v128.or(l.gtS(l.broadcast(bounds, n), x), l.gtS(x, l.broadcast(bounds, i32.add(n, i32.const(1)))))
    b.set(found, v128.or(found.get, v128.not(outside)))
  })
  return i32.and(l.bitmask(found.get), second.valid)
}

/** Elements beyond both ends are equal, beyond one different. */
function equalEach(l: Lanes, first: Operand, second: Operand): I32 {
  const all = (1 << l.count) - 1
  const both = i32.and(l.bitmask(l.eq(first.elements, second.elements)), i32.and(first.valid, second.valid))
  return i32.or(both, i32.xor(i32.or(first.valid, second.valid), i32.const(all)))
}

/** Elements of the first operand beyond its end match anything; of the second, nothing. */
function equalOrdered(b: FunctionBuilder, l: Lanes, first: Operand, second: Operand): I32 {
  const all = (1 << l.count) - 1
  const found = b.variable(i32.const(all))
  each(b, 1, first.length, (n) => {
    const here = i32.and(l.bitmask(l.eq(l.broadcast(first.elements, n), second.elements)), second.valid)
    const beyond = i32.xor(i32.const(all), i32.shr_u(i32.const(all), n))
    b.set(found, i32.and(found.get, i32.or(i32.shr_u(here, n), beyond)))
  })
  return found.get
}

/** First zero element, at most `count`. */
const implicitLength = (l: Lanes, elements: V128): I32 => i32.ctz(i32.or(l.bitmask(l.eq(elements, ZERO)), i32.const(1 << l.count)))

/** Absolute value of rAX or rDX, at most `count`. */
function explicitLength(b: FunctionBuilder, l: Lanes, register: Int): I32 {
  const value: I64 = b.let(register.type === 'i64' ? register : i64.extend_i32_s(register))
  const magnitude = b.let(select(i64.lt_s(value, i64.const(0)), i64.sub(i64.const(0), value), value))
  return select(i64.lt_u(magnitude, i64.const(l.count)), i32.wrap_i64(magnitude), i32.const(l.count))
}

interface Form {
  readonly explicit: boolean
  /** REX.W or VEX.W: lengths are RAX and RDX. */
  readonly wide: boolean
  readonly index: boolean
}

function compareLanes(e: Emitter, form: Form, l: Lanes, elements: readonly [V128, V128], imm: I32): void {
  const { b } = e
  const operand = (which: 0 | 1): Operand => {
    const length = b.let(form.explicit ? explicitLength(b, l, e.reg(which * 2, form.wide ? 64 : 32)) : implicitLength(l, elements[which]))
    return { elements: elements[which], length, valid: b.let(low(length)) }
  }
  const [first, second] = [operand(0), operand(1)]
  const found = b.local('i32')
  b.if(bit(imm, 3),
    () => b.if(bit(imm, 2), () => b.set(found, equalOrdered(b, l, first, second)), () => b.set(found, equalEach(l, first, second))),
    () => b.if(bit(imm, 2), () => b.set(found, ranges(b, l, first, second, imm)), () => b.set(found, equalAny(b, l, first, second))))
  const negated = select(bit(imm, 5), second.valid, i32.const((1 << l.count) - 1))
  const result = b.let(i32.xor(found.get, select(bit(imm, 4), negated, i32.const(0))))
  if (form.index) {
    const mostSignificant = i32.sub(i32.const(31), i32.clz(result))
    const last = select(result, mostSignificant, i32.const(l.count))
    e.setReg(1, 32, select(bit(imm, 6), last, i32.ctz(i32.or(result, i32.const(1 << l.count)))))
  } else {
    const mask = b.local('v128')
    b.if(bit(imm, 6), () => b.set(mask, l.spread(result)), () => b.set(mask, v128.and(i16x8.splat(result), words(0xffff, 0, 0, 0, 0, 0, 0, 0))))
    e.setVectorHalf(0, 0, mask.get)
    if (e.vex) e.setVectorHalf(0, 1, ZERO)
  }
  const ends = (o: Operand, at: number): I32 => i32.shl(i32.lt_u(o.length, i32.const(l.count)), i32.const(at))
  const carry = i32.ne(result, i32.const(0))
  const overflow = i32.shl(i32.and(result, i32.const(1)), i32.const(11))
  e.setArithmeticFlags(i32.or(i32.or(carry, overflow), i32.or(ends(second, 6), ends(first, 7))))
}

const compare = (form: Form): Emit => (e) => {
  requireVector(e)
  const second = e.getV(1, true)
  const first = e.getV(0)
  const imm = immediateByte(e)
  e.b.if(bit(imm, 0), () => compareLanes(e, form, WORDS, [first, second], imm), () => compareLanes(e, form, BYTES, [first, second], imm))
}

/** REX.W and, in 64-bit mode, VEX.W choose RAX and RDX over EAX and EDX. */
const rows = (name: string, opcode: string): Row[] => {
  const emit = (wide: boolean): Emit => compare({ explicit: name[4] === 'E', index: name.endsWith('I'), wide })
  return [
    row(name, `66 0F 3A ${opcode} /r REX.W`, 'Vdq,Wdq,Ib', emit(true), { feature: 'sse4_2' }),
    row(name, `66 0F 3A ${opcode} /r W0`, 'Vdq,Wdq,Ib', emit(false), { feature: 'sse4_2' }),
    row(`V${name}`, `VEX.128.66.0F3A.W1 ${opcode} /r o64`, 'Vdq,Wdq,Ib', emit(true), { feature: 'avx' }),
    row(`V${name}`, `VEX.128.66.0F3A.WIG ${opcode} /r`, 'Vdq,Wdq,Ib', emit(false), { feature: 'avx' }),
  ]
}

export const STRING_COMPARE: readonly Row[] = [
  ...rows('PCMPESTRM', '60'), ...rows('PCMPESTRI', '61'), ...rows('PCMPISTRM', '62'), ...rows('PCMPISTRI', '63'),
]
