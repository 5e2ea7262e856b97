import { readdirSync, readFileSync } from 'node:fs'
import { describeCase, differences, readVectors } from '@entresol/oracle'
import { describe, expect, it } from 'vitest'
import { countingRegions } from '../support/regions.ts'
import type { RegionCounts } from '../support/regions.ts'
import { SoftwareSubject } from '../support/subject.ts'

/**
 * Golden vectors of a real CPU, each translated as a region of its own: one of SAMPLE, all of them with ENTRESOL_ALL_VECTORS=1 (some minutes).
 */
const SAMPLE = process.env['ENTRESOL_ALL_VECTORS'] ? 1 : 23
const folder = new URL('../../../../tooling/oracle/vectors/', import.meta.url)

describe('golden vectors of a real CPU, translated', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.entv'))) {
    it(`${file.replace('.entv', '')}: registers, flags, vector state, memory and faults are the real CPU's`, async () => {
      const counts: RegionCounts = { entered: 0, bailed: 0 }
      const subject = countingRegions(counts, () => new SoftwareSubject(true))
      const { vectors } = await readVectors(readFileSync(new URL(file, folder)))
      const wrong: string[] = []
      const plain = { 64: 0, 32: 0 }
      const translated = { 64: 0, 32: 0 }
      for (let n = 0; n < vectors.length; n += SAMPLE) {
        const { testCase, outcome, undefinedFlags, form } = vectors[n]!
        const before = { ...counts }
        const lines = differences(outcome, subject.run(testCase), undefinedFlags)
        if (lines.length && wrong.length < 20) wrong.push([`${form.name}: ${describeCase(testCase)}`, ...lines].join('\n  '))
        if (outcome.kind === 'fault') continue
        plain[testCase.mode]++
        if (counts.entered > before.entered && counts.bailed === before.bailed) translated[testCase.mode]++
      }
      expect(wrong).toEqual([])
      // The rest crosses a page, has alignment checks on, or is one of the few that TypeScript carries out.
      for (const mode of [64, 32] as const) expect(translated[mode]).toBeGreaterThanOrEqual(0.85 * plain[mode])
    }, 600_000)
  }
})
