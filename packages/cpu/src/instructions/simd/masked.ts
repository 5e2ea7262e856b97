import { host, row } from '../row.ts'
import type { Emit, Row } from '../row.ts'

/** Masked moves and gathers: rare and long, carried out by system/simd.ts. */

const hosted = (name: string, ...units: ('mmx' | 'sse' | 'avx')[]): Emit => (e) => {
  for (const unit of units) e.requireUnit(unit)
  host(name)(e)
}

const maskedMoves = (name: string, w: 'W0' | 'W1', load: string, store: string, size: 32 | 64, feature: string): Row[] => [
  row(name, `VEX.LIG.66.0F38.${w} ${load} /r !mod3`, 'Vx,Hx,Mx', hosted(`masked-load-${size}`, 'avx'), { feature }),
  row(name, `VEX.LIG.66.0F38.${w} ${store} /r !mod3`, 'Mx,Hx,Vx', hosted(`masked-store-${size}`, 'avx'), { feature }),
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
