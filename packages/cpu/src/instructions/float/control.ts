import { i32 } from '@entresol/wasm-builder'
import type { Emitter, I32 } from '../../emit/emitter.ts'
import { MXCSR } from '../../state/layout.ts'
import { row } from '../row.ts'
import type { Row } from '../row.ts'

/** MXCSR_MASK of processors with DAZ: other bits are reserved (SDM vol. 1, 11.6.6). */
const MXCSR_MASK = 0xffff

const load = (unit: 'sse' | 'avx') => (e: Emitter): void => {
  e.requireUnit(unit)
  const value = e.get(0) as I32
  e.raiseIf(i32.and(value, i32.const(~MXCSR_MASK)), 13, 0)
  e.setField32(MXCSR, value)
}

const store = (unit: 'sse' | 'avx') => (e: Emitter): void => {
  e.requireUnit(unit)
  e.set(0, e.field32(MXCSR))
}

export const FLOAT_CONTROL: readonly Row[] = [
  row('LDMXCSR', 'NP 0F AE /2 !mod3', 'Md', load('sse'), { feature: 'sse' }),
  row('STMXCSR', 'NP 0F AE /3 !mod3', 'Md', store('sse'), { feature: 'sse' }),
  row('VLDMXCSR', 'VEX.LZ.NP.0F.WIG AE /2 !mod3', 'Md', load('avx'), { feature: 'avx' }),
  row('VSTMXCSR', 'VEX.LZ.NP.0F.WIG AE /3 !mod3', 'Md', store('avx'), { feature: 'avx' }),
]
