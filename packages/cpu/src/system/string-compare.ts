import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'

/** PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1). Names follow that section. */

type Aggregation = 'equal-any' | 'ranges' | 'equal-each' | 'equal-ordered'
const AGGREGATIONS: readonly Aggregation[] = ['equal-any', 'ranges', 'equal-each', 'equal-ordered']

interface Operand {
  readonly elements: readonly number[]
  /** Valid elements. */
  readonly length: number
}

/** Fields of the immediate byte (4.1.1 .. 4.1.5). */
interface Control {
  readonly words: boolean
  readonly signed: boolean
  readonly aggregation: Aggregation
  readonly negative: boolean
  readonly maskedNegative: boolean
  readonly mostSignificant: boolean
}

const control = (imm: number): Control => ({
  words: (imm & 1) !== 0, signed: (imm & 2) !== 0, aggregation: AGGREGATIONS[(imm >> 2) & 3]!,
  negative: (imm & 0x10) !== 0, maskedNegative: (imm & 0x20) !== 0, mostSignificant: (imm & 0x40) !== 0,
})

function elementsOf(bytes: Uint8Array, { words, signed }: Control): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  if (words) return Array.from({ length: 8 }, (_, i) => (signed ? view.getInt16(i * 2, true) : view.getUint16(i * 2, true)))
  return Array.from({ length: 16 }, (_, i) => (signed ? view.getInt8(i) : view.getUint8(i)))
}

const implicitLength = (elements: readonly number[]): number => {
  const end = elements.indexOf(0)
  return end < 0 ? elements.length : end
}

/** Absolute value of rAX or rDX, at most the number of elements. */
function explicitLength(c: SystemContext, register: number, wide: boolean, count: number): number {
  const value = BigInt.asIntN(wide ? 64 : 32, c.state.gpr(register))
  const magnitude = value < 0n ? -value : value
  return magnitude > BigInt(count) ? count : Number(magnitude)
}

/** IntRes1 (4.1.3, with the overrides of 4.1.6): `a` is the first operand, `b` the second. */
function aggregate(a: Operand, b: Operand, aggregation: Aggregation): number {
  const count = a.elements.length
  const equal = (j: number, i: number): boolean => a.elements[i] === b.elements[j]
  let result = 0
  for (let j = 0; j < count; j++) {
    let bit = false
    if (aggregation === 'equal-any') {
      for (let i = 0; i < a.length; i++) bit ||= j < b.length && equal(j, i)
    } else if (aggregation === 'ranges') {
      for (let i = 0; i + 1 < a.length; i += 2) bit ||= j < b.length && a.elements[i]! <= b.elements[j]! && b.elements[j]! <= a.elements[i + 1]!
    } else if (aggregation === 'equal-each') {
      bit = j < a.length && j < b.length ? equal(j, j) : j >= a.length && j >= b.length
    } else {
      bit = true
      // Elements of the first operand beyond its end match anything; of the second, nothing.
      for (let i = 0; i < a.length && i + j < count; i++) bit &&= i + j < b.length && equal(i + j, i)
    }
    if (bit) result |= 1 << j
  }
  return result
}

function polarity(result: number, b: Operand, { negative, maskedNegative }: Control): number {
  if (!negative) return result
  const count = b.elements.length
  return result ^ ((1 << (maskedNegative ? b.length : count)) - 1)
}

function secondOperand(c: SystemContext, i: HostInstruction): Uint8Array {
  const bytes = new Uint8Array(16)
  if (i.memory) c.memory.readBytes(i.linear(16, false), bytes, 'current', i.stackSegment)
  else bytes.set(register(c, i.rmCell))
  return bytes
}

const register = (c: SystemContext, cell: number): Uint8Array => c.state.memory.u8.subarray(c.state.base + cell, c.state.base + cell + 16)

interface Form {
  readonly explicit: boolean
  /** REX.W or VEX.W: lengths are RAX and RDX. */
  readonly wide: boolean
  readonly index: boolean
  readonly vex: boolean
}

const compare = (form: Form): HostFunction => (c, i) => {
  const imm = Number(i.immediate & 0xffn)
  const fields = control(imm)
  const [first, second] = [elementsOf(register(c, i.regCell).slice(), fields), elementsOf(secondOperand(c, i), fields)]
  const count = first.length
  const a: Operand = { elements: first, length: form.explicit ? explicitLength(c, 0, form.wide, count) : implicitLength(first) }
  const b: Operand = { elements: second, length: form.explicit ? explicitLength(c, 2, form.wide, count) : implicitLength(second) }
  const result = polarity(aggregate(a, b, fields.aggregation), b, fields)
  if (form.index) c.state.setGpr(1, BigInt(index(result, count, fields.mostSignificant)))
  else writeMask(c, result, fields, form.vex)
  const ends = (b.length < count ? L.FLAG_ZF : 0) | (a.length < count ? L.FLAG_SF : 0)
  const flags = ends | (result ? L.FLAG_CF : 0) | (result & 1 ? L.FLAG_OF : 0)
  c.state.eflags = (c.state.eflags & ~L.FLAGS_ARITHMETIC) | flags
}

function index(result: number, count: number, mostSignificant: boolean): number {
  if (result === 0) return count
  return mostSignificant ? 31 - Math.clz32(result) : 31 - Math.clz32(result & -result)
}

/** XMM0: one bit per element, or with imm[6] an element of ones per bit. */
function writeMask(c: SystemContext, result: number, { words, mostSignificant }: Control, vex: boolean): void {
  const bytes = c.state.memory.u8.subarray(c.state.base + L.YMM, c.state.base + L.YMM + 32)
  bytes.fill(0, 0, vex ? 32 : 16)
  if (!mostSignificant) {
    bytes[0] = result & 0xff
    bytes[1] = result >> 8
    return
  }
  const size = words ? 2 : 1
  for (let n = 0; n < 16 / size; n++) if (result >> n & 1) bytes.fill(0xff, n * size, (n + 1) * size)
}

/** Name of the host function of a form. */
const nameOf = (mnemonic: string, wide: boolean, vex: boolean): string => `${vex ? 'v' : ''}${mnemonic.toLowerCase()}${wide ? '-64' : ''}`

export const STRING_COMPARE_FUNCTIONS: Readonly<Record<string, HostFunction>> = Object.fromEntries(
  ['PCMPESTRI', 'PCMPESTRM', 'PCMPISTRI', 'PCMPISTRM'].flatMap((name) => [false, true].flatMap((wide) => [false, true].map((vex) => [
    nameOf(name, wide, vex), compare({ explicit: name[4] === 'E', index: name.endsWith('I'), wide, vex }),
  ] as const))))
