import type { Row } from '../row.ts'
import { FLOAT_ARITHMETIC } from './arithmetic.ts'
import { FLOAT_COMPARE } from './compare.ts'
import { FLOAT_CONVERT_MMX } from './convert-mmx.ts'
import { FLOAT_CONVERT_PACKED } from './convert-packed.ts'
import { FLOAT_CONVERT_SCALAR } from './convert-scalar.ts'
import { FLOAT_FMA } from './fma.ts'
import { FLOAT_HALF } from './half.ts'
import { FLOAT_HORIZONTAL } from './horizontal.ts'
import { FLOAT_ROUND } from './round.ts'

/** Floating-point SIMD: SSE to SSE4.1, AVX, FMA, F16C. */
export const FLOAT: readonly Row[] = [
  ...FLOAT_ARITHMETIC, ...FLOAT_COMPARE, ...FLOAT_CONVERT_SCALAR, ...FLOAT_CONVERT_PACKED, ...FLOAT_CONVERT_MMX, ...FLOAT_HORIZONTAL,
  ...FLOAT_ROUND, ...FLOAT_FMA, ...FLOAT_HALF,
]
