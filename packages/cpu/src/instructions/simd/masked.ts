import { i32 } from '@entresol/wasm-builder'
import type { Emitter, I32 } from '../../emit/emitter.ts'
import { i32x4, i64x2, ZERO } from '../../emit/lanes.ts'
import type { V128 } from '../../emit/lanes.ts'
import { host, row } from '../row.ts'
import type { Emit, Row } from '../row.ts'

/** Masked moves and gathers: what touches single elements of memory is carried out by system/simd.ts. */

const hosted = (name: string, ...units: ('mmx' | 'sse' | 'avx')[]): Emit => Object.assign((e: Emitter) => {
  for (const unit of units) e.requireUnit(unit)
  host(name)(e)
}, { hosted: true as const })

const read = (e: Emitter, operand: number): V128[] =>
  e.vectorLength === 256 ? [e.getHalf(operand, 0), e.getHalf(operand, 1)] : [e.getV(operand)]

function write(e: Emitter, operand: number, values: readonly V128[]): void {
  if (e.vectorLength === 256) e.setHalves(operand, values[0]!, values[1]!)
  else e.setV(operand, values[0]!)
}

/** `all` where every element of the mask is chosen, `none` where none is. */
function byMask(e: Emitter, size: 32 | 64, all: () => void, none: () => void, some: string): void {
  const { bitmask } = size === 32 ? i32x4 : i64x2
  const lanes = 128 / size
  const chosen = e.b.let(read(e, 1).map((v, i) => i32.shl(bitmask(v), i32.const(i * lanes))).reduce((x: I32, y) => i32.or(x, y)))
  e.b.if(i32.eq(chosen, i32.const((1 << (e.vectorLength / size)) - 1)), all, () => e.b.if(chosen, () => e.host(some), none))
}

const maskedLoad = (size: 32 | 64): Emit => (e) => {
  e.requireUnit('avx')
  byMask(e, size, () => write(e, 0, read(e, 2)), () => write(e, 0, e.vectorLength === 256 ? [ZERO, ZERO] : [ZERO]), `masked-load-${size}`)
}

const maskedStore = (size: 32 | 64): Emit => (e) => {
  e.requireUnit('avx')
  byMask(e, size, () => write(e, 0, read(e, 2)), () => {}, `masked-store-${size}`)
}

const maskedMoves = (name: string, w: 'W0' | 'W1', load: string, store: string, size: 32 | 64, feature: string): Row[] => [
  row(name, `VEX.LIG.66.0F38.${w} ${load} /r !mod3`, 'Vx,Hx,Mx', maskedLoad(size), { feature }),
  row(name, `VEX.LIG.66.0F38.${w} ${store} /r !mod3`, 'Mx,Hx,Vx', maskedStore(size), { feature }),
]

/** The destination comes first, the mask last. Lengths of index and data vectors differ where their elements do. */
const gathers = (prefix: 'VPGATHER' | 'VGATHER', opcode: string, index: 32 | 64, suffixes: readonly [string, string]): Row[] =>
  ([[suffixes[0], 'W0', 32], [suffixes[1], 'W1', 64]] as const).flatMap(([suffix, w, data]) => (['128', '256'] as const).map((length) => {
    const letter = length === '128' || (index === 32 && data === 64) ? 'x' : 'y'
    const encoding = `VEX.${length}.66.0F38.${w} ${opcode} /r !mod3`
    return row(prefix + suffix, encoding, `Vx,vm${index}${letter},Hx`, hosted(`gather-${index}-${data}`, 'avx'), { feature: 'avx2' })
  }))

export const MASKED: readonly Row[] = [
  row('MASKMOVQ', 'NP 0F F7 /r mod3', 'Pq,Nq', hosted('maskmovq', 'mmx'), { feature: 'sse' }),
  row('MASKMOVDQU', '66 0F F7 /r mod3', 'Vdq,Udq', hosted('maskmovdqu', 'sse'), { feature: 'sse2' }),
  row('VMASKMOVDQU', 'VEX.128.66.0F.WIG F7 /r mod3', 'Vdq,Udq', hosted('vmaskmovdqu', 'avx'), { feature: 'avx' }),
  ...maskedMoves('VMASKMOVPS', 'W0', '2C', '2E', 32, 'avx'),
  ...maskedMoves('VMASKMOVPD', 'W0', '2D', '2F', 64, 'avx'),
  ...maskedMoves('VPMASKMOVD', 'W0', '8C', '8E', 32, 'avx2'),
  ...maskedMoves('VPMASKMOVQ', 'W1', '8C', '8E', 64, 'avx2'),
  ...gathers('VPGATHER', '90', 32, ['DD', 'DQ']),
  ...gathers('VPGATHER', '91', 64, ['QD', 'QQ']),
  ...gathers('VGATHER', '92', 32, ['DPS', 'DPD']),
  ...gathers('VGATHER', '93', 64, ['QPS', 'QPD']),
]
