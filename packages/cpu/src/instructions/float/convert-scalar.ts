import type { Int } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { call, DOUBLE, FORMATS, requireSimd, SINGLE, sources, withExceptions } from './format.ts'
import type { Format } from './format.ts'
import { doubleToSingle, floatToInteger, integerToFloat, singleToDouble } from './native-convert.ts'
import { bitsOf, numberOf, readNumber, requireFast, unless, writeNumber } from './native-scalar.ts'
import type { Float } from './native-scalar.ts'
import { AVX, legacyEncoding, scalarRows, sse, vexEncoding } from './rows.ts'

/** CVTSI2SS, CVTSI2SD from 32 or 64 bits. */
const fromInteger = (f: Format): Emit => (e) => {
  requireSimd(e)
  const source = e.get(sources(e).last)
  const upper = e.getV(e.vex ? 1 : 0)
  if (f === DOUBLE && source.type === 'i32') {
    writeNumber(e, f, integerToFloat(f, source), upper)
    return
  }
  const name = source.type === 'i64' ? 'fromI64' : 'fromI32'
  const result = unless<'f32' | 'f64'>(e, f.name, (slow) => {
    requireFast(e, slow)
    return integerToFloat(f, source)
  }, () => numberOf(withExceptions(e, (mxcsr) => call(e, f, name, source, mxcsr))))
  writeNumber(e, f, result as Float, upper)
}

/** CVT(T)SS2SI, CVT(T)SD2SI to 32 or 64 bits. */
const toInteger = (f: Format, truncate: boolean): Emit => (e) => {
  requireSimd(e)
  const type = e.widthOf(0) === 64 ? 'i64' : 'i32'
  const name = `${f.name}_${truncate ? 'truncateTo' : 'to'}${type.toUpperCase()}`
  const x = readNumber(e, f, 1)
  e.set(0, unless<'i32' | 'i64'>(e, type, (slow) => {
    requireFast(e, slow)
    return floatToInteger(e, x, type, truncate, slow)
  }, () => withExceptions(e, (mxcsr) => e.helper(name, type, bitsOf(x), mxcsr))) as Int)
}

/** CVTSS2SD, CVTSD2SS. */
const between = (from: Format, to: Format): Emit => (e) => {
  requireSimd(e)
  const x = readNumber(e, from, sources(e).last)
  const upper = e.getV(e.vex ? 1 : 0)
  const result = unless<'f32' | 'f64'>(e, to.name, (slow) => {
    if (x.type === 'f32') return singleToDouble(e, x, slow)
    requireFast(e, slow)
    return doubleToSingle(e, x, slow)
  }, () => numberOf(withExceptions(e, (mxcsr) => call(e, to, `from${from.name.toUpperCase()}`, bitsOf(x), mxcsr))))
  writeNumber(e, to, result as Float, upper)
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
