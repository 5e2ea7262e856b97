import { i64 } from '@entresol/wasm-builder'
import type { Emitter, I32, I64, Int } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { enterMmx } from '../simd/forms.ts'
import {
  DOUBLE_TO_I32, DOUBLE_TRUNCATED_TO_I32, FROM_I32_TO_DOUBLE, FROM_I32_TO_SINGLE, halves, SINGLE_TO_I32, SINGLE_TRUNCATED_TO_I32,
} from './convert-packed.ts'
import type { Convert } from './convert-packed.ts'
import { DOUBLE, lanesOf, SINGLE, vectorsOf, withExceptions } from './format.ts'
import { legacyEncoding, sse } from './rows.ts'

const requireUnits = (e: Emitter): void => {
  e.requireUnit('sse')
  e.requireUnit('mmx')
}

const joined = (x: readonly Int[]): I64 =>
  i64.or(i64.extend_i32_u(x[0] as I32), i64.shl(i64.extend_i32_u(x[1] as I32), i64.const(32)))

/**
 * CVTPI2PS, the upper two elements stay, and CVTPI2PD. From memory they are no MMX instructions (AMD; Intel's SDM says so of CVTPI2PD only).
 * Here and below the x87 state changes even if an exception that is not masked then stops the instruction, as a real CPU has it.
 */
const fromMmx = (convert: Convert, double: boolean): Emit => (e) => {
  e.requireUnit('sse')
  if (!e.isMemory(1)) e.requireUnit('mmx')
  const x = halves(e, e.getM(1))
  if (!e.isMemory(1)) enterMmx(e)
  const r = withExceptions(e, (mxcsr) => x.map((value) => convert(e, value, mxcsr)))
  if (double) e.setV(0, vectorsOf(DOUBLE, r)[0]!)
  else e.setV64(0, joined(r))
}

const fromSingles = (convert: Convert): Emit => (e) => {
  requireUnits(e)
  const x = halves(e, e.getV64(1))
  enterMmx(e)
  const r = withExceptions(e, (mxcsr) => x.map((value) => convert(e, value, mxcsr)))
  e.setM(0, joined(r))
}

const fromDoubles = (convert: Convert): Emit => (e) => {
  requireUnits(e)
  const x = lanesOf(e, DOUBLE, [e.getV(1)])
  enterMmx(e)
  const r = withExceptions(e, (mxcsr) => x.map((value) => convert(e, value, mxcsr)))
  e.setM(0, joined(r))
}

/** Conversions between MMX registers and XMM registers. */
export const FLOAT_CONVERT_MMX: readonly Row[] = [
  row('CVTPI2PS', legacyEncoding('NP', '0F', '2A'), 'Vq,Qq', fromMmx(FROM_I32_TO_SINGLE, false), sse(SINGLE)),
  row('CVTPI2PD', legacyEncoding('66', '0F', '2A'), 'Vdq,Qq', fromMmx(FROM_I32_TO_DOUBLE, true), sse(DOUBLE)),
  row('CVTTPS2PI', legacyEncoding('NP', '0F', '2C'), 'Pq,Wq', fromSingles(SINGLE_TRUNCATED_TO_I32), sse(SINGLE)),
  row('CVTPS2PI', legacyEncoding('NP', '0F', '2D'), 'Pq,Wq', fromSingles(SINGLE_TO_I32), sse(SINGLE)),
  row('CVTTPD2PI', legacyEncoding('66', '0F', '2C'), 'Pq,Wdq', fromDoubles(DOUBLE_TRUNCATED_TO_I32), sse(DOUBLE)),
  row('CVTPD2PI', legacyEncoding('66', '0F', '2D'), 'Pq,Wdq', fromDoubles(DOUBLE_TO_I32), sse(DOUBLE)),
]
