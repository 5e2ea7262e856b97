import type { VcpuEvent } from '@entresol/interfaces'
import type { Process } from './process.ts'
import { CODE, DATA, STACK_TOP } from './process.ts'
import type { Program } from './programs.ts'

/** How a program ended, and what it took. */
export interface Run {
  /** Exit status, as a 32-bit number. */
  readonly status: number
  readonly instructions: number
  readonly milliseconds: number
}

const SLICE = 10_000_000
const SYS_EXIT = 60n

/** Numbers that look random, the same every time: what programs find in their data. */
export function testData(bytes: number): Uint8Array {
  let state = 20261121
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

/** Runs the loaded program to its end; throws when it ends otherwise than by exit. */
export function run({ cpu }: Process, program: Program): Run {
  const registers = cpu.getRegisters()
  registers.gpr.fill(0n)
  registers.gpr[4] = BigInt(STACK_TOP)
  registers.gpr[6] = BigInt(program.rounds)
  registers.gpr[8] = BigInt(DATA)
  registers.rip = BigInt(CODE)
  cpu.setRegisters(registers)
  const first = cpu.instructionCount
  const start = performance.now()
  const event = runToEvent(cpu)
  const milliseconds = performance.now() - start
  const { gpr } = cpu.getRegisters()
  if (event.kind !== 'syscall' || gpr[0] !== SYS_EXIT) throw new RangeError(`${program.name}: ${event.kind} is not an exit`)
  return { status: Number(gpr[7]!), instructions: cpu.instructionCount - first, milliseconds }
}

function runToEvent(cpu: Process['cpu']): VcpuEvent {
  for (;;) {
    const exit = cpu.run(SLICE)
    if (exit.reason === 'intercept') return exit.event
    if (exit.reason !== 'slice') throw new RangeError(`the processor stopped: ${exit.reason}`)
  }
}
