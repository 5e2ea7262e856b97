import { i32, i64, simd, v128 } from '@entresol/wasm-builder'
import { MXCSR } from '../../state/layout.ts'
import type { Emitter, I32, I64, Int, V128 } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { DOUBLE, either, lanesOf, readVectors, requireSimd, SINGLE, vectorsOf, withExceptions, writeVectors, ZERO_VECTOR } from './format.ts'
import type { Format } from './format.ts'
import { allTrue, isFast, ordinary, plain } from './native.ts'
import { doublesToLowSingles, i32x4ToSingles, lowI32x2ToDoubles, lowSinglesToDoubles, singlesToI32x4 } from './native-convert.ts'
import { AVX, legacyEncoding, sse, vexEncoding } from './rows.ts'
import type { Prefix } from './rows.ts'

export type Convert = (e: Emitter, x: Int, mxcsr: I32) => Int

const by = (name: string, type: 'i32' | 'i64'): Convert => (e, x, mxcsr) => e.helper(name, type, x, mxcsr)
/** 32-bit integers have the shape of singles. */
export const FROM_I32_TO_SINGLE: Convert = by('f32_fromI32', 'i32')
export const FROM_I32_TO_DOUBLE: Convert = by('f64_fromI32', 'i64')
export const SINGLE_TO_I32: Convert = by('f32_toI32', 'i32')
export const SINGLE_TRUNCATED_TO_I32: Convert = by('f32_truncateToI32', 'i32')
export const DOUBLE_TO_I32: Convert = by('f64_toI32', 'i32')
export const DOUBLE_TRUNCATED_TO_I32: Convert = by('f64_truncateToI32', 'i32')
const SINGLE_TO_DOUBLE = by('f64_fromF32', 'i64')
const DOUBLE_TO_SINGLE = by('f32_fromF64', 'i32')

export const halves = (e: Emitter, x: I64): I32[] => [e.b.let(i32.wrap_i64(x)), e.b.let(i32.wrap_i64(i64.shr_u(x, i64.const(32))))]

const convertAll = (e: Emitter, x: readonly Int[], to: Format, convert: Convert): V128[] =>
  withExceptions(e, (mxcsr) => vectorsOf(to, x.map((value) => convert(e, value, mxcsr))).map((v) => e.b.let(v)))

type Fast = (x: V128) => { valid: I32; results: readonly [V128] }

/** Elements of 32 bits to elements of 32 bits. */
const same = (convert: Convert, fast: Fast): Emit => (e) => {
  requireSimd(e)
  const x = readVectors(e, 1)
  writeVectors(e, 0, either(e, isFast(e.field32(MXCSR)), () => {
    const all = x.map(fast)
    return { valid: all.map((a) => a.valid).reduce((a, b) => i32.and(a, b)), results: all.map((a) => e.b.let(a.results[0])) }
  }, () => convertAll(e, lanesOf(e, SINGLE, x), SINGLE, convert)))
}

const upperToLow = (x: V128): V128 => v128.shuffle([8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15], x, x)

/** CVTDQ2PD is exact and raises nothing. Sources of half the length need no alignment. */
const integersToDoubles: Emit = (e) => {
  requireSimd(e)
  if (e.vectorLength === 128) {
    e.setV(0, lowI32x2ToDoubles(simd.splat(18, e.getV64(1))))
    return
  }
  const x = e.getV(1)
  e.setHalves(0, lowI32x2ToDoubles(x), lowI32x2ToDoubles(upperToLow(x)))
}

/** CVTPS2PD is exact for what is neither NaN nor denormal. */
const singlesToDoubles: Emit = (e) => {
  requireSimd(e)
  const wide = e.vectorLength === 256
  const x = wide ? e.getV(1) : e.b.let(simd.splat(18, e.getV64(1)))
  writeVectors(e, 0, either(e, undefined, () => ({
    valid: allTrue(SINGLE, ordinary(SINGLE, x)),
    results: (wide ? [x, upperToLow(x)] : [x]).map((v) => e.b.let(lowSinglesToDoubles(v))),
  }), () => convertAll(e, lanesOf(e, SINGLE, [x]).slice(0, wide ? 4 : 2), DOUBLE, SINGLE_TO_DOUBLE)))
}

/** CVTPD2PS: see doubleToSingle. */
const doublesToSingles: Emit = (e) => {
  requireSimd(e)
  const x = readVectors(e, 1)
  const [result] = either(e, isFast(e.field32(MXCSR)), () => {
    const narrowed = x.map((v) => e.b.let(doublesToLowSingles(v)))
    const fine = x.map((v, i) => {
      const mask = plain(SINGLE, narrowed[i]!)
      const wide = v128.shuffle([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7], mask, mask)
      return allTrue(DOUBLE, v128.or(wide, simd.binary(71, v, ZERO_VECTOR)))
    })
    const joined = x.length === 1 ? narrowed[0]!
      : v128.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23], narrowed[0]!, narrowed[1]!)
    return { valid: fine.reduce((a, b) => i32.and(a, b)), results: [e.b.let(joined)] }
  }, () => convertAll(e, lanesOf(e, DOUBLE, x), SINGLE, DOUBLE_TO_SINGLE))
  e.setV(0, result!)
}

/** 64 to 32 bits: the result is half as long, what is above it in the low 128 bits is zero. */
const narrow = (convert: Convert): Emit => (e) => {
  requireSimd(e)
  e.setV(0, convertAll(e, lanesOf(e, DOUBLE, readVectors(e, 1)), SINGLE, convert)[0]!)
}

function rows(name: string, prefix: Prefix, opcode: string, emit: Emit, length: 'same' | 'half' = 'same'): Row[] {
  const legacy = row(name, legacyEncoding(prefix, '0F', opcode), length === 'half' ? 'Vx,Wq' : 'Vx,Wx', emit, sse(DOUBLE))
  if (length === 'same') return [legacy, row(`V${name}`, vexEncoding(prefix, '0F', opcode), 'Vx,Wx', emit, AVX)]
  return [
    legacy,
    row(`V${name}`, vexEncoding(prefix, '0F', opcode, '128'), 'Vx,Wq', emit, AVX),
    row(`V${name}`, vexEncoding(prefix, '0F', opcode, '256'), 'Vx,Wdq', emit, AVX),
  ]
}

export const FLOAT_CONVERT_PACKED: readonly Row[] = [
  ...rows('CVTPS2PD', 'NP', '5A', singlesToDoubles, 'half'),
  ...rows('CVTPD2PS', '66', '5A', doublesToSingles),
  ...rows('CVTDQ2PS', 'NP', '5B', same(FROM_I32_TO_SINGLE, (x) => ({ valid: i32.const(1), results: [i32x4ToSingles(x)] }))),
  ...rows('CVTPS2DQ', '66', '5B', same(SINGLE_TO_I32, (x) => singlesToI32x4(x, false))),
  ...rows('CVTTPS2DQ', 'F3', '5B', same(SINGLE_TRUNCATED_TO_I32, (x) => singlesToI32x4(x, true))),
  ...rows('CVTDQ2PD', 'F3', 'E6', integersToDoubles, 'half'),
  ...rows('CVTPD2DQ', 'F2', 'E6', narrow(DOUBLE_TO_I32)),
  ...rows('CVTTPD2DQ', '66', 'E6', narrow(DOUBLE_TRUNCATED_TO_I32)),
]
