import type { Outcome, Subject, TestCase } from './case.ts'
import { differences } from './compare.ts'
import { saysNothing } from './environment.ts'
import type { InstructionForm } from './forms.ts'
import type { GeneratedCase } from './generate.ts'
import { generateCase } from './generate.ts'
import { mix32 } from './random.ts'

/** The judge: the real CPU, or in tests something that stands for it. */
export interface Judge {
  run(cases: readonly TestCase[]): Promise<Outcome[]>
}

export interface Finding {
  readonly form: string
  readonly seed: number
  /** As generated, and with everything taken away that the difference does not need. */
  readonly testCase: TestCase
  readonly minimal: TestCase
  readonly differences: readonly string[]
}

/** Runs `count` cases on judge and subject; yields where they differ. The same seed gives the same cases. */
export async function fuzzRound(judge: Judge, subject: Subject, forms: readonly InstructionForm[], seed: number, count: number): Promise<{ findings: Finding[]; compared: number }> {
  const cases: GeneratedCase[] = []
  for (let i = 0; i < count; i++) {
    const caseSeed = mix32((seed + i) >>> 0)
    const generated = generateCase(forms[caseSeed % forms.length] as InstructionForm, mix32(caseSeed), caseSeed >>> 8)
    if (generated) cases.push(generated)
  }
  const outcomes = await judge.run(cases.map((c) => c.testCase))
  const findings: Finding[] = []
  let compared = 0
  for (const [i, { form, seed: caseSeed, testCase, undefinedFlags }] of cases.entries()) {
    const outcome = outcomes[i] as Outcome
    if ((outcome.kind !== 'done' && outcome.kind !== 'fault') || saysNothing(form.name, testCase, outcome)) continue
    compared++
    const lines = differences(outcome, subject.run(testCase), undefinedFlags)
    if (lines.length === 0) continue
    const minimal = await minimise(judge, subject, testCase, undefinedFlags)
    findings.push({ form: form.name, seed: caseSeed, testCase, minimal, differences: lines })
  }
  return { findings, compared }
}

/** Takes state away while judge and subject still differ. */
export async function minimise(judge: Judge, subject: Subject, testCase: TestCase, undefinedFlags: number): Promise<TestCase> {
  const stillFails = async (candidate: TestCase): Promise<boolean> => {
    const [outcome] = await judge.run([candidate])
    return outcome !== undefined && (outcome.kind === 'done' || outcome.kind === 'fault') && differences(outcome, subject.run(candidate), undefinedFlags).length > 0
  }
  let best = testCase
  for (const candidate of simplifications(testCase)) {
    const next = candidate(best)
    if (await stillFails(next)) best = next
  }
  return best
}

/** Ways to take state away from a case. */
export function simplifications(testCase: TestCase): ((from: TestCase) => TestCase)[] {
  const steps: ((from: TestCase) => TestCase)[] = [
    ({ extended: _, ...rest }) => rest,
    ({ memory: _, ...rest }) => rest,
    ({ segments: _, ...rest }) => rest,
    (from) => ({ ...from, rflags: 0x202 }),
  ]
  const registers = testCase.mode === 64 ? 16 : 8
  for (let i = 0; i < registers; i++) {
    for (const simplify of [() => 0n, () => 1n, (value: bigint) => value & 0xffn, (value: bigint) => value & 0xffff_ffffn]) {
      steps.push((from) => ({ ...from, gpr: from.gpr.with(i, simplify(from.gpr[i] as bigint)) }))
    }
  }
  return steps
}
