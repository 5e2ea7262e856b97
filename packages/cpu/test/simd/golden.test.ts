import { readFile } from 'node:fs/promises'
import { describeCase, differences, readVectors } from '@entresol/oracle'
import { expect, it } from 'vitest'
import { SIMD } from '../../src/instructions/simd/index.ts'
import { SoftwareSubject } from '../support/subject.ts'

const { header, vectors } = await readVectors(await readFile(new URL('golden.entv', import.meta.url)))

it.each(['interpreted', 'translated'])(`does to ${header.count} fixed cases what a real CPU did, %s`, { timeout: 120_000 }, (how) => {
  const subject = new SoftwareSubject(how === 'translated')
  const wrong = vectors.flatMap(({ form, testCase, outcome, undefinedFlags }) => {
    const lines = differences(outcome, subject.run(testCase), undefinedFlags)
    return lines.length ? [`${form.name}: ${describeCase(testCase)}\n  ${lines.join('\n  ')}`] : []
  })
  expect(wrong.slice(0, 10)).toEqual([])
})

it('has fixed cases of every row', () => {
  const names = new Set(header.forms.map(({ name }) => name.replace(/ (64|32)$/, '')))
  const missing = SIMD.filter((row) => !names.has(`${row.mnemonic}${row.operands ? ` ${row.operands.split(',').join(', ')}` : ''} [${row.encoding}]`))
  expect(missing.map((row) => `${row.mnemonic} [${row.encoding}]`)).toEqual([])
})
