import { CODE_ADDRESS, CODE_SIZE, differences, formsOfRow, fuzzPrograms, generateProgram, programForms, Random } from '@entresol/oracle'
import { describe, expect, it } from 'vitest'
import { INSTRUCTIONS } from '../../src/instructions/index.ts'
import { countingRegions } from '../support/regions.ts'
import type { RegionCounts } from '../support/regions.ts'
import { SoftwareSubject } from '../support/subject.ts'
import type { CodePages } from '../support/subject.ts'

/** Programs per test; ENTRESOL_PROGRAMS asks for more. The real CPU is asked by `oracle fuzz --translate`. */
const COUNT = Number(process.env['ENTRESOL_PROGRAMS'] ?? 150)
const features = new Set(INSTRUCTIONS.flatMap((row) => row.options.feature ?? []))
const all = INSTRUCTIONS.flatMap(formsOfRow)
const modes = [64, 32] as const

const createSubjects = (counts: RegionCounts, code: CodePages) => countingRegions(counts, () =>
  ({ interpreter: new SoftwareSubject(false, code), translator: new SoftwareSubject(true, code) }))

describe.each(modes)('random programs, %i-bit', (mode) => {
  const forms = programForms(all, mode, features)

  it('do the same interpreted, while they are being translated, and translated', { timeout: 600_000 }, async () => {
    const counts: RegionCounts = { entered: 0, bailed: 0 }
    const subjects = createSubjects(counts, 'plain')
    const { findings, programs, executed } = await fuzzPrograms(undefined, subjects, mode, forms, 1, COUNT)
    expect(findings).toEqual([])
    expect(programs).toBeGreaterThan(COUNT / 2)
    expect(executed).toBeGreaterThan(10 * COUNT)
    // Two of three runs find all their code in a region or two.
    expect(counts.entered).toBeGreaterThan(1.5 * programs)
    expect(counts.bailed).toBeLessThan(counts.entered / 2)
  })

  it('across two pages of code, too', { timeout: 600_000 }, () => {
    const { interpreter, translator } = createSubjects({ entered: 0, bailed: 0 }, 'straddled')
    let crossed = 0
    for (let seed = 0; seed < COUNT / 2; seed++) {
      const { testCase } = generateProgram(seed, { mode, forms, defined: false, straddling: true })
      const expected = interpreter.run(testCase)
      if (expected.kind === 'step-limit') continue
      if (expected.rip >= BigInt(CODE_ADDRESS + CODE_SIZE)) crossed++
      const { instructions } = interpreter
      for (let run = 1; run <= 3; run++) expect({ seed, run, lines: differences(expected, translator.run(testCase)) }).toEqual({ seed, run, lines: [] })
      expect({ seed, instructions: translator.instructions }).toEqual({ seed, instructions })
    }
    expect(crossed).toBeGreaterThan(COUNT / 25)
  })

  it('that overwrite their own code, too', { timeout: 600_000 }, () => {
    const { interpreter, translator } = createSubjects({ entered: 0, bailed: 0 }, 'writable')
    let modified = 0
    for (let seed = 0; seed < COUNT; seed++) {
      const { testCase } = generateProgram(seed, { mode, forms, defined: false, selfModifying: true })
      const expected = interpreter.run(testCase)
      if (expected.kind === 'step-limit') continue
      const { instructions } = interpreter
      const code = interpreter.code(testCase)
      if (!code.every((byte, i) => byte === testCase.code[i])) modified++
      for (let run = 1; run <= 3; run++) {
        expect({ seed, run, lines: differences(expected, translator.run(testCase)) }).toEqual({ seed, run, lines: [] })
        expect({ seed, run, instructions: translator.instructions, code: translator.code(testCase) }).toEqual({ seed, run, instructions, code })
      }
    }
    expect(modified).toBeGreaterThan(COUNT / 4)
  })

  it('stop, when a slice ends anywhere, in a state that the interpreter passes through', { timeout: 600_000 }, () => {
    const { interpreter, translator } = createSubjects({ entered: 0, bailed: 0 }, 'plain')
    const random = new Random(mode)
    for (let seed = 0; seed < COUNT / 3; seed++) {
      const { testCase } = generateProgram(seed, { mode, forms, defined: false })
      for (let run = 0; run < 4; run++) {
        const actual = translator.runFor(testCase, 1 + random.below(60))
        const { instructions } = translator
        // A fault comes behind the instructions before it: the interpreter is taken to the same place by its own count.
        const expected = interpreter.runFor(testCase, instructions + (actual.kind === 'step-limit' ? 0 : 1), true)
        expect({ seed, run, instructions, lines: differences(expected, actual) }).toEqual({ seed, run, instructions, lines: [] })
      }
    }
  })
})
