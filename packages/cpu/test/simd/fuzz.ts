// Differential run of every SIMD form: node packages/cpu/test/simd/fuzz.ts [cases per form] [seed] [name pattern]
import { formsOfRow, generateCase, hostCpu, differences, describeCase, RealCpu } from '@entresol/oracle'
import type { GeneratedCase, Outcome } from '@entresol/oracle'
import { SIMD } from '../../src/instructions/simd/index.ts'
import { SoftwareSubject } from '../support/subject.ts'

const [count = '100', seed = '1', pattern = ''] = process.argv.slice(2)
const { features } = await hostCpu()
const cpu = await RealCpu.start()
const subject = new SoftwareSubject()
let forms = 0
let agreed = 0
let faults = 0
for (const row of SIMD) {
  for (const form of formsOfRow(row)) {
    if (!new RegExp(pattern).test(form.name)) continue
    const missing = form.needs.filter((f) => !features.has(f))
    if (missing.length) {
      console.log(`- ${form.name}: needs ${missing.join()}`)
      continue
    }
    forms++
    const cases: GeneratedCase[] = []
    for (let i = 0; i < Number(count); i++) {
      const generated = generateCase(form, (Number(seed) * 1000003 + forms * 7919 + i * 2654435761) >>> 0, i)
      if (generated) cases.push(generated)
    }
    const outcomes = await cpu.run(cases.map((c) => c.testCase))
    const wrong: string[] = []
    let ud = 0
    let compared = 0
    cases.forEach(({ testCase, undefinedFlags }, i) => {
      const outcome = outcomes[i] as Outcome
      if (outcome.kind !== 'done' && outcome.kind !== 'fault') return
      compared++
      if (outcome.fault?.vector === 6) ud++
      if (outcome.fault) faults++
      const lines = differences(outcome, subject.run(testCase), undefinedFlags)
      if (lines.length) wrong.push(`  ${describeCase(testCase)}\n    ${lines.join('\n    ')}`)
    })
    agreed += compared - wrong.length
    if (ud > compared / 10) console.log(`? ${form.name}: ${ud} of ${compared} are #UD`)
    if (wrong.length) console.log(`x ${form.name}: ${wrong.length} of ${compared}\n${wrong.slice(0, 2).join('\n')}`)
  }
}
console.log(`${forms} forms, ${agreed} cases agreed, ${faults} of all faulted`)
await cpu.stop()
