import { i32 } from '@entresol/wasm-builder'
import { MXCSR } from '../../state/layout.ts'
import type { Emitter, I32, Int, V128 } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row, RowOptions } from '../row.ts'
import { call, either, FORMATS, lanesOf, readVectors, requireSimd, sources, vectorsOf, withExceptions, writeVectors } from './format.ts'
import type { Format } from './format.ts'
import { attempt, isFast, splat } from './native.ts'
import type { Attempt, NativeOperation } from './native.ts'
import { attemptScalar, bitsOf, laneZero, numberOf, readNumber, unless, writeNumber } from './native-scalar.ts'
import type { Float } from './native-scalar.ts'

/** One element of an instruction; `index` counts from the lowest element of the whole operand. */
export type BinaryElement = (e: Emitter, f: Format, x: Int, y: Int, mxcsr: I32, index: number) => Int
export type UnaryElement = (e: Emitter, f: Format, x: Int, mxcsr: I32) => Int

/** What the host can do itself for all elements of two vectors. Operations that do not depend on MXCSR say so. */
export interface Native {
  readonly always: boolean
  attempt(e: Emitter, f: Format, x: V128, y: V128): Attempt
}

export const element = (name: NativeOperation): BinaryElement => (e, f, x, y, mxcsr) => call(e, f, name, x, y, mxcsr)

export const nativeOf = (operation: NativeOperation): Native => ({
  always: operation === 'min' || operation === 'max',
  attempt: (e, f, x, y) => attempt(e, f, operation, x, y),
})

const condition = (e: Emitter, native: Native): I32 | undefined => (native.always ? undefined : isFast(e.field32(MXCSR)))

function vectorsEither(e: Emitter, f: Format, native: Native | undefined, x: readonly V128[], y: readonly V128[], slow: () => V128[]): V128[] {
  if (!native) return slow()
  return either(e, condition(e, native), () => {
    const attempts = x.map((v, i) => native.attempt(e, f, v, y[i]!))
    return { valid: attempts.map((a) => a.valid).reduce((a, b) => i32.and(a, b)), results: attempts.map((a) => a.result) }
  }, slow)
}

function scalarEither(e: Emitter, f: Format, native: Native | undefined, x: Int, y: Int, slow: () => Int): Int {
  if (!native) return slow()
  return either<'i32' | 'i64'>(e, condition(e, native), () => {
    const a = e.b.let(splat(f, x))
    const { result, valid } = native.attempt(e, f, a, x === y ? a : e.b.let(splat(f, y)))
    return { valid, results: [f.lane(result, 0)] }
  }, () => [slow()])[0] as Int
}

/** dst = op(first, last), element by element. */
export const packedBinary = (f: Format, op: BinaryElement, native?: Native): Emit => (e) => {
  requireSimd(e)
  const { first, last } = sources(e)
  const y = readVectors(e, last)
  const x = readVectors(e, first)
  writeVectors(e, 0, vectorsEither(e, f, native, x, y, () => withExceptions(e, (mxcsr) => mapBinary(e, f, x, y, mxcsr, op))))
}

function mapBinary(e: Emitter, f: Format, x: readonly V128[], y: readonly V128[], mxcsr: I32, op: BinaryElement): V128[] {
  const b = lanesOf(e, f, y)
  return vectorsOf(f, lanesOf(e, f, x).map((a, i) => op(e, f, a, b[i]!, mxcsr, i))).map((v) => e.b.let(v))
}

export const packedUnary = (f: Format, op: UnaryElement, native?: Native): Emit => (e) => {
  requireSimd(e)
  const x = readVectors(e, 1)
  writeVectors(e, 0, vectorsEither(e, f, native, x, x, () => withExceptions(e, (mxcsr) =>
    vectorsOf(f, lanesOf(e, f, x).map((a) => op(e, f, a, mxcsr))).map((v) => e.b.let(v)))))
}

/** Scalar ADD, MIN and their kin: x op y, or op y with one source. */
export const scalarArithmetic = (f: Format, operation: NativeOperation): Emit => (e) => {
  requireSimd(e)
  const y = readNumber(e, f, sources(e).last)
  const upper = e.getV(e.vex ? 1 : 0)
  const unary = operation === 'sqrt'
  const x = unary ? y : e.b.let<'f32' | 'f64'>(laneZero(f, upper)) as Float
  const result = unless<'f32' | 'f64'>(e, f.name, (slow) => attemptScalar(e, f, operation, x, y, slow), () =>
    numberOf(withExceptions(e, (mxcsr) => call(e, f, operation, ...(unary ? [bitsOf(x)] : [bitsOf(x), bitsOf(y)]), mxcsr))))
  writeNumber(e, f, result as Float, upper)
}

/** Element 0 of the destination; the others of the low 128 bits stay (legacy) or come from the first source (VEX). */
export const scalarBinary = (f: Format, op: BinaryElement, native?: Native): Emit => (e) => {
  requireSimd(e)
  const { first, last } = sources(e)
  const y = f.read(e, last)
  const upper = e.vex ? e.getV(1) : undefined
  const x = f.read(e, first)
  f.write(e, 0, scalarEither(e, f, native, x, y, () => withExceptions(e, (mxcsr) => op(e, f, x, y, mxcsr, 0))), upper)
}

export const scalarUnary = (f: Format, op: UnaryElement, native?: Native): Emit => (e) => {
  requireSimd(e)
  const x = f.read(e, sources(e).last)
  const upper = e.vex ? e.getV(1) : undefined
  f.write(e, 0, scalarEither(e, f, native, x, x, () => withExceptions(e, (mxcsr) => op(e, f, x, mxcsr))), upper)
}

export type Prefix = 'NP' | '66' | 'F3' | 'F2'
export type Map = '0F' | '0F38' | '0F3A'

export const legacyEncoding = (prefix: Prefix, map: Map, opcode: string): string => `${prefix} ${map.replace(/^0F(?=.)/, '0F ')} ${opcode} /r`
/** VEX.LIG with operands of size x stands for both lengths. */
export const vexEncoding = (
  prefix: Prefix, map: Map, opcode: string, length: '128' | '256' | 'LIG' = 'LIG', w: 'W0' | 'W1' | 'WIG' = 'WIG',
): string =>
  `VEX.${length}.${prefix}.${map}.${w} ${opcode} /r`

export const sse = (f: Format): RowOptions => ({ feature: f.name === 'f32' ? 'sse' : 'sse2' })
export const AVX: RowOptions = { feature: 'avx' }

/** The legacy and the two VEX forms of a packed instruction with two sources. */
export const packedRows = (
  name: string, prefix: Prefix, opcode: string, emit: Emit, feature: RowOptions, map: Map = '0F', tail = '',
): Row[] => [
  row(name, legacyEncoding(prefix, map, opcode), `Vx,Wx${tail}`, emit, feature),
  row(`V${name}`, vexEncoding(prefix, map, opcode), `Vx,Hx,Wx${tail}`, emit, { ...feature, ...AVX }),
]

/** The same with one source. */
export const packedUnaryRows = (
  name: string, prefix: Prefix, opcode: string, emit: Emit, feature: RowOptions, map: Map = '0F', tail = '',
): Row[] => [
  row(name, legacyEncoding(prefix, map, opcode), `Vx,Wx${tail}`, emit, feature),
  row(`V${name}`, vexEncoding(prefix, map, opcode), `Vx,Wx${tail}`, emit, { ...feature, ...AVX }),
]

/** Scalar forms: VEX ones take the upper elements from their first source, whatever the number of sources. */
export const scalarRows = (
  name: string, prefix: Prefix, opcode: string, size: string, emit: Emit, feature: RowOptions, map: Map = '0F', tail = '',
): Row[] => [
  row(name, legacyEncoding(prefix, map, opcode), `Vdq,W${size}${tail}`, emit, feature),
  row(`V${name}`, vexEncoding(prefix, map, opcode), `Vdq,Hdq,W${size}${tail}`, emit, { ...feature, ...AVX }),
]

/** PS, PD, SS and SD of an operation on two sources. */
export const binaryFamily = (name: string, opcode: string, operation: NativeOperation): Row[] => FORMATS.flatMap((f) => [
  ...packedRows(`${name}${f.packed}`, f.packedPrefix, opcode, packedBinary(f, element(operation), nativeOf(operation)), sse(f)),
  ...scalarRows(`${name}${f.scalar}`, f.scalarPrefix, opcode, f.size, scalarArithmetic(f, operation), sse(f)),
])
