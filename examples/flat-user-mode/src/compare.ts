import { createFlatProcess, createPagedProcess, DATA, STACK_TOP } from './process.ts'
import type { Process } from './process.ts'
import type { Program } from './programs.ts'
import { run, testData } from './run.ts'

/** Millions of instructions a second, both ways. */
export interface Comparison {
  readonly program: string
  readonly paged: number
  readonly flat: number
}

/** Runs before those that count: there the code is translated, and what the engine makes of it becomes fast. */
const WARM_UP = 40

/** Medians of `rounds` runs each way, alternating. */
export function compare(program: Program, rounds: number): Comparison {
  const processes = [createPagedProcess(), createFlatProcess()]
  const data = testData(STACK_TOP - DATA)
  for (const process of processes) process.load(Uint8Array.from(program.code))
  const rates: [paged: number[], flat: number[]] = [[], []]
  for (let round = -WARM_UP; round < rounds; round++) {
    processes.forEach((process, way) => {
      const rate = measure(process, program, data)
      if (round >= 0) rates[way]!.push(rate)
    })
  }
  return { program: program.name, paged: median(rates[0]), flat: median(rates[1]) }
}

function measure(process: Process, program: Program, data: Uint8Array): number {
  process.store(data)
  const { instructions, milliseconds } = run(process, program)
  return instructions / milliseconds / 1000
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

export function renderComparisons(comparisons: readonly Comparison[]): string {
  const row = (name: string, paged: string, flat: string, ratio: string): string => `${name.padEnd(46)}${paged.padStart(8)}${flat.padStart(8)}${ratio.padStart(8)}\n`
  const lines = comparisons.map(({ program, paged, flat }) => row(program, paged.toFixed(0), flat.toFixed(0), (flat / paged).toFixed(2)))
  const mean = Math.exp(comparisons.reduce((sum, { paged, flat }) => sum + Math.log(flat / paged), 0) / comparisons.length)
  return row('million instructions a second', 'paged', 'flat', 'ratio') + lines.join('') + row('geometric mean', '', '', mean.toFixed(2))
}
