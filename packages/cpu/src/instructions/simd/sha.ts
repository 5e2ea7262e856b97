import { i32 } from '@entresol/wasm-builder'
import { i32x4, ZERO } from '../../emit/lanes.ts'
import type { FunctionBuilder, I32, V128 } from '../../emit/lanes.ts'
import * as L from '../../state/layout.ts'
import { row } from '../row.ts'
import { legacyBinary } from './forms.ts'
import type { Emit, Lane, Row } from './forms.ts'

/** SHA-1 and SHA-256 steps (SDM vol. 2, SHA1MSG1 .. SHA256RNDS2; the functions are FIPS 180-4, 4.1). */

const add = (...terms: I32[]): I32 => terms.reduce((a, b) => i32.add(a, b))
const xor = (...terms: I32[]): I32 => terms.reduce((a, b) => i32.xor(a, b))
const turn = (a: I32, right: number): I32 => i32.rotr(a, i32.const(right))
/** Doublewords of a vector, lane 0 first. */
const lanes = (b: FunctionBuilder, v: V128): I32[] => [0, 1, 2, 3].map((i) => b.let(i32x4.extract_lane(v, i)))
const vector = (values: readonly I32[]): V128 => values.reduce<V128>((v, value, i) => i32x4.replace_lane(v, i, value), ZERO)

const choose = (x: I32, y: I32, z: I32): I32 => i32.xor(i32.and(x, i32.xor(y, z)), z)
const majority = (x: I32, y: I32, z: I32): I32 => i32.or(i32.and(x, y), i32.and(z, i32.or(x, y)))

/** W0 is in the highest doubleword throughout SHA-1. */
const sha1Message1: Lane = (b, x, y) => {
  const [w3, w2, w1, w0] = lanes(b, x) as [I32, I32, I32, I32]
  const [, , w5, w4] = lanes(b, y) as [I32, I32, I32, I32]
  return vector([i32.xor(w5, w3), i32.xor(w4, w2), i32.xor(w3, w1), i32.xor(w2, w0)])
}

const sha1Message2: Lane = (b, x, y) => {
  const [x3, x2, x1, x0] = lanes(b, x) as [I32, I32, I32, I32]
  const [w15, w14, w13] = lanes(b, y) as [I32, I32, I32, I32]
  const w16 = b.let(turn(i32.xor(x0, w13), 31))
  const rest = [i32.xor(x1, w14), i32.xor(x2, w15), i32.xor(x3, w16)].map((w) => turn(w, 31)) as [I32, I32, I32]
  return vector([rest[2], rest[1], rest[0], w16])
}

const sha1NextE: Lane = (b, x, y) => {
  const e = turn(i32x4.extract_lane(x, 3), 2)
  return b.let(i32x4.replace_lane(y, 3, i32.add(i32x4.extract_lane(y, 3), e)))
}

const SHA1_CONSTANTS = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc | 0, 0xca62c1d6 | 0]

/** Four rounds with the function and constant of imm[1:0]. */
const sha1Rounds: Lane = (b, x, y, imm) => {
  let [d, c, bb, a] = lanes(b, x) as [I32, I32, I32, I32]
  const w = lanes(b, y)
  const which = b.let(i32.and(imm, i32.const(3)))
  let e: I32 = i32.const(0)
  const constant = b.variable(i32.const(0))
  SHA1_CONSTANTS.forEach((value, i) => b.if(i32.eq(which, i32.const(i)), () => b.set(constant, i32.const(value))))
  for (let n = 0; n < 4; n++) {
    const f = b.variable(xor(bb, c, d))
    b.if(i32.eqz(which), () => b.set(f, choose(bb, c, d)))
    b.if(i32.eq(which, i32.const(2)), () => b.set(f, majority(bb, c, d)))
    const next = b.let(add(f.get, turn(a, 27), w[3 - n]!, e, constant.get))
    ;[e, d, c, bb, a] = [d, c, b.let(turn(bb, 2)), a, next]
  }
  return vector([d, c, bb, a])
}

const sigma0 = (w: I32): I32 => xor(turn(w, 7), turn(w, 18), i32.shr_u(w, i32.const(3)))
const sigma1 = (w: I32): I32 => xor(turn(w, 17), turn(w, 19), i32.shr_u(w, i32.const(10)))

const sha256Message1: Lane = (b, x, y) => {
  const w = [...lanes(b, x), b.let(i32x4.extract_lane(y, 0))]
  return vector([0, 1, 2, 3].map((i) => i32.add(w[i]!, sigma0(w[i + 1]!))))
}

const sha256Message2: Lane = (b, x, y) => {
  const x4 = lanes(b, x)
  const [, , w14, w15] = lanes(b, y) as [I32, I32, I32, I32]
  const w16 = b.let(add(x4[0]!, sigma1(w14)))
  const w17 = b.let(add(x4[1]!, sigma1(w15)))
  return vector([w16, w17, add(x4[2]!, sigma1(w16)), add(x4[3]!, sigma1(w17))])
}

/** Two rounds: C, D, G, H in the destination, A, B, E, F in the source, words plus constants in XMM0. */
const sha256Rounds: Emit = (e) => {
  e.requireUnit('sse')
  const { b } = e
  const source = e.getV(1, true)
  const [h0, g0, d0, c0] = lanes(b, e.getV(0)) as [I32, I32, I32, I32]
  const [f0, e0, b0, a0] = lanes(b, source) as [I32, I32, I32, I32]
  let [A, B, C, D, E, F, G, H] = [a0, b0, c0, d0, e0, f0, g0, h0]
  for (let n = 0; n < 2; n++) {
    const word = e.field32(L.YMM + 4 * n)
    const t = b.let(add(choose(E, F, G), xor(turn(E, 6), turn(E, 11), turn(E, 25)), word, H))
    const top = b.let(add(t, majority(A, B, C), xor(turn(A, 2), turn(A, 13), turn(A, 22))))
    ;[A, B, C, D, E, F, G, H] = [top, A, B, C, b.let(i32.add(t, D)), E, F, G]
  }
  e.setV(0, vector([F, E, B, A]))
}

const SHA_NI = { feature: 'sha_ni' } as const
/** Unlike other legacy SSE instructions these take unaligned memory: so a Zen 4 has it; the SDM's exception class 4 says #GP. */
const sha = (lane: Lane, immediate = false): Emit => legacyBinary(lane, immediate, true)

export const SHA: readonly Row[] = [
  row('SHA1NEXTE', 'NP 0F 38 C8 /r', 'Vdq,Wdq', sha(sha1NextE), SHA_NI),
  row('SHA1MSG1', 'NP 0F 38 C9 /r', 'Vdq,Wdq', sha(sha1Message1), SHA_NI),
  row('SHA1MSG2', 'NP 0F 38 CA /r', 'Vdq,Wdq', sha(sha1Message2), SHA_NI),
  row('SHA256RNDS2', 'NP 0F 38 CB /r', 'Vdq,Wdq', sha256Rounds, SHA_NI),
  row('SHA256MSG1', 'NP 0F 38 CC /r', 'Vdq,Wdq', sha(sha256Message1), SHA_NI),
  row('SHA256MSG2', 'NP 0F 38 CD /r', 'Vdq,Wdq', sha(sha256Message2), SHA_NI),
  row('SHA1RNDS4', 'NP 0F 3A CC /r', 'Vdq,Wdq,Ib', sha(sha1Rounds, true), SHA_NI),
]
