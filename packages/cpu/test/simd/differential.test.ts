import { CodedError } from '@entresol/kit'
import { hostCpu, RealCpu } from '@entresol/oracle'
import { expect, it } from 'vitest'
import { SoftwareSubject } from '../support/subject.ts'
import { compareForms } from './differential.ts'

const cpu = await RealCpu.start().catch((error: unknown) => {
  if (!(error instanceof CodedError)) throw error
  console.log(`skipped, no real CPU: ${error.message}`)
})

it.skipIf(!cpu)('agrees with the real CPU of this machine on random cases of every form', { timeout: 120_000 }, async () => {
  const { features } = await hostCpu()
  const seed = Number(process.env['SEED'] ?? 7)
  console.log(`seed ${seed}`)
  const wrong: string[] = []
  let forms = 0
  for await (const result of compareForms(cpu!, new SoftwareSubject(), features, seed, 5)) {
    forms++
    wrong.push(...result.wrong)
  }
  await cpu!.stop()
  expect(wrong).toEqual([])
  expect(forms).toBeGreaterThan(0)
})
