import { i32, select, v128 } from '@entresol/wasm-builder'
import type { Emitter, I64 } from '../../emit/emitter.ts'
import { dwords, i16x8, i32x4, i64x2, i8x16, ZERO } from '../../emit/lanes.ts'
import type { I32, V128 } from '../../emit/lanes.ts'
import * as L from '../../state/layout.ts'
import { row } from '../row.ts'
import { immediateByte } from './forms.ts'
import type { Emit, Row } from './forms.ts'

/** Broadcasts, 128-bit lanes in and out, permutations across lanes, VZEROUPPER, EMMS (SDM vol. 2, V..). */

/** Fills the destination with the lowest `size` bytes of the source. */
const broadcast = (size: 1 | 2 | 4 | 8): Emit => (e) => {
  e.requireUnit('avx')
  const value = e.b.let(filled(e, size))
  if (e.vectorLength === 128) e.setV(0, value)
  else e.setHalves(0, value, value)
}

function filled(e: Emitter, size: 1 | 2 | 4 | 8): V128 {
  if (size === 8) return i64x2.splat(e.getV64(1))
  if (size === 4) return i32x4.splat(e.getV32(1))
  if (!e.isMemory(1)) return (size === 1 ? i8x16 : i16x8).splat(e.getV32(1))
  const address = e.readAddress(size)
  return size === 1 ? i8x16.splat(i32.load8_u(address)) : i16x8.splat(i32.load16_u(address))
}

const broadcast128: Emit = (e) => {
  e.requireUnit('avx')
  const value = e.getV(1)
  e.setHalves(0, value, value)
}

const bit = (imm: I32, n: number): I32 => i32.and(i32.shr_u(imm, i32.const(n)), i32.const(1))

const insert128: Emit = (e) => {
  e.requireUnit('avx')
  const value = e.getV(2)
  const [low, high] = [e.getHalf(1, 0), e.getHalf(1, 1)]
  const upper = e.b.let(bit(immediateByte(e), 0))
  e.setHalves(0, select(upper, low, value), select(upper, value, high))
}

const extract128: Emit = (e) => {
  e.requireUnit('avx')
  e.setV(0, select(bit(immediateByte(e), 0), e.getHalf(1, 1), e.getHalf(1, 0)))
}

/** Each half: one of the four 128-bit lanes of both sources by imm[1:0] and imm[5:4], or zero by imm[3] and imm[7]. */
const permute128: Emit = (e) => {
  e.requireUnit('avx')
  const sources = [e.getHalf(1, 0), e.getHalf(1, 1), e.getHalf(2, 0), e.getHalf(2, 1)] as const
  const imm = immediateByte(e)
  const chosen = (at: number): V128 => {
    const pair = (first: 0 | 2): V128 => select(bit(imm, at), sources[first + 1]!, sources[first]!)
    return select(bit(imm, at + 3), ZERO, select(bit(imm, at + 1), pair(2), pair(0)))
  }
  e.setHalves(0, chosen(0), chosen(4))
}

/** VPERMQ, VPERMPD: each quadword by two bits of the immediate. */
const permuteQwords: Emit = (e) => {
  e.requireUnit('avx')
  const [low, high] = [e.getHalf(1, 0), e.getHalf(1, 1)]
  const imm = immediateByte(e)
  const chosen = (n: number): I64 => {
    const half = e.b.let(select(bit(imm, 2 * n + 1), high, low))
    return select(bit(imm, 2 * n), i64x2.extract_lane(half, 1), i64x2.extract_lane(half, 0))
  }
  const pair = (n: number): V128 => i64x2.replace_lane(i64x2.splat(chosen(n)), 1, chosen(n + 1))
  e.setHalves(0, pair(0), pair(2))
}

/** VPERMD, VPERMPS: each doubleword by the low three bits of the first source's. */
const permuteDwords: Emit = (e) => {
  e.requireUnit('avx')
  const [low, high] = [e.getHalf(2, 0), e.getHalf(2, 1)]
  const chosen = (control: V128): V128 => {
    // Indices of bytes in the low half, and sixteen less for the high half: swizzle gives zero where they are outside.
    const index = e.b.let(i32x4.add(i32x4.mul(v128.and(control, dwords(7)), dwords(0x04040404)), dwords(0x03020100)))
    return v128.or(i8x16.swizzle(low, index), i8x16.swizzle(high, i8x16.sub(index, dwords(0x10101010))))
  }
  e.setHalves(0, chosen(e.getHalf(1, 0)), chosen(e.getHalf(1, 1)))
}

/** All registers the mode has: sixteen in 64-bit mode, eight otherwise. */
const zeroRegisters = (all: boolean): Emit => (e) => {
  e.requireUnit('avx')
  const clear = (from: number): void => {
    for (let n = from; n < from + 8; n++) {
      if (all) e.setVectorHalf(n, 0, ZERO)
      e.setVectorHalf(n, 1, ZERO)
    }
  }
  clear(0)
  e.b.if(e.is64(), () => clear(8))
}

const emptyMmx: Emit = (e) => {
  e.requireUnit('mmx')
  e.setField32(L.FPU_TOP, i32.const(0))
  e.setField32(L.FPU_EMPTY, i32.const(0xff))
}

const AVX = { feature: 'avx' } as const
const AVX2 = { feature: 'avx2' } as const

const broadcasts = (name: string, opcode: string, size: 1 | 2 | 4 | 8): Row => {
  const operand = { 1: 'Wb', 2: 'Ww', 4: 'Wd', 8: 'Wq' }[size]
  return row(name, `VEX.LIG.66.0F38.W0 ${opcode} /r`, `Vx,${operand}`, broadcast(size), AVX2)
}

export const PERMUTE: readonly Row[] = [
  row('EMMS', 'NP 0F 77', '', emptyMmx, { feature: 'mmx' }),
  row('VZEROUPPER', 'VEX.128.NP.0F.WIG 77', '', zeroRegisters(false), AVX),
  row('VZEROALL', 'VEX.256.NP.0F.WIG 77', '', zeroRegisters(true), AVX),
  // Register sources of these two came with AVX2.
  row('VBROADCASTSS', 'VEX.LIG.66.0F38.W0 18 /r !mod3', 'Vx,Md', broadcast(4), AVX),
  row('VBROADCASTSD', 'VEX.256.66.0F38.W0 19 /r !mod3', 'Vx,Mq', broadcast(8), AVX),
  row('VBROADCASTSS', 'VEX.LIG.66.0F38.W0 18 /r mod3', 'Vx,Ux', broadcast(4), AVX2),
  row('VBROADCASTSD', 'VEX.256.66.0F38.W0 19 /r mod3', 'Vx,Ux', broadcast(8), AVX2),
  row('VBROADCASTF128', 'VEX.256.66.0F38.W0 1A /r !mod3', 'Vx,Mdq', broadcast128, AVX),
  row('VBROADCASTI128', 'VEX.256.66.0F38.W0 5A /r !mod3', 'Vx,Mdq', broadcast128, AVX2),
  broadcasts('VPBROADCASTB', '78', 1),
  broadcasts('VPBROADCASTW', '79', 2),
  broadcasts('VPBROADCASTD', '58', 4),
  broadcasts('VPBROADCASTQ', '59', 8),
  row('VINSERTF128', 'VEX.256.66.0F3A.W0 18 /r', 'Vx,Hx,Wdq,Ib', insert128, AVX),
  row('VINSERTI128', 'VEX.256.66.0F3A.W0 38 /r', 'Vx,Hx,Wdq,Ib', insert128, AVX2),
  row('VEXTRACTF128', 'VEX.256.66.0F3A.W0 19 /r', 'Wdq,Vx,Ib', extract128, AVX),
  row('VEXTRACTI128', 'VEX.256.66.0F3A.W0 39 /r', 'Wdq,Vx,Ib', extract128, AVX2),
  row('VPERM2F128', 'VEX.256.66.0F3A.W0 06 /r', 'Vx,Hx,Wx,Ib', permute128, AVX),
  row('VPERM2I128', 'VEX.256.66.0F3A.W0 46 /r', 'Vx,Hx,Wx,Ib', permute128, AVX2),
  row('VPERMQ', 'VEX.256.66.0F3A.W1 00 /r', 'Vx,Wx,Ib', permuteQwords, AVX2),
  row('VPERMPD', 'VEX.256.66.0F3A.W1 01 /r', 'Vx,Wx,Ib', permuteQwords, AVX2),
  row('VPERMPS', 'VEX.256.66.0F38.W0 16 /r', 'Vx,Hx,Wx', permuteDwords, AVX2),
  row('VPERMD', 'VEX.256.66.0F38.W0 36 /r', 'Vx,Hx,Wx', permuteDwords, AVX2),
]
