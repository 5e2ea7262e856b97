import type { Outcome, Subject, TestCase } from './case.ts'
import { differences } from './compare.ts'
import { saysNothing } from './environment.ts'
import type { InstructionForm } from './forms.ts'
import type { Judge } from './fuzz.ts'
import { simplifications } from './fuzz.ts'
import { generateProgram } from './program.ts'
import type { Program } from './program.ts'
import { mix32 } from './random.ts'

/** A side of the comparison that runs programs (TestCase.program) and counts. The same case again finds its code as it left it: warm. */
export interface ProgramSubject extends Subject {
  /** Instructions the last program took. */
  readonly instructions: number
}

export interface ProgramSubjects {
  readonly interpreter: ProgramSubject
  readonly translator: ProgramSubject
}

export interface ProgramFinding {
  readonly program: Program
  readonly minimal: TestCase
  readonly between: 'interpreter and translator' | 'real CPU and interpreter'
  readonly differences: readonly string[]
}

export interface ProgramRound {
  readonly findings: ProgramFinding[]
  /** Programs that ended, those of them that the real CPU ran too, and what was in them. */
  programs: number
  judged: number
  generated: number
  /** Instructions executed by each software CPU, and by the real one. */
  executed: number
  executedByJudge: number
}

/** The first run decodes, later ones find ever more code translated. */
const RUNS = 3
/** Attempts to take out an instruction that faults. */
const DEFUSE = 8
const NOP = 0x90

/** Runs `count` random programs on interpreter, translator and, where the manuals define all they do, on the judge if there is one. */
export async function fuzzPrograms(
  judge: Judge | undefined, subjects: ProgramSubjects, mode: 64 | 32, forms: readonly InstructionForm[], seed: number, count: number,
): Promise<ProgramRound> {
  const { interpreter } = subjects
  const round: ProgramRound = { findings: [], programs: 0, judged: 0, generated: 0, executed: 0, executedByJudge: 0 }
  const judged: { program: Program; outcome: Outcome; instructions: number }[] = []
  for (let i = 0; i < count; i++) {
    const programSeed = mix32((seed + i) >>> 0)
    const defined = (programSeed & 1) === 1
    const generated = generateProgram(programSeed, { mode, forms, defined })
    const { program, outcome } = prepare(generated, interpreter)
    if (outcome.kind === 'step-limit') continue
    const { instructions } = interpreter
    round.programs++
    round.generated += program.listing.length
    round.executed += instructions
    const lines = runTranslated(subjects, program.testCase, outcome, instructions)
    if (lines.length) {
      const fails = (testCase: TestCase): boolean => {
        const expected = interpreter.run(testCase)
        return expected.kind !== 'step-limit' && runTranslated(subjects, testCase, expected, interpreter.instructions).length > 0
      }
      round.findings.push({ program, minimal: await minimiseProgram(program, async (c) => fails(c)), between: 'interpreter and translator', differences: lines })
    }
    if (judge && defined && !opinion(program, outcome)) judged.push({ program, outcome, instructions })
  }
  if (!judge) return round
  const outcomes = await judge.run(judged.map(({ program }) => program.testCase))
  for (const [i, { program, outcome, instructions }] of judged.entries()) {
    const real = outcomes[i]!
    round.judged++
    round.executedByJudge += instructions
    const lines = differences(real, outcome)
    if (lines.length === 0 || opinion(program, real)) continue
    const fails = async (testCase: TestCase): Promise<boolean> => {
      const expected = interpreter.run(testCase)
      if (expected.kind === 'step-limit' || opinion({ ...program, testCase }, expected)) return false
      const [actual] = await judge.run([testCase])
      return differences(actual!, expected).length > 0
    }
    round.findings.push({ program, minimal: await minimiseProgram(program, fails), between: 'real CPU and interpreter', differences: lines })
  }
  return round
}

function runTranslated({ translator }: ProgramSubjects, testCase: TestCase, expected: Outcome, instructions: number): string[] {
  for (let run = 1; run <= RUNS; run++) {
    const lines = differences(expected, translator.run(testCase))
    if (translator.instructions !== instructions) lines.push(`instructions: expected ${instructions}, got ${translator.instructions}`)
    if (lines.length) return [`run ${run}:`, ...lines]
  }
  return []
}

/** Most programs would end at their first bad address: three of four have such instructions taken out. */
function prepare(program: Program, interpreter: ProgramSubject): { program: Program; outcome: Outcome } {
  let outcome = interpreter.run(program.testCase)
  if ((program.seed >>> 4) % 4 === 0) return { program, outcome }
  for (let n = 0; n < DEFUSE && outcome.fault; n++) {
    const piece = pieceAt(program, outcome)
    if (!piece) break
    program = { ...program, testCase: without(program.testCase, piece) }
    outcome = interpreter.run(program.testCase)
  }
  return { program, outcome }
}

type Piece = Program['listing'][number]

const pieceAt = ({ listing }: Program, { rip }: Outcome): Piece | undefined =>
  listing.find(({ address, length }) => rip >= BigInt(address) && rip < BigInt(address + length))

/** The program with NOPs in the place of a piece. */
function without(testCase: TestCase, { address, length }: Piece): TestCase {
  const code = testCase.code.slice()
  const at = address - testCase.codeAddress!
  return { ...testCase, code: code.fill(NOP, at, at + length) }
}

/** The outcome is the environment's or the vendor's: see `saysNothing`. */
function opinion(program: Program, outcome: Outcome): boolean {
  const name = outcome.fault ? (pieceAt(program, outcome)?.name ?? '') : ''
  return saysNothing(name, { ...program.testCase, gpr: outcome.gpr }, outcome)
}

async function minimiseProgram({ testCase, listing }: Program, fails: (testCase: TestCase) => Promise<boolean>): Promise<TestCase> {
  let best = testCase
  // Without CMP, flags could be compared that are undefined; without HLT, the end of the page is reached.
  const removable = listing.filter(({ name }) => name !== 'CMP' && name !== 'HLT')
  for (const simplify of [...removable.map((piece) => (from: TestCase) => without(from, piece)), ...simplifications(testCase)]) {
    const next = simplify(best)
    if (await fails(next)) best = next
  }
  return best
}
