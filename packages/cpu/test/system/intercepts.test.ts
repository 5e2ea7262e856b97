import { describe, expect, it } from 'vitest'
import { CODE, le, longMachine, PAGES } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

type Chosen = Partial<SystemBench['cpu']['intercepts']>

function run(chosen: Chosen, code: number[], cpl: 0 | 3 = 0): ReturnType<SystemBench['execute']> {
  const m = longMachine()
  Object.assign(m.cpu.intercepts, chosen)
  m.cpu.interceptsChanged()
  return m.execute(code, { cpl })
}
const at = (offset: number): bigint => BigInt(CODE + offset)

describe('events handed to the monitor', () => {
  const cases: [string, Chosen, number[], object][] = [
    ['CPUID', { cpuid: true }, [0x0f, 0xa2], { kind: 'cpuid', nextRip: at(2) }],
    ['SYSCALL', { syscall: true }, [0x0f, 0x05], { kind: 'syscall', nextRip: at(2) }],
    ['INT n', { softwareInterrupts: true }, [0xcd, 0x80], { kind: 'software-interrupt', vector: 0x80, nextRip: at(2) }],
    ['INT3', { softwareInterrupts: true }, [0xcc], { kind: 'software-interrupt', vector: 3, nextRip: at(1) }],
    ['RDMSR', { msr: true }, [0x0f, 0x32], { kind: 'rdmsr', nextRip: at(2) }],
    ['HLT', { hlt: true }, [0xf4], { kind: 'hlt', nextRip: at(1) }],
    ['OUT', { io: true }, [0xe6, 0x80], { kind: 'io', port: 0x80, size: 1, write: true, nextRip: at(2) }],
    ['IN', { io: true }, [0x66, 0xe5, 0x81], { kind: 'io', port: 0x81, size: 2, write: false, nextRip: at(3) }],
    ['MOV CR3', { pageTableBase: true }, [0xb8, ...le(PAGES, 4), 0x0f, 0x22, 0xd8], { kind: 'control-register', register: 3, value: BigInt(PAGES), nextRip: at(8) }],
    ['MOV CR4', { controlRegisters: true }, [0xb8, ...le(0x20, 4), 0x0f, 0x22, 0xe0], { kind: 'control-register', register: 4, value: 0x20n, nextRip: at(8) }],
    ['#UD', { exceptions: 1 << 6 }, [0x0f, 0x0b], { kind: 'exception', vector: 6, errorCode: undefined }],
  ]
  for (const [name, chosen, code, event] of cases) {
    it(`${name} arrives with RIP at the instruction`, () => {
      expect(run(chosen, code)).toMatchObject({ reason: 'intercept', event })
    })
  }

  it('privileged instructions at CPL 3 arrive as exception 13 before their own event', () => {
    expect(run({ hlt: true, msr: true, exceptions: 1 << 13 }, [0xf4], 3)).toMatchObject({ event: { kind: 'exception', vector: 13, errorCode: 0 } })
    expect(run({ io: true, exceptions: 1 << 13 }, [0xe6, 0x80], 3)).toMatchObject({ event: { kind: 'exception', vector: 13 } })
  })

  it('MOV CR3 runs by itself when only the other control registers are chosen', () => {
    expect(run({ controlRegisters: true }, [0xb8, ...le(PAGES, 4), 0x0f, 0x22, 0xd8, 0xf4])).toEqual({ reason: 'halt' })
  })
})
