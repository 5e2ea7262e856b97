// The golden file: cases with the real CPU's answers. node test/oracle/golden.ts [cases per operation] writes it; needs gcc, FMA and F16C.
// Records: operation, immediate, control u16, then the operands, results, flags and condition / 256 in as many bytes as their kinds have.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeCase, Random } from './cases.ts'
import { expected, operations, withoutResult, type Answer, type Case, type Kind, type Operation } from './operations.ts'
import { ask, compileOracle } from './run.ts'

const file = fileURLToPath(new URL('golden.bin.gz', import.meta.url))
const bytes: Record<Kind, number> = { f32: 4, f64: 8, f80: 10, f16: 2, i32: 4, i64: 8, bcd: 10, none: 0 }
const none: [bigint, bigint] = [0n, 0n]

function put(out: number[], [m, e]: [bigint, bigint], n: number): void {
  let v = (e << 64n) | m
  for (let k = 0; k < n; k++, v >>= 8n) out.push(Number(v & 0xffn))
}
function take(from: Uint8Array, at: number, n: number): [bigint, bigint] {
  let v = 0n
  for (let k = n - 1; k >= 0; k--) v = (v << 8n) | BigInt(from[at + k]!)
  return [v & 0xffffffffffffffffn, v >> 64n]
}

export interface Golden { operation: Operation; q: Case; cpu: Answer }

export function* readGolden(): Generator<Golden> {
  const data = gunzipSync(readFileSync(file))
  const byNumber = new Map(operations.map((o) => [o.op, o]))
  let at = 0
  const value = (n: number): [bigint, bigint] => {
    at += n
    return take(data, at - n, n)
  }
  const number = (n: number): number => Number(value(n)[0])
  while (at < data.length) {
    const op = number(1)
    const operation = byNumber.get(op)!
    const imm = number(1)
    const ctl = number(2)
    const [a, b, c] = operation.operands.map((k) => value(bytes[k])) as [[bigint, bigint], [bigint, bigint], [bigint, bigint]]
    const flags = number(1)
    const condition = number(1) << 8
    const blank = withoutResult(operation, { op, imm, ctl, a, b, c }, flags)
    const r = blank ? none : value(bytes[operation.result])
    const s = blank || !operation.second ? none : value(10)
    yield { operation, q: { op, imm, ctl, a, b, c }, cpu: { r, s, flags, condition } }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const exe = compileOracle()
  if (!exe) throw new Error('no gcc')
  const out: number[] = []
  const count = Number(process.argv[2] ?? 400)
  for (const operation of operations) {
    const r = new Random(operation.op + 12345)
    const cases = Array.from({ length: count }, () => makeCase(r, operation))
    ask(exe, cases).forEach((o, k) => {
      const q = cases[k]!
      const cpu = expected(operation, o)
      out.push(q.op, q.imm, q.ctl & 0xff, q.ctl >> 8)
      operation.operands.forEach((kind, n) => put(out, [q.a, q.b, q.c][n]!, bytes[kind]))
      out.push(cpu.flags, cpu.condition >> 8)
      if (withoutResult(operation, q, cpu.flags)) return
      put(out, cpu.r, bytes[operation.result])
      if (operation.second) put(out, cpu.s, 10)
    })
  }
  const packed = gzipSync(Uint8Array.from(out), { level: 9 })
  writeFileSync(file, packed)
  console.log(`${operations.length * count} cases, ${out.length} bytes, ${packed.length} packed`)
}
