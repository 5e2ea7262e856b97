import { i32 } from '@entresol/wasm-builder'
import type { Emitter, I32, Int } from '../../emit/emitter.ts'
import type { Emit, Row, RowOptions } from '../row.ts'
import { row } from '../row.ts'
import { call, DOUBLE, lanesOf, readVectors, requireSimd, SINGLE, sources, vectorsOf, withExceptions, writeVectors, ZERO_VECTOR } from './format.ts'
import type { Format } from './format.ts'
import { AVX, legacyEncoding, packedBinary, packedRows, vexEncoding } from './rows.ts'
import type { BinaryElement } from './rows.ts'

const SSE3: RowOptions = { feature: 'pni' }
const SSE41: RowOptions = { feature: 'sse4_1' }

/** ADDSUBPS, ADDSUBPD: odd elements are added, even ones subtracted. */
const alternate: BinaryElement = (e, f, x, y, mxcsr, index) => call(e, f, index & 1 ? 'add' : 'sub', x, y, mxcsr)

/** HADD, HSUB: neighbours of the first source, then of the last, in each 128 bits. */
const horizontal = (f: Format, name: 'add' | 'sub'): Emit => (e) => {
  requireSimd(e)
  const { first, last } = sources(e)
  const y = readVectors(e, last)
  const x = readVectors(e, first)
  writeVectors(e, 0, withExceptions(e, (mxcsr) => x.map((low, half) => {
    const all = lanesOf(e, f, [low, y[half]!])
    const pairs = Array.from({ length: f.lanes }, (_, i) => call(e, f, name, all[2 * i]!, all[2 * i + 1]!, mxcsr))
    return e.b.let(vectorsOf(f, pairs)[0]!)
  })))
}

/**
 * DPPS, DPPD: products chosen by the high half of the immediate, summed in pairs, to the elements its low half chooses. Multiplication and
 * each addition raise exceptions like an instruction of their own: an unmasked one ends it there, the flags of the earlier ones stay.
 */
const dotProduct = (f: Format): Emit => (e) => {
  requireSimd(e)
  const { first, last } = sources(e)
  const immediate = e.b.let(i32.wrap_i64(e.immediate()))
  const y = lanesOf(e, f, readVectors(e, last))
  const x = lanesOf(e, f, readVectors(e, first))
  const bit = (n: number): I32 => i32.and(immediate, i32.const(1 << n))
  let sums = withExceptions(e, (mxcsr) => x.map((a, i) => chosen(e, f, bit(4 + (i % f.lanes)), () => call(e, f, 'mul', a, y[i]!, mxcsr))))
  for (let length: number = f.lanes; length > 1; length /= 2) {
    const terms = sums
    sums = withExceptions(e, (mxcsr) => terms.filter((_, i) => i % 2 === 0).map((a, i) => call(e, f, 'add', a, terms[2 * i + 1]!, mxcsr)))
  }
  const elements = x.map((_, i) => chosen(e, f, bit(i % f.lanes), () => sums[Math.floor(i / f.lanes)]!))
  writeVectors(e, 0, vectorsOf(f, elements))
}

/** `value` if the bit is set, else zero; what `value` does happens in the first case only. */
function chosen(e: Emitter, f: Format, bit: I32, value: () => Int): Int {
  const result = e.b.variable<'i32' | 'i64'>(f.lane(ZERO_VECTOR, 0))
  e.b.if(bit, () => e.b.set(result, value()))
  return result.get as Int
}

const pair = (name: string, opcode: string, emit: (f: Format) => Emit): Row[] => [
  ...packedRows(`${name}PS`, 'F2', opcode, emit(SINGLE), SSE3),
  ...packedRows(`${name}PD`, '66', opcode, emit(DOUBLE), SSE3),
]

export const FLOAT_HORIZONTAL: readonly Row[] = [
  ...pair('ADDSUB', 'D0', (f) => packedBinary(f, alternate)),
  ...pair('HADD', '7C', (f) => horizontal(f, 'add')),
  ...pair('HSUB', '7D', (f) => horizontal(f, 'sub')),
  ...packedRows('DPPS', '66', '40', dotProduct(SINGLE), SSE41, '0F3A', ',Ib'),
  row('DPPD', legacyEncoding('66', '0F3A', '41'), 'Vdq,Wdq,Ib', dotProduct(DOUBLE), SSE41),
  row('VDPPD', vexEncoding('66', '0F3A', '41', '128'), 'Vdq,Hdq,Wdq,Ib', dotProduct(DOUBLE), AVX),
]
