import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { ACCESS, CODE, CODE0, DATA0, descriptor, FREE, gate, GDT, HANDLERS, le, protectedMachine, stoppedIn, TR, TSS, TSS2 } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const TASK = CODE + 0x400
const TASK_STACK = 0x28000
const far = (opcode: number, selector: number): number[] => [opcode, ...le(0, 4), ...le(selector, 2)]

/** A second task in TSS2, described at FREE, running TASK at ring 0. */
function withTask(code: number[], change: { cs?: number; ss?: number; ds?: number; eflags?: number; eip?: number; ldt?: number } = {}): SystemBench {
  const m = protectedMachine()
  m.setDescriptor(FREE, descriptor(TSS2, 0x67, ACCESS.tss, 0))
  const put = (offset: number, value: number): void => m.ram.writeU32((TSS2 + offset) as Gpa, value)
  put(0x20, change.eip ?? TASK)
  put(0x24, change.eflags ?? 2)
  put(0x28, 0x11111111)
  put(0x38, TASK_STACK)
  put(0x48, DATA0)
  put(0x4c, change.cs ?? CODE0)
  put(0x50, change.ss ?? DATA0)
  put(0x54, change.ds ?? DATA0)
  put(0x60, change.ldt ?? 0)
  m.load(TASK, Uint8Array.from(code))
  return m
}

const access = (m: SystemBench, selector: number): number => m.ram.readU8((GDT + selector + 5) as Gpa)

describe('task switches (SDM vol. 3, 9.3)', () => {
  it('JMP to a TSS saves the old task, loads the new one, moves the busy bit and sets CR0.TS', () => {
    const m = withTask([0xf4])
    m.execute([0xbb, ...le(0x77, 4), ...far(0xea, FREE)])
    const r = m.registers()
    expect([r.rip, r.gpr[0], r.gpr[4]]).toEqual([BigInt(TASK + 1), 0x11111111n, BigInt(TASK_STACK)])
    expect(r.segments.tr).toMatchObject({ selector: FREE, base: BigInt(TSS2) })
    expect([access(m, TR), access(m, FREE)]).toEqual([ACCESS.tss, ACCESS.tssBusy])
    expect([m.u32(TSS + 0x20), m.u32(TSS + 0x24), m.u32(TSS + 0x34), m.u32(TSS + 0x4c)]).toEqual([CODE + 12, 0x202, 0x77, CODE0])
    expect(r.cr0 & 8n).toBe(8n)
    expect(r.rflags & 0x4000n).toBe(0n)
  })

  it('CALL links back, sets NT and keeps both busy; IRET returns and clears NT (9.4)', () => {
    const m = withTask([0x9c, 0x59, 0xcf])
    m.execute([...far(0x9a, FREE), 0xf4])
    const r = m.registers()
    expect(r.rip).toBe(BigInt(CODE + 8))
    expect(r.segments.tr.selector).toBe(TR)
    expect(m.ram.readU16(TSS2 as Gpa)).toBe(TR)
    expect([access(m, TR), access(m, FREE)]).toEqual([ACCESS.tssBusy, ACCESS.tss])
    // ECX of the inner task had NT; the image saved for it has not.
    expect(BigInt(m.u32(TSS2 + 0x2c)) & 0x4000n).toBe(0x4000n)
    expect(m.u32(TSS2 + 0x24) & 0x4000).toBe(0)
  })

  it('refuses a busy TSS with #GP(selector), a short one with #TS, an absent one with #NP, in the old task', () => {
    for (const [d, vector] of [
      [descriptor(TSS2, 0x67, ACCESS.tssBusy, 0), 13], [descriptor(TSS2, 0x66, ACCESS.tss, 0), 10], [descriptor(TSS2, 0x67, 0x09, 0), 11],
    ] as const) {
      const m = withTask([0xf4])
      m.setDescriptor(FREE, d)
      m.execute(far(0xea, FREE))
      expect([stoppedIn(m), m.stack(2)]).toEqual([vector, [BigInt(FREE), BigInt(CODE)]])
      expect(m.registers().segments.tr.selector).toBe(TR)
    }
  })

  it('raises faults of the new segments in the new task: #TS for CS, SS, DS, LDTR, with their selectors', () => {
    for (const [change, error] of [[{ cs: DATA0 }, DATA0], [{ ss: CODE0 }, CODE0], [{ ds: 0x90 + 0x4000 }, 0x4090], [{ ldt: DATA0 }, DATA0]] as const) {
      const m = withTask([0xf4], change)
      // The handler of #TS is a task of its own: the faulty one has no stack to trust.
      const handler = FREE + 16
      m.setDescriptor(handler, descriptor(TSS2 + 0x100, 0x67, ACCESS.tss, 0))
      m.setGate(10, gate(handler, 0, 0x85))
      const put = (offset: number, value: number): void => m.ram.writeU32((TSS2 + 0x100 + offset) as Gpa, value)
      put(0x20, HANDLERS + 160)
      put(0x38, 0x2a000)
      for (const offset of [0x48, 0x50, 0x54]) put(offset, DATA0)
      put(0x4c, CODE0)
      m.execute(far(0xea, FREE))
      expect([stoppedIn(m), m.stack(1)[0]]).toEqual([10, BigInt(error)])
      expect(m.ram.readU16((TSS2 + 0x100) as Gpa)).toBe(FREE)
      expect(m.u32(TSS2 + 0x20)).toBe(TASK)
    }
  })

  it('a task gate in the IDT switches on a fault and pushes the error code on the new stack (7.12.2)', () => {
    const m = withTask([0x5b, 0xf4])
    m.setGate(13, gate(FREE, 0, 0x85))
    m.execute([0xb8, ...le(0x1234, 4), 0x8e, 0xd8])
    const r = m.registers()
    expect(r.gpr[3]).toBe(0x1234n & 0xfffcn)
    expect(r.rip).toBe(BigInt(TASK + 2))
    expect([m.u32(TSS + 0x20), m.u32(TSS + 0x24)]).toEqual([CODE + 5, 0x10202])
  })

  it('a task gate reached by CALL is checked for its own DPL, not that of the TSS (9.2.5)', () => {
    const m = withTask([0xf4])
    m.setDescriptor(FREE + 8, gate(FREE, 0, 0xe5))
    m.execute(far(0x9a, FREE + 8), { cpl: 3 })
    expect(m.registers().rip).toBe(BigInt(TASK + 1))
    const n = withTask([0xf4])
    n.execute(far(0x9a, FREE), { cpl: 3 })
    expect([stoppedIn(n), n.stack(1)[0]]).toEqual([13, BigInt(FREE)])
  })

  it('saves and loads 16-bit tasks (figure 9-10)', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(TSS2, 0x2b, ACCESS.tss16, 0))
    const put = (offset: number, value: number): void => m.ram.writeU16((TSS2 + offset) as Gpa, value)
    put(0x0e, 0x8400)
    put(0x10, 2)
    put(0x12, 0x1234)
    put(0x1a, 0x7000)
    for (const [offset, selector] of [[0x22, DATA0], [0x24, CODE0], [0x26, DATA0], [0x28, DATA0]] as const) put(offset, selector)
    m.load(0x8400, Uint8Array.of(0xf4))
    m.execute(far(0xea, FREE))
    const r = m.registers()
    expect([r.rip, r.gpr[0]! & 0xffffn, r.gpr[4]! & 0xffffn]).toEqual([0x8401n, 0x1234n, 0x7000n])
  })

  it('raises #DB with DR6.BT after a switch to a task whose T flag is set (18.3.1.5)', () => {
    const m = withTask([0xf4])
    m.ram.writeU8((TSS2 + 0x64) as Gpa, 1)
    m.execute(far(0xea, FREE))
    expect(stoppedIn(m)).toBe(1)
    expect(m.stack(1)[0]).toBe(BigInt(TASK))
  })

  it('IRET with NT set goes by the back link: #TS when it is no busy TSS', () => {
    const m = protectedMachine()
    m.ram.writeU16(TSS as Gpa, DATA0)
    m.execute([0xcf], { change: (r) => (r.rflags = 0x4202n) })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([10, BigInt(DATA0)])
  })
})
