import { describe, expect, it } from 'vitest'
import { CODE, CODE0, CODE3, DATA0, DATA3, descriptor, gate, HANDLERS, le, protectedMachine, STACK0, STACK3, stoppedIn, ACCESS, BIG, FREE } from '../support/system.ts'

const INT = (n: number): number[] => [0xcd, n]

describe('events in protected mode (SDM vol. 3, 7.12)', () => {
  it('pushes EFLAGS, CS, EIP on the same stack and clears IF and TF through an interrupt gate', () => {
    const m = protectedMachine()
    expect(m.execute(INT(0x40))).toEqual({ reason: 'halt' })
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.stack(3)).toEqual([BigInt(CODE + 2), BigInt(CODE0), 0x202n])
    expect(m.registers().rflags & 0x200n).toBe(0n)
  })

  it('leaves IF alone through a trap gate (7.12.1.3)', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0x8f))
    m.execute(INT(0x40))
    expect(m.registers().rflags & 0x200n).toBe(0x200n)
  })

  it('switches to the stack of the inner level and pushes SS and ESP (7.12.1)', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.execute(INT(0x40), { cpl: 3 })
    expect(stoppedIn(m)).toBe(0x40)
    const r = m.registers()
    expect(r.gpr[4]).toBe(BigInt(STACK0 - 20))
    expect(r.segments.ss.selector).toBe(DATA0)
    expect(r.segments.cs.selector).toBe(CODE0)
    expect(m.stack(5)).toEqual([BigInt(CODE + 2), BigInt(CODE3), 0x202n, BigInt(STACK3), BigInt(DATA3)])
  })

  it('pushes 16-bit words through a 16-bit gate', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0x86))
    m.execute(INT(0x40))
    expect(m.stack(3, 2)).toEqual([BigInt(CODE + 2), BigInt(CODE0), 0x202n])
    expect(m.registers().gpr[4]).toBe(BigInt(STACK0 - 6))
  })

  it('refuses INT n through a gate with DPL below CPL, with #GP(n * 8 + 2) (7.12.1.2)', () => {
    const m = protectedMachine()
    m.execute(INT(0x40), { cpl: 3 })
    expect(stoppedIn(m)).toBe(13)
    expect(m.stack(2)).toEqual([0x202n, BigInt(CODE)])
  })

  it('checks the gate privilege of INT3 but not of INT1 (vol. 2A, INT n)', () => {
    const m = protectedMachine()
    m.execute([0xcc], { cpl: 3 })
    expect(stoppedIn(m)).toBe(13)
    expect(m.stack(1)).toEqual([3n * 8n + 2n])
    m.execute([0xf1], { cpl: 3 })
    expect(stoppedIn(m)).toBe(1)
    expect(m.stack(1)).toEqual([BigInt(CODE + 1)])
  })

  it('gives #NP(n * 8 + 2) for a gate that is not present, after the privilege check', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, 0, 0x6e))
    m.execute(INT(0x40), { cpl: 3 })
    expect(stoppedIn(m)).toBe(11)
    expect(m.stack(1)).toEqual([0x202n])
    m.setGate(0x40, gate(CODE0, 0, 0x0e))
    m.execute(INT(0x40), { cpl: 3 })
    expect(stoppedIn(m)).toBe(13)
  })

  it('marks faults in delivering an external interrupt with EXT (7.13)', () => {
    const m = protectedMachine()
    m.setGate(0x50, gate(CODE0, 0, 0x0e))
    m.interrupts.vector = 0x50
    m.execute([0x90, 0xeb, 0xfd], { change: () => m.cpu.interruptPending() })
    expect(stoppedIn(m)).toBe(11)
    expect(m.stack(1)).toEqual([0x50n * 8n + 3n])
  })

  it('turns a contributory fault in delivering a contributory one into #DF with error code 0 (table 7-5)', () => {
    const m = protectedMachine()
    m.setGate(13, 0n)
    // mov ds, ax with a selector beyond the GDT
    m.execute([0xb8, ...le(0x4000, 4), 0x8e, 0xd8])
    expect(stoppedIn(m)).toBe(8)
    expect(m.stack(2)).toEqual([0n, BigInt(CODE + 5)])
  })

  it('delivers a fault met while delivering an interrupt as itself (table 7-5, benign first)', () => {
    const m = protectedMachine()
    m.setGate(0x40, 0n)
    m.execute(INT(0x40))
    expect(stoppedIn(m)).toBe(13)
    expect(m.stack(1)).toEqual([0x202n])
  })

  it('shuts down on a third fault', () => {
    const m = protectedMachine()
    m.setGate(13, 0n)
    m.setGate(8, 0n)
    expect(m.execute([0xb8, ...le(0x4000, 4), 0x8e, 0xd8])).toEqual({ reason: 'shutdown' })
  })

  it('sets RF in the image a fault pushes and not in that of a trap or interrupt (18.3.1.1)', () => {
    const m = protectedMachine()
    m.execute([0x0f, 0x0b])
    expect(stoppedIn(m)).toBe(6)
    expect(m.stack(3)[2]).toBe(0x10202n)
  })

  it('reports a stack segment in the TSS that cannot be used as #TS with its selector (7.12.1)', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.ram.writeU32(0x4008 as never, 0x90)
    m.setGate(10, gate(CODE0, HANDLERS + 160, 0x8e))
    // #TS cannot be delivered to ring 0 either: the same stack is needed. Double fault, then shutdown.
    expect(m.execute(INT(0x40), { cpl: 3 })).toEqual({ reason: 'shutdown' })
  })

  it('enters conforming handlers at the interrupted privilege, on its stack', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0, 0xfffff, ACCESS.conforming0, BIG))
    m.setGate(0x40, gate(FREE, CODE + 0x100, 0xee))
    m.load(CODE + 0x100, Uint8Array.of(0xcd, 0x41))
    m.setGate(0x41, gate(CODE0, HANDLERS + 0x410, 0xee))
    m.execute(INT(0x40), { cpl: 3 })
    expect(stoppedIn(m)).toBe(0x41)
    const frame = m.stack(5)
    expect(frame[1]).toBe(BigInt(FREE | 3))
    expect(frame[3]).toBe(BigInt(STACK3 - 12))
  })

  it('returns where IRET says, restoring flags; IOPL only at CPL 0 and IF only at CPL <= IOPL (vol. 2A, IRET)', () => {
    const m = protectedMachine()
    // At CPL 0, push a ring-3 frame whose flags have IOPL 3 and IF; there, POPF tries to set IOPL 0 and clears IF, then INT 40h.
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    const user = CODE + 0x100
    m.load(user, Uint8Array.of(0x6a, 0x02, 0x9d, 0xcd, 0x40))
    const push = (value: number): number[] => [0x68, ...le(value, 4)]
    m.execute([...push(DATA3), ...push(STACK3), ...push(0x3202), ...push(CODE3), ...push(user), 0xcf])
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.stack(3)).toEqual([BigInt(user + 5), BigInt(CODE3), 0x3002n])
  })

  it('nulls data segments the outer level may not use on IRET (vol. 2A)', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    const user = CODE + 0x100
    m.load(user, Uint8Array.of(0xcd, 0x40))
    const push = (value: number): number[] => [0x68, ...le(value, 4)]
    m.execute([...push(DATA3), ...push(STACK3), ...push(0x202), ...push(CODE3), ...push(user), 0xcf])
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.registers().segments.ds).toMatchObject({ selector: 0, attributes: 0 })
  })

  it('checks IRET targets: RPL below CPL, data as code, absent code', () => {
    const m = protectedMachine()
    const push = (value: number): number[] => [0x68, ...le(value, 4)]
    m.execute([...push(0x202), ...push(DATA0), ...push(CODE), 0xcf])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(DATA0)])
    m.setDescriptor(FREE, descriptor(0, 0xfffff, 0x1b, BIG))
    m.execute([...push(0x202), ...push(FREE), ...push(CODE), 0xcf])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([11, BigInt(FREE)])
    m.execute([...push(0x202), ...push(CODE0), ...push(CODE), 0xcf], { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(CODE0)])
  })

  it('holds interrupts off for one instruction after STI (vol. 2B, STI)', () => {
    const m = protectedMachine()
    m.interrupts.vector = 0x50
    // cli state; sti; inc eax; inc eax
    m.execute([0xfb, 0x40, 0x40, 0xf4], { change: (r) => { r.rflags = 2n; r.gpr[0] = 0n; m.cpu.interruptPending() } })
    expect(stoppedIn(m)).toBe(0x50)
    expect(m.registers().gpr[0]).toBe(1n)
  })

  it('blocks NMIs until IRET (7.7.1)', () => {
    const m = protectedMachine()
    m.load(HANDLERS + 32, Uint8Array.of(0x41, 0xcf))
    m.execute([0x40, 0xf4], { change: () => m.cpu.nmi() })
    expect(m.registers().gpr[1]).toBe(1n)
    expect(m.registers().rip).toBe(BigInt(CODE + 2))
  })
})
