// The records of oracle.c.
import type { Answer, Case } from './operations.ts'

export const IN = 56
export const OUT = 40

export function writeCase(v: DataView, at: number, q: Case): void {
  v.setUint16(at, q.op, true)
  v.setUint16(at + 2, q.imm, true)
  v.setUint32(at + 4, q.ctl, true)
  ;[...q.a, ...q.b, ...q.c].forEach((n, k) => v.setBigUint64(at + 8 + 8 * k, n, true))
}

export function readAnswer(v: DataView, at: number): Answer {
  const w = (k: number): bigint => v.getBigUint64(at + 8 * k, true)
  return { r: [w(0), w(1)], s: [w(2), w(3)], flags: v.getUint32(at + 32, true), condition: v.getUint32(at + 36, true) }
}
