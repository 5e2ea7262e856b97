import { i32, i64, v128 } from '@entresol/wasm-builder'
import { zero64 } from '../../emit/arithmetic.ts'
import type { Emitter, I64, Int } from '../../emit/emitter.ts'
import { bytes, dwords, i16x8, i32x4, i64x2, i8x16, IOTA, words } from '../../emit/lanes.ts'
import type { I32, V128 } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { enterMmx, immediateByte, legacy, requireVector } from './forms.ts'
import type { Emit, Row } from './forms.ts'

/** Single elements between general registers or memory and vector registers (SDM vol. 2, PINSRB .., PEXTRB .., EXTRACTPS). */

type Size = 1 | 2 | 4 | 8

/** All ones in the lane that the immediate names. */
function laneMask(imm: I32, size: Size): V128 {
  const lane = i32.and(imm, i32.const(16 / size - 1))
  if (size === 1) return i8x16.eq(i8x16.splat(lane), IOTA)
  if (size === 2) return i16x8.eq(i16x8.splat(lane), words(0, 1, 2, 3, 4, 5, 6, 7))
  if (size === 4) return i32x4.eq(i32x4.splat(lane), dwords(0, 1, 2, 3))
  return i32x4.eq(i32x4.splat(lane), dwords(0, 0, 1, 1))
}

function splat(value: Int, size: Size): V128 {
  if (value.type === 'i64') return i64x2.splat(value)
  return size === 1 ? i8x16.splat(value) : size === 2 ? i16x8.splat(value) : i32x4.splat(value)
}

/** The source's value: a whole general register, or `size` bytes of memory. */
function element(e: Emitter, operand: number, size: Size): Int {
  if (!e.isMemory(operand) || size >= 4) return e.get(operand)
  const address = e.readAddress(size)
  return e.b.let(size === 1 ? i32.load8_u(address) : i32.load16_u(address))
}

const insert = (fixed: 1 | 2 | undefined): Emit => (e) => {
  requireVector(e)
  const source = e.vex ? 2 : 1
  const size = fixed ?? (e.widthOf(source) === 64 ? 8 : 4)
  const value = element(e, source, size)
  e.setV(0, v128.bitselect(splat(value, size), e.getV(e.vex ? 1 : 0), laneMask(immediateByte(e), size)))
}

/** The element in the low bytes, zero-extended. */
const extracted = (e: Emitter, from: V128, size: Size): V128 => {
  const start = i32.mul(i32.and(immediateByte(e), i32.const(16 / size - 1)), i32.const(size))
  const index = i8x16.add(IOTA, i8x16.splat(start))
  return v128.and(i8x16.swizzle(from, index), bytes(...Array.from({ length: 16 }, (_, i) => (i < size ? 0xff : 0))))
}

const extract = (fixed: 1 | 2 | 4 | undefined): Emit => (e) => {
  requireVector(e)
  const size = fixed ?? (e.widthOf(0) === 64 ? 8 : 4)
  const value = e.b.let(extracted(e, e.getV(1), size))
  if (e.isMemory(0) && size < 4) {
    const address = e.writeAddress(size)
    e.b.store(size === 1 ? 'i32_8' : 'i32_16', address, 0, i32x4.extract_lane(value, 0))
    e.commit(address)
  } else e.set(0, e.widthOf(0) === 64 ? i64x2.extract_lane(value, 0) : i32x4.extract_lane(value, 0))
}

/** PINSRW and PEXTRW of MMX registers: the shift that the lane number asks for. */
const laneShift = (e: Emitter): I64 =>
  e.b.let(i64.extend_i32_u(i32.shl(i32.and(immediateByte(e), i32.const(3)), i32.const(4))))

const insertMmx: Emit = (e) => {
  e.requireUnit('mmx')
  const value = i64.and(zero64(element(e, 1, 2)), i64.const(0xffff))
  const old = e.getM(0)
  enterMmx(e)
  const shift = laneShift(e)
  e.setM(0, i64.or(i64.and(old, i64.xor(i64.shl(i64.const(0xffff), shift), i64.const(-1))), i64.shl(value, shift)))
}

const extractMmx: Emit = (e) => {
  e.requireUnit('mmx')
  const value = e.getM(1)
  enterMmx(e)
  e.set(0, i32.and(i32.wrap_i64(i64.shr_u(value, laneShift(e))), i32.const(0xffff)))
}

const avx = { feature: 'avx' } as const
const sse4 = { feature: 'sse4_1' } as const

function insertions(name: string, map: '0F' | '0F3A', opcode: string, size: 1 | 2, feature: string): Row[] {
  const m = size === 1 ? 'Mb' : 'Mw'
  return [
    row(name, legacy('66', map, opcode, '/r !mod3'), `Vdq,${m},Ib`, insert(size), { feature }),
    row(name, legacy('66', map, opcode, '/r mod3'), 'Vdq,Rd,Ib', insert(size), { feature }),
    row(`V${name}`, `VEX.128.66.${map} ${opcode} /r !mod3`, `Vdq,Hdq,${m},Ib`, insert(size), avx),
    row(`V${name}`, `VEX.128.66.${map} ${opcode} /r mod3`, 'Vdq,Hdq,Rd,Ib', insert(size), avx),
  ]
}

export const INSERT_EXTRACT: readonly Row[] = [
  row('PINSRW', 'NP 0F C4 /r !mod3', 'Pq,Mw,Ib', insertMmx, { feature: 'sse' }),
  row('PINSRW', 'NP 0F C4 /r mod3', 'Pq,Rd,Ib', insertMmx, { feature: 'sse' }),
  row('PEXTRW', 'NP 0F C5 /r mod3', 'Gd,Nq,Ib', extractMmx, { feature: 'sse' }),
  ...insertions('PINSRW', '0F', 'C4', 2, 'sse2'),
  ...insertions('PINSRB', '0F3A', '20', 1, 'sse4_1'),
  row('PINSRD', '66 0F 3A 22 /r', 'Vdq,Ey,Ib', insert(undefined), sse4),
  row('VPINSRD', 'VEX.128.66.0F3A.W0 22 /r', 'Vdq,Hdq,Ed,Ib', insert(undefined), avx),
  row('VPINSRQ', 'VEX.128.66.0F3A.W1 22 /r o64', 'Vdq,Hdq,Eq,Ib', insert(undefined), avx),
  row('PEXTRW', '66 0F C5 /r mod3', 'Gd,Udq,Ib', extract(2), { feature: 'sse2' }),
  row('VPEXTRW', 'VEX.128.66.0F C5 /r mod3', 'Gd,Udq,Ib', extract(2), avx),
  ...([['PEXTRB', '14', 1], ['PEXTRW', '15', 2], ['EXTRACTPS', '17', 4]] as const).flatMap(([name, opcode, size]) => {
    const m = size === 1 ? 'Mb' : size === 2 ? 'Mw' : 'Md'
    return [
      row(name, `66 0F 3A ${opcode} /r !mod3`, `${m},Vdq,Ib`, extract(size), sse4),
      row(name, `66 0F 3A ${opcode} /r mod3`, 'Rd,Vdq,Ib', extract(size), sse4),
      row(`V${name}`, `VEX.128.66.0F3A ${opcode} /r !mod3`, `${m},Vdq,Ib`, extract(size), avx),
      row(`V${name}`, `VEX.128.66.0F3A ${opcode} /r mod3`, 'Rd,Vdq,Ib', extract(size), avx),
    ]
  }),
  row('PEXTRD', '66 0F 3A 16 /r', 'Ey,Vdq,Ib', extract(undefined), sse4),
  row('VPEXTRD', 'VEX.128.66.0F3A.W0 16 /r', 'Ed,Vdq,Ib', extract(undefined), avx),
  row('VPEXTRQ', 'VEX.128.66.0F3A.W1 16 /r o64', 'Eq,Vdq,Ib', extract(undefined), avx),
]
