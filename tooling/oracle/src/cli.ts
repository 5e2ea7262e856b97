import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import type { Subject } from './case.ts'
import { describeCase, differences } from './compare.ts'
import type { TableRow } from './encoding-row.ts'
import { hostCpu } from './features.ts'
import type { InstructionForm } from './forms.ts'
import { formsOfRow } from './forms.ts'
import { fuzzRound } from './fuzz.ts'
import { fuzzPrograms } from './fuzz-programs.ts'
import type { ProgramSubjects } from './fuzz-programs.ts'
import { programForms } from './program.ts'
import { probeKvm } from './kvm-probe.ts'
import { mix32 } from './random.ts'
import { RealCpu } from './real-cpu.ts'
import { recordFamily } from './record.ts'
import { readVectors, writeVectors } from './vectors.ts'

const USAGE = `usage: oracle record --table <module> [--out <folder>] [--cases <per form>] [--seed <n>] [--only <regex>]
       oracle verify [<file.entv> ...]     the real CPU against the files
       oracle probe-kvm                    whether /dev/kvm here could judge ring 0
       oracle fuzz --table <module> --subject <module> [--seed <n>] [--seconds <n>] [--only <regex>]
       oracle fuzz --translate --table <module> --subject <module> [--mode 64|32] [--instructions <n>] [--seed <n>] [--seconds <n>] [--only <regex>]
  --table    module exporting INSTRUCTIONS, rows as packages/cpu writes them
  --subject  module exporting createSubject(): Subject | Promise<Subject>; with --translate createProgramSubjects()
  --translate  programs of several instructions on interpreter, translator and the real CPU; ends after --instructions have been executed`

const VECTORS = fileURLToPath(new URL('../vectors/', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: 'string' }, subject: { type: 'string' }, out: { type: 'string', default: VECTORS }, cases: { type: 'string', default: '60' },
    seed: { type: 'string' }, seconds: { type: 'string', default: '60' }, only: { type: 'string' }, verbose: { type: 'boolean', default: false },
    translate: { type: 'boolean', default: false }, mode: { type: 'string' }, instructions: { type: 'string' },
  },
})

async function load(option: 'table' | 'subject'): Promise<Record<string, unknown>> {
  const name = values[option]
  if (name === undefined) throw new CodedError('ERR_ORACLE_USAGE', `--${option} is needed\n${USAGE}`)
  const specifier = /^[./]/.test(name) ? pathToFileURL(resolve(name)).href : name
  return (await import(specifier)) as Record<string, unknown>
}

async function forms(): Promise<InstructionForm[]> {
  const only = new RegExp(values.only ?? '')
  return ((await load('table'))['INSTRUCTIONS'] as readonly TableRow[]).flatMap(formsOfRow).filter((form) => only.test(form.name))
}

async function record(): Promise<void> {
  const { origin, features } = await hostCpu()
  const families = Map.groupBy(await forms(), (form) => form.family)
  const cpu = await RealCpu.start()
  await mkdir(values.out, { recursive: true })
  let total = 0
  let size = 0
  for (const [family, members] of families) {
    const baseSeed = mix32(Number(values.seed ?? 1) ^ hash(family))
    const { vectors, reports } = await recordFamily(cpu, members, { baseSeed, casesPerForm: Number(values.cases), features })
    const file = await writeVectors({ family, origin, baseSeed }, vectors)
    await writeFile(resolve(values.out, `${family}.entv`), file)
    total += vectors.length
    size += file.length
    const faults = reports.reduce((sum, report) => sum + report.faults, 0)
    console.log(`${family}: ${reports.length} forms, ${vectors.length} cases, ${faults} faults, ${(file.length / vectors.length).toFixed(1)} bytes per case`)
    for (const form of members) if (!form.needs.every((feature) => features.has(feature))) console.log(`  not on this CPU: ${form.name} needs ${form.needs.join(', ')}`)
    for (const report of reports) {
      // A form that is #UD in a third of its cases is probably encoded wrongly.
      if (report.dropped > 0 || report.recorded < Number(values.cases) || report.invalidOpcode * 3 > report.recorded || values.verbose) {
        console.log(`  ${report.form}: ${report.recorded} recorded, ${report.faults} faults, ${report.invalidOpcode} #UD, ${report.dropped} dropped`)
      }
    }
  }
  console.log(`${total} cases, ${size} bytes, ${(size / total).toFixed(1)} per case`)
  await cpu.stop()
}

function hash(text: string): number {
  return [...text].reduce((sum, letter) => mix32((sum ^ letter.charCodeAt(0)) >>> 0), 0)
}

async function verify(): Promise<void> {
  const files = positionals.length > 1 ? positionals.slice(1) : (await readdir(values.out)).filter((name) => name.endsWith('.entv')).map((name) => resolve(values.out, name))
  const { origin } = await hostCpu()
  const cpu = await RealCpu.start()
  let failed = 0
  for (const name of files) {
    const { header, vectors } = await readVectors(await readFile(name))
    if (header.origin !== origin) console.log(`${header.family}: recorded on ${header.origin}, this is ${origin}: vendors may differ`)
    const outcomes = await cpu.run(vectors.map((vector) => vector.testCase))
    vectors.forEach((vector, i) => {
      const lines = differences(vector.outcome, outcomes[i] as (typeof outcomes)[number], vector.undefinedFlags)
      if (lines.length && failed++ < 20) console.log(`${vector.form.name}: ${describeCase(vector.testCase)}\n  ${lines.join('\n  ')}`)
    })
    console.log(`${header.family}: ${vectors.length} cases`)
  }
  console.log(failed ? `${failed} cases differ` : 'all equal')
  process.exitCode = failed ? 1 : 0
  await cpu.stop()
}

async function fuzzTranslated(): Promise<void> {
  const { features } = await hostCpu()
  const all = await forms()
  const modes = values.mode === undefined ? [64, 32] as const : [values.mode === '32' ? 32 : 64] as const
  const subjects = ((await load('subject'))['createProgramSubjects'] as () => ProgramSubjects)()
  const cpu = await RealCpu.start()
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed)
  const wanted = Number(values.instructions ?? Infinity)
  let found = 0
  let interrupted = false
  process.once('SIGINT', () => (interrupted = true))
  for (const mode of modes) {
    const candidates = programForms(all, mode, features)
    const start = performance.now()
    const total = { programs: 0, judged: 0, generated: 0, executed: 0, executedByJudge: 0 }
    const seconds = (): number => (performance.now() - start) / 1000
    for (let round = 0; !interrupted && seconds() < Number(values.seconds) && Math.min(total.executed, total.executedByJudge) < wanted; round++) {
      const { findings, ...counts } = await fuzzPrograms(cpu, subjects, mode, candidates, (seed + round * 256) >>> 0, 256)
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key]
      for (const { program, minimal, between, differences: lines } of findings) {
        if (found++ >= 20) continue
        const listing = program.listing.map(({ address, name }) => `${address.toString(16)} ${name}`).join('; ')
        console.log(`${between}, seed ${program.seed}\n  ${listing}\n  minimal ${describeCase(minimal)}\n    ${lines.join('\n    ')}`)
      }
    }
    const rate = Math.round(total.programs / seconds())
    console.log(`${mode}-bit: ${candidates.length} forms, ${total.programs} programs of ${total.generated} instructions, ${rate} a second, ${total.executed} instructions executed three `
      + `times translated; ${total.judged} programs with ${total.executedByJudge} instructions executed on the real CPU too; ${found} differ, seed ${seed}`)
  }
  process.exitCode = found ? 1 : 0
  await cpu.stop()
}

async function fuzz(): Promise<void> {
  if (values.translate) return fuzzTranslated()
  const { features } = await hostCpu()
  const candidates = (await forms()).filter((form) => form.needs.every((feature) => features.has(feature)))
  const create = (await load('subject'))['createSubject'] as () => Subject | Promise<Subject>
  const subject = await create()
  const cpu = await RealCpu.start()
  const seed = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed)
  console.log(`seed ${seed}, ${candidates.length} forms`)
  const end = performance.now() + 1000 * Number(values.seconds)
  let compared = 0
  let found = 0
  for (let round = 0; performance.now() < end; round++) {
    const result = await fuzzRound(cpu, subject, candidates, (seed + round * 4096) >>> 0, 4096)
    compared += result.compared
    for (const finding of result.findings) {
      if (found++ >= 20) continue
      console.log(`${finding.form}\n  case ${describeCase(finding.testCase)}\n  minimal ${describeCase(finding.minimal)}\n    ${finding.differences.join('\n    ')}`)
    }
  }
  console.log(`${compared} cases compared, ${found} differ, seed ${seed}`)
  process.exitCode = found ? 1 : 0
  await cpu.stop()
}

try {
  const commands: Record<string, () => Promise<void>> = { record, verify, fuzz, 'probe-kvm': async () => console.log((await probeKvm()).reason) }
  const command = commands[positionals[0] ?? '']
  if (!command) throw new CodedError('ERR_ORACLE_USAGE', USAGE)
  await command()
} catch (error) {
  if (!(error instanceof CodedError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
