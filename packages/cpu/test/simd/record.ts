// Asks the real CPU for the fixed cases of golden.test.ts: node packages/cpu/test/simd/record.ts
import { writeFile } from 'node:fs/promises'
import { formsOfRow, hostCpu, RealCpu, recordFamily, writeVectors } from '@entresol/oracle'
import { SIMD } from '../../src/instructions/simd/index.ts'

const { origin, features } = await hostCpu()
const cpu = await RealCpu.start()
const { vectors, reports } = await recordFamily(cpu, SIMD.flatMap(formsOfRow), { baseSeed: 20, casesPerForm: 5, features })
await cpu.stop()
const file = await writeVectors({ family: 'simd', origin, baseSeed: 20 }, vectors)
await writeFile(new URL('golden.entv', import.meta.url), file)
console.log(`${reports.length} forms, ${vectors.length} cases, ${file.length} bytes`)
