import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { CODE, CODE0, HANDLERS, gate, le, longMachine, PAGES, protectedMachine, stoppedIn } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const movEax = (value: number): number[] => [0xb8, ...le(value, 4)]
const toCr = (n: number): number[] => [0x0f, 0x22, 0xc0 | (n << 3)]
const wrmsr = (msr: number, low: number, high = 0): number[] => [0xb9, ...le(msr, 4), 0xb8, ...le(low, 4), 0xba, ...le(high, 4), 0x0f, 0x30]
const rdmsr = (msr: number): number[] => [0xb9, ...le(msr, 4), 0x0f, 0x32]
const HLT = 0xf4

const outcome = (m: SystemBench): number => stoppedIn(m)

describe('control registers (SDM vol. 2B, MOV CRn; vol. 3, 2.5)', () => {
  it('refuses CR0 with PG but not PE, NW but not CD', () => {
    for (const value of [0x80000010, 0x20000011]) {
      const m = protectedMachine()
      m.execute([...movEax(value), ...toCr(0), HLT])
      expect(outcome(m)).toBe(13)
    }
  })

  it('reads ET as one and drops reserved bits of CR0', () => {
    const m = protectedMachine()
    m.execute([...movEax(0x1ff01), ...toCr(0), HLT])
    expect(m.registers().cr0).toBe(0x10011n)
  })

  it('refuses reserved bits of CR4, and PAE cleared or LA57 changed in long mode', () => {
    for (const value of [0x80000000, 0x0, 0x1020]) {
      const m = longMachine()
      m.execute([...movEax(value), ...toCr(4), HLT])
      expect(outcome(m)).toBe(13)
    }
  })

  it('refuses CR4 bits of features the model does not have', () => {
    const m = longMachine({ remove: ['smep'] })
    m.execute([...movEax(0x100020), ...toCr(4), HLT])
    expect(outcome(m)).toBe(13)
  })

  it('sets PCIDE only in long mode with CR3[11:0] zero, and then refuses to clear PG (2.5, 5.10.1)', () => {
    const m = longMachine()
    m.execute([...movEax(0x20020), ...toCr(4), ...movEax(0x10033), ...toCr(0), HLT])
    expect(outcome(m)).toBe(13)
    expect(m.registers().cr4).toBe(0x20020n)
    m.execute([...movEax(PAGES | 8), ...toCr(3), ...movEax(0x20), ...toCr(4), HLT])
    expect(outcome(m)).toBe(-1)
    m.execute([...movEax(0x20020), ...toCr(4), HLT])
    expect(outcome(m)).toBe(13)
  })

  it('refuses CR3 bits above the physical address width', () => {
    const m = longMachine()
    m.execute([0x48, 0xb8, 0, 0, 0x10, 0, 0, 1, 0, 0, ...toCr(3), HLT])
    expect(outcome(m)).toBe(13)
  })

  it('loads PAE PDPTEs on MOV CR3 and refuses ones with reserved bits (5.4.1)', () => {
    const m = protectedMachine()
    m.ram.writeU64(PAGES as Gpa, 0x3n)
    m.execute([...movEax(0x20), ...toCr(4), ...movEax(PAGES), ...toCr(3), ...movEax(0x80000011), ...toCr(0), HLT])
    expect(outcome(m)).toBe(13)
    expect(m.registers().cr0).toBe(0x11n)
  })

  it('goes from protected to long mode and sets EFER.LMA with PG (10.8.5)', () => {
    const m = longMachine()
    const start = CODE + 0x300
    // In compatibility-free form: 32-bit code, paging off, builds on the same tables.
    m.setDescriptor(0x60, 0x00cf9b000000ffffn)
    m.load(start, Uint8Array.from([HLT]))
    const code = [
      ...movEax(0x20), ...toCr(4), ...movEax(PAGES), ...toCr(3), ...wrmsr(0xc0000080, 0x100), ...movEax(0x80000011), ...toCr(0),
      0xea, ...le(start, 4), ...le(CODE0, 2),
    ]
    m.execute(code, {
      change: (r) => {
        r.segments.cs = { selector: 0x60, base: 0n, limit: 0xffffffff, attributes: 0xc9b }
        Object.assign(r, { cr0: 0x11n, cr4: 0n, efer: 0n })
      },
    })
    const r = m.registers()
    expect([r.rip, r.efer, r.segments.cs.attributes & 0x200]).toEqual([BigInt(start + 1), 0x500n, 0x200])
  })

  it('is for CPL 0: MOV CR, MOV DR, LMSW, CLTS, HLT, INVLPG, WBINVD, RDMSR are #GP(0) at CPL 3', () => {
    for (const code of [
      [0x0f, 0x20, 0xc0], [0x0f, 0x22, 0xc0], [0x0f, 0x21, 0xc0], [0x0f, 0x01, 0xf0], [0x0f, 0x06], [0xf4], [0x0f, 0x01, 0x38], [0x0f, 0x09], [0x0f, 0x32],
      [0x0f, 0x30], [0xfa], [0xfb], [0xec],
    ]) {
      const m = longMachine()
      m.execute(code, { cpl: 3 })
      expect([outcome(m), m.stack(1)[0]]).toEqual([13, 0n])
    }
  })

  it('SMSW is everyone\'s until UMIP', () => {
    const m = longMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.execute([0x0f, 0x01, 0xe0, 0xcd, 0x40], { cpl: 3 })
    expect(m.registers().gpr[0]).toBe(0x80010033n)
    m.execute([0x0f, 0x01, 0xe0], { cpl: 3, change: (r) => (r.cr4 = 0x820n) })
    expect(outcome(m)).toBe(13)
  })
})

describe('invalidation of translations (SDM vol. 3, 5.10.4)', () => {
  // mov ebx, [200000h]; change PDE 1 to point at the first 2 MiB; invalidate; mov ecx, [200000h]
  const program = (invalidate: number[]): number[] => [
    0x8b, 0x1c, 0x25, ...le(0x201000, 4), 0xc7, 0x04, 0x25, ...le(PAGES + 0x2008, 4), ...le(0x87, 4), ...invalidate, 0x8b, 0x14, 0x25, ...le(0x201000, 4), HLT,
  ]
  const run = (invalidate: number[], change?: Parameters<SystemBench['execute']>[1]): SystemBench => {
    const m = longMachine()
    m.ram.writeU32(0x201000 as Gpa, 0xaaaa)
    m.ram.writeU32(0x1000 as Gpa, 0xbbbb)
    m.execute(program(invalidate), change)
    return m
  }

  it('INVLPG of any address in a large page drops the whole page', () => {
    const m = run([0x0f, 0x01, 0x3c, 0x25, ...le(0x3ff000, 4)])
    expect([m.registers().gpr[3], m.registers().gpr[2]]).toEqual([0xaaaan, 0xbbbbn])
  })

  it('MOV CR3 drops pages that are not global', () => {
    const m = run([0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8])
    expect(m.registers().gpr[2]).toBe(0xbbbbn)
  })

  it('INVPCID type 2 drops everything', () => {
    const m = run([0xb9, ...le(2, 4), 0x66, 0x0f, 0x38, 0x82, 0x0c, 0x25, ...le(0x9000, 4)])
    expect(m.registers().gpr[2]).toBe(0xbbbbn)
  })

  it('withdraws write rights when WP is set', () => {
    const m = longMachine()
    m.ram.writeU64((PAGES + 0x2008) as Gpa, 0x200085n)
    const store = [0xc6, 0x04, 0x25, ...le(0x200000, 4), 1]
    m.execute([...store, ...movEax(0x80010033), ...toCr(0), ...store, HLT], { change: (r) => (r.cr0 = 0x80000033n) })
    expect([outcome(m), m.stack(1)[0]]).toEqual([14, 3n])
  })

  it('SMAP keeps ring 0 from user pages unless AC is set, and from their data while delivering events', () => {
    const m = longMachine()
    const pages = m.ram
    // Page at 2 MiB for users, the first for ring 0 alone.
    pages.writeU64((PAGES + 0x2000) as Gpa, 0x83n)
    const read = [0xa0, ...le(0x200000, 4), ...le(0, 4)]
    const change = { change: (r: { cr4: bigint }) => void (r.cr4 = 0x200020n) }
    m.execute([...read, HLT], change)
    expect([outcome(m), m.stack(1)[0]]).toEqual([14, 1n])
    m.execute([0x0f, 0x01, 0xcb, ...read, 0x0f, 0x01, 0xca, HLT], change)
    expect(outcome(m)).toBe(-1)
    m.execute([0x0f, 0x01, 0xcb, 0x0f, 0x01, 0xca, ...read, HLT], change)
    expect(outcome(m)).toBe(14)
  })

  it('SMEP keeps ring 0 from executing user pages', () => {
    const m = longMachine()
    m.ram.writeU64((PAGES + 0x2000) as Gpa, 0x83n)
    m.execute([0xb8, ...le(0x200000, 4), 0xff, 0xe0], { change: (r) => (r.cr4 = 0x100020n) })
    expect([outcome(m), m.stack(2)]).toEqual([14, [0x11n, 0x200000n]])
  })
})

describe('model-specific registers (SDM vol. 4)', () => {
  const bad: [string, number[]][] = [
    ['an unknown number', rdmsr(0x12345)],
    ['reserved EFER bits', wrmsr(0xc0000080, 0x502)],
    ['EFER.LME changed under paging', wrmsr(0xc0000080, 0xc01 & ~0x100)],
    ['FS base not canonical', wrmsr(0xc0000100, 0, 0x8000)],
    ['LSTAR not canonical', wrmsr(0xc0000082, 0, 0x8000)],
    ['a PAT type that does not exist', wrmsr(0x277, 0x02)],
    ['an MTRR type that does not exist', wrmsr(0x2ff, 0x02)],
    ['MTRRCAP is read-only', wrmsr(0xfe, 0)],
    ['a KVM MSR without paravirtual services', rdmsr(0x4b564d01)],
    ['SYSENTER_EIP not canonical', wrmsr(0x176, 0, 0x8000)],
  ]
  for (const [name, code] of bad) {
    it(`#GP(0): ${name}`, () => {
      const m = longMachine()
      m.execute([...code, HLT])
      expect([outcome(m), m.stack(1)[0]]).toEqual([13, 0n])
    })
  }

  it('keeps what is written: PAT, MTRRs, SYSENTER, TSC_AUX, STAR', () => {
    for (const [msr, low, high] of [[0x277, 0x00010406, 0x05000706], [0x2ff, 0xc06, 0], [0x200, 0xc0000000, 1], [0x174, 8, 0], [0xc0000103, 5, 0], [0xc0000081, 0, 0x230010]] as const) {
      const m = longMachine()
      m.execute([...wrmsr(msr, low, high), ...movEax(0), 0x31, 0xd2, 0x0f, 0x32, HLT])
      expect([m.registers().gpr[0], m.registers().gpr[2]]).toEqual([BigInt(low), BigInt(high)])
    }
  })

  it('a write to the TSC moves TSC_ADJUST by as much (19.17.3)', () => {
    const m = longMachine()
    m.now = 1000
    m.execute([...wrmsr(0x10, 5000), ...rdmsr(0x3b), HLT])
    expect(m.registers().gpr[0]).toBe(4000n)
    m.execute([...wrmsr(0x3b, 0), 0x0f, 0x31, HLT])
    expect(m.registers().gpr[0]).toBe(1000n)
  })

  it('RDTSC is #GP(0) with CR4.TSD at CPL 3; RDTSCP brings TSC_AUX', () => {
    const m = longMachine()
    m.now = 77
    m.execute([0x0f, 0x31], { cpl: 3, change: (r) => (r.cr4 = 0x24n) })
    expect(outcome(m)).toBe(13)
    m.execute([...wrmsr(0xc0000103, 9), 0x0f, 0x01, 0xf9, HLT])
    expect([m.registers().gpr[0], m.registers().gpr[1]]).toEqual([77n, 9n])
  })
})

describe('XSAVE and FXSAVE (SDM vol. 1, 10.5 and 13)', () => {
  const change = { change: (r: { cr4: bigint }) => void (r.cr4 = 0x40620n) }
  // xor ecx, ecx; mov eax, n; xor edx, edx; xsetbv
  const xsetbv = (value: number): number[] => [0x31, 0xc9, ...movEax(value), 0x31, 0xd2, 0x0f, 0x01, 0xd1]

  it('XSETBV refuses bit 0 clear, AVX without SSE, unknown bits, other registers', () => {
    for (const value of [0, 5, 9]) {
      const m = longMachine()
      m.execute([...xsetbv(value), HLT], change)
      expect(outcome(m)).toBe(13)
    }
    const m = longMachine()
    m.execute([...xsetbv(7), 0x31, 0xc0, 0x0f, 0x01, 0xd0, HLT], change)
    expect(m.registers().gpr[0]).toBe(7n)
    m.execute([0x0f, 0x01, 0xd0])
    expect(outcome(m)).toBe(6)
  })

  it('XSAVE, change, XRSTOR brings back vector registers; XSTATE_BV says what is in use', () => {
    const m = longMachine()
    const state = m.cpu.state
    m.execute([...xsetbv(7), HLT], change)
    state.setU64(0x400 + 32, 0x1122334455667788n)
    state.setU64(0x400 + 32 + 16, 0x99n)
    const all = [...movEax(7), 0x31, 0xd2]
    m.execute([...all, 0x0f, 0xae, 0x24, 0x25, ...le(0x9000, 4), HLT], change)
    expect(m.ram.readU64((0x9000 + 160 + 16) as Gpa)).toBe(0x1122334455667788n)
    expect(m.ram.readU64((0x9000 + 576 + 16) as Gpa)).toBe(0x99n)
    expect(m.ram.readU64(0x9200 as Gpa) & 6n).toBe(6n)
    state.setU64(0x400 + 32, 0n)
    state.setU64(0x400 + 32 + 16, 0n)
    m.execute([...all, 0x0f, 0xae, 0x2c, 0x25, ...le(0x9000, 4), HLT], change)
    expect([state.u64(0x400 + 32), state.u64(0x400 + 48)]).toEqual([0x1122334455667788n, 0x99n])
  })

  it('XRSTOR initializes requested components that are not in XSTATE_BV, and refuses bad headers and MXCSR', () => {
    const m = longMachine()
    m.execute([...xsetbv(7), HLT], change)
    m.cpu.state.setU64(0x400, 5n)
    m.ram.writeU32((0x9000 + 24) as Gpa, 0x1f80)
    const xrstor = [...movEax(7), 0x31, 0xd2, 0x0f, 0xae, 0x2c, 0x25, ...le(0x9000, 4), HLT]
    m.execute(xrstor, change)
    expect([outcome(m), m.cpu.state.u64(0x400)]).toEqual([-1, 0n])
    m.ram.writeU64(0x9200 as Gpa, 8n)
    m.execute(xrstor, change)
    expect(outcome(m)).toBe(13)
    m.ram.writeU64(0x9200 as Gpa, 0n)
    m.ram.writeU32((0x9000 + 24) as Gpa, 0x10000)
    m.execute(xrstor, change)
    expect(outcome(m)).toBe(13)
  })

  it('FXSAVE wants 16-byte alignment and XSAVE 64: #GP(0)', () => {
    const m = longMachine()
    m.execute([0x0f, 0xae, 0x04, 0x25, ...le(0x9008, 4)], change)
    expect(outcome(m)).toBe(13)
    m.execute([...xsetbv(3), 0x0f, 0xae, 0x24, 0x25, ...le(0x9010, 4)], change)
    expect(outcome(m)).toBe(13)
  })
})

describe('MONITOR and MWAIT (SDM vol. 2B)', () => {
  // mov eax, 9000h; xor ecx, ecx; xor edx, edx; monitor; xor eax, eax; mwait; hlt
  const program = [...movEax(0x9000), 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x31, 0xc0, 0x0f, 0x01, 0xc9, HLT]

  it('waits until the line is written, or for an interrupt', () => {
    const m = longMachine({ add: ['monitor'] })
    expect(m.execute(program)).toEqual({ reason: 'halt' })
    expect(m.registers().rip).toBe(BigInt(CODE + program.length - 1))
    m.cpu.run(100)
    expect(m.registers().rip).toBe(BigInt(CODE + program.length - 1))
    m.ram.writeU8(0x903f as Gpa, 1)
    m.cpu.run(100)
    expect(m.registers().rip).toBe(BigInt(CODE + program.length))
  })

  it('does not wait when nothing is armed, and is #UD when not announced', () => {
    const m = longMachine({ add: ['monitor'] })
    m.execute([0x31, 0xc9, 0x0f, 0x01, 0xc9, HLT])
    expect(m.registers().rip).toBe(BigInt(CODE + 6))
    const n = longMachine()
    n.execute(program)
    expect(outcome(n)).toBe(6)
  })
})

describe('alignment checks (SDM vol. 3, 7.15, interrupt 17)', () => {
  // push 40202h; popf; mov eax, [9001h]; nop
  const program = [...[0x68, ...le(0x40202, 4)], 0x9d, 0x8b, 0x04, 0x25, ...le(0x9001, 4), 0xcd, 0x40]
  const run = (cpl: 0 | 3, cr0: bigint, code = program): SystemBench => {
    const m = longMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.execute(code, { cpl, change: (r) => (r.cr0 = cr0) })
    return m
  }

  it('#AC(0) needs CPL 3, EFLAGS.AC and CR0.AM together', () => {
    const m = run(3, 0x80050033n)
    expect([outcome(m), m.stack(2)]).toEqual([17, [0n, BigInt(CODE + 6)]])
    expect(outcome(run(3, 0x80010033n))).toBe(0x40)
    expect(outcome(run(0, 0x80050033n))).toBe(0x40)
  })

  it('aligned accesses pass, bytes always', () => {
    expect(outcome(run(3, 0x80050033n, [...program.slice(0, 6), 0x8b, 0x04, 0x25, ...le(0x9004, 4), 0x8a, 0x04, 0x25, ...le(0x9001, 4), 0xcd, 0x40]))).toBe(0x40)
  })
})
