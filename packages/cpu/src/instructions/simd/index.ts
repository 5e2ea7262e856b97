import type { Row } from '../row.ts'
import { AES_CLMUL } from './aes.ts'
import { INSERT_EXTRACT } from './insert-extract.ts'
import { MASKED } from './masked.ts'
import { MMX_MOVES, SIMD_MOVES } from './moves.ts'
import { PACK } from './pack.ts'
import { PACKED_ARITHMETIC } from './packed-arithmetic.ts'
import { PACKED_COMPARE } from './packed-compare.ts'
import { PACKED_SHIFT } from './packed-shift.ts'
import { PERMUTE } from './permute.ts'
import { SHA } from './sha.ts'
import { SHUFFLE } from './shuffle.ts'
import { STRING_COMPARE } from './string-compare.ts'

/** Integer SIMD: MMX, SSE .. SSE4.2, AVX, AVX2, AES, PCLMULQDQ, SHA, and all vector moves. */
export const SIMD: readonly Row[] = [
  ...SIMD_MOVES, ...MMX_MOVES, ...PACKED_ARITHMETIC, ...PACKED_COMPARE, ...PACKED_SHIFT, ...SHUFFLE, ...PACK, ...INSERT_EXTRACT,
  ...PERMUTE, ...MASKED, ...STRING_COMPARE, ...AES_CLMUL, ...SHA,
]
