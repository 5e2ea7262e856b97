// Runs cases on this machine's CPU: node test/oracle/run.ts [cases per operation] [seed] [name filter]
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SoftfloatExports } from '../../src/index.ts'
import { makeCase, Random } from './cases.ts'
import { agrees, answer, expected, type Answer, type Case, type Operation } from './operations.ts'
import { IN, OUT, readAnswer, writeCase } from './wire.ts'

/** Compiles the oracle; undefined where there is no gcc or the CPU has no FMA and F16C. */
export function compileOracle(): string | undefined {
  const exe = join(mkdtempSync(join(tmpdir(), 'softfloat-')), 'oracle')
  try {
    execFileSync('gcc', ['-O1', '-w', '-o', exe, fileURLToPath(new URL('oracle.c', import.meta.url))], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  return exe
}

export function ask(exe: string, cases: Case[]): Answer[] {
  const input = new Uint8Array(cases.length * IN)
  const view = new DataView(input.buffer)
  cases.forEach((q, k) => writeCase(view, k * IN, q))
  const { stdout, status } = spawnSync(exe, [], { input, maxBuffer: cases.length * OUT + 1024 })
  if (status !== 0 || stdout.length !== cases.length * OUT) throw new Error(`the oracle failed: ${status}`)
  const out = new DataView(stdout.buffer, stdout.byteOffset, stdout.length)
  return cases.map((_, k) => readAnswer(out, k * OUT))
}

export interface Disagreement { operation: Operation; q: Case; mine: Answer; cpu: Answer }

export function compare(
  x: SoftfloatExports, exe: string, operation: Operation, count: number, seed: number, tally = { same: 0, near: 0 }
): Disagreement[] {
  const r = new Random(seed + operation.op * 7919)
  const wrong: Disagreement[] = []
  for (let done = 0; done < count; done += 50000) {
    const cases: Case[] = []
    for (let k = 0; k < Math.min(50000, count - done); k++) cases.push(makeCase(r, operation))
    ask(exe, cases).forEach((o, k) => {
      const q = cases[k]!
      const mine = answer(x, operation, q)
      const cpu = expected(operation, o)
      if (!agrees(operation, q, mine, cpu)) wrong.push({ operation, q, mine, cpu })
      else if (mine.r[0] === cpu.r[0] && mine.s[0] === cpu.s[0]) tally.same++
      else tally.near++
    })
  }
  return wrong
}

const hex = (p: [bigint, bigint]): string => p.map((n) => n.toString(16)).reverse().join(':')
export function describeAnswer(a: Answer): string {
  return `${hex(a.r)} ${hex(a.s)} flags ${a.flags.toString(2).padStart(6, '0')} cond ${a.condition.toString(16)}`
}
export function describeCase(q: Case): string {
  return `a ${hex(q.a)} b ${hex(q.b)} c ${hex(q.c)} imm ${q.imm} ctl ${q.ctl.toString(16)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { instantiateSoftfloat } = await import('../../src/index.ts')
  const { operations } = await import('./operations.ts')
  const x = instantiateSoftfloat()
  const exe = compileOracle()
  if (!exe) throw new Error('no gcc')
  const count = Number(process.argv[2] ?? 20000)
  const seed = Number(process.argv[3] ?? 1)
  let all = 0
  for (const o of operations) {
    if (o.transcendental && !process.argv[4]) continue
    if (process.argv[4] && !o.name.includes(process.argv[4])) continue
    const tally = { same: 0, near: 0 }
    const wrong = compare(x, exe, o, count, seed, tally)
    all += wrong.length
    console.log(`${o.name}: ${count} cases, ${wrong.length} differ${o.transcendental ? `, ${tally.near} by one unit in the last place` : ''}`)
    for (const w of wrong.slice(0, Number(process.argv[5] ?? 4))) {
      console.log(`  ${describeCase(w.q)}\n    mine ${describeAnswer(w.mine)}\n    cpu  ${describeAnswer(w.cpu)}`)
    }
  }
  console.log(`${all} differ`)
}
