import { i32 } from '@entresol/wasm-builder'
import type { Emitter, I32 } from '../../emit/emitter.ts'
import type { Emit, Row, RowOptions } from '../row.ts'
import { call, FORMATS, lanesOf, readVectors, requireSimd, SINGLE, sources, vectorsOf, writeVectors } from './format.ts'
import { attemptRound } from './native.ts'
import { packedUnary, packedUnaryRows, scalarRows, scalarUnary } from './rows.ts'
import type { Native, UnaryElement } from './rows.ts'

const SSE41: RowOptions = { feature: 'sse4_1' }

const immediate = (e: Emitter): I32 => i32.and(i32.wrap_i64(e.immediate()), i32.const(0xff))

const round: UnaryElement = (e, f, x, mxcsr) => call(e, f, 'round', x, immediate(e), mxcsr)

const nativeRound: Native = { always: false, attempt: (e, f, x) => attemptRound(e, f, immediate(e), x) }

/** RCP and RSQRT: no exceptions, MXCSR counts for nothing. softfloat documents its estimates. */
const estimate = (name: 'f32_rcp' | 'f32_rsqrt', scalar: boolean): Emit => (e) => {
  requireSimd(e)
  if (scalar) {
    const x = e.getV32(sources(e).last)
    const upper = e.vex ? e.getV(1) : undefined
    e.setV32(0, e.helper(name, 'i32', x), upper)
    return
  }
  writeVectors(e, 0, vectorsOf(SINGLE, lanesOf(e, SINGLE, readVectors(e, 1)).map((x) => e.helper(name, 'i32', x))))
}

const estimates = (name: string, opcode: string, helper: 'f32_rcp' | 'f32_rsqrt'): Row[] => [
  ...packedUnaryRows(`${name}PS`, 'NP', opcode, estimate(helper, false), { feature: 'sse', unobservable: true }),
  ...scalarRows(`${name}SS`, 'F3', opcode, 'ss', estimate(helper, true), { feature: 'sse', unobservable: true }),
]

export const FLOAT_ROUND: readonly Row[] = [
  ...FORMATS.flatMap((f, i) => [
    ...packedUnaryRows(`ROUND${f.packed}`, '66', i ? '09' : '08', packedUnary(f, round, nativeRound), SSE41, '0F3A', ',Ib'),
    ...scalarRows(`ROUND${f.scalar}`, '66', i ? '0B' : '0A', f.size, scalarUnary(f, round, nativeRound), SSE41, '0F3A', ',Ib'),
  ]),
  ...estimates('RSQRT', '52', 'f32_rsqrt'),
  ...estimates('RCP', '53', 'f32_rcp'),
]
