import { describe, expect, it } from 'vitest'
import type { Gpa, VcpuExit, VcpuRegisters } from '@entresol/interfaces'
import {
  ACCESS, BIG, CODE, CODE0, CODE3, DATA0, DATA3, descriptor, FREE, gate, GDT, HANDLERS, IDT, le, LONG, longMachine, protectedMachine, STACK0, STACK3, TSS,
} from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

const IST = 0x28000

/** Small deterministic generator (Marsaglia xorshift). */
function random(seed: number): (below: number) => number {
  let x = seed | 1
  return (below) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

/** What a run may have changed. */
function outcome(m: SystemBench): unknown {
  const { gpr, ...rest } = m.registers()
  const pages = [GDT, STACK0 - 0x1000, STACK3 - 0x1000, IST - 0x1000].map((page) => {
    const bytes = new Uint8Array(0x1000)
    m.ram.read(page as Gpa, bytes)
    return Buffer.from(bytes).toString('base64')
  })
  return { gpr: [...gpr], ...rest, pages }
}

/**
 * Has the tables and stacks in the TLB when the machine starts, or not: then it is the general code that delivers. Runs up to the first
 * control transfer or event.
 */
function warm(m: SystemBench, on: boolean): void {
  const run = Object.getPrototypeOf(m.cpu).run as (this: unknown, n: number) => VcpuExit
  m.cpu.run = () => {
    if (on) {
      for (const address of [GDT, IDT, IDT + 0x800, TSS]) m.cpu.memory.read(BigInt(address), 8, 'supervisor')
      for (const stack of [STACK0, STACK0 - 0x800, IST]) {
        const at = BigInt(stack - 8)
        m.cpu.memory.write(at, 8, m.cpu.memory.read(at, 8, 'supervisor'), 'supervisor')
      }
    }
    run.call(m.cpu, 1)
    return { reason: 'halt' }
  }
}

function compare(m: SystemBench, prepare: () => void, bytes: readonly number[], cpl: 0 | 3, change: (r: VcpuRegisters) => void, note: string): void {
  const outcomes = [false, true].map((on) => {
    for (const page of [STACK0, STACK3, IST]) m.ram.write((page - 0x1000) as Gpa, new Uint8Array(0x1000))
    prepare()
    warm(m, on)
    m.execute(bytes, { cpl, change })
    return outcome(m)
  })
  expect(outcomes[1], note).toEqual(outcomes[0])
}

const pick = <T>(next: (below: number) => number, ...values: T[]): T => values[next(values.length)]!
const usual = (next: (below: number) => number): boolean => next(4) !== 0

/** A code or data descriptor, mostly what it should be. */
const segment = (next: (below: number) => number, access: number, flags: number): bigint =>
  descriptor(usual(next) ? 0 : next(0x10000), 0xfffff, usual(next) ? access : access ^ (1 << next(8)), usual(next) ? flags : next(16))

describe('what is found in the TLB is delivered as the general code delivers it', () => {
  it('events to 64-bit handlers: gates, IST, stacks of any alignment, error codes, refusals on the way', () => {
    const m = longMachine()
    const next = random(0x5eed)
    for (let round = 0; round < 300; round++) {
      const cpl = pick<0 | 3>(next, 0, 3)
      const vector = pick(next, 0x40, 6, 14, 3)
      const selector = usual(next) ? CODE0 : pick(next, FREE, FREE | 3, FREE | 4, 0, CODE3)
      const d = segment(next, pick<number>(next, ACCESS.code0, ACCESS.code3, ACCESS.conforming0), LONG)
      const access = pick(next, 0x8e, 0xee, 0xef, 0x8f, 0x0e, 0x8c, 0xe5)
      const ist = usual(next) ? 0 : 1
      const istStack = usual(next) ? IST - next(32) : pick(next, 0, 0x700008)
      const inner = usual(next) ? STACK0 - next(32) : pick(next, 0x600000, 16)
      const upper = usual(next) ? 0 : pick(next, 0x8000, 0xffff8000, 0x7fff)
      const prepare = (): void => {
        m.setDescriptor(FREE, d)
        m.ram.writeU64((IDT + vector * 16) as Gpa, gate(selector, HANDLERS + vector * 16, access, ist))
        m.ram.writeU32((IDT + vector * 16 + 8) as Gpa, upper)
        m.ram.writeU64((TSS + 4) as Gpa, BigInt(inner))
        m.ram.writeU64((TSS + 36) as Gpa, BigInt(istStack))
      }
      const code = { 0x40: [0xcd, 0x40], 6: [0x0f, 0x0b], 14: [0xa0, ...le(0x700000 + next(0x1000), 4), 0, 0, 0, 0], 3: [0xcc] }[vector]!
      const rsp = (cpl ? STACK3 : STACK0) - next(64)
      const flags = 2 | (next(2) << 9) | (next(2) << 18) | (next(2) << 14) | 0xd5
      compare(m, prepare, code, cpl, (r) => {
        r.gpr[4] = BigInt(rsp)
        r.rflags = BigInt(flags)
      }, `round ${round}: vector ${vector} gate ${access.toString(16)} selector ${selector} cpl ${cpl}`)
      m.setGate(vector, gate(CODE0, HANDLERS + vector * 16, 0x8e))
      m.ram.writeU32((IDT + vector * 16 + 8) as Gpa, 0)
    }
  })

  it('IRETQ: to both levels, null and other SS, flags, refusals', () => {
    const m = longMachine()
    const next = random(0xcafe)
    m.load(CODE + 0x100, Uint8Array.of(0xf4))
    m.ram.writeU64((TSS + 4) as Gpa, BigInt(STACK0))
    for (let round = 0; round < 300; round++) {
      const outer = next(2) === 1
      const cs = usual(next) ? (outer ? CODE3 : CODE0) : pick(next, FREE, FREE | 3, 0, FREE | 4)
      const ss = usual(next) ? (outer ? DATA3 : DATA0) : pick(next, FREE + 8, FREE + 8 | 3, 0, 3)
      const code = segment(next, outer ? ACCESS.code3 : ACCESS.code0, LONG)
      const data = segment(next, outer ? ACCESS.data3 : ACCESS.data0, BIG)
      const rip = usual(next) ? BigInt(CODE + 0x100) : 0x800000000000n
      const flags = BigInt(2 | (next(2) << 9) | (next(2) << 18) | (next(2) << 14) | (next(2) << 16) | (next(4) << 12) | next(256))
      const frame = [rip, BigInt(cs), flags, BigInt(pick(next, STACK3, STACK0) - next(64)), BigInt(ss)]
      const at = STACK0 - 40 - next(3) * 8 - (usual(next) ? 0 : 2)
      const prepare = (): void => {
        m.setDescriptor(FREE, code)
        m.setDescriptor(FREE + 8, data)
        frame.forEach((value, n) => m.ram.writeU64((at + n * 8) as Gpa, value))
      }
      compare(m, prepare, [0x48, 0xcf], 0, (r) => (r.gpr[4] = BigInt(at)), `round ${round}: cs ${cs} ss ${ss}`)
    }
  })

  it('MOV to DS and FS: any descriptor, null, both levels', () => {
    for (const m of [longMachine(), protectedMachine()]) {
      const next = random(0xd5)
      for (let round = 0; round < 150; round++) {
        const cpl = pick<0 | 3>(next, 0, 3)
        const selector = pick(next, FREE, FREE | 3, DATA0, DATA3, 0, 3, FREE | 4, 0x1f8)
        const d = segment(next, pick<number>(next, ACCESS.data3, ACCESS.data0, ACCESS.code3, ACCESS.conforming0, ACCESS.tss), pick(next, BIG, 0))
        const code = [0xb8, ...le(selector, 4), 0x8e, pick(next, 0xd8, 0xe0), 0xcc]
        compare(m, () => m.setDescriptor(FREE, d), code, cpl, () => {}, `round ${round}: selector ${selector} cpl ${cpl}`)
      }
    }
  })
})

describe('STI (SDM vol. 2B)', () => {
  it('holds an interrupt off for one instruction, also where the code before it ends a run of records or a page', () => {
    for (const start of [CODE + 1, CODE + 0xfff, CODE + 64 - 1]) {
      const m = longMachine()
      m.load(CODE, new Uint8Array(0x1100).fill(0x90))
      m.load(start, Uint8Array.of(0xfb, 0x90, 0x90, 0x90, 0xf4))
      m.interrupts.vector = 0x40
      m.execute([0x90], {
        change: (r) => {
          r.rip = BigInt(start)
          r.rflags = 2n
        },
      })
      // Nobody told the CPU of the interrupt yet: it reaches HLT.
      expect(m.registers().rip).toBe(BigInt(start + 5))
      m.execute([0x90], {
        change: (r) => {
          r.rip = BigInt(start)
          r.rflags = 2n
          m.cpu.interruptPending()
        },
      })
      expect(m.stack(1)[0]).toBe(BigInt(start + 2))
    }
  })
})

describe('CR0.TS and XCR0', () => {
  it('decide about the next instruction: #NM after MOV CR0, none after CLTS, #UD of AVX until XSETBV', () => {
    const m = longMachine()
    // mov rax, cr0; or eax, 8; mov cr0, rax; (clts;) fninit; int3
    const set = [0x0f, 0x20, 0xc0, 0x83, 0xc8, 0x08, 0x0f, 0x22, 0xc0]
    const fninit = [0xdb, 0xe3, 0xcc]
    m.execute([...fninit])
    m.execute([...set, ...fninit])
    expect(Number(m.registers().rip) - 1).toBe(HANDLERS + 7 * 16)
    m.execute([...set, 0x0f, 0x06, ...fninit])
    expect(Number(m.registers().rip) - 1).toBe(HANDLERS + 3 * 16)
    // mov eax, 0x40020; mov cr4, rax; (xor ecx, ecx; xor edx, edx; mov eax, 7; xsetbv;) vzeroupper; int3
    const osxsave = [0xb8, ...le(0x40020, 4), 0x0f, 0x22, 0xe0]
    m.execute([...osxsave, 0xc5, 0xf8, 0x77, 0xcc])
    expect(Number(m.registers().rip) - 1).toBe(HANDLERS + 6 * 16)
    m.execute([...osxsave, 0x31, 0xc9, 0x31, 0xd2, 0xb8, ...le(7, 4), 0x0f, 0x01, 0xd1, 0xc5, 0xf8, 0x77, 0xcc])
    expect(Number(m.registers().rip) - 1).toBe(HANDLERS + 3 * 16)
  })
})

describe('XSAVE and XRSTOR', () => {
  it('work alike on an area in one page and across two, and give back what was saved', () => {
    const m = longMachine()
    const setup = [0xdb, 0xe3, 0xb8, ...le(0x40220, 4), 0x0f, 0x22, 0xe0, 0x31, 0xc9, 0x31, 0xd2, 0xb8, ...le(7, 4), 0x0f, 0x01, 0xd1]
    // movdqu xmm3, [rsi]; vmovdqu ymm12, [rsi]; fld1; mov eax, 7; xsave [rdi]; xsaveopt [rbx]; vzeroall; fninit; xrstor [rdi]; xsave [rbp]; int3
    const work = [
      0xf3, 0x0f, 0x6f, 0x1e, 0xc5, 0x7e, 0x6f, 0x26, 0xd9, 0xe8, 0xb8, ...le(7, 4), 0x0f, 0xae, 0x27, 0x0f, 0xae, 0x33,
      0xc5, 0xfc, 0x77, 0xdb, 0xe3, 0x0f, 0xae, 0x2f, 0x0f, 0xae, 0x65, 0x00, 0xcc,
    ]
    const areas = [0x40000, 0x42e00, 0x44e00]
    for (let n = 0; n < 32; n++) m.ram.writeU8((0x48000 + n) as Gpa, n * 7 + 1)
    for (let twice = 0; twice < 2; twice++) {
      m.execute([...setup, ...work], {
        change: (r) => {
          r.gpr[6] = 0x48000n
          r.gpr[7] = BigInt(areas[0]!)
          r.gpr[3] = BigInt(areas[1]!)
          r.gpr[5] = BigInt(areas[2]!)
        },
      })
    }
    expect(Number(m.registers().rip) - 1).toBe(HANDLERS + 3 * 16)
    const [a, b, c] = areas.map((at) => {
      const bytes = new Uint8Array(832)
      m.ram.read(at as Gpa, bytes)
      return Buffer.from(bytes).toString('hex')
    })
    expect(b).toBe(a)
    expect(c).toBe(a)
  })
})
