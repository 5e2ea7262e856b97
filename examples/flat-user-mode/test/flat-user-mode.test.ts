import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compare, renderComparisons } from '../src/compare.ts'
import { createFlatProcess, createPagedProcess, DATA, STACK_TOP } from '../src/process.ts'
import { PROGRAMS } from '../src/programs.ts'
import { run, testData } from '../src/run.ts'

const data = testData(STACK_TOP - DATA)

describe.each(PROGRAMS)('$name', (program) => {
  test('ends the same on paged and on flat memory, before and after it is translated', () => {
    const processes = [createPagedProcess(), createFlatProcess()]
    for (const process of processes) process.load(Uint8Array.from(program.code))
    const ends = [1, 2, 3].flatMap(() => processes.map((process) => {
      process.store(data)
      const { status, instructions } = run(process, program)
      return { status, instructions, registers: process.cpu.getRegisters(), data: process.data() }
    }))
    const [first] = ends
    for (const { status, instructions, registers, data: memory } of ends) {
      expect({ status, instructions }).toEqual({ status: first!.status, instructions: first!.instructions })
      expect(registers.gpr).toEqual(first!.registers.gpr)
      expect(registers.rip).toBe(first!.registers.rip)
      expect(Buffer.compare(memory, first!.data)).toBe(0)
    }
    expect(first!.instructions).toBeGreaterThan(100_000)
  }, 60_000)
})

test('the report has what the README shows', () => {
  const comparisons = PROGRAMS.map((program) => compare({ ...program, rounds: 1 }, 1))
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const shown = /```\n(million[^`]*)```/.exec(readme)![1]!
  const names = (text: string): string[] => text.trimEnd().split('\n').map((line) => line.slice(0, 46).trimEnd())
  expect(names(renderComparisons(comparisons))).toEqual(names(shown))
}, 60_000)

test('Fibonacci is right', () => {
  const process = createFlatProcess()
  const calls = PROGRAMS.at(-1)!
  process.load(Uint8Array.from(calls.code))
  expect(run(process, { ...calls, rounds: 15 }).status).toBe(610)
}, 60_000)
