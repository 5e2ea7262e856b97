import { i32, i64 } from '@entresol/wasm-builder'
import type { Emitter, I32, I64, Int } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row, RowOptions } from '../row.ts'
import { DOUBLE, lanesOf, readVectors, SINGLE, vectorsOf, withExceptions, writeVectors } from './format.ts'
import { vexEncoding } from './rows.ts'

const F16C: RowOptions = { feature: 'f16c' }

/** Four halves out of 64 bits. */
const quarters = (e: Emitter, x: I64): I32[] =>
  [0, 16, 32, 48].map((shift) => e.b.let(i32.wrap_i64(i64.shr_u(x, i64.const(shift)))))

/** VCVTPH2PS: exact, and no denormal exception. */
const toSingles: Emit = (e) => {
  e.requireUnit('avx')
  const sources = e.vectorLength === 256 ? lanesOf(e, DOUBLE, [e.getV(1)]) : [e.getV64(1)]
  const x = sources.flatMap((quad) => quarters(e, quad as I64))
  writeVectors(e, 0, withExceptions(e, () => vectorsOf(SINGLE, x.map((h) => e.helper('f32_fromF16', 'i32', h))).map((v) => e.b.let(v))))
}

const joined = (e: Emitter, halves: readonly Int[]): I64 =>
  e.b.let(halves.map((h, i) => i64.shl(i64.extend_i32_u(h as I32), i64.const(16 * i))).reduce((a, b) => i64.or(a, b)))

/** VCVTPS2PH. A memory destination is checked before exceptions count. */
const toHalves: Emit = (e) => {
  e.requireUnit('avx')
  const bytes = e.vectorLength === 256 ? 16 : 8
  const address = e.isMemory(0) ? e.writeAddress(bytes) : undefined
  const rounding = e.b.let(i32.and(i32.wrap_i64(e.immediate()), i32.const(7)))
  const x = lanesOf(e, SINGLE, readVectors(e, 1))
  const quads = withExceptions(e, (mxcsr) => {
    const halves = x.map((value) => e.helper('f32_toF16', 'i32', value, rounding, mxcsr))
    return halves.length === 8 ? [joined(e, halves.slice(0, 4)), joined(e, halves.slice(4))] : [joined(e, halves)]
  })
  if (!address) {
    e.setV(0, vectorsOf(DOUBLE, quads)[0]!)
    return
  }
  quads.forEach((quad, i) => e.b.store('i64', address, 8 * i, quad))
  e.commit(address)
}

export const FLOAT_HALF: readonly Row[] = [
  row('VCVTPH2PS', vexEncoding('66', '0F38', '13', '128', 'W0'), 'Vx,Wq', toSingles, F16C),
  row('VCVTPH2PS', vexEncoding('66', '0F38', '13', '256', 'W0'), 'Vx,Wdq', toSingles, F16C),
  row('VCVTPS2PH', vexEncoding('66', '0F3A', '1D', '128', 'W0'), 'Wq,Vx,Ib', toHalves, F16C),
  row('VCVTPS2PH', vexEncoding('66', '0F3A', '1D', '256', 'W0'), 'Wdq,Vx,Ib', toHalves, F16C),
]
