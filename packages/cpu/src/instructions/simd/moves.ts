import { i32 } from '@entresol/wasm-builder'
import { zero64 } from '../../emit/arithmetic.ts'
import type { Emitter, I64, Int } from '../../emit/emitter.ts'
import { i64x2, lowDword, lowQword, shuffleDwords, shuffleQwords } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { enterMmx, legacyUnary, requireVector, vexUnary } from './forms.ts'
import type { Emit, Lane, Prefix, Row } from './forms.ts'

/** Moves between vector registers and memory (SDM vol. 2, MOVAPS .. MOVUPS, LDDQU, MOVNT*, MOVDDUP, MOVSLDUP). */

/** Copies the whole register or memory operand; `align` demands natural alignment of memory, also from VEX forms. */
const move = (align: boolean): Emit => (e) => {
  requireVector(e)
  if (align && (e.isMemory(0) || e.isMemory(1))) e.requireAligned(e.vectorLength / 8, e.isMemory(0))
  if (e.vectorLength === 128) e.setV(0, e.getV(1, true), true)
  else {
    const [low, high] = [e.getHalf(1, 0), e.getHalf(1, 1)]
    e.setHalves(0, low, high)
  }
}

/** The low quadword; a register destination's upper part becomes zero. */
const moveLowQword: Emit = (e) => {
  requireVector(e)
  const value = e.getV64(1)
  if (e.isMemory(0)) e.setV64(0, value)
  else e.setV(0, lowQword(value))
}

/** From a general register or memory, zero-extended. */
const fromInteger: Emit = (e) => {
  requireVector(e)
  e.setV(0, lowQword(zero64(e.get(1))))
}

const truncated = (e: Emitter, operand: number, value: I64): Int => (e.widthOf(operand) === 64 ? value : i32.wrap_i64(value))

const toInteger: Emit = (e) => {
  requireVector(e)
  e.set(0, truncated(e, 0, e.getV64(1)))
}

/** MOVLPS, MOVLPD from memory: the upper quadword is kept, or of VEX forms the first source's. */
const loadLow: Emit = (e) => {
  requireVector(e)
  if (!e.vex) return e.setV64(0, e.getV64(1))
  const value = e.getV64(2)
  e.setV64(0, value, e.getV(1))
}

const loadHigh: Emit = (e) => {
  requireVector(e)
  const value = e.getV64(e.vex ? 2 : 1)
  e.setV(0, i64x2.replace_lane(e.getV(e.vex ? 1 : 0), 1, value))
}

const storeLow: Emit = (e) => {
  requireVector(e)
  e.setV64(0, e.getV64(1))
}

const storeHigh: Emit = (e) => {
  requireVector(e)
  e.setV64(0, i64x2.extract_lane(e.getV(1), 1))
}

/** Two registers: `lanes` of (first source, second source) by quadword. */
const quadwords = (lanes: readonly [number, number]): Emit => (e) => {
  requireVector(e)
  const y = e.getV(e.vex ? 2 : 1)
  e.setV(0, shuffleQwords(lanes, e.getV(e.vex ? 1 : 0), y))
}

/** MOVSS and MOVSD: between registers the rest is kept or the first source's, from memory it becomes zero. */
const loadScalar = (width: 32 | 64): Emit => (e) => {
  requireVector(e)
  e.setV(0, width === 32 ? lowDword(e.getV32(1)) : lowQword(e.getV64(1)))
}

const storeScalar = (width: 32 | 64): Emit => (e) => {
  requireVector(e)
  if (width === 32) e.setV32(0, e.getV32(1))
  else e.setV64(0, e.getV64(1))
}

const mergeScalar = (width: 32 | 64, [target, first, source]: readonly [number, number, number]): Emit => (e) => {
  requireVector(e)
  const upper = e.vex ? e.getV(first) : undefined
  if (width === 32) e.setV32(target, e.getV32(source), upper)
  else e.setV64(target, e.getV64(source), upper)
}

const storeInteger: Emit = (e) => e.set(0, e.get(1))

/** The value of the low quadword twice; 128-bit forms read only it. */
const duplicateLow: Emit = (e) => {
  requireVector(e)
  if (e.vectorLength === 128) return e.setV(0, i64x2.splat(e.getV64(1)))
  const [low, high] = [e.getHalf(1, 0), e.getHalf(1, 1)]
  e.setHalves(0, shuffleQwords([0, 0], low), shuffleQwords([0, 0], high))
}

const evenTwice: Lane = (_, __, y) => shuffleDwords([0, 0, 2, 2], y)
const oddTwice: Lane = (_, __, y) => shuffleDwords([1, 1, 3, 3], y)

/** Load and store opcodes of a full-width move, legacy and VEX. */
function full(name: string, prefix: Prefix, load: string, store: string, align: boolean, feature: string, memory = false): Row[] {
  const emit = move(align)
  const W = memory ? 'Mx' : 'Wx'
  const rows: Row[] = []
  for (const [opcode, operands] of [[load, `Vx,${W}`], [store, `${W},Vx`]] as const) {
    if (opcode === '') continue
    const map = opcode.includes(' ') ? '0F38' : '0F'
    const form = `/r${memory ? ' !mod3' : ''}`
    rows.push(row(name, `${prefix} 0F ${opcode} ${form}`, operands, emit, { feature }))
    // MOVNTDQA's 256-bit form came with AVX2.
    const [narrow, wide] = map === '0F38' ? ['VEX.128', 'VEX.256'] as const : ['VEX.LIG', undefined] as const
    const last = opcode.split(' ').at(-1)!
    rows.push(row(`V${name}`, `${narrow}.${prefix}.${map}.WIG ${last} ${form}`, operands, emit, { feature: 'avx' }))
    if (wide) rows.push(row(`V${name}`, `${wide}.${prefix}.${map}.WIG ${last} ${form}`, operands, emit, { feature: 'avx2' }))
  }
  return rows
}

/** MOVLPS, MOVHPS and their PD twins. */
function halves(name: string, prefix: 'NP' | '66', load: string, store: string, high: boolean): Row[] {
  const feature = prefix === 'NP' ? 'sse' : 'sse2'
  const [loading, storing] = high ? [loadHigh, storeHigh] : [loadLow, storeLow]
  return [
    row(name, `${prefix} 0F ${load} /r !mod3`, 'Vx,Mq', loading, { feature }),
    row(name, `${prefix} 0F ${store} /r !mod3`, 'Mq,Vx', storing, { feature }),
    row(`V${name}`, `VEX.128.${prefix}.0F.WIG ${load} /r !mod3`, 'Vx,Hx,Mq', loading, { feature: 'avx' }),
    row(`V${name}`, `VEX.128.${prefix}.0F.WIG ${store} /r !mod3`, 'Mq,Vx', storing, { feature: 'avx' }),
  ]
}

function scalar(name: string, prefix: 'F3' | 'F2', width: 32 | 64): Row[] {
  const feature = width === 32 ? 'sse' : 'sse2'
  const m = width === 32 ? 'Md' : 'Mq'
  return [
    row(name, `${prefix} 0F 10 /r !mod3`, `Vdq,${m}`, loadScalar(width), { feature }),
    row(name, `${prefix} 0F 10 /r mod3`, 'Vdq,Udq', mergeScalar(width, [0, 0, 1]), { feature }),
    row(name, `${prefix} 0F 11 /r !mod3`, `${m},Vdq`, storeScalar(width), { feature }),
    row(name, `${prefix} 0F 11 /r mod3`, 'Udq,Vdq', mergeScalar(width, [0, 0, 1]), { feature }),
    row(`V${name}`, `VEX.LIG.${prefix}.0F.WIG 10 /r !mod3`, `Vdq,${m}`, loadScalar(width), { feature: 'avx' }),
    row(`V${name}`, `VEX.LIG.${prefix}.0F.WIG 10 /r mod3`, 'Vdq,Hdq,Udq', mergeScalar(width, [0, 1, 2]), { feature: 'avx' }),
    row(`V${name}`, `VEX.LIG.${prefix}.0F.WIG 11 /r !mod3`, `${m},Vdq`, storeScalar(width), { feature: 'avx' }),
    row(`V${name}`, `VEX.LIG.${prefix}.0F.WIG 11 /r mod3`, 'Udq,Hdq,Vdq', mergeScalar(width, [0, 1, 2]), { feature: 'avx' }),
  ]
}

const qwordToMmx: Emit = (e) => {
  e.requireUnit('sse')
  e.requireUnit('mmx')
  const value = e.getV64(1)
  enterMmx(e)
  e.setM(0, value)
}

const qwordFromMmx: Emit = (e) => {
  e.requireUnit('sse')
  e.requireUnit('mmx')
  const value = e.getM(1)
  enterMmx(e)
  e.setV(0, lowQword(value))
}

export const SIMD_MOVES: readonly Row[] = [
  ...full('MOVAPS', 'NP', '28', '29', true, 'sse'),
  ...full('MOVAPD', '66', '28', '29', true, 'sse2'),
  ...full('MOVUPS', 'NP', '10', '11', false, 'sse'),
  ...full('MOVUPD', '66', '10', '11', false, 'sse2'),
  ...full('MOVDQA', '66', '6F', '7F', true, 'sse2'),
  ...full('MOVDQU', 'F3', '6F', '7F', false, 'sse2'),
  ...full('LDDQU', 'F2', 'F0', '', false, 'pni', true),
  ...full('MOVNTPS', 'NP', '', '2B', true, 'sse', true),
  ...full('MOVNTPD', '66', '', '2B', true, 'sse2', true),
  ...full('MOVNTDQ', '66', '', 'E7', true, 'sse2', true),
  ...full('MOVNTDQA', '66', '38 2A', '', true, 'sse4_1', true),
  row('MOVNTI', 'NP 0F C3 /r !mod3', 'My,Gy', storeInteger, { feature: 'sse2' }),
  ...scalar('MOVSS', 'F3', 32),
  ...scalar('MOVSD', 'F2', 64),
  ...halves('MOVLPS', 'NP', '12', '13', false),
  ...halves('MOVLPD', '66', '12', '13', false),
  ...halves('MOVHPS', 'NP', '16', '17', true),
  ...halves('MOVHPD', '66', '16', '17', true),
  row('MOVHLPS', 'NP 0F 12 /r mod3', 'Vx,Ux', quadwords([3, 1]), { feature: 'sse' }),
  row('MOVLHPS', 'NP 0F 16 /r mod3', 'Vx,Ux', quadwords([0, 2]), { feature: 'sse' }),
  row('VMOVHLPS', 'VEX.128.NP.0F.WIG 12 /r mod3', 'Vx,Hx,Ux', quadwords([3, 1]), { feature: 'avx' }),
  row('VMOVLHPS', 'VEX.128.NP.0F.WIG 16 /r mod3', 'Vx,Hx,Ux', quadwords([0, 2]), { feature: 'avx' }),
  row('MOVDDUP', 'F2 0F 12 /r', 'Vx,Wq', duplicateLow, { feature: 'pni' }),
  row('VMOVDDUP', 'VEX.128.F2.0F.WIG 12 /r', 'Vx,Wq', duplicateLow, { feature: 'avx' }),
  row('VMOVDDUP', 'VEX.256.F2.0F.WIG 12 /r', 'Vx,Wx', duplicateLow, { feature: 'avx' }),
  ...([['MOVSLDUP', '12', evenTwice], ['MOVSHDUP', '16', oddTwice]] as const).flatMap(([name, opcode, lane]) => [
    row(name, `F3 0F ${opcode} /r`, 'Vx,Wx', legacyUnary(lane), { feature: 'pni' }),
    row(`V${name}`, `VEX.LIG.F3.0F.WIG ${opcode} /r`, 'Vx,Wx', vexUnary(lane), { feature: 'avx' }),
  ]),
  row('MOVD', '66 0F 6E /r', 'Vx,Ey', fromInteger, { feature: 'sse2' }),
  row('MOVD', '66 0F 7E /r', 'Ey,Vx', toInteger, { feature: 'sse2' }),
  row('VMOVD', 'VEX.128.66.0F 6E /r', 'Vx,Ey', fromInteger, { feature: 'avx' }),
  row('VMOVD', 'VEX.128.66.0F 7E /r', 'Ey,Vx', toInteger, { feature: 'avx' }),
  row('MOVQ', 'F3 0F 7E /r', 'Vx,Wq', moveLowQword, { feature: 'sse2' }),
  row('MOVQ', '66 0F D6 /r', 'Wq,Vx', moveLowQword, { feature: 'sse2' }),
  row('VMOVQ', 'VEX.128.F3.0F.WIG 7E /r', 'Vx,Wq', moveLowQword, { feature: 'avx' }),
  row('VMOVQ', 'VEX.128.66.0F.WIG D6 /r', 'Wq,Vx', moveLowQword, { feature: 'avx' }),
  row('MOVDQ2Q', 'F2 0F D6 /r mod3', 'Pq,Ux', qwordToMmx, { feature: 'sse2' }),
  row('MOVQ2DQ', 'F3 0F D6 /r mod3', 'Vx,Nq', qwordFromMmx, { feature: 'sse2' }),
]

/** MOVD and MOVQ of MMX registers, EMMS. */
const mmxFromInteger: Emit = (e) => {
  e.requireUnit('mmx')
  const value = zero64(e.get(1))
  enterMmx(e)
  e.setM(0, value)
}

const mmxToInteger: Emit = (e) => {
  e.requireUnit('mmx')
  e.set(0, truncated(e, 0, e.getM(1)))
  enterMmx(e)
}

const mmxMove: Emit = (e) => {
  e.requireUnit('mmx')
  e.setM(0, e.getM(1))
  enterMmx(e)
}

export const MMX_MOVES: readonly Row[] = [
  row('MOVD', 'NP 0F 6E /r', 'Pq,Ey', mmxFromInteger, { feature: 'mmx' }),
  row('MOVD', 'NP 0F 7E /r', 'Ey,Pq', mmxToInteger, { feature: 'mmx' }),
  row('MOVQ', 'NP 0F 6F /r', 'Pq,Qq', mmxMove, { feature: 'mmx' }),
  row('MOVQ', 'NP 0F 7F /r', 'Qq,Pq', mmxMove, { feature: 'mmx' }),
  row('MOVNTQ', 'NP 0F E7 /r !mod3', 'Mq,Pq', mmxMove, { feature: 'sse' }),
]
