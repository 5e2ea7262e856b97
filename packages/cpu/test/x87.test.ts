import { beforeEach, describe, expect, it } from 'vitest'
import * as L from '../src/state/layout.ts'
import { createBench, enterLongMode } from './support/bench.ts'
import type { Bench } from './support/bench.ts'

const CODE = 0x10000
const DATA = 0x20000
const UNMASK_ZERO_DIVIDE = 0x37b

/** FNINIT; FLDCW [DATA] with everything but ZE masked; FLD1; FLDZ; FDIVP: 1 / 0. */
const DIVIDE_BY_ZERO = [0xdb, 0xe3, 0xd9, 0x2c, 0x25, 0, 0, 2, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9]
const DIVIDE_AT = CODE + 13

describe('x87 exceptions and environment (SDM vol. 1, 8.1.8, 8.1.10, 8.6, 8.7)', () => {
  let bench: Bench
  const steps = (count: number): string => {
    for (let i = 0; i < count; i++) {
      const exit = bench.cpu.step()
      if (exit.reason === 'intercept') return exit.event.kind === 'exception' ? `#${exit.event.vector}` : exit.event.kind
    }
    return 'done'
  }
  const start = (...code: number[]): void => {
    bench.load(CODE, Uint8Array.from([...DIVIDE_BY_ZERO, ...code]))
    bench.load(DATA, Uint8Array.of(UNMASK_ZERO_DIVIDE & 0xff, UNMASK_ZERO_DIVIDE >> 8))
    enterLongMode(bench, CODE)
    bench.cpu.intercepts.exceptions = -1
    bench.cpu.interceptsChanged()
  }
  beforeEach(() => {
    bench = createBench({ bytes: 4 << 20 })
  })

  it('delivers #MF at the next waiting instruction, not at the one that raised the exception', () => {
    start(0xd9, 0xe8) // FLD1
    expect(steps(5)).toBe('done')
    expect(bench.cpu.state.u32(L.FPU_STATUS) & 0x8084).toBe(0x8084)
    expect(steps(1)).toBe('#16')
    expect(bench.cpu.state.rip).toBe(BigInt(CODE + DIVIDE_BY_ZERO.length))
  })

  it('leaves the operands of an unmasked division by zero as they were', () => {
    start(0x9b) // FWAIT
    expect(steps(5)).toBe('done')
    expect(bench.cpu.state.u32(L.FPU_TOP)).toBe(6)
    expect(bench.cpu.state.u64(L.FPU_REGISTERS + 7 * 16)).toBe(1n << 63n)
    expect(steps(1)).toBe('#16')
  })

  it('runs no-wait instructions with an exception pending; FNCLEX takes it back', () => {
    start(0xdf, 0xe0, 0xdb, 0xe2, 0x9b) // FNSTSW AX; FNCLEX; FWAIT
    expect(steps(8)).toBe('done')
    expect(Number(bench.cpu.state.gpr(0) & 0xffffn)).toBe(0xb084)
  })

  it('stores the address and opcode of the last non-control instruction, and masks everything after FNSTENV', () => {
    start(0xd9, 0x34, 0x25, 0, 1, 2, 0) // FNSTENV [DATA + 0x100]
    expect(steps(6)).toBe('done')
    const field = (n: number): bigint => bench.ram.readU64((DATA + 0x100 + n * 4) as never) & 0xffffffffn
    expect(field(0)).toBe(0xffff037bn)
    expect(field(1)).toBe(0xffffb084n)
    expect(field(2)).toBe(0xffff1fffn)
    expect(field(3)).toBe(BigInt(DIVIDE_AT))
    expect(field(4)).toBe(0x6f90000n)
    expect(bench.cpu.state.u32(L.FPU_CONTROL)).toBe(0x37f)
    expect(bench.cpu.state.u32(L.FPU_STATUS) & 0x8080).toBe(0)
  })

  it('raises #NM with CR0.TS set, before anything else', () => {
    start(0xd9, 0xe8)
    expect(steps(5)).toBe('done')
    const r = bench.cpu.getRegisters()
    bench.cpu.setRegisters({ ...r, cr0: r.cr0 | 8n })
    expect(steps(1)).toBe('#7')
  })
})
