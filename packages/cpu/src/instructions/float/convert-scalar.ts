import { i32 } from '@entresol/wasm-builder'
import { MXCSR } from '../../state/layout.ts'
import type { Int } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { DOUBLE, either, FORMATS, requireSimd, SINGLE, sources, withExceptions } from './format.ts'
import type { Format } from './format.ts'
import { isFast } from './native.ts'
import { doubleToSingle, floatToInteger, integerToFloat, singleToDouble } from './native-convert.ts'
import { AVX, legacyEncoding, scalarRows, sse, vexEncoding } from './rows.ts'

/** CVTSI2SS, CVTSI2SD from 32 or 64 bits. */
const fromInteger = (f: Format): Emit => (e) => {
  requireSimd(e)
  const source = e.get(sources(e).last)
  const upper = e.vex ? e.getV(1) : undefined
  if (f === DOUBLE && source.type === 'i32') {
    f.write(e, 0, integerToFloat(f, source), upper)
    return
  }
  const name = source.type === 'i64' ? 'fromI64' : 'fromI32'
  const [result] = either<'i32' | 'i64'>(e, isFast(e.field32(MXCSR)), () => ({ valid: i32.const(1), results: [integerToFloat(f, source)] }),
    () => [withExceptions(e, (mxcsr) => e.helper(`${f.name}_${name}`, f.type, source, mxcsr))])
  f.write(e, 0, result as Int, upper)
}

/** CVT(T)SS2SI, CVT(T)SD2SI to 32 or 64 bits. */
const toInteger = (f: Format, truncate: boolean): Emit => (e) => {
  requireSimd(e)
  const wide = e.widthOf(0) === 64
  const name = `${f.name}_${truncate ? 'truncateTo' : 'to'}${wide ? 'I64' : 'I32'}`
  const x = f.read(e, 1)
  const type = wide ? 'i64' : 'i32'
  const [result] = either<'i32' | 'i64'>(e, isFast(e.field32(MXCSR)), () => floatToInteger(f, x, type, truncate),
    () => [withExceptions(e, (mxcsr) => e.helper(name, type, x, mxcsr))])
  e.set(0, result as Int)
}

/** CVTSS2SD, CVTSD2SS. */
const between = (from: Format, to: Format): Emit => (e) => {
  requireSimd(e)
  const x = from.read(e, sources(e).last)
  const upper = e.vex ? e.getV(1) : undefined
  const condition = from === SINGLE ? undefined : isFast(e.field32(MXCSR))
  const [result] = either<'i32' | 'i64'>(e, condition, () => (from === SINGLE ? singleToDouble(x) : doubleToSingle(e, x)),
    () => [withExceptions(e, (mxcsr) => e.helper(`${to.name}_from${from.name.toUpperCase()}`, to.type, x, mxcsr))])
  to.write(e, 0, result as Int, upper)
}

export const FLOAT_CONVERT_SCALAR: readonly Row[] = [
  ...FORMATS.flatMap((f) => [
    row(`CVTSI2${f.scalar}`, legacyEncoding(f.scalarPrefix, '0F', '2A'), 'Vdq,Ey', fromInteger(f), sse(f)),
    row(`VCVTSI2${f.scalar}`, vexEncoding(f.scalarPrefix, '0F', '2A'), 'Vdq,Hdq,Ey', fromInteger(f), AVX),
    ...[['CVTT', '2C', true] as const, ['CVT', '2D', false] as const].flatMap(([name, opcode, truncate]) => [
      row(`${name}${f.scalar}2SI`, legacyEncoding(f.scalarPrefix, '0F', opcode), `Gy,W${f.size}`, toInteger(f, truncate), sse(f)),
      row(`V${name}${f.scalar}2SI`, vexEncoding(f.scalarPrefix, '0F', opcode), `Gy,W${f.size}`, toInteger(f, truncate), AVX),
    ]),
  ]),
  ...scalarRows('CVTSS2SD', 'F3', '5A', 'ss', between(SINGLE, DOUBLE), sse(DOUBLE)),
  ...scalarRows('CVTSD2SS', 'F2', '5A', 'sd', between(DOUBLE, SINGLE), sse(DOUBLE)),
]
