import { i32, v128 } from '@entresol/wasm-builder'
import type { Emitter, I32, Int, V128 } from '../../emit/emitter.ts'
import { MXCSR } from '../../state/layout.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { call, either, FORMATS, lanesOf, readVectors, vectorsOf, withExceptions, writeVectors } from './format.ts'
import type { Format } from './format.ts'
import { isFast, splat } from './native.ts'
import type { Attempt } from './native.ts'
import { attemptFma } from './native-fma.ts'
import { vexEncoding } from './rows.ts'

/** Which operands are multiplied, and which is added: the three digits of the mnemonic less one (SDM vol. 1, 14.5.1). */
const ORDERS = [
  { digits: '132', base: 0x90, order: [0, 2, 1] },
  { digits: '213', base: 0xa0, order: [1, 0, 2] },
  { digits: '231', base: 0xb0, order: [1, 2, 0] },
] as const

/** Negation of product (1) and addend (2) in even and in odd elements. */
interface Signs { readonly name: string; readonly opcode: number; readonly even: number; readonly odd: number; readonly scalar?: true }
const OPERATIONS: readonly Signs[] = [
  { name: 'VFMADDSUB', opcode: 6, even: 2, odd: 0 },
  { name: 'VFMSUBADD', opcode: 7, even: 0, odd: 2 },
  { name: 'VFMADD', opcode: 8, even: 0, odd: 0, scalar: true },
  { name: 'VFMSUB', opcode: 0xa, even: 2, odd: 2, scalar: true },
  { name: 'VFNMADD', opcode: 0xc, even: 1, odd: 1, scalar: true },
  { name: 'VFNMSUB', opcode: 0xe, even: 3, odd: 3, scalar: true },
]

type Order = readonly [number, number, number]

const fused = (e: Emitter, f: Format, operands: readonly Int[], order: Order, negate: number, mxcsr: I32): Int =>
  call(e, f, 'fma', operands[order[0]]!, operands[order[1]]!, operands[order[2]]!, i32.const(negate), mxcsr)

/** Sign bits to flip in even and odd elements. */
function signMask(f: Format, even: boolean, odd: boolean): V128 {
  const bytes = f.name === 'f32' ? 4 : 8
  return v128.const(Array.from({ length: 16 }, (_, i) => (i % bytes === bytes - 1 && ((i / bytes) & 1 ? odd : even) ? 0x80 : 0)))
}

/** The three operands as the host gets them: in order of the calculation, negated. */
function native(e: Emitter, f: Format, operands: readonly V128[], order: Order, signs: Signs, isScalar: boolean): Attempt {
  const negated = (v: V128, bit: number): V128 =>
    (signs.even | signs.odd) & bit ? e.b.let(v128.xor(v, signMask(f, (signs.even & bit) !== 0, (signs.odd & bit) !== 0))) : v
  return attemptFma(e, f, negated(operands[order[0]]!, 1), operands[order[1]]!, negated(operands[order[2]]!, 2), isScalar)
}

const packed = (f: Format, order: Order, signs: Signs): Emit => (e) => {
  e.requireUnit('avx')
  const c = readVectors(e, 2)
  const b = readVectors(e, 1)
  const a = readVectors(e, 0)
  writeVectors(e, 0, either(e, isFast(e.field32(MXCSR)), () => {
    const attempts = a.map((x, i) => native(e, f, [x, b[i]!, c[i]!], order, signs, false))
    return { valid: attempts.map((r) => r.valid).reduce((x, y) => i32.and(x, y)), results: attempts.map((r) => r.result) }
  }, () => withExceptions(e, (mxcsr) => {
    const [p, q, r] = [lanesOf(e, f, a), lanesOf(e, f, b), lanesOf(e, f, c)]
    return vectorsOf(f, p.map((x, i) => fused(e, f, [x, q[i]!, r[i]!], order, i & 1 ? signs.odd : signs.even, mxcsr))).map((v) => e.b.let(v))
  })))
}

/** The other elements of the low 128 bits are the destination's own. */
const scalar = (f: Format, order: Order, signs: Signs): Emit => (e) => {
  e.requireUnit('avx')
  const c = f.read(e, 2)
  const b = f.read(e, 1)
  const a = f.read(e, 0)
  const [result] = either<'i32' | 'i64'>(e, isFast(e.field32(MXCSR)), () => {
    const { valid, result: v } = native(e, f, [a, b, c].map((x) => e.b.let(splat(f, x))), order, signs, true)
    return { valid, results: [f.lane(v, 0)] }
  }, () => [withExceptions(e, (mxcsr) => fused(e, f, [a, b, c], order, signs.even, mxcsr))])
  f.write(e, 0, result as Int)
}

const FMA = { feature: 'fma' } as const
const hex = (n: number): string => n.toString(16).toUpperCase()

export const FLOAT_FMA: readonly Row[] = ORDERS.flatMap(({ digits, base, order }) => OPERATIONS.flatMap((signs) => FORMATS.flatMap((f) => {
  const w = f.name === 'f64' ? 'W1' : 'W0'
  const encoding = vexEncoding('66', '0F38', hex(base + signs.opcode), 'LIG', w)
  const rows = [row(`${signs.name}${digits}${f.packed}`, encoding, 'Vx,Hx,Wx', packed(f, order, signs), FMA)]
  if (signs.scalar) {
    const next = vexEncoding('66', '0F38', hex(base + signs.opcode + 1), 'LIG', w)
    rows.push(row(`${signs.name}${digits}${f.scalar}`, next, `Vdq,Hdq,W${f.size}`, scalar(f, order, signs), FMA))
  }
  return rows
})))
