import { describe, expect, it } from 'vitest'
import { readFileSync } from 'node:fs'
import { instantiateSoftfloat } from '../src/index.ts'
import { operations } from './oracle/operations.ts'
import { compare, compileOracle, describeAnswer, describeCase } from './oracle/run.ts'

const needed = ['fma', 'f16c', 'sse4_1']
const flags = (() => {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? []
  } catch {
    return []
  }
})()
const exe = needed.every((f) => flags.includes(f)) ? compileOracle() : undefined
if (!exe) console.log('skipped: differential test against this CPU (needs gcc and an x86 CPU with FMA and F16C)')
const seed = Number(process.env['SEED'] ?? 20260101)
const count = Number(process.env['CASES'] ?? 2000)

describe.skipIf(!exe)(`values, flags and condition bits are those of this machine's CPU (seed ${seed})`, () => {
  const x = instantiateSoftfloat()
  for (const o of operations) {
    // the microcode of transcendental functions differs between CPUs by more than their specification says
    if (o.transcendental) continue
    it(o.name, () => {
      const wrong = compare(x, exe!, o, count, seed)
      expect(wrong.slice(0, 3).map((w) => `${describeCase(w.q)}: ${describeAnswer(w.mine)}, CPU ${describeAnswer(w.cpu)}`)).toEqual([])
    })
  }
})
