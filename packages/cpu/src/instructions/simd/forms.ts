import { i32 } from '@entresol/wasm-builder'
import type { Emitter } from '../../emit/emitter.ts'
import { i64x2, lowQword, shuffleQwords } from '../../emit/lanes.ts'
import type { FunctionBuilder, I32, V128 } from '../../emit/lanes.ts'
import * as L from '../../state/layout.ts'
import { row } from '../row.ts'
import type { Emit, Row } from '../row.ts'

/**
 * What an operation does to 128 bits. `x` is the first source (of legacy forms the destination), `y` the second; both are bound.
 * `imm` is the bound immediate byte, 0 without one; `half` is 1 for the upper half of a 256-bit operation.
 */
export type Lane = (b: FunctionBuilder, x: V128, y: V128, imm: I32, half: 0 | 1) => V128

export type Prefix = 'NP' | '66' | 'F3' | 'F2'
export type Map = '0F' | '0F38' | '0F3A'

const MAP_BYTES: Record<Map, string> = { '0F': '0F', '0F38': '0F 38', '0F3A': '0F 3A' }

/** Legacy encoding text. */
export const legacy = (prefix: Prefix, map: Map, opcode: string, rest = '/r'): string => `${prefix} ${MAP_BYTES[map]} ${opcode} ${rest}`

export const immediateByte = (e: Emitter): I32 => e.b.let(i32.and(i32.wrap_i64(e.immediate()), i32.const(0xff)))

/** Every MMX instruction but EMMS: TOP becomes 0 and every register valid (SDM vol. 1, 9.5.1). Behind the last faulting access. */
export function enterMmx(e: Emitter): void {
  e.setField32(L.FPU_TOP, i32.const(0))
  e.setField32(L.FPU_EMPTY, i32.const(0))
}

/** dst = lane(dst, src): legacy 128-bit form. */
export const legacyBinary = (lane: Lane, immediate = false, unaligned = false): Emit => (e) => {
  e.requireUnit('sse')
  const y = e.getV(1, unaligned)
  const x = e.getV(0)
  e.setV(0, lane(e.b, x, y, immediate ? immediateByte(e) : i32.const(0), 0))
}

/** dst = lane(src): legacy 128-bit form; the operation ignores `x`. */
export const legacyUnary = (lane: Lane, immediate = false, unaligned = false): Emit => (e) => {
  e.requireUnit('sse')
  const y = e.getV(1, unaligned)
  e.setV(0, lane(e.b, y, y, immediate ? immediateByte(e) : i32.const(0), 0))
}

/** dst = lane(src1, src2), 128 or 256 bits. */
export const vexBinary = (lane: Lane, immediate = false): Emit => (e) => {
  e.requireUnit('avx')
  const imm = immediate ? immediateByte(e) : i32.const(0)
  if (e.vectorLength === 128) {
    const y = e.getV(2)
    e.setV(0, lane(e.b, e.getV(1), y, imm, 0))
    return
  }
  const [y0, y1] = [e.getHalf(2, 0), e.getHalf(2, 1)]
  const [x0, x1] = [e.getHalf(1, 0), e.getHalf(1, 1)]
  e.setHalves(0, lane(e.b, x0, y0, imm, 0), lane(e.b, x1, y1, imm, 1))
}

/** dst = lane(src), 128 or 256 bits. */
export const vexUnary = (lane: Lane, immediate = false): Emit => (e) => {
  e.requireUnit('avx')
  const imm = immediate ? immediateByte(e) : i32.const(0)
  if (e.vectorLength === 128) {
    const y = e.getV(1)
    e.setV(0, lane(e.b, y, y, imm, 0))
    return
  }
  const [y0, y1] = [e.getHalf(1, 0), e.getHalf(1, 1)]
  e.setHalves(0, lane(e.b, y0, y0, imm, 0), lane(e.b, y1, y1, imm, 1))
}

/**
 * How 64-bit operands are put before a 128-bit lane function, whose low half is the result: `each` operand in the low half,
 * or `joined`: both as one vector (second source above), given twice: packs and horizontal sums, whose result is the low half then.
 */
export type MmxShape = 'each' | 'joined'

export const mmxBinary = (lane: Lane, shape: MmxShape = 'each', immediate = false): Emit => (e) => {
  e.requireUnit('mmx')
  const y = e.b.let(lowQword(e.getM(1)))
  const x = e.b.let(lowQword(e.getM(0)))
  enterMmx(e)
  const imm = immediate ? immediateByte(e) : i32.const(0)
  if (shape === 'each') e.setM(0, i64x2.extract_lane(lane(e.b, x, y, imm, 0), 0))
  else {
    const both = e.b.let(shuffleQwords([0, 2], x, y))
    e.setM(0, i64x2.extract_lane(lane(e.b, both, both, imm, 0), 0))
  }
}

export const mmxUnary = (lane: Lane, immediate = false): Emit => (e) => {
  e.requireUnit('mmx')
  const y = e.b.let(lowQword(e.getM(1)))
  enterMmx(e)
  e.setM(0, i64x2.extract_lane(lane(e.b, y, y, immediate ? immediateByte(e) : i32.const(0), 0), 0))
}

export interface PackedOptions {
  readonly map?: Map
  readonly prefix?: Prefix
  /** Features of the legacy, VEX.128 and VEX.256 forms; no VEX.256 form when `wide` is null, no legacy form when `sse` is null. */
  readonly sse?: string | null
  readonly avx?: string | null
  readonly wide?: string | null
  /** MMX form: its feature, how operands are laid out, another lane function where the 128-bit one does not do. */
  readonly mmx?: { readonly feature: string; readonly shape?: MmxShape; readonly lane?: Lane; readonly operands?: string }
  readonly immediate?: true
  /** One source: destination = f(source). */
  readonly unary?: true
  readonly w?: 'W0' | 'W1' | 'WIG'
}

/** All forms of a packed operation: MMX, SSE, VEX.128, VEX.256. */
export function packed(mnemonic: string, opcode: string, lane: Lane, options: PackedOptions = {}): Row[] {
  const { map = '0F', prefix = '66', sse = 'sse2', avx = 'avx', wide = 'avx2', mmx, unary = false, w = 'WIG' } = options
  const immediate = options.immediate === true
  const i = immediate ? ',Ib' : ''
  const rows: Row[] = []
  if (mmx) {
    const emit = unary ? mmxUnary(mmx.lane ?? lane, immediate) : mmxBinary(mmx.lane ?? lane, mmx.shape, immediate)
    rows.push(row(mnemonic, legacy('NP', map, opcode), (mmx.operands ?? 'Pq,Qq') + i, emit, { feature: mmx.feature }))
  }
  if (sse !== null) {
    const emit = (unary ? legacyUnary : legacyBinary)(lane, immediate)
    rows.push(row(mnemonic, legacy(prefix, map, opcode), 'Vx,Wx' + i, emit, { feature: sse }))
  }
  const operands = (unary ? 'Vx,Wx' : 'Vx,Hx,Wx') + i
  const emit = (unary ? vexUnary : vexBinary)(lane, immediate)
  if (avx !== null) rows.push(row(`V${mnemonic}`, `VEX.128.${prefix}.${map}.${w} ${opcode} /r`, operands, emit, { feature: avx }))
  if (wide !== null) rows.push(row(`V${mnemonic}`, `VEX.256.${prefix}.${map}.${w} ${opcode} /r`, operands, emit, { feature: wide }))
  return rows
}

/** The first statement of any vector row: the unit its encoding belongs to. */
export const requireVector = (e: Emitter): void => e.requireUnit(e.vex ? 'avx' : 'sse')

export type { Emit, Row }
