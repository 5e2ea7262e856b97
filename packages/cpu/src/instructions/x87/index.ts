import type { Row } from '../row.ts'
import { X87_ARITHMETIC } from './arithmetic.ts'
import { X87_COMPARE } from './compare.ts'
import { X87_CONTROL } from './control.ts'
import { X87_TRANSCENDENTAL } from './transcendental.ts'
import { X87_TRANSFER } from './transfer.ts'

export const X87: readonly Row[] = [...X87_CONTROL, ...X87_TRANSFER, ...X87_ARITHMETIC, ...X87_COMPARE, ...X87_TRANSCENDENTAL]
