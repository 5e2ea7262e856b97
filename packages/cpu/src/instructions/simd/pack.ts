import { i32, v128 } from '@entresol/wasm-builder'
import type { Emitter } from '../../emit/emitter.ts'
import { i16x8, i32x4, i64x2, i8x16, lowDword, lowQword, shuffleDwords, shuffleQwords, shuffleWords } from '../../emit/lanes.ts'
import type { V128 } from '../../emit/lanes.ts'
import { row } from '../row.ts'
import { legacyBinary, packed, vexBinary } from './forms.ts'
import type { Emit, Lane, Row } from './forms.ts'

/** Packing with saturation, interleaving, widening, and the bitwise operations of floating-point encodings. */

const pure = (f: (x: V128, y: V128) => V128): Lane => (_, x, y) => f(x, y)

const JOINED = { feature: 'mmx', shape: 'joined' } as const

const interleavedBytes = (base: number): number[] => Array.from({ length: 16 }, (_, i) => base + (i >> 1) + (i & 1) * 16)
const interleaved = (count: number, base: number): number[] => Array.from({ length: count }, (_, i) => base + (i >> 1) + (i & 1) * count)

type Interleave = (x: V128, y: V128) => V128
const low: Record<'b' | 'w' | 'd' | 'q', Interleave> = {
  b: (x, y) => v128.shuffle(interleavedBytes(0), x, y),
  w: (x, y) => shuffleWords(interleaved(8, 0), x, y),
  d: (x, y) => shuffleDwords(interleaved(4, 0), x, y),
  q: (x, y) => shuffleQwords([0, 2], x, y),
}
const high: Record<'b' | 'w' | 'd' | 'q', Interleave> = {
  b: (x, y) => v128.shuffle(interleavedBytes(8), x, y),
  w: (x, y) => shuffleWords(interleaved(8, 4), x, y),
  d: (x, y) => shuffleDwords(interleaved(4, 2), x, y),
  q: (x, y) => shuffleQwords([1, 3], x, y),
}

/** PUNPCKL of MMX registers reads 32 bits of memory; PUNPCKH's result is the upper half of all eight lanes interleaved. */
const unpack = (name: string, kind: 'b' | 'w' | 'd', opcodeLow: string, opcodeHigh: string): Row[] => [
  ...packed(`PUNPCKL${name}`, opcodeLow, pure(low[kind]), { mmx: { feature: 'mmx', operands: 'Pq,Qd' } }),
  ...packed(`PUNPCKH${name}`, opcodeHigh, pure(high[kind]), {
    mmx: { feature: 'mmx', lane: (b, x, y) => shuffleQwords([1, 1], b.let(low[kind](x, y))) },
  }),
]

/** Instructions of floating-point names that only move or combine bits: 256-bit forms came with AVX. */
function bitwise(name: string, opcode: string, ps: Lane, pd: Lane = ps): Row[] {
  return ([['PS', 'NP', ps, 'sse'], ['PD', '66', pd, 'sse2']] as const).flatMap(([suffix, prefix, lane, feature]) => [
    row(name + suffix, `${prefix} 0F ${opcode} /r`, 'Vx,Wx', legacyBinary(lane), { feature }),
    row(`V${name}${suffix}`, `VEX.LIG.${prefix}.0F.WIG ${opcode} /r`, 'Vx,Hx,Wx', vexBinary(lane), { feature: 'avx' }),
  ])
}

/** The first `size` bytes of the source, zero-extended. */
function source(e: Emitter, size: 2 | 4 | 8 | 16): V128 {
  if (size === 16) return e.getV(1, true)
  if (!e.isMemory(1)) return e.getV(1)
  if (size === 8) return lowQword(e.getV64(1))
  return lowDword(size === 4 ? e.getV32(1) : e.b.let(i32.load16_u(e.readAddress(2))))
}

type Step = readonly [low: (a: V128) => V128, high: (a: V128) => V128]

/** PMOVSX and PMOVZX: `steps` each double the lanes' width; the second half of the result starts from the source's next bytes. */
const extend = (steps: readonly Step[]): Emit => (e) => {
  e.requireUnit(e.vex ? 'avx' : 'sse')
  const bytesRead = (e.vectorLength / 8) >> steps.length
  const value = e.b.let(source(e, bytesRead as 2 | 4 | 8 | 16))
  const last = steps.length - 1
  const half = (n: 0 | 1): V128 => steps.reduce<V128>((v, [first, second], i) => (n === 1 && i === last ? second : first)(v), value)
  if (e.vectorLength === 128) e.setV(0, half(0))
  else e.setHalves(0, half(0), half(1))
}

function extensions(name: string, opcodeDigit: string, signed: boolean): Row[] {
  const w: Step = signed ? [i16x8.extend_low_s, i16x8.extend_high_s] : [i16x8.extend_low_u, i16x8.extend_high_u]
  const d: Step = signed ? [i32x4.extend_low_s, i32x4.extend_high_s] : [i32x4.extend_low_u, i32x4.extend_high_u]
  const q: Step = signed ? [i64x2.extend_low_s, i64x2.extend_high_s] : [i64x2.extend_low_u, i64x2.extend_high_u]
  const kinds: readonly (readonly [string, readonly Step[]])[] = [
    ['BW', [w]], ['BD', [w, d]], ['BQ', [w, d, q]], ['WD', [d]], ['WQ', [d, q]], ['DQ', [q]],
  ]
  return kinds.flatMap(([suffix, steps], i) => {
    const opcode = `${opcodeDigit}${i}`
    const operand = (bytes: number): string => ({ 2: 'Ww', 4: 'Wd', 8: 'Wq', 16: 'Wdq' })[bytes >> steps.length]!
    return [
      row(name + suffix, `66 0F 38 ${opcode} /r`, `Vx,${operand(16)}`, extend(steps), { feature: 'sse4_1' }),
      row(`V${name}${suffix}`, `VEX.128.66.0F38.WIG ${opcode} /r`, `Vx,${operand(16)}`, extend(steps), { feature: 'avx' }),
      row(`V${name}${suffix}`, `VEX.256.66.0F38.WIG ${opcode} /r`, `Vx,${operand(32)}`, extend(steps), { feature: 'avx2' }),
    ]
  })
}

export const PACK: readonly Row[] = [
  ...packed('PACKSSWB', '63', pure(i8x16.narrow_s), { mmx: JOINED }),
  ...packed('PACKUSWB', '67', pure(i8x16.narrow_u), { mmx: JOINED }),
  ...packed('PACKSSDW', '6B', pure(i16x8.narrow_s), { mmx: JOINED }),
  ...packed('PACKUSDW', '2B', pure(i16x8.narrow_u), { map: '0F38', sse: 'sse4_1' }),
  ...unpack('BW', 'b', '60', '68'),
  ...unpack('WD', 'w', '61', '69'),
  ...unpack('DQ', 'd', '62', '6A'),
  ...packed('PUNPCKLQDQ', '6C', pure(low.q)),
  ...packed('PUNPCKHQDQ', '6D', pure(high.q)),
  ...bitwise('UNPCKL', '14', pure(low.d), pure(low.q)),
  ...bitwise('UNPCKH', '15', pure(high.d), pure(high.q)),
  ...bitwise('AND', '54', pure(v128.and)),
  ...bitwise('ANDN', '55', pure((x, y) => v128.andnot(y, x))),
  ...bitwise('OR', '56', pure(v128.or)),
  ...bitwise('XOR', '57', pure(v128.xor)),
  ...extensions('PMOVSX', '2', true),
  ...extensions('PMOVZX', '3', false),
]
