import type { Row } from '../row.ts'
import { call, FORMATS } from './format.ts'
import { binaryFamily, nativeOf, packedUnary, packedUnaryRows, scalarArithmetic, scalarRows, sse } from './rows.ts'
import type { UnaryElement } from './rows.ts'

const squareRoot: UnaryElement = (e, f, x, mxcsr) => call(e, f, 'sqrt', x, mxcsr)

/** ADD, MUL, SUB, MIN, DIV, MAX, SQRT in all forms (SDM vol. 2). */
export const FLOAT_ARITHMETIC: readonly Row[] = [
  ...binaryFamily('ADD', '58', 'add'),
  ...binaryFamily('MUL', '59', 'mul'),
  ...binaryFamily('SUB', '5C', 'sub'),
  ...binaryFamily('MIN', '5D', 'min'),
  ...binaryFamily('DIV', '5E', 'div'),
  ...binaryFamily('MAX', '5F', 'max'),
  ...FORMATS.flatMap((f) => [
    ...packedUnaryRows(`SQRT${f.packed}`, f.packedPrefix, '51', packedUnary(f, squareRoot, nativeOf('sqrt')), sse(f)),
    ...scalarRows(`SQRT${f.scalar}`, f.scalarPrefix, '51', f.size, scalarArithmetic(f, 'sqrt'), sse(f)),
  ]),
]
