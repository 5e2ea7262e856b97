import { i32, i64 } from '@entresol/wasm-builder'
import type { Emitter, I32, Int } from '../../emit/emitter.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'
import { FORMATS, requireSimd, withExceptions } from './format.ts'
import type { Format } from './format.ts'
import { attemptPredicate } from './native.ts'
import { attemptRelation, bitsOf, readNumber, unless } from './native-scalar.ts'
import { AVX, legacyEncoding, packedBinary, packedRows, scalarBinary, scalarRows, sse, vexEncoding } from './rows.ts'
import type { BinaryElement, Native } from './rows.ts'

/** Legacy forms have eight predicates, VEX forms thirty-two; other immediate bits are ignored (SDM vol. 2, CMPPD). */
const predicateOf = (e: Emitter): I32 => i32.and(i32.wrap_i64(e.immediate()), i32.const(e.vex ? 31 : 7))

/** All ones where the predicate holds. */
const predicate: BinaryElement = (e, f, x, y, mxcsr): Int => {
  const holds = e.helper(`${f.name}_predicate`, 'i32', x, y, predicateOf(e), mxcsr)
  const ones = i32.sub(i32.const(0), holds)
  return e.b.let(f.type === 'i64' ? i64.extend_i32_s(ones) : ones)
}

const nativePredicate: Native = { always: true, attempt: (e, f, x, y) => attemptPredicate(e, f, predicateOf(e), x, y) }

/** COMISS and COMISD (any NaN is invalid), UCOMISS and UCOMISD (only signalling ones): ZF, PF, CF; OF, SF, AF cleared. */
const orderedCompare = (f: Format, signal: 0 | 1): Emit => (e) => {
  requireSimd(e)
  const y = readNumber(e, f, 1)
  const x = readNumber(e, f, 0)
  const relation = unless(e, 'i32', (slow) => attemptRelation(e, f, x, y, slow),
    () => withExceptions(e, (mxcsr) => e.helper(`${f.name}_compare`, 'i32', bitsOf(x), bitsOf(y), i32.const(signal), mxcsr)))
  e.setArithmeticFlags(relation)
}

const comparison = (name: string, opcode: string, f: Format, signal: 0 | 1): Row[] => [
  row(`${name}${f.scalar}`, legacyEncoding(f.packedPrefix, '0F', opcode), `Vdq,W${f.size}`, orderedCompare(f, signal), sse(f)),
  row(`V${name}${f.scalar}`, vexEncoding(f.packedPrefix, '0F', opcode), `Vdq,W${f.size}`, orderedCompare(f, signal), AVX),
]

export const FLOAT_COMPARE: readonly Row[] = FORMATS.flatMap((f) => [
  ...packedRows(`CMP${f.packed}`, f.packedPrefix, 'C2', packedBinary(f, predicate, nativePredicate), sse(f), '0F', ',Ib'),
  ...scalarRows(`CMP${f.scalar}`, f.scalarPrefix, 'C2', f.size, scalarBinary(f, predicate, nativePredicate), sse(f), '0F', ',Ib'),
  ...comparison('UCOMI', '2E', f, 0),
  ...comparison('COMI', '2F', f, 1),
])
