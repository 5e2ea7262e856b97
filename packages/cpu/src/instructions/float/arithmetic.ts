import type { Row } from '../row.ts'
import { call, FORMATS } from './format.ts'
import { binaryFamily, nativeOf, packedUnary, packedUnaryRows, scalarRows, scalarUnary, sse } from './rows.ts'
import type { BinaryElement, UnaryElement } from './rows.ts'

const element = (name: string): BinaryElement => (e, f, x, y, mxcsr) => call(e, f, name, x, y, mxcsr)
const squareRoot: UnaryElement = (e, f, x, mxcsr) => call(e, f, 'sqrt', x, mxcsr)

/** ADD, MUL, SUB, MIN, DIV, MAX, SQRT in all forms (SDM vol. 2). */
export const FLOAT_ARITHMETIC: readonly Row[] = [
  ...binaryFamily('ADD', '58', element('add'), nativeOf('add')),
  ...binaryFamily('MUL', '59', element('mul'), nativeOf('mul')),
  ...binaryFamily('SUB', '5C', element('sub'), nativeOf('sub')),
  ...binaryFamily('MIN', '5D', element('min'), nativeOf('min')),
  ...binaryFamily('DIV', '5E', element('div'), nativeOf('div')),
  ...binaryFamily('MAX', '5F', element('max'), nativeOf('max')),
  ...FORMATS.flatMap((f) => [
    ...packedUnaryRows(`SQRT${f.packed}`, f.packedPrefix, '51', packedUnary(f, squareRoot, nativeOf('sqrt')), sse(f)),
    ...scalarRows(`SQRT${f.scalar}`, f.scalarPrefix, '51', f.size, scalarUnary(f, squareRoot, nativeOf('sqrt')), sse(f)),
  ]),
]
