import { describe, expect, it } from 'vitest'
import type { Intercepts, VcpuExit } from '@entresol/interfaces'
import { createBench, enterLongMode } from './support/bench.ts'
import type { Bench } from './support/bench.ts'

const CODE = 0x5000

function exitOf(wanted: Partial<Intercepts>, code: readonly number[], prepare: (bench: Bench) => void = () => {}): { exit: VcpuExit; bench: Bench } {
  const bench = createBench({ bytes: 2 << 20, codeCacheBytes: 4 << 20 })
  bench.load(CODE, Uint8Array.from([...code, 0xf4]))
  enterLongMode(bench, CODE)
  Object.assign(bench.cpu.intercepts, wanted)
  bench.cpu.interceptsChanged()
  prepare(bench)
  return { exit: bench.cpu.run(100), bench }
}

describe('an intercept', () => {
  it.each<[string, Partial<Intercepts>, number[], object]>([
    ['CPUID', { cpuid: true }, [0x0f, 0xa2], { kind: 'cpuid' }],
    ['RDMSR', { msr: true }, [0x0f, 0x32], { kind: 'rdmsr' }],
    ['WRMSR', { msr: true }, [0x0f, 0x30], { kind: 'wrmsr' }],
    ['SYSCALL', { syscall: true }, [0x0f, 0x05], { kind: 'syscall' }],
    ['SYSENTER', { sysenter: true }, [0x0f, 0x34], { kind: 'sysenter' }],
    ['HLT', { hlt: true }, [0xf4], { kind: 'hlt' }],
    ['INT n', { softwareInterrupts: true }, [0xcd, 0x80], { kind: 'software-interrupt', vector: 0x80 }],
    ['INT3', { softwareInterrupts: true }, [0xcc], { kind: 'software-interrupt', vector: 3 }],
    ['IN imm8', { io: true }, [0xe4, 0x61], { kind: 'io', port: 0x61, size: 1, write: false }],
    ['OUT imm8', { io: true }, [0xe6, 0x80], { kind: 'io', port: 0x80, size: 1, write: true, value: 0x11 }],
    ['MOV to CR0', { controlRegisters: true }, [0x0f, 0x22, 0xc0], { kind: 'control-register', register: 0, value: 0x11n }],
    ['MOV to CR3', { pageTableBase: true }, [0x0f, 0x22, 0xd8], { kind: 'control-register', register: 3, value: 0x11n }]
  ])('of %s leaves with RIP at the instruction, and says where the next one is', (_, wanted, code, event) => {
    const { exit, bench } = exitOf(wanted, code, ({ cpu }) => cpu.state.setGpr(0, 0x11n))
    expect(exit).toEqual({ reason: 'intercept', event: expect.objectContaining({ ...event, nextRip: BigInt(CODE + code.length) }) as unknown })
    expect(bench.cpu.getRegisters().rip).toBe(BigInt(CODE))
    expect(bench.io).toEqual([])
  })

  it('of MOV to CR3 leaves MOV to CR0 to the guest', () => {
    const { exit, bench } = exitOf({ pageTableBase: true }, [0x0f, 0x20, 0xc0, 0x0d, 0, 0, 1, 0, 0x0f, 0x22, 0xc0])
    expect(exit).toEqual({ reason: 'halt' })
    expect(bench.cpu.getRegisters().cr0 & 0x10000n).toBe(0x10000n)
  })

  it('that is not chosen costs no exit', () => {
    const { exit } = exitOf({}, [0xe6, 0x80, 0x0f, 0xa2])
    expect(exit).toEqual({ reason: 'halt' })
  })
})
