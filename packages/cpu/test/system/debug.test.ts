import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { CODE, HANDLERS, le, longMachine, protectedMachine, realMachine, stoppedIn } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

/** mov eax, value; mov drN, eax */
const setDr = (n: number, value: number): number[] => [0xb8, ...le(value, 4), 0x0f, 0x23, 0xc0 | (n << 3)]
/** The #DB handler counts in EDX, keeps DR6 in ESI and the address pushed in EDI; `after` runs before IRET. */
function handler(m: SystemBench, after: number[] = []): void {
  m.load(HANDLERS + 16, Uint8Array.from([0xe9, ...le(CODE + 0x800 - (HANDLERS + 16 + 5), 4)]))
  m.load(CODE + 0x800, Uint8Array.from([0x42, 0x0f, 0x21, 0xf6, 0x8b, 0x3c, 0x24, ...after, 0xcf]))
}

describe('single step (SDM vol. 3, 18.3.1.4)', () => {
  it('traps after each instruction with DR6.BS, the return address behind it', () => {
    const m = protectedMachine()
    m.execute([0x40, 0x40, 0xf4], { change: (r) => { r.rflags = 0x102n; r.gpr[0] = 0n } })
    expect(stoppedIn(m)).toBe(1)
    expect([m.registers().gpr[0], m.stack(3)]).toEqual([1n, [BigInt(CODE + 1), 8n, 0x102n]])
  })

  it('steps one by one as long as the image pushed has TF', () => {
    const m = protectedMachine()
    handler(m)
    m.execute([0x40, 0x40, 0x40, 0xf4], { change: (r) => { r.rflags = 0x102n; r.gpr[0] = 0n; r.gpr[2] = 0n } })
    const r = m.registers()
    // HLT is stepped too: the trap ends the halt, and then the bytes behind are executed. So count when EAX stops.
    expect(r.gpr[0]).toBe(3n)
    expect(r.gpr[2]! >= 3n).toBe(true)
    expect(r.gpr[6]! & 0x4000n).toBe(0x4000n)
  })

  it('POPF that sets TF takes effect after the next instruction; POPF that clears it is still followed by a trap', () => {
    const m = protectedMachine()
    // push 102h; popf; inc eax; hlt
    m.execute([0x68, ...le(0x102, 4), 0x9d, 0x40, 0xf4], { change: (r) => (r.gpr[0] = 0n) })
    expect(stoppedIn(m)).toBe(1)
    expect([m.registers().gpr[0], m.stack(1)[0]]).toEqual([1n, BigInt(CODE + 7)])
    m.execute([0x9d, 0x40, 0xf4], { change: (r) => { r.rflags = 0x102n; r.gpr[4] = 0x20000n; m.ram.writeU32(0x20000 as Gpa, 2) } })
    expect(stoppedIn(m)).toBe(1)
    expect(m.stack(1)[0]).toBe(BigInt(CODE + 1))
  })

  it('does not trap between a load of SS and the next instruction (7.8.3)', () => {
    const m = protectedMachine()
    m.execute([0x8e, 0xd0, 0x40, 0xf4], { change: (r) => { r.rflags = 0x102n; r.gpr[0] = 0x10n } })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([1, BigInt(CODE + 3)])
  })

  it('steps a REP string instruction iteration by iteration', () => {
    const m = protectedMachine()
    m.execute([0xf3, 0xaa, 0xf4], { change: (r) => { r.rflags = 0x102n; r.gpr[1] = 3n; r.gpr[7] = 0x9000n } })
    expect([stoppedIn(m), m.registers().gpr[1], m.stack(1)[0]]).toEqual([1, 2n, BigInt(CODE)])
  })

  it('INT n enters its handler without a trap', () => {
    const m = protectedMachine()
    m.execute([0xcd, 0x40], { change: (r) => (r.rflags = 0x102n) })
    expect(stoppedIn(m)).toBe(0x40)
  })

  it('works in real mode and in 64-bit mode', () => {
    for (const m of [realMachine(), longMachine()]) {
      m.execute([0x90, 0xf4], { change: (r) => (r.rflags = 0x102n) })
      expect(stoppedIn(m)).toBe(1)
    }
  })
})

describe('breakpoint registers (SDM vol. 3, 18.2)', () => {
  const start = 16

  it('an instruction breakpoint is a fault before the instruction, with its bit in DR6', () => {
    const m = protectedMachine()
    const at = CODE + start + 1
    m.execute([...setDr(0, at), ...setDr(7, 0x401), 0x90, 0x40, 0xf4], { change: (r) => { r.gpr[3] = 0n } })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([1, BigInt(at)])
  })

  it('RF in the image lets the instruction run once, and is cleared by it', () => {
    const m = protectedMachine()
    // or dword [esp + 8], 10000h
    handler(m, [0x81, 0x4c, 0x24, 0x08, ...le(0x10000, 4)])
    const loop = CODE + start
    // l: inc ebx; dec ecx; jnz l; hlt, with the breakpoint on INC
    m.execute([...setDr(0, loop), ...setDr(7, 0x401), 0x43, 0x49, 0x75, 0xfc, 0xf4], { change: (r) => { r.gpr[1] = 5n; r.gpr[2] = r.gpr[3] = 0n } })
    const r = m.registers()
    expect([r.gpr[3], r.gpr[2], r.gpr[7], r.gpr[6]! & 0xfn]).toEqual([5n, 5n, BigInt(loop), 1n])
  })

  it('data breakpoints trap after writes (RW 1) or any access (RW 3) that touches their bytes', () => {
    for (const [dr7, access, hit] of [
      [0xd0401, [0xa3, ...le(0x9000, 4)], true], [0xd0401, [0xa1, ...le(0x9000, 4)], false], [0xf0401, [0xa1, ...le(0x9000, 4)], true],
      [0xd0401, [0xa3, ...le(0x8ffd, 4)], true], [0xd0401, [0xa3, ...le(0x8ffc, 4)], false], [0xd0401, [0xa3, ...le(0x9004, 4)], false],
      [0xd0401, [0x8f, 0x05, ...le(0x9000, 4)], true],
    ] as [number, number[], boolean][]) {
      const m = protectedMachine()
      handler(m)
      m.execute([...setDr(0, 0x9000), ...setDr(7, dr7), ...access, 0x90, 0xf4], { change: (r) => { r.gpr[2] = 0n } })
      const r = m.registers()
      expect(r.gpr[2]).toBe(hit ? 1n : 0n)
      if (hit) expect([r.gpr[7], r.gpr[6]! & 0x400fn]).toEqual([BigInt(CODE + start + access.length), 1n])
    }
  })

  it('I/O breakpoints trap after IN and OUT when CR4.DE is set', () => {
    for (const [cr4, count] of [[8n, 1n], [0n, 0n]]) {
      const m = protectedMachine()
      handler(m)
      m.execute([...setDr(0, 0x80), ...setDr(7, 0x20401), 0xe6, 0x80, 0x90, 0xf4], { change: (r) => { r.gpr[2] = 0n; r.cr4 = cr4! } })
      expect(m.registers().gpr[2]).toBe(count)
    }
  })

  it('GD makes accesses to debug registers fault with DR6.BD, and is cleared on the way', () => {
    const m = protectedMachine()
    handler(m, [0x83, 0x04, 0x24, 0x03])
    m.execute([...setDr(7, 0x2400), 0x0f, 0x21, 0xc0, 0x0f, 0x21, 0xf8, 0xf4], { change: (r) => { r.gpr[2] = 0n } })
    const r = m.registers()
    expect([r.gpr[2], r.gpr[6]! & 0x2000n, r.gpr[0]]).toEqual([1n, 0x2000n, 0x400n])
  })

  it('DR4 and DR5 are DR6 and DR7 without CR4.DE, #UD with it', () => {
    const m = protectedMachine()
    m.execute([0x0f, 0x21, 0xe0, 0x0f, 0x21, 0xeb, 0xf4])
    expect([m.registers().gpr[0], m.registers().gpr[3]]).toEqual([0xffff0ff0n, 0x400n])
    m.execute([0x0f, 0x21, 0xe0], { change: (r) => (r.cr4 = 8n) })
    expect(stoppedIn(m)).toBe(6)
  })
})
