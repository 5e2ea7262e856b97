import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import {
  ACCESS, BIG, CODE, CODE0, CODE3, DATA0, DATA3, descriptor, FREE, gate, GDT, HANDLERS, le, longMachine, protectedMachine, STACK3, stoppedIn,
} from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const movEax = (value: number): number[] => [0xb8, ...le(value, 4)]
const DS = [0x8e, 0xd8]
const SS = [0x8e, 0xd0]
const HLT = 0xf4

/** What happens on loading a selector: the vector and error code, or nothing. */
function load(m: SystemBench, selector: number, into: number[], cpl: 0 | 3 = 0): [number, bigint] | 'loaded' {
  m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
  m.execute([...movEax(selector), ...into, 0xcd, 0x40], { cpl })
  return stoppedIn(m) === 0x40 ? 'loaded' : [stoppedIn(m), m.stack(1)[0]!]
}

describe('loading data segments (SDM vol. 2B, MOV; vol. 3, 6.6)', () => {
  const cases: [string, number, number, 0 | 3, [number, bigint] | 'loaded'][] = [
    ['writable data', ACCESS.data0, 0, 0, 'loaded'],
    ['RPL above DPL', ACCESS.data0, 3, 0, [13, BigInt(FREE)]],
    ['CPL above DPL', ACCESS.data0, 0, 3, [13, BigInt(FREE)]],
    ['data of ring 3 from ring 0', ACCESS.data3, 0, 0, 'loaded'],
    ['readable code', ACCESS.code0, 0, 0, 'loaded'],
    ['execute-only code', 0x99, 0, 0, [13, BigInt(FREE)]],
    ['conforming readable code of ring 0 from ring 3', ACCESS.conforming0, 3, 3, 'loaded'],
    ['a system descriptor', ACCESS.ldt, 0, 0, [13, BigInt(FREE)]],
    ['an absent segment', 0x13, 0, 0, [11, BigInt(FREE)]],
  ]
  for (const [name, access, rpl, cpl, outcome] of cases) {
    it(`${name}: ${outcome === 'loaded' ? 'loads' : `vector ${outcome[0]}`}`, () => {
      const m = protectedMachine()
      m.setDescriptor(FREE, descriptor(0x1000, 0xff, access, BIG))
      expect(load(m, FREE | rpl, DS, cpl)).toEqual(outcome)
    })
  }

  it('beyond the table is #GP(selector) with TI kept and RPL dropped', () => {
    expect(load(protectedMachine(), 0x4003, DS)).toEqual([13, 0x4000n])
    expect(load(protectedMachine(), 0x0f, DS)).toEqual([13, 0x0cn])
  })

  it('sets the accessed bit in the table, and only that', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0x1000, 0xff, 0x92, BIG))
    expect(load(m, FREE, DS)).toBe('loaded')
    expect(m.ram.readU64((GDT + FREE) as Gpa)).toBe(descriptor(0x1000, 0xff, 0x93, BIG))
  })

  it('a null selector loads, and faults on use with #GP(0)', () => {
    const m = protectedMachine()
    expect(load(m, 3, DS)).toBe('loaded')
    m.execute([...movEax(0), ...DS, 0xa0, ...le(0x1000, 4)])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
  })

  it('limits hold: the last byte inside works, one over is #GP(0); expand-down is the other way round (6.3)', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0, 0xfff, ACCESS.data0, 4))
    m.execute([...movEax(FREE), ...DS, 0xa0, ...le(0xfff, 4), HLT])
    expect(stoppedIn(m)).toBe(-1)
    m.execute([...movEax(FREE), ...DS, 0x66, 0xa1, ...le(0xfff, 4), HLT])
    expect(stoppedIn(m)).toBe(13)
    m.setDescriptor(FREE, descriptor(0, 0xfff, 0x97, 4))
    m.execute([...movEax(FREE), ...DS, 0xa0, ...le(0xfff, 4), HLT])
    expect(stoppedIn(m)).toBe(13)
    m.execute([...movEax(FREE), ...DS, 0xa0, ...le(0x1000, 4), HLT])
    expect(stoppedIn(m)).toBe(-1)
  })

  it('writes to read-only data and to code are #GP(0)', () => {
    for (const access of [0x91, ACCESS.code0]) {
      const m = protectedMachine()
      m.setDescriptor(FREE, descriptor(0, 0xfffff, access, BIG))
      m.execute([...movEax(FREE), ...DS, 0xa2, ...le(0x9000, 4), HLT])
      expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
    }
  })
})

describe('loading SS (SDM vol. 3, 6.7)', () => {
  const cases: [string, number, number, [number, bigint] | 'loaded'][] = [
    ['writable data of the same level', ACCESS.data0, 0, 'loaded'],
    ['another RPL', ACCESS.data0, 3, [13, BigInt(FREE)]],
    ['another DPL', ACCESS.data3, 0, [13, BigInt(FREE)]],
    ['read-only data', 0x91, 0, [13, BigInt(FREE)]],
    ['code', ACCESS.code0, 0, [13, BigInt(FREE)]],
    ['absent', 0x13, 0, [12, BigInt(FREE)]],
  ]
  for (const [name, access, rpl, outcome] of cases) {
    it(`${name}: ${outcome === 'loaded' ? 'loads' : `vector ${outcome[0]}`}`, () => {
      const m = protectedMachine()
      m.setDescriptor(FREE, descriptor(0, 0xfffff, access, BIG))
      expect(load(m, FREE | rpl, SS)).toEqual(outcome)
    })
  }

  it('null is #GP(0), but for 64-bit mode below CPL 3', () => {
    expect(load(protectedMachine(), 0, SS)).toEqual([13, 0n])
    expect(load(longMachine(), 0, SS)).toBe('loaded')
    expect(load(longMachine(), 3, SS, 3)).toEqual([13, 0n])
  })

  it('MOV to CS is #UD', () => {
    expect(load(protectedMachine(), CODE0, [0x8e, 0xc8])[0]).toBe(6)
  })

  it('a 16-bit stack segment wraps SP and keeps the upper half of ESP', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0x10000, 0xffff, ACCESS.data0, 0))
    m.execute([...movEax(FREE), ...SS, 0xbc, ...le(0xabcd0002, 4), 0x66, 0x6a, 0x55, 0x66, 0x6a, 0x66, HLT])
    expect(m.registers().gpr[4]).toBe(0xabcdfffen)
    expect([m.ram.readU16(0x10000 as Gpa), m.ram.readU16(0x1fffe as Gpa)]).toEqual([0x55, 0x66])
  })
})

describe('LAR, LSL, VERR, VERW, ARPL (SDM vol. 2)', () => {
  const inspect = (code: number[], selector: number, access: number, cpl: 0 | 3 = 0): { value: bigint; zf: boolean } => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.setDescriptor(FREE, descriptor(0x1000, 0xff, access, BIG))
    m.execute([...movEax(selector), 0xbb, ...le(0x5a5a5a5a, 4), ...code, 0xcd, 0x40], { cpl })
    return { value: m.registers().gpr[3]!, zf: (m.stack(3)[2]! & 0x40n) !== 0n }
  }
  const LAR = [0x0f, 0x02, 0xd8]
  const LSL = [0x0f, 0x03, 0xd8]

  it('give rights and the scaled limit, with ZF', () => {
    expect(inspect(LAR, FREE, ACCESS.data0)).toEqual({ value: 0xc09300n, zf: true })
    expect(inspect(LSL, FREE, ACCESS.data0)).toEqual({ value: 0xfffffn, zf: true })
  })

  it('clear ZF and leave the register for what is not visible', () => {
    for (const [selector, access, cpl] of [[0, 0x93, 0], [FREE | 3, 0x93, 0], [FREE, 0x93, 3], [FREE, 0x80, 0], [0x4000, 0x93, 0]] as const) {
      expect(inspect(LAR, selector, access, cpl)).toEqual({ value: 0x5a5a5a5an, zf: false })
      expect(inspect(LSL, selector, access, cpl)).toEqual({ value: 0x5a5a5a5an, zf: false })
    }
  })

  it('LAR accepts call gates, LSL does not', () => {
    expect(inspect(LAR, FREE, 0x8c).zf).toBe(true)
    expect(inspect(LSL, FREE, 0x8c).zf).toBe(false)
  })

  it('VERR and VERW tell whether a segment can be read and written', () => {
    const VERR = [0x0f, 0x00, 0xe0]
    const VERW = [0x0f, 0x00, 0xe8]
    expect([0x93, 0x91, 0x9b, 0x99].map((a) => [inspect(VERR, FREE, a).zf, inspect(VERW, FREE, a).zf])).toEqual([
      [true, true], [true, false], [true, false], [false, false],
    ])
  })

  it('ARPL raises RPL to that of the source', () => {
    const m = protectedMachine()
    // mov ecx, 3; arpl ax, cx
    m.execute([...movEax(0x20), 0xb9, ...le(3, 4), 0x63, 0xc8, HLT])
    expect([m.registers().gpr[0], m.registers().rflags & 0x40n]).toEqual([0x23n, 0x40n])
  })
})

describe('far transfers in protected mode (SDM vol. 3, 6.8)', () => {
  const far = (opcode: number, selector: number, offset: number): number[] => [opcode, ...le(offset, 4), ...le(selector, 2)]

  it('JMP and CALL reach code of the same level only, conforming code from outer levels', () => {
    const m = protectedMachine()
    m.load(CODE + 0x100, Uint8Array.of(0xcd, 0x40))
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.execute(far(0xea, CODE3, CODE + 0x100))
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0x18n])
    m.execute(far(0xea, CODE0, CODE + 0x100), { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0x08n])
    m.setDescriptor(FREE, descriptor(0, 0xfffff, ACCESS.conforming0, BIG))
    m.execute(far(0xea, FREE, CODE + 0x100), { cpl: 3 })
    expect([stoppedIn(m), m.stack(2)[1]]).toEqual([0x40, BigInt(FREE | 3)])
  })

  it('checks the target against the limit of the new segment', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0, 0xfff, ACCESS.code0, 4))
    m.execute(far(0xea, FREE, 0x1000))
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
  })

  it('a 32-bit call gate copies its parameters to the inner stack, and RETF n releases both (6.8.5)', () => {
    const m = protectedMachine()
    const target = CODE + 0x200
    // mov eax, [esp + 12]; mov ebx, [esp + 16]; retf 8
    m.load(target, Uint8Array.of(0x8b, 0x44, 0x24, 0x0c, 0x8b, 0x5c, 0x24, 0x10, 0xca, 8, 0))
    m.setDescriptor(FREE, gate(CODE0, target, 0xec, 2))
    m.setGate(0x41, gate(CODE0, HANDLERS + 0x410, 0xee))
    m.execute([0x6a, 0x11, 0x6a, 0x22, ...far(0x9a, FREE | 3, 0), 0xcd, 0x41], { cpl: 3 })
    expect(stoppedIn(m)).toBe(0x41)
    // The deeper parameter was read at ESP + 12.
    expect([m.registers().gpr[0], m.registers().gpr[3]]).toEqual([0x11n, BigInt(STACK3 - 8)])
    expect(m.stack(5)).toEqual([BigInt(CODE + 13), BigInt(CODE3), 0x202n, BigInt(STACK3), BigInt(DATA3)])
  })

  it('a gate is used at DPL >= CPL and RPL, present, with code behind it', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, gate(CODE0, CODE, 0x8c))
    m.execute(far(0x9a, FREE, 0), { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(FREE)])
    m.setDescriptor(FREE, gate(CODE0, CODE, 0x6c))
    m.execute(far(0x9a, FREE, 0), { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([11, BigInt(FREE)])
    m.setDescriptor(FREE, gate(DATA0, CODE, 0xec))
    m.execute(far(0x9a, FREE, 0), { cpl: 3 })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(DATA0)])
  })
})

describe('LLDT, LTR, table registers (SDM vol. 2)', () => {
  it('an LDT descriptor gives selectors with TI set a table', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0x9000, 0xf, ACCESS.ldt, 0))
    m.ram.writeU64(0x9008 as Gpa, descriptor(0x12340, 0xff, ACCESS.data0, BIG))
    m.execute([...movEax(FREE), 0x0f, 0x00, 0xd0, ...movEax(0x0c), ...DS, HLT])
    expect(m.registers().segments.ds).toMatchObject({ selector: 0x0c, base: 0x12340n })
  })

  it('LTR wants an available TSS and makes it busy', () => {
    const m = protectedMachine()
    m.setDescriptor(FREE, descriptor(0x4800, 0x67, ACCESS.tss, 0))
    m.execute([...movEax(FREE), 0x0f, 0x00, 0xd8, HLT])
    expect(m.registers().segments.tr).toMatchObject({ selector: FREE, base: 0x4800n, limit: 0x67, attributes: 0x8b })
    expect(m.ram.readU64((GDT + FREE) as Gpa)).toBe(descriptor(0x4800, 0x67, ACCESS.tssBusy, 0))
    m.execute([...movEax(FREE), 0x0f, 0x00, 0xd8, HLT])
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, BigInt(FREE)])
  })

  it('SGDT stores limit and base; with UMIP it is #GP(0) at CPL 3', () => {
    const m = protectedMachine()
    m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
    m.execute([0x0f, 0x01, 0x05, ...le(0x9000, 4), 0xcd, 0x40], { cpl: 3 })
    expect([m.ram.readU16(0x9000 as Gpa), m.u32(0x9002)]).toEqual([0xff, GDT])
    m.execute([0x0f, 0x01, 0x05, ...le(0x9000, 4), 0xcd, 0x40], { cpl: 3, change: (r) => (r.cr4 = 0x800n) })
    expect([stoppedIn(m), m.stack(1)[0]]).toEqual([13, 0n])
  })
})

describe('limit of flat segments (SDM vol. 3, 6.3): an access may not go past 4 GiB', () => {
  const cases: [string, number[], [number, bigint] | 'done'][] = [
    ['a word load at the last byte', [0xbb, ...le(0xffffffff, 4), 0x66, 0x8b, 0x03], [13, 0n]],
    ['a dword store across the end', [0xbb, ...le(0xfffffffe, 4), 0x89, 0x03], [13, 0n]],
    ['a load through the stack segment across the end', [0xbd, ...le(0xfffffffd, 4), 0x8b, 0x45, 0x00], [12, 0n]],
    ['a byte load at the last byte', [0xbb, ...le(0xffffffff, 4), 0x8a, 0x03], 'done'],
    ['an address that wraps before the access', [0xbb, ...le(0xfffffffe, 4), 0x8b, 0x43, 0x02], 'done'],
  ]
  for (const [name, code, outcome] of cases) {
    it(`${name}: ${outcome === 'done' ? 'is no fault' : `vector ${outcome[0]}`}`, () => {
      const m = protectedMachine()
      m.setGate(0x40, gate(CODE0, HANDLERS + 0x400, 0xee))
      m.execute([...code, 0xcd, 0x40])
      expect(stoppedIn(m) === 0x40 ? 'done' : [stoppedIn(m), m.stack(1)[0]!]).toEqual(outcome)
    })
  }
})
