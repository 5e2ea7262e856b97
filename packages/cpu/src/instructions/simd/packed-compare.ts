import { i32, v128 } from '@entresol/wasm-builder'
import type { Emitter } from '../../emit/emitter.ts'
import { i16x8, i32x4, i64x2, i8x16, lowQword } from '../../emit/lanes.ts'
import type { I32, V128 } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { enterMmx, packed, requireVector } from './forms.ts'
import type { Emit, Lane, PackedOptions, Row } from './forms.ts'

/** Packed comparison, sign masks, and tests that set flags (SDM vol. 2, PCMPEQB .., PMOVMSKB, PTEST, VTESTPS). */

const pure = (f: (x: V128, y: V128) => V128): Lane => (_, x, y) => f(x, y)

/** Sign bits of the lanes as an integer; `lanes` is their number in 128 bits. */
const signMask = (mask: (a: V128) => I32, lanes: number): Emit => (e) => {
  requireVector(e)
  if (e.vectorLength === 128) return e.set(0, mask(e.getV(1)))
  e.set(0, i32.or(mask(e.getHalf(1, 0)), i32.shl(mask(e.getHalf(1, 1)), i32.const(lanes))))
}

const signMaskMmx: Emit = (e) => {
  e.requireUnit('mmx')
  const mask = i8x16.bitmask(lowQword(e.getM(1)))
  e.set(0, mask)
  enterMmx(e)
}

/** ZF: `a AND b` is zero; CF: `NOT a AND b` is zero, both in the bits `reduce` looks at. */
const testFlags = (reduce: (v: V128) => I32): Emit => (e) => {
  requireVector(e)
  const pairs: [V128, V128][] = e.vectorLength === 128
    ? [[e.getV(0), e.getV(1)]]
    : ([0, 1] as const).map((half) => [e.getHalf(0, half), e.getHalf(1, half)])
  const some = (f: (a: V128, b: V128) => V128): I32 => pairs.map(([a, b]) => reduce(f(a, b))).reduce((p, q) => i32.or(p, q))
  e.setArithmeticFlags(flags(e, some(v128.and), some((a, b) => v128.andnot(b, a))))
}

const flags = (e: Emitter, anyBoth: I32, anyRest: I32): I32 => {
  const zf = e.b.let(i32.eqz(anyBoth))
  return i32.or(i32.shl(zf, i32.const(6)), i32.eqz(anyRest))
}

const MMX: PackedOptions = { mmx: { feature: 'mmx' } }

export const PACKED_COMPARE: readonly Row[] = [
  ...packed('PCMPEQB', '74', pure(i8x16.eq), MMX),
  ...packed('PCMPEQW', '75', pure(i16x8.eq), MMX),
  ...packed('PCMPEQD', '76', pure(i32x4.eq), MMX),
  ...packed('PCMPGTB', '64', pure(i8x16.gt_s), MMX),
  ...packed('PCMPGTW', '65', pure(i16x8.gt_s), MMX),
  ...packed('PCMPGTD', '66', pure(i32x4.gt_s), MMX),
  ...packed('PCMPEQQ', '29', pure(i64x2.eq), { map: '0F38', sse: 'sse4_1' }),
  ...packed('PCMPGTQ', '37', pure(i64x2.gt_s), { map: '0F38', sse: 'sse4_2' }),
  row('PMOVMSKB', 'NP 0F D7 /r mod3', 'Gd,Nq', signMaskMmx, { feature: 'sse' }),
  row('PMOVMSKB', '66 0F D7 /r mod3', 'Gd,Ux', signMask(i8x16.bitmask, 16), { feature: 'sse2' }),
  row('VPMOVMSKB', 'VEX.128.66.0F.WIG D7 /r mod3', 'Gd,Ux', signMask(i8x16.bitmask, 16), { feature: 'avx' }),
  row('VPMOVMSKB', 'VEX.256.66.0F.WIG D7 /r mod3', 'Gd,Ux', signMask(i8x16.bitmask, 16), { feature: 'avx2' }),
  row('MOVMSKPS', 'NP 0F 50 /r mod3', 'Gd,Ux', signMask(i32x4.bitmask, 4), { feature: 'sse' }),
  row('MOVMSKPD', '66 0F 50 /r mod3', 'Gd,Ux', signMask(i64x2.bitmask, 2), { feature: 'sse2' }),
  row('VMOVMSKPS', 'VEX.LIG.NP.0F.WIG 50 /r mod3', 'Gd,Ux', signMask(i32x4.bitmask, 4), { feature: 'avx' }),
  row('VMOVMSKPD', 'VEX.LIG.66.0F.WIG 50 /r mod3', 'Gd,Ux', signMask(i64x2.bitmask, 2), { feature: 'avx' }),
  row('PTEST', '66 0F 38 17 /r', 'Vx,Wx', testFlags(v128.any_true), { feature: 'sse4_1' }),
  row('VPTEST', 'VEX.LIG.66.0F38.WIG 17 /r', 'Vx,Wx', testFlags(v128.any_true), { feature: 'avx' }),
  row('VTESTPS', 'VEX.LIG.66.0F38.W0 0E /r', 'Vx,Wx', testFlags(i32x4.bitmask), { feature: 'avx' }),
  row('VTESTPD', 'VEX.LIG.66.0F38.W0 0F /r', 'Vx,Wx', testFlags(i64x2.bitmask), { feature: 'avx' }),
]
