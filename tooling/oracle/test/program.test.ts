import { afterAll, describe, expect, test } from 'vitest'
import type { Outcome, TestCase } from '../src/case.ts'
import { CODE_ADDRESS, CODE_SIZE } from '../src/layout.ts'
import { formsOfRow } from '../src/forms.ts'
import { fuzzPrograms } from '../src/fuzz-programs.ts'
import type { ProgramSubject } from '../src/fuzz-programs.ts'
import { generateProgram, programForms } from '../src/program.ts'
import { one, realCpuOrSkip, testCase } from './harness.ts'
import { SAMPLE_ROWS } from './sample-rows.ts'

const cpu = await realCpuOrSkip()
afterAll(() => cpu?.stop())

const forms = (mode: 64 | 32) => programForms(SAMPLE_ROWS.flatMap(formsOfRow), mode, new Set())

describe('random programs', () => {
  test.each([64, 32] as const)('are the same for the same seed, lie in the code page and hold a HLT, %i-bit', (mode) => {
    for (let seed = 0; seed < 200; seed++) {
      const options = { mode, forms: forms(mode), defined: seed % 2 === 0 }
      const { testCase: program, listing } = generateProgram(seed, options)
      expect(generateProgram(seed, options).testCase).toEqual(program)
      expect(program.codeAddress! + program.code.length).toBeLessThanOrEqual(CODE_ADDRESS + CODE_SIZE)
      expect(listing.some(({ name }) => name === 'HLT')).toBe(true)
    }
  })

  test('that two software CPUs run differently are found and cut down to the difference', async () => {
    const instructions = 1
    const outcome = (program: TestCase): Outcome => ({
      kind: 'done', gpr: program.gpr, rip: 0n, rflags: 2, segments: program.segments!, extended: new Uint8Array(608), memory: [],
    })
    const right: ProgramSubject = { instructions, run: (program) => outcome({ ...program, segments: { es: 0, cs: 0, ss: 0, ds: 0, fs: 0, gs: 0, fsBase: 0n, gsBase: 0n } }) }
    // Takes a CLC anywhere in the code for something else.
    const wrong: ProgramSubject = { instructions, run: (program) => ({ ...right.run(program), rflags: program.code.includes(0xf8) ? 3 : 2 }) }
    const judge = { run: async (cases: readonly TestCase[]) => cases.map((c) => right.run(c)) }
    const { findings, programs } = await fuzzPrograms(judge, { interpreter: right, translator: wrong }, 64, forms(64), 1, 100)
    expect(programs).toBe(100)
    expect(findings.length).toBeGreaterThan(5)
    for (const { minimal, between } of findings) {
      expect(between).toBe('interpreter and translator')
      expect(minimal.code).toContain(0xf8)
      expect(minimal.gpr.every((value) => value <= 1n)).toBe(true)
    }
  })
})

describe.skipIf(!cpu)('the real CPU runs programs', () => {
  // MOV ECX, 100; ADD EAX, ECX; LOOP -4; HLT
  test('to the HLT at their end', async () => {
    const outcome = await one(cpu!, testCase('b9 64 00 00 00 01 c8 e2 fc f4', {}, { program: true }))
    expect(outcome.kind).toBe('done')
    expect([outcome.gpr[0], outcome.gpr[1], outcome.rip]).toEqual([5050n, 0n, 0x10_0809n])
  })

  test('to their faults, in 32-bit mode too', async () => {
    const outcome = await one(cpu!, testCase('40 40 f7 f3 f4', {}, { program: true, mode: 32 }))
    expect(outcome.fault).toEqual({ vector: 0, errorCode: 0 })
    expect([outcome.gpr[0], outcome.rip]).toEqual([2n, 0x10_0802n])
  })

  test('and gives up on those that do not end, the next one unharmed', async () => {
    expect((await one(cpu!, testCase('eb fe', {}, { program: true }))).kind).toBe('step-limit')
    expect((await one(cpu!, testCase('ff c0 f4', { 0: 4n }, { program: true }))).gpr[0]).toBe(5n)
  })
})
