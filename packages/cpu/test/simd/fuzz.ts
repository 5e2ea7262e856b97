// Differential run of every SIMD form: node packages/cpu/test/simd/fuzz.ts [cases per form] [seed] [name pattern] [translated]
import { hostCpu, RealCpu } from '@entresol/oracle'
import { SoftwareSubject } from '../support/subject.ts'
import { compareForms } from './differential.ts'

const [count = '100', seed = '1', pattern = '', how = ''] = process.argv.slice(2)
const { features } = await hostCpu()
const cpu = await RealCpu.start()
let [forms, agreed, faulted] = [0, 0, 0]
const results = compareForms(cpu, new SoftwareSubject(how === 'translated'), features, Number(seed), Number(count), new RegExp(pattern))
for await (const { form, compared, undefinedOpcode, faults, wrong } of results) {
  forms++
  agreed += compared - wrong.length
  faulted += faults
  if (undefinedOpcode > compared / 10) console.log(`? ${form.name}: ${undefinedOpcode} of ${compared} are #UD`)
  if (wrong.length) console.log(`x ${form.name}: ${wrong.length} of ${compared}\n  ${wrong.slice(0, 2).join('\n  ')}`)
}
console.log(`${forms} forms, ${agreed} cases agreed, ${faulted} of all faulted`)
await cpu.stop()
