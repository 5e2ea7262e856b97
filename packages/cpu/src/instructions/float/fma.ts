import type { Emitter, I32, Int } from '../../emit/emitter.ts'
import { i32 } from '@entresol/wasm-builder'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { call, FORMATS, lanesOf, readVectors, vectorsOf, withExceptions, writeVectors } from './format.ts'
import type { Format } from './format.ts'
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

const packed = (f: Format, order: Order, signs: Signs): Emit => (e) => {
  e.requireUnit('avx')
  const c = lanesOf(e, f, readVectors(e, 2))
  const b = lanesOf(e, f, readVectors(e, 1))
  const a = lanesOf(e, f, readVectors(e, 0))
  writeVectors(e, 0, withExceptions(e, (mxcsr) =>
    vectorsOf(f, a.map((x, i) => fused(e, f, [x, b[i]!, c[i]!], order, i & 1 ? signs.odd : signs.even, mxcsr))).map((v) => e.b.let(v))))
}

/** The other elements of the low 128 bits are the destination's own. */
const scalar = (f: Format, order: Order, signs: Signs): Emit => (e) => {
  e.requireUnit('avx')
  const c = f.read(e, 2)
  const b = f.read(e, 1)
  const a = f.read(e, 0)
  f.write(e, 0, withExceptions(e, (mxcsr) => fused(e, f, [a, b, c], order, signs.even, mxcsr)))
}

const FMA = { feature: 'fma' } as const
const hex = (n: number): string => n.toString(16).toUpperCase()

export const FLOAT_FMA: readonly Row[] = ORDERS.flatMap(({ digits, base, order }) => OPERATIONS.flatMap((signs) => FORMATS.flatMap((f) => {
  const w = f.name === 'f64' ? 'W1' : 'W0'
  const rows = [row(`${signs.name}${digits}${f.packed}`, vexEncoding('66', '0F38', hex(base + signs.opcode), 'LIG', w), 'Vx,Hx,Wx', packed(f, order, signs), FMA)]
  if (signs.scalar) {
    const encoding = vexEncoding('66', '0F38', hex(base + signs.opcode + 1), 'LIG', w)
    rows.push(row(`${signs.name}${digits}${f.scalar}`, encoding, `Vdq,Hdq,W${f.size}`, scalar(f, order, signs), FMA))
  }
  return rows
})))
