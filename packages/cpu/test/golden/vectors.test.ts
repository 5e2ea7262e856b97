import { readdirSync, readFileSync } from 'node:fs'
import { describeCase, differences, formsOfRow, readVectors } from '@entresol/oracle'
import { describe, expect, it } from 'vitest'
import { INSTRUCTIONS } from '../../src/instructions/index.ts'
import { countingRegions } from '../support/regions.ts'
import type { RegionCounts } from '../support/regions.ts'
import { createSubject } from '../support/subject.ts'

/** Golden vectors recorded from a real CPU (tooling/oracle/vectors/README.md), replayed on interpreted and on translated code. */
const folder = new URL('../../../../tooling/oracle/vectors/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.entv'))
const load = (name: string): ReturnType<typeof readVectors> => readVectors(readFileSync(new URL(name, folder)))

describe('golden vectors of a real CPU', () => {
  for (const [file, how] of files.flatMap((name) => [[name, 'interpreted'], [name, 'translated']] as const)) {
    it(`${file.replace('.entv', '')}, ${how}: registers, flags, vector state, memory and faults are the real CPU's`, async () => {
      const counts: RegionCounts = { entered: 0, bailed: 0 }
      const subject = countingRegions(counts, () => createSubject(how === 'translated'))
      const { vectors } = await load(file)
      const wrong: string[] = []
      let plain = 0
      let inRegions = 0
      for (const { testCase, outcome, undefinedFlags, form } of vectors) {
        const before = { ...counts }
        const lines = differences(outcome, subject.run(testCase), undefinedFlags)
        if (lines.length && wrong.length < 20) wrong.push([`${form.name}: ${describeCase(testCase)}`, ...lines].join('\n  '))
        if (outcome.kind === 'fault') continue
        plain++
        if (counts.entered > before.entered && counts.bailed === before.bailed) inRegions++
      }
      expect(wrong).toEqual([])
      // The rest crosses a page, has alignment checks on, or is one of the few that TypeScript carries out.
      if (how === 'translated') expect(inRegions).toBeGreaterThanOrEqual(0.85 * plain)
      else expect(counts.entered).toBe(0)
    }, 300_000)
  }

  it('cover every form that user mode can reach, at least 100,000 cases in all', async () => {
    const recorded = new Map<string, number>()
    for (const file of files) for (const { form } of (await load(file)).vectors) recorded.set(form.name, (recorded.get(form.name) ?? 0) + 1)
    const forms = INSTRUCTIONS.flatMap((row) => (row.options.unobservable ? [] : formsOfRow(row)))
    expect(forms.filter((form) => (recorded.get(form.name) ?? 0) < 20).map((form) => form.name)).toEqual([])
    expect([...recorded.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100_000)
  }, 120_000)
})
