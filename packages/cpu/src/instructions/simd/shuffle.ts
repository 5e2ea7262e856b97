import { i32, i64, select, v128 } from '@entresol/wasm-builder'
import type { Emitter, I64 } from '../../emit/emitter.ts'
import {
  bytes, dwords, i16x8, i32x4, i64x2, i8x16, IOTA, lowQword, qwords, shuffleQwords, words,
} from '../../emit/lanes.ts'
import type { I32, V128 } from '../../emit/lanes.ts'
import * as L from '../../state/layout.ts'
import { row } from '../row.ts'
import { enterMmx, immediateByte, legacyBinary, packed, vexBinary, vexUnary } from './forms.ts'
import type { RowOptions } from '../row.ts'
import type { Emit, Lane, Row } from './forms.ts'

/** Shuffles and blends within 128-bit lanes (SDM vol. 2, PSHUFB .., SHUFPS, PALIGNR, BLENDPS .., VPERMILPS). */

/** Two-bit fields 0, 1, 2, 3 of the immediate, one per doubleword. */
const fields = (imm: I32): V128 => v128.and(i32x4.shr_u(i32x4.mul(i32x4.splat(imm), dwords(64, 16, 4, 1)), i32.const(6)), dwords(3))
/** Byte indices of the doublewords that `fields` choose. */
const dwordIndices = (imm: I32): V128 => i32x4.add(i32x4.mul(fields(imm), dwords(0x04040404)), dwords(0x03020100))

export const shuffleDwordsByImmediate: Lane = (_, __, y, imm) => i8x16.swizzle(y, dwordIndices(imm))

/** PSHUFLW, PSHUFHW: four words chosen, the other four stay. */
const shuffleWordsByImmediate = (high: boolean): Lane => (_, __, y, imm) => {
  const scale = high ? words(0, 0, 0, 0, 64, 16, 4, 1) : words(64, 16, 4, 1, 0, 0, 0, 0)
  const base = high
    ? words(0x0100, 0x0302, 0x0504, 0x0706, 0x0908, 0x0908, 0x0908, 0x0908)
    : words(0x0100, 0x0100, 0x0100, 0x0100, 0x0908, 0x0b0a, 0x0d0c, 0x0f0e)
  const field = v128.and(i16x8.shr_u(i16x8.mul(i16x8.splat(imm), scale), i32.const(6)), words(3))
  return i8x16.swizzle(y, i16x8.add(i16x8.mul(field, words(0x0202)), base))
}

/** Indices with bit 7 set give zero, as swizzle's from 16 up do. */
const shuffleBytes: Lane = (_, x, y) => i8x16.swizzle(x, v128.and(y, bytes(0x8f)))
const shuffleBytesMmx: Lane = (_, x, y) => i8x16.swizzle(x, v128.and(y, bytes(0x87)))

/** Bytes imm .. imm + 15 of the second source below the first. */
const align: Lane = (b, x, y, imm) => {
  const indices = b.let(i8x16.add(IOTA, i8x16.splat(select(i32.gt_u(imm, i32.const(32)), i32.const(32), imm))))
  return v128.or(i8x16.swizzle(y, indices), i8x16.swizzle(x, i8x16.sub(indices, bytes(16))))
}
const alignMmx: Lane = (_, x, y, imm) =>
  i8x16.swizzle(shuffleQwords([0, 2], y, x), i8x16.add(IOTA, i8x16.splat(select(i32.gt_u(imm, i32.const(16)), i32.const(16), imm))))

const shufflePs: Lane = (b, x, y, imm) => {
  const indices = b.let(dwordIndices(imm))
  return shuffleQwords([0, 3], i8x16.swizzle(x, indices), i8x16.swizzle(y, indices))
}

const bit = (imm: I32, n: number): I32 => i32.and(i32.shr_u(imm, i32.const(n)), i32.const(1))
const chosenQword = (v: V128, high: I32): I64 => select(high, i64x2.extract_lane(v, 1), i64x2.extract_lane(v, 0))

/** The upper half of 256-bit forms uses immediate bits 2 and 3. */
const shufflePd: Lane = (_, x, y, imm, half) => qwords(chosenQword(x, bit(imm, 2 * half)), chosenQword(y, bit(imm, 2 * half + 1)))

/** Lanes whose immediate bit is set come from `y`. */
const bitMask = (imm: I32, size: 16 | 32 | 64, half: 0 | 1): V128 => {
  if (size === 16) return i16x8.eq(v128.and(i16x8.splat(imm), words(1, 2, 4, 8, 16, 32, 64, 128)), words(1, 2, 4, 8, 16, 32, 64, 128))
  const bits = (size === 32 ? [1, 2, 4, 8] : [1, 1, 2, 2]).map((v) => v << (half * (size === 32 ? 4 : 2)))
  return i32x4.eq(v128.and(i32x4.splat(imm), dwords(...bits)), dwords(...bits))
}
const blend = (size: 16 | 32 | 64): Lane => (_, x, y, imm, half) => v128.bitselect(y, x, bitMask(imm, size, half))

/** Sign bits spread over their lanes. */
const signs: Record<8 | 32 | 64, (v: V128) => V128> = {
  8: (v) => i8x16.shr_s(v, i32.const(7)), 32: (v) => i32x4.shr_s(v, i32.const(31)), 64: (v) => i64x2.shr_s(v, i32.const(63)),
}

/** Legacy variable blends choose by XMM0. */
const blendByXmm0 = (size: 8 | 32 | 64): Emit => (e) => {
  e.requireUnit('sse')
  const y = e.getV(1)
  const x = e.getV(0)
  e.setV(0, v128.bitselect(y, x, signs[size](xmm0(e))))
}
const xmm0 = (e: Emitter): V128 => qwords(e.field64(L.YMM), e.field64(L.YMM + 8))

const blendByRegister = (size: 8 | 32 | 64): Emit => (e) => {
  e.requireUnit('avx')
  if (e.vectorLength === 128) {
    const y = e.getV(2)
    return e.setV(0, v128.bitselect(y, e.getV(1), signs[size](e.getV(3))))
  }
  const halves = ([0, 1] as const).map((h) => v128.bitselect(e.getHalf(2, h), e.getHalf(1, h), signs[size](e.getHalf(3, h))))
  e.setHalves(0, halves[0]!, halves[1]!)
}

/** VPERMILPS, VPERMILPD with a control vector: bits 1:0 of each doubleword, bit 1 of each quadword. */
const permutePsByVector: Lane = (_, x, y) =>
  i8x16.swizzle(x, i32x4.add(i32x4.mul(v128.and(y, dwords(3)), dwords(0x04040404)), dwords(0x03020100)))
const permutePdByVector: Lane = (_, x, y) => {
  const high = (lane: number): I32 => i32.wrap_i64(i64.and(i64x2.extract_lane(y, lane), i64.const(2)))
  return qwords(chosenQword(x, high(0)), chosenQword(x, high(1)))
}
const permutePdByImmediate: Lane = (_, __, y, imm, half) => qwords(chosenQword(y, bit(imm, 2 * half)), chosenQword(y, bit(imm, 2 * half + 1)))

/** INSERTPS: a doubleword of the source (imm[7:6], or 32 bits of memory) goes to lane imm[5:4]; imm[3:0] clears lanes. */
const insertPs: Emit = (e) => {
  e.requireUnit(e.vex ? 'avx' : 'sse')
  const source = e.vex ? 2 : 1
  const imm = immediateByte(e)
  const value = e.isMemory(source)
    ? i32x4.splat(e.getV32(source))
    : i8x16.swizzle(e.getV(source), i32x4.add(i32x4.mul(i32x4.splat(i32.shr_u(imm, i32.const(6))), dwords(0x04040404)), dwords(0x03020100)))
  const place = i32x4.eq(i32x4.splat(i32.and(i32.shr_u(imm, i32.const(4)), i32.const(3))), dwords(0, 1, 2, 3))
  const inserted = v128.bitselect(value, e.getV(e.vex ? 1 : 0), place)
  e.setV(0, v128.andnot(inserted, bitMask(imm, 32, 0)))
}

const shuffleMmx: Emit = (e) => {
  e.requireUnit('mmx')
  const value = e.b.let(lowQword(e.getM(1)))
  enterMmx(e)
  e.setM(0, i64x2.extract_lane(shuffleWordsByImmediate(false)(e.b, value, value, immediateByte(e), 0), 0))
}

/** SHUFPS, SHUFPD, BLENDPS .. need only AVX for 256 bits. */
function floatForms(name: string, prefix: 'NP' | '66', map: '0F' | '0F3A', opcode: string, lane: Lane, feature: string): Row[] {
  const bytesOf = map === '0F' ? '0F' : '0F 3A'
  return [
    row(name, `${prefix} ${bytesOf} ${opcode} /r`, 'Vx,Wx,Ib', legacyBinary(lane, true), { feature }),
    row(`V${name}`, `VEX.LIG.${prefix}.${map}.WIG ${opcode} /r`, 'Vx,Hx,Wx,Ib', vexBinary(lane, true), AVX),
  ]
}

const variableBlend = (name: string, opcode: string, vexOpcode: string, size: 8 | 32 | 64, wide: string): Row[] => [
  row(name, `66 0F 38 ${opcode} /r`, 'Vx,Wx', blendByXmm0(size), { feature: 'sse4_1' }),
  row(`V${name}`, `VEX.128.66.0F3A.W0 ${vexOpcode} /r`, 'Vx,Hx,Wx,Lx', blendByRegister(size), AVX),
  row(`V${name}`, `VEX.256.66.0F3A.W0 ${vexOpcode} /r`, 'Vx,Hx,Wx,Lx', blendByRegister(size), { feature: wide }),
]

const AVX: RowOptions = { feature: 'avx' }

export const SHUFFLE: readonly Row[] = [
  row('PSHUFW', 'NP 0F 70 /r', 'Pq,Qq,Ib', shuffleMmx, { feature: 'sse' }),
  ...packed('PSHUFD', '70', shuffleDwordsByImmediate, { unary: true, immediate: true }),
  ...packed('PSHUFHW', '70', shuffleWordsByImmediate(true), { prefix: 'F3', unary: true, immediate: true }),
  ...packed('PSHUFLW', '70', shuffleWordsByImmediate(false), { prefix: 'F2', unary: true, immediate: true }),
  ...packed('PSHUFB', '00', shuffleBytes, { map: '0F38', sse: 'ssse3', mmx: { feature: 'ssse3', lane: shuffleBytesMmx } }),
  ...packed('PALIGNR', '0F', align, { map: '0F3A', sse: 'ssse3', mmx: { feature: 'ssse3', lane: alignMmx }, immediate: true }),
  ...floatForms('SHUFPS', 'NP', '0F', 'C6', shufflePs, 'sse'),
  ...floatForms('SHUFPD', '66', '0F', 'C6', shufflePd, 'sse2'),
  ...floatForms('BLENDPS', '66', '0F3A', '0C', blend(32), 'sse4_1'),
  ...floatForms('BLENDPD', '66', '0F3A', '0D', blend(64), 'sse4_1'),
  ...packed('PBLENDW', '0E', blend(16), { map: '0F3A', sse: 'sse4_1', immediate: true }),
  ...packed('PBLENDD', '02', blend(32), { map: '0F3A', sse: null, avx: 'avx2', immediate: true, w: 'W0' }),
  ...variableBlend('PBLENDVB', '10', '4C', 8, 'avx2'),
  ...variableBlend('BLENDVPS', '14', '4A', 32, 'avx'),
  ...variableBlend('BLENDVPD', '15', '4B', 64, 'avx'),
  row('VPERMILPS', 'VEX.LIG.66.0F38.W0 0C /r', 'Vx,Hx,Wx', vexBinary(permutePsByVector), AVX),
  row('VPERMILPD', 'VEX.LIG.66.0F38.W0 0D /r', 'Vx,Hx,Wx', vexBinary(permutePdByVector), AVX),
  row('VPERMILPS', 'VEX.LIG.66.0F3A.W0 04 /r', 'Vx,Wx,Ib', vexUnary(shuffleDwordsByImmediate, true), AVX),
  row('VPERMILPD', 'VEX.LIG.66.0F3A.W0 05 /r', 'Vx,Wx,Ib', vexUnary(permutePdByImmediate, true), AVX),
  row('INSERTPS', '66 0F 3A 21 /r', 'Vdq,Wd,Ib', insertPs, { feature: 'sse4_1' }),
  row('VINSERTPS', 'VEX.128.66.0F3A.WIG 21 /r', 'Vdq,Hdq,Wd,Ib', insertPs, AVX),
]
