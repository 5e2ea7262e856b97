import { ARITHMETIC } from './arithmetic.ts'
import { BITS } from './bits.ts'
import { CONTROL } from './control.ts'
import { FLOAT_CONTROL } from './float/control.ts'
import { DATA } from './data.ts'
import { FLAG_ROWS } from './flags.ts'
import { FLOAT } from './float/index.ts'
import { KERNEL_ROWS } from './kernel.ts'
import { MULTIPLY } from './multiply.ts'
import type { Row } from './row.ts'
import { SHIFT } from './shift.ts'
import { SIMD } from './simd/index.ts'
import { STRING } from './string.ts'
import { SYSTEM_ROWS } from './system.ts'
import { X87 } from './x87/index.ts'

/** Every instruction, once. Order matters only between rows that match the same bytes: the first wins. */
export const INSTRUCTIONS: readonly Row[] = [...ARITHMETIC, ...DATA, ...SHIFT, ...MULTIPLY, ...BITS, ...CONTROL, ...STRING, ...FLOAT_CONTROL, ...X87, ...SYSTEM_ROWS, ...KERNEL_ROWS, ...FLAG_ROWS, ...SIMD, ...FLOAT]
