import type { Row } from '../row.ts'
import { FLOAT_ARITHMETIC } from './arithmetic.ts'
import { FLOAT_COMPARE } from './compare.ts'
import { FLOAT_CONVERT_SCALAR } from './convert-scalar.ts'

/** Floating-point SIMD: SSE to SSE4.1, AVX, FMA, F16C. */
export { FLOAT as INSTRUCTIONS }
export const FLOAT: readonly Row[] = [...FLOAT_ARITHMETIC, ...FLOAT_COMPARE, ...FLOAT_CONVERT_SCALAR]
