import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import {
  ACCESS, BIG, CODE, CODE0, CODE3, DATA0, DATA3, descriptor, FREE, gate, HANDLERS, le, longMachine, STACK0, STACK3, stoppedIn, TSS,
} from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const open = (m: SystemBench, vector: number): void => m.setGate(vector, gate(CODE0, HANDLERS + vector * 16, 0xee))
/** mov ecx, msr; mov eax, low; mov edx, high; wrmsr */
const wrmsr = (msr: number, low: number, high = 0): number[] => [0xb9, ...le(msr, 4), 0xb8, ...le(low, 4), 0xba, ...le(high, 4), 0x0f, 0x30]
const push = (value: number): number[] => [0x68, ...le(value, 4)]

describe('events in 64-bit mode (SDM vol. 3, 7.14)', () => {
  it('aligns RSP to 16 and pushes SS, RSP always (7.14.2)', () => {
    const m = longMachine()
    m.execute([0xcd, 0x40], { change: (r) => (r.gpr[4] = BigInt(STACK0 - 5)) })
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.registers().gpr[4]).toBe(BigInt(STACK0 - 16 - 40))
    expect(m.stack(5)).toEqual([BigInt(CODE + 2), BigInt(CODE0), 0x202n, BigInt(STACK0 - 5), BigInt(DATA0)])
  })

  it('loads a null SS with the new CPL as RPL when the privilege changes (7.14.4)', () => {
    const m = longMachine()
    open(m, 0x40)
    m.execute([0xcd, 0x40], { cpl: 3 })
    const r = m.registers()
    expect([r.segments.ss.selector, r.gpr[4]]).toEqual([0, BigInt(STACK0 - 40)])
    expect(m.stack(5)).toEqual([BigInt(CODE + 2), BigInt(CODE3), 0x202n, BigInt(STACK3), BigInt(DATA3)])
  })

  it('takes the stack from the IST where the gate names one, privilege change or not (7.14.5)', () => {
    const m = longMachine()
    m.ram.writeU64((TSS + 36 + 16) as Gpa, 0x28000n)
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0x8e, 3))
    m.execute([0xcd, 0x40])
    expect(m.registers().gpr[4]).toBe(0x28000n - 40n)
  })

  it('refuses gates to code that is not 64-bit (7.14.1)', () => {
    const m = longMachine()
    m.setDescriptor(FREE, descriptor(0, 0xfffff, ACCESS.code0, BIG))
    m.setGate(0x40, gate(FREE, HANDLERS + 0x400, 0x8e))
    m.execute([0xcd, 0x40])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(FREE)])
  })

  it('faults with #SS(0) on a push to a stack that is not canonical and #GP(0) on other such accesses (vol. 1, 3.3.7.1)', () => {
    const m = longMachine()
    // #SS needs a good stack: IST 1.
    m.ram.writeU64((TSS + 36) as Gpa, 0x28000n)
    m.setGate(12, gate(CODE0, HANDLERS + 192, 0x8e, 1))
    m.execute([0x50], { change: (r) => (r.gpr[4] = 0x800000001000n) })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([12, 0n])
    m.execute([0x48, 0x8b, 0x00], { change: (r) => (r.gpr[0] = 0x800000000000n) })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
  })

  it('reports page faults with CR2 and the error code (5.7)', () => {
    const m = longMachine()
    m.execute([0xc6, 0x04, 0x25, ...le(0x700123, 4), 1])
    expect([stoppedIn(m), m.stack(1)[0], m.registers().cr2]).toEqual([14, 2n, 0x700123n])
  })

  it('doubles a page fault met while delivering a page fault (table 7-5)', () => {
    const m = longMachine()
    m.ram.writeU64((TSS + 36) as Gpa, 0x28000n)
    m.setGate(8, gate(CODE0, HANDLERS + 128, 0x8e, 1))
    m.execute([0xc6, 0x04, 0x25, ...le(0x700123, 4), 1], { change: (r) => (r.gpr[4] = 0x600000n) })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([8, 0n])
  })
})

describe('IRETQ (SDM vol. 2A)', () => {
  it('returns to ring 3, and from there pops SS and RSP even without a privilege change', () => {
    const m = longMachine()
    open(m, 0x40)
    const user = CODE + 0x100
    m.load(user, Uint8Array.of(0xcd, 0x40))
    m.execute([...push(DATA3), ...push(STACK3), ...push(0x202), ...push(CODE3), ...push(user), 0x48, 0xcf])
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.stack(5)).toEqual([BigInt(user + 2), BigInt(CODE3), 0x202n, BigInt(STACK3), BigInt(DATA3)])
  })

  it('goes to compatibility mode, where addresses are 32 bits, and comes back by an interrupt', () => {
    const m = longMachine()
    open(m, 0x40)
    m.setDescriptor(FREE, descriptor(0, 0xfffff, ACCESS.code3, BIG))
    const user = CODE + 0x100
    // 40H is INC EAX outside 64-bit mode.
    m.load(user, Uint8Array.of(0x40, 0xcd, 0x40))
    m.execute([...push(DATA3), ...push(STACK3), ...push(0x202), ...push(FREE | 3), ...push(user), 0x48, 0xcf], { change: (r) => (r.gpr[0] = 0xffffffffn) })
    expect(stoppedIn(m)).toBe(0x40)
    expect(m.registers().gpr[0]).toBe(0n)
    expect(m.stack(2)[1]).toBe(BigInt(FREE | 3))
  })

  it('refuses NT, null SS for ring 3, and targets that are not canonical', () => {
    const m = longMachine()
    m.execute([0x48, 0xcf], { change: (r) => (r.rflags = 0x4002n) })
    expect(stoppedIn(m)).toBe(13)
    m.execute([...push(0), ...push(STACK3), ...push(0x202), ...push(CODE3), ...push(CODE), 0x48, 0xcf])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
    // mov rax, 1 << 47; push
    m.execute([...push(DATA3), ...push(STACK3), ...push(0x202), ...push(CODE3), 0x48, 0xb8, 0, 0, 0, 0, 0, 0x80, 0, 0, 0x50, 0x48, 0xcf])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
  })
})

describe('SYSCALL, SYSRET, SWAPGS (SDM vol. 2B)', () => {
  const setup = [
    ...wrmsr(0xc0000081, 0, (0x0b << 16) | CODE0), ...wrmsr(0xc0000082, CODE + 0x200), ...wrmsr(0xc0000084, 0x200),
  ]

  it('saves RIP in RCX and RFLAGS in R11, masks flags, loads flat CS and SS without looking at the GDT', () => {
    const m = longMachine()
    m.load(CODE + 0x200, Uint8Array.of(0xf4))
    m.execute([...setup, 0x0f, 0x05])
    const r = m.registers()
    expect(r.rip).toBe(BigInt(CODE + 0x201))
    expect([r.gpr[1], r.gpr[11], r.rflags & 0x200n]).toEqual([BigInt(CODE + setup.length + 2), 0x202n, 0n])
    expect(r.segments.cs).toMatchObject({ selector: CODE0, base: 0n, limit: 0xffffffff })
    expect(r.segments.ss).toMatchObject({ selector: CODE0 + 8 })
  })

  it('returns to ring 3 with the selectors of STAR 63:48', () => {
    const m = longMachine()
    open(m, 0x40)
    const user = CODE + 0x300
    m.load(user, Uint8Array.of(0xcd, 0x40))
    m.execute([...setup, 0x48, 0x0f, 0x07], { change: (r) => { r.gpr[11] = 0x202n } })
    // RCX holds the last MSR number: not a place in memory. So it faults there, in ring 3.
    expect(stoppedIn(m)).toBe(14)
    expect(m.stack(6).slice(1, 3)).toEqual([0xc0000084n, 0x1bn])
    expect(m.stack(6)[5]).toBe(0x13n)
  })

  it('is #UD without EFER.SCE', () => {
    const m = longMachine()
    m.execute([0x0f, 0x05], { change: (r) => (r.efer = 0xd00n) })
    expect(stoppedIn(m)).toBe(6)
  })

  it('SWAPGS exchanges the base of GS with KERNEL_GS_BASE', () => {
    const m = longMachine()
    m.execute([...wrmsr(0xc0000102, 0x5000), ...wrmsr(0xc0000101, 0x7000), 0x0f, 0x01, 0xf8, 0xf4])
    expect(m.registers().segments.gs.base).toBe(0x5000n)
  })

  it('SWAPGS and SYSRET are #GP(0) at CPL 3', () => {
    for (const code of [[0x0f, 0x01, 0xf8], [0x48, 0x0f, 0x07]]) {
      const m = longMachine()
      m.execute(code, { cpl: 3 })
      expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
    }
  })
})

describe('call gates of 64-bit mode (SDM vol. 3, 6.8.3.1)', () => {
  it('switches to RSP0, pushes four quadwords, and RETF comes back', () => {
    const m = longMachine()
    const target = CODE + 0x200
    m.load(target, Uint8Array.of(0xff, 0xc3, 0x48, 0xcb))
    m.setDescriptor(FREE, gate(CODE0, target, 0xec), 0n)
    open(m, 0x41)
    m.load(CODE + 0x100, Uint8Array.from([...le(0, 4), ...le(FREE | 3, 2)]))
    // call far [CODE + 100h]; int 41h
    m.execute([0xff, 0x1c, 0x25, ...le(CODE + 0x100, 4), 0xcd, 0x41], { cpl: 3, change: (r) => (r.gpr[3] = 0n) })
    expect(stoppedIn(m)).toBe(0x41)
    expect(m.registers().gpr[3]).toBe(1n)
    expect(m.stack(5)).toEqual([BigInt(CODE + 9), BigInt(CODE3), 0x202n, BigInt(STACK3), BigInt(DATA3)])
  })

  it('refuses a gate whose upper type field is not zero', () => {
    const m = longMachine()
    m.setDescriptor(FREE, gate(CODE0, CODE, 0xec), 0x100000000000000n >> 16n)
    m.load(CODE + 0x100, Uint8Array.from([...le(0, 4), ...le(FREE | 3, 2)]))
    m.execute([0xff, 0x1c, 0x25, ...le(CODE + 0x100, 4)], { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(FREE)])
  })
})
