import { differences } from './compare.ts'
import { saysNothing } from './environment.ts'
import type { GeneratedCase } from './generate.ts'
import { generateCase } from './generate.ts'
import type { InstructionForm } from './forms.ts'
import type { RealCpu } from './real-cpu.ts'
import { mix32 } from './random.ts'
import type { Vector } from './vectors.ts'
import { seedOf } from './vectors.ts'

export interface RecordOptions {
  readonly baseSeed: number
  readonly casesPerForm: number
  readonly features: ReadonlySet<string>
}

export interface FormReport {
  readonly form: string
  readonly recorded: number
  readonly faults: number
  readonly invalidOpcode: number
  /** Cases whose outcome says nothing: the code was not one instruction, or entered the kernel. A generator bug when not 0. */
  readonly dropped: number
  /** Cases the environment or chance decided: see saysNothing. */
  readonly excluded: number
}

/** Records cases of all forms of one family, in order, each with the seed that its place in the file gives it. */
export async function recordFamily(cpu: Pick<RealCpu, 'run'>, forms: readonly InstructionForm[], options: RecordOptions): Promise<{ vectors: Vector[]; reports: FormReport[] }> {
  const vectors: Vector[] = []
  const reports: FormReport[] = []
  for (const form of forms) {
    const supported = form.needs.every((feature) => options.features.has(feature))
    if (!supported) continue
    const report = { form: form.name, recorded: 0, faults: 0, invalidOpcode: 0, dropped: 0, excluded: 0 }
    // A dropped case leaves a hole in the seeds, so cases behind it are drawn again: in rounds, each as long as what is missing.
    for (let round = 0; report.recorded < options.casesPerForm && round < 8; round++) {
      const cases: GeneratedCase[] = []
      for (let i = report.recorded; i < options.casesPerForm; i++) {
        const implicit = seedOf(options.baseSeed, vectors.length + cases.length)
        const generated = generateCase(form, implicit, i) ?? retry(form, implicit, i)
        if (generated) cases.push(generated)
      }
      // Twice: what does not come out the same way again says something about the harness, not about the CPU.
      const outcomes = await cpu.run(cases.map((c) => c.testCase))
      const again = await cpu.run(cases.map((c) => c.testCase))
      cases.forEach(({ seed, flavour, testCase, undefinedFlags }, i) => {
        const outcome = outcomes[i] as (typeof outcomes)[number]
        if (outcome.kind !== 'done' && outcome.kind !== 'fault') {
          report.dropped++
          return
        }
        if (saysNothing(form.name, testCase, outcome) || differences(outcome, again[i] as typeof outcome).length) {
          report.excluded++
          return
        }
        report.recorded++
        if (outcome.fault) report.faults++
        if (outcome.fault?.vector === 6) report.invalidOpcode++
        vectors.push({ form: { name: form.name, needs: form.needs }, seed, flavour, testCase, undefinedFlags, outcome })
      })
      if (report.dropped > options.casesPerForm) break
    }
    reports.push(report)
  }
  return { vectors, reports }
}

function retry(form: InstructionForm, seed: number, index: number): GeneratedCase | undefined {
  for (let i = 1; i < 32; i++) {
    const generated = generateCase(form, mix32(seed + i), index)
    if (generated) return generated
  }
  return undefined
}
