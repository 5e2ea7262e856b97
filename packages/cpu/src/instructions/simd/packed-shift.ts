import { i32, i64, select } from '@entresol/wasm-builder'
import type { Emitter, I64 } from '../../emit/emitter.ts'
import { i16x8, i32x4, i64x2, i8x16, IOTA, lowQword, qwords, ZERO } from '../../emit/lanes.ts'
import type { I32, V128 } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { enterMmx, immediateByte, packed } from './forms.ts'
import type { Emit, Lane, Row } from './forms.ts'

/** Packed shifts (SDM vol. 2, PSLLW .. PSRLDQ, VPSLLVD ..). Counts beyond the lane give zeros, or copies of the sign. */

interface ShiftLanes { shl(a: V128, n: I32): V128; shr_s(a: V128, n: I32): V128; shr_u(a: V128, n: I32): V128 }
type Kind = 'shl' | 'shr_u' | 'shr_s'
type Shifter = (a: V128) => V128

/** Binds what all halves share for a count of up to 64 bits. */
function shifter(e: Emitter, lanes: ShiftLanes, bits: number, kind: Kind, count: I64): Shifter {
  const fits = e.b.let(i64.lt_u(count, i64.const(bits)))
  const n = e.b.let(i32.wrap_i64(count))
  if (kind === 'shr_s') {
    const limited = e.b.let(select(fits, n, i32.const(bits - 1)))
    return (a) => lanes.shr_s(a, limited)
  }
  return (a) => select(fits, lanes[kind](a, n), ZERO)
}

/** `count` reads the shift count; the shifted operand is number `source`. */
const shift = (lanes: ShiftLanes, bits: number, kind: Kind, source: number, count: (e: Emitter) => I64): Emit => (e) => {
  e.requireUnit(e.vex ? 'avx' : 'sse')
  const f = shifter(e, lanes, bits, kind, e.b.let(count(e)))
  if (e.vectorLength === 128) return e.setV(0, f(e.getV(source)))
  e.setHalves(0, f(e.getHalf(source, 0)), f(e.getHalf(source, 1)))
}

const shiftMmx = (lanes: ShiftLanes, bits: number, kind: Kind, count: (e: Emitter) => I64): Emit => (e) => {
  e.requireUnit('mmx')
  const f = shifter(e, lanes, bits, kind, e.b.let(count(e)))
  const value = lowQword(e.getM(0))
  enterMmx(e)
  e.setM(0, i64x2.extract_lane(f(e.b.let(value)), 0))
}

const byImmediate = (e: Emitter): I64 => i64.extend_i32_u(immediateByte(e))
/** The low quadword of a 128-bit operand, all of which is read. */
const byVector = (operand: number) => (e: Emitter): I64 => i64x2.extract_lane(e.getV(operand), 0)
const byMmx = (e: Emitter): I64 => e.getM(1)

/** Register-count and immediate-count forms of one shift. */
function shifts(mnemonic: string, lanes: ShiftLanes, bits: number, kind: Kind, opcode: string, group: string, digit: number, mmx = true): Row[] {
  const s = (source: number, count: (e: Emitter) => I64): Emit => shift(lanes, bits, kind, source, count)
  return [
    ...(mmx ? [
      row(mnemonic, `NP 0F ${opcode} /r`, 'Pq,Qq', shiftMmx(lanes, bits, kind, byMmx), { feature: 'mmx' }),
      row(mnemonic, `NP 0F ${group} /${digit} mod3`, 'Nq,Ib', shiftMmx(lanes, bits, kind, byImmediate), { feature: 'mmx' }),
    ] : []),
    row(mnemonic, `66 0F ${opcode} /r`, 'Vx,Wx', s(0, byVector(1)), { feature: 'sse2' }),
    row(mnemonic, `66 0F ${group} /${digit} mod3`, 'Ux,Ib', s(0, byImmediate), { feature: 'sse2' }),
    ...([['128', 'avx'], ['256', 'avx2']] as const).flatMap(([length, feature]) => [
      row(`V${mnemonic}`, `VEX.${length}.66.0F.WIG ${opcode} /r`, 'Vx,Hx,Wdq', s(1, byVector(2)), { feature }),
      row(`V${mnemonic}`, `VEX.${length}.66.0F.WIG ${group} /${digit} mod3`, 'Hx,Ux,Ib', s(1, byImmediate), { feature }),
    ]),
  ]
}

/** Whole-register byte shifts: swizzle gives zero for every index from 16 up. */
const byteShift = (left: boolean): Lane => (b, _, y, imm) => {
  const n = i8x16.splat(b.let(select(i32.gt_u(imm, i32.const(16)), i32.const(16), imm)))
  return i8x16.swizzle(y, left ? i8x16.sub(IOTA, n) : i8x16.add(IOTA, n))
}

const byteShiftEmit = (left: boolean, source: number): Emit => (e) => {
  e.requireUnit(e.vex ? 'avx' : 'sse')
  const imm = immediateByte(e)
  const f = (v: V128): V128 => byteShift(left)(e.b, v, v, imm, 0)
  if (e.vectorLength === 128) return e.setV(0, f(e.getV(source)))
  e.setHalves(0, f(e.getHalf(source, 0)), f(e.getHalf(source, 1)))
}

const byteShifts = (mnemonic: string, digit: number, left: boolean): Row[] => [
  row(mnemonic, `66 0F 73 /${digit} mod3`, 'Ux,Ib', byteShiftEmit(left, 0), { feature: 'sse2' }),
  row(`V${mnemonic}`, `VEX.128.66.0F.WIG 73 /${digit} mod3`, 'Hx,Ux,Ib', byteShiftEmit(left, 1), { feature: 'avx' }),
  row(`V${mnemonic}`, `VEX.256.66.0F.WIG 73 /${digit} mod3`, 'Hx,Ux,Ib', byteShiftEmit(left, 1), { feature: 'avx2' }),
]

/** Every doubleword by a count of its own. */
const variableDwords = (kind: Kind): Lane => (b, x, y) => {
  let result: V128 = ZERO
  for (let lane = 0; lane < 4; lane++) {
    const count = b.let(i32x4.extract_lane(y, lane))
    const fits = b.let(i32.lt_u(count, i32.const(32)))
    const value = i32x4.extract_lane(x, lane)
    const shifted = kind === 'shr_s' ? i32.shr_s(value, select(fits, count, i32.const(31))) : select(fits, i32[kind](value, count), i32.const(0))
    result = b.let(i32x4.replace_lane(result, lane, shifted))
  }
  return result
}

const variableQwords = (kind: 'shl' | 'shr_u'): Lane => (b, x, y) => {
  const lane = (n: number): I64 => {
    const count = b.let(i64x2.extract_lane(y, n))
    return select(i64.lt_u(count, i64.const(64)), i64[kind](i64x2.extract_lane(x, n), count), i64.const(0))
  }
  return qwords(b.let(lane(0)), b.let(lane(1)))
}

const variable = (mnemonic: string, opcode: string, lane: Lane, w: 'W0' | 'W1'): Row[] =>
  packed(mnemonic, opcode, lane, { map: '0F38', sse: null, avx: 'avx2', w })

export const PACKED_SHIFT: readonly Row[] = [
  ...shifts('PSRLW', i16x8, 16, 'shr_u', 'D1', '71', 2),
  ...shifts('PSRAW', i16x8, 16, 'shr_s', 'E1', '71', 4),
  ...shifts('PSLLW', i16x8, 16, 'shl', 'F1', '71', 6),
  ...shifts('PSRLD', i32x4, 32, 'shr_u', 'D2', '72', 2),
  ...shifts('PSRAD', i32x4, 32, 'shr_s', 'E2', '72', 4),
  ...shifts('PSLLD', i32x4, 32, 'shl', 'F2', '72', 6),
  ...shifts('PSRLQ', i64x2, 64, 'shr_u', 'D3', '73', 2),
  ...shifts('PSLLQ', i64x2, 64, 'shl', 'F3', '73', 6),
  ...byteShifts('PSRLDQ', 3, false),
  ...byteShifts('PSLLDQ', 7, true),
  ...variable('PSRLVD', '45', variableDwords('shr_u'), 'W0'),
  ...variable('PSRLVQ', '45', variableQwords('shr_u'), 'W1'),
  ...variable('PSRAVD', '46', variableDwords('shr_s'), 'W0'),
  ...variable('PSLLVD', '47', variableDwords('shl'), 'W0'),
  ...variable('PSLLVQ', '47', variableQwords('shl'), 'W1'),
]
