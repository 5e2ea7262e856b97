import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { CODE, CODE0, DATA0, gate, HANDLERS, le, protectedMachine, realMachine, STACK0, STACK16, stoppedIn, TSS } from '../support/system.ts'

describe('real-address mode (SDM vol. 3, 21.1)', () => {
  it('goes through the IVT, pushing FLAGS, CS, IP as words, and clears IF (21.1.4)', () => {
    const m = realMachine()
    m.execute([0xcd, 0x21])
    expect(stoppedIn(m)).toBe(0x21)
    expect(m.stack(3, 2)).toEqual([BigInt(CODE + 2), 0n, 0x202n])
    expect(m.registers().rflags & 0x200n).toBe(0n)
    expect(m.registers().gpr[4]).toBe(BigInt(STACK16 - 6))
  })

  it('pushes no error code for #GP (21.1.4): word access at FFFFH', () => {
    const m = realMachine()
    m.execute([0xa1, 0xff, 0xff])
    expect(stoppedIn(m)).toBe(13)
    expect(m.stack(3, 2)).toEqual([BigInt(CODE), 0n, 0x202n])
  })

  it('comes back with IRET', () => {
    const m = realMachine()
    m.load(HANDLERS + 0x21 * 16, Uint8Array.of(0x41, 0xcf))
    m.execute([0xcd, 0x21, 0xf4])
    const r = m.registers()
    expect([r.gpr[1], r.rip, r.rflags & 0x200n]).toEqual([1n, BigInt(CODE + 3), 0x200n])
  })

  it('sets base = selector * 16 and keeps a limit loaded in protected mode', () => {
    const m = realMachine()
    m.ram.writeU32(0x21234 as Gpa, 0xcafe)
    // mov ax, 1234h; mov ds, ax; mov eax, [ebx] with EBX = 20000h - 1110CH
    m.execute([0xb8, 0x00, 0x10, 0x8e, 0xd8, 0x67, 0x66, 0x8b, 0x03, 0xf4], {
      change: (r) => {
        r.segments.ds.limit = 0xffffffff
        r.gpr[3] = 0x11234n
      },
    })
    const r = m.registers()
    expect(r.gpr[0]).toBe(0xcafen)
    expect(r.segments.ds).toMatchObject({ base: 0x10000n, limit: 0xffffffff })
  })

  it('starts at FFFFFFF0H after reset, with table 10-1 in its registers', () => {
    const m = realMachine()
    m.cpu.reset()
    const r = m.registers()
    expect(r.rip + r.segments.cs.base).toBe(0xfffffff0n)
    expect([r.cr0, r.rflags, r.segments.ds.limit, r.idtr.limit]).toEqual([0x60000010n, 2n, 0xffff, 0xffff])
  })

  it('has no LLDT, LTR, LAR, VERR, ARPL: #UD (21.1.2)', () => {
    for (const code of [[0x0f, 0, 0xd0], [0x0f, 0, 0xd8], [0x0f, 2, 0xc0], [0x0f, 0, 0xe0], [0x63, 0xc0]]) {
      const m = realMachine()
      m.execute(code)
      expect(stoppedIn(m)).toBe(6)
    }
  })

  it('reaches protected mode with LMSW or MOV CR0 and a far jump', () => {
    const m = realMachine()
    const target = CODE + 0x100
    m.load(target, Uint8Array.of(0xf4))
    // mov eax, cr0; or al, 1; mov cr0, eax; jmp far 32
    m.execute([0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x66, 0xea, ...le(target, 4), ...le(CODE0, 2)])
    const r = m.registers()
    expect(r.rip).toBe(BigInt(target + 1))
    expect(r.segments.cs).toMatchObject({ selector: CODE0, limit: 0xffffffff })
  })
})

describe('virtual-8086 mode (SDM vol. 3, 21.2)', () => {
  const push = (value: number): number[] => [0x68, ...le(value, 4)]
  const V86 = 0x9000
  /** Ring 0 code that enters V86:0 by IRETD with the given IOPL. */
  const enter = (iopl: number, flags = 0x202): number[] => [
    ...push(4), ...push(3), ...push(2), ...push(1), ...push(0x10), ...push(0x1000),
    ...push(0x20000 | (iopl << 12) | flags), ...push(V86 >> 4), ...push(0), 0xcf,
  ]

  it('is entered by IRETD at CPL 0 with VM set, loading nine words (vol. 2A, IRET)', () => {
    const m = protectedMachine()
    m.load(V86, Uint8Array.of(0xf4))
    m.execute(enter(3))
    // HLT is privileged: #GP(0) in ring 0, whose frame shows the 8086 registers (21.3.1.1).
    expect(stoppedIn(m)).toBe(13)
    const frame = m.stack(10)
    expect(frame).toEqual([0n, 0n, BigInt(V86 >> 4), 0x33202n | 0x10000n, 0x1000n, 0x10n, 1n, 2n, 3n, 4n])
    const r = m.registers()
    expect(r.rflags & 0x20000n).toBe(0n)
    expect([r.segments.ds.selector, r.segments.gs.attributes, r.segments.ss.selector]).toEqual([0, 0, DATA0])
    expect(r.gpr[4]).toBe(BigInt(STACK0 - 40))
  })

  it('faults CLI, STI, PUSHF, POPF, IRET and INT n with #GP(0) when IOPL < 3 (21.2.7)', () => {
    for (const code of [[0xfa], [0xfb], [0x9c], [0x9d], [0xcf], [0xcd, 0x40]]) {
      const m = protectedMachine()
      m.load(V86, Uint8Array.from(code))
      m.execute(enter(2))
      expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
    }
  })

  it('sends INT n through the IDT with IOPL 3, to ring 0 only (21.3.2)', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.load(V86, Uint8Array.of(0xcd, 0x40))
    m.execute(enter(3))
    expect(stoppedIn(m)).toBe(0x40)
  })

  it('with VME sends INT n to the 8086 handler when its redirection bit is clear (21.3.3.4)', () => {
    const m = protectedMachine()
    m.ram.writeU16((TSS + 0x66) as Gpa, 0x100)
    m.ram.writeU32((0x40 * 4) as Gpa, (0x0a00 << 16) | 0x10)
    m.load(0xa010, Uint8Array.of(0xf4))
    m.load(V86, Uint8Array.of(0xcd, 0x40))
    m.execute(enter(0, 0x80202), { change: (r) => (r.cr4 = 1n) })
    expect(stoppedIn(m)).toBe(13)
    const frame = m.stack(6)
    // At 0A00:0010 with VIF cleared; the 8086 stack has IP, CS, FLAGS with IOPL 3 and IF = VIF.
    expect(frame.slice(1, 3)).toEqual([0x10n, 0xa00n])
    expect(frame[3]! & 0x80000n).toBe(0n)
    expect([m.ram.readU16((0x100 + 0xffa) as Gpa), m.ram.readU16((0x100 + 0xffc) as Gpa), m.ram.readU16((0x100 + 0xffe) as Gpa)]).toEqual([2, V86 >> 4, 0x3202])
  })

  it('with VME lets CLI and STI act on VIF, and faults STI while VIP is set (21.3.3.5)', () => {
    const m = protectedMachine()
    m.load(V86, Uint8Array.of(0xfb, 0xf4))
    m.execute(enter(0), { change: (r) => (r.cr4 = 1n) })
    expect(m.stack(2)[1]).toBe(1n)
    expect(m.stack(4)[3]! & 0x80200n).toBe(0x80200n)
    m.load(V86, Uint8Array.of(0xfb, 0xf4))
    m.execute(enter(0, 0x100202), { change: (r) => (r.cr4 = 1n) })
    expect(m.stack(2)[1]).toBe(0n)
  })
})
