import { describeCase, differences, formsOfRow, generateCase } from '@entresol/oracle'
import type { GeneratedCase, InstructionForm, Judge, Outcome, Subject } from '@entresol/oracle'
import { SIMD } from '../../src/instructions/simd/index.ts'

export interface FormResult {
  readonly form: InstructionForm
  readonly compared: number
  readonly undefinedOpcode: number
  readonly faults: number
  /** Descriptions of the cases that differ. */
  readonly wrong: readonly string[]
}

/** Runs `count` random cases of every SIMD form whose name matches on both CPUs. The same seed gives the same cases. */
export async function* compareForms(
  judge: Judge, subject: Subject, features: ReadonlySet<string>, seed: number, count: number, pattern = /^/,
): AsyncGenerator<FormResult> {
  const forms = SIMD.flatMap(formsOfRow).filter((form) => pattern.test(form.name) && form.needs.every((feature) => features.has(feature)))
  for (const [n, form] of forms.entries()) {
    const cases: GeneratedCase[] = []
    for (let i = 0; i < count; i++) {
      const generated = generateCase(form, (seed * 1000003 + n * 7919 + Math.imul(i, 2654435761)) >>> 0, i)
      if (generated) cases.push(generated)
    }
    const outcomes = await judge.run(cases.map((c) => c.testCase))
    const wrong: string[] = []
    let [compared, undefinedOpcode, faults] = [0, 0, 0]
    cases.forEach(({ testCase, undefinedFlags }, i) => {
      const outcome = outcomes[i] as Outcome
      if (outcome.kind !== 'done' && outcome.kind !== 'fault') return
      compared++
      if (outcome.fault) faults++
      if (outcome.fault?.vector === 6) undefinedOpcode++
      const lines = differences(outcome, subject.run(testCase), undefinedFlags)
      if (lines.length) wrong.push(`${form.name}: ${describeCase(testCase)}\n    ${lines.join('\n    ')}`)
    })
    yield { form, compared, undefinedOpcode, faults, wrong }
  }
}
