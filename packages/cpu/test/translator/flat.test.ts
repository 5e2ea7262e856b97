import { FLAT_EDGE_BYTES, RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { Gfn, VcpuExit } from '@entresol/interfaces'
import { createPageWalker, FlatMemory, FlatWalker } from '@entresol/mmu'
import { DATA_ADDRESS, DATA_SIZE, differences, formsOfRow, generateProgram, programForms, Random } from '@entresol/oracle'
import type { Fault } from '@entresol/oracle'
import { describe, expect, it } from 'vitest'
import { INSTRUCTIONS } from '../../src/instructions/index.ts'
import * as L from '../../src/state/layout.ts'
import { createBench } from '../support/bench.ts'
import type { Bench } from '../support/bench.ts'
import { countingRegions } from '../support/regions.ts'
import type { RegionCounts } from '../support/regions.ts'
import { SoftwareSubject } from '../support/subject.ts'

const COUNT = Number(process.env['ENTRESOL_PROGRAMS'] ?? 150)
const features = new Set(INSTRUCTIONS.flatMap((row) => row.options.feature ?? []))
const all = INSTRUCTIONS.flatMap(formsOfRow)
const modes = [64, 32] as const

/** A page fault that may go unnoticed: the access was near others in the window. */
function inEdge({ vector, address = 0n }: Fault): boolean {
  const offset = Number(address) - DATA_ADDRESS
  return vector === 14 && ((offset < 0 && offset > -FLAT_EDGE_BYTES) || (offset >= DATA_SIZE && offset < DATA_SIZE + FLAT_EDGE_BYTES))
}

describe.each(modes)('random programs with their data in a window, %i-bit', (mode) => {
  const forms = programForms(all, mode, features)

  it('do what they do with paging', { timeout: 600_000 }, () => {
    const counts: RegionCounts = { entered: 0, bailed: 0 }
    const paged = new SoftwareSubject(false)
    const flat = countingRegions(counts, () => new SoftwareSubject(true, 'plain', (memory, ram) => ({
      physical: ram, walker: createPageWalker(memory, ram),
      // Programs that do not fault use nothing but these two pages, directly.
      flat: {
        linear: DATA_ADDRESS - FLAT_EDGE_BYTES, machine: ram.frameForWrite((DATA_ADDRESS >>> 12) as Gfn) - FLAT_EDGE_BYTES,
        bytes: DATA_SIZE + 2 * FLAT_EDGE_BYTES,
      },
    })))
    let done = 0
    let faults = 0
    for (let seed = 0; seed < COUNT; seed++) {
      const { testCase } = generateProgram(seed, { mode, forms, defined: false })
      const expected = paged.run(testCase)
      if (expected.kind === 'step-limit' || (expected.fault && inEdge(expected.fault))) continue
      done++
      if (expected.kind === 'fault') faults++
      for (let run = 1; run <= 3; run++) expect({ seed, run, lines: differences(expected, flat.run(testCase)) }).toEqual({ seed, run, lines: [] })
      expect({ seed, instructions: flat.instructions }).toEqual({ seed, instructions: paged.instructions })
    }
    expect(done).toBeGreaterThan(COUNT / 3)
    expect(faults).toBeGreaterThan(0)
    expect(counts.entered).toBeGreaterThan(1.5 * done)
    // What is not in the window, constants among it, bails.
    expect(counts.entered - counts.bailed).toBeGreaterThan(done / 4)
  })
})

const START = 0x10000
const CODE = 0x20000
const DATA = 0x30000
const END = 0x40000
const PAGE = 4096

interface Process extends Bench {
  readonly space: FlatMemory
  /** Frames of the host right before and behind the window. */
  readonly neighbours: Uint8Array[]
}

/** A process in a window [START, END): code at CODE, data from DATA to the end. */
function createProcess(translateAfter: number): Process {
  let space: FlatMemory | undefined
  const neighbours: Uint8Array[] = []
  const bench = createBench({
    translateAfter, bytes: 1 << 20,
    space: (memory) => {
      const before = memory.reserve(PAGE)
      space = new FlatMemory(memory, { linear: START, bytes: END - START })
      const behind = memory.reserve(PAGE)
      const { machine, bytes } = space.window
      expect([before + PAGE, behind]).toEqual([machine, machine + bytes])
      for (const frame of [before, behind]) neighbours.push(memory.u8.subarray(frame, frame + PAGE).fill(0x5a))
      return { physical: space, walker: new FlatWalker(space), flat: space.window }
    },
  })
  const process = { ...bench, space: space!, neighbours }
  process.space.protect(DATA, END - DATA, RIGHT_READ | RIGHT_WRITE)
  const { cpu } = process
  cpu.intercepts.exceptions = -1
  cpu.intercepts.syscall = true
  cpu.interceptsChanged()
  const r = cpu.getRegisters()
  const data = { selector: 0x2b, base: 0n, limit: 0xffffffff, attributes: 0xcf3 }
  r.segments = { ...r.segments, cs: { ...data, selector: 0x33, attributes: 0xafb }, ds: data, es: data, ss: data, fs: data, gs: data }
  Object.assign(r, { rip: BigInt(CODE), rflags: 2n, cr0: 0x80010033n, cr4: 0x40620n, efer: 0xd01n })
  cpu.setRegisters(r)
  cpu.state.setU64(L.XCR0, 7n)
  cpu.modeChanged()
  return process
}

function place({ space }: Process, code: readonly number[]): void {
  space.view(CODE, code.length)!.set(code)
  space.protect(CODE, PAGE, RIGHT_READ | RIGHT_EXECUTE)
}

/** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI as given, the others 0. */
function runAt({ cpu }: Process, gpr: readonly bigint[], rip = CODE): VcpuExit {
  const r = cpu.getRegisters()
  r.gpr.fill(0n)
  gpr.forEach((value, n) => (r.gpr[n] = value))
  r.rip = BigInt(rip)
  cpu.setRegisters(r)
  return cpu.run(100_000)
}

const pageFault = (errorCode: number, address: bigint): VcpuExit => ({ reason: 'intercept', event: { kind: 'exception', vector: 14, errorCode, address } })
const SYSCALL = [0x0f, 0x05]
/** Goes RCX times through `body` and leaves by SYSCALL. */
const loop = (...body: number[]): number[] => [...body, 0x48, 0xff, 0xc9, 0x75, -(body.length + 5) & 0xff, ...SYSCALL]

/** Forms of access through RBX, by size in bytes; RSI is 0. */
const accesses: readonly (readonly [name: string, size: number, code: readonly number[], write: boolean])[] = [
  ['MOV r8, m', 1, [0x8a, 0x03], false], ['MOV r64, m', 8, [0x48, 0x8b, 0x03], false], ['MOV m, r16', 2, [0x66, 0x89, 0x03], true],
  ['MOV m, r64', 8, [0x48, 0x89, 0x03], true], ['ADD m, r32', 4, [0x01, 0x03], true], ['LOCK XADD m, r64', 8, [0xf0, 0x48, 0x0f, 0xc1, 0x03], true],
  ['MOVUPS x, m', 16, [0x0f, 0x10, 0x03], false], ['MOVUPS m, x', 16, [0x0f, 0x11, 0x03], true], ['VMOVUPS m, y', 32, [0xc5, 0xfc, 0x11, 0x03], true],
  ['STOSQ', 8, [0x48, 0x89, 0xdf, 0x48, 0xab], true], ['LODSD', 4, [0x48, 0x89, 0xde, 0xad], false],
  ['PUSH', 8, [0x48, 0x8d, 0x63, 0x08, 0x50], true], ['POP', 8, [0x48, 0x89, 0xdc, 0x5a], false],
]

describe.each([0, 1])('a process in a window, translated after %i arrivals', (translateAfter) => {
  it.each(accesses)('%s is precise at both ends of the window and reaches nothing behind them', (_name, size, code, write) => {
    const process = createProcess(translateAfter)
    const { space, neighbours, cpu } = process
    space.protect(START, PAGE, RIGHT_READ | RIGHT_WRITE)
    place(process, loop(...code))
    const errors = 4 | (write ? 2 : 0)
    const good = (at: number): void => expect(runAt(process, [1n, 50n, 0n, BigInt(at)])).toMatchObject({ event: { kind: 'syscall' } })
    const bad = (at: bigint, address = at, error = errors): void => {
      const stack = code.includes(0x50) || code.includes(0x5a)
      const canonical = at < 0x8000_0000_0000n
      // Warm first, so that the loop is translated when it meets the address.
      good(DATA)
      const exit = runAt(process, [1n, 50n, 0n, at])
      if (canonical) expect(exit).toEqual(pageFault(error, address))
      else expect(exit).toMatchObject({ event: { vector: stack ? 12 : 13 } })
      expect(cpu.getRegisters().gpr[1]).toBe(50n)
    }
    good(END - size)
    good(START)
    bad(BigInt(END))
    bad(BigInt(START - PAGE))
    bad(0n)
    if (size > 1) bad(BigInt(END - size + 1), BigInt(END))
    if (size > 1) bad(BigInt(START - 1))
    for (const wild of [0x1_0000_0000n + BigInt(DATA), 0xffff_ffffn - 64n, 0x7fff_ffff_0000n]) bad(wild)
    bad(0x8000_0000_0000n + BigInt(DATA))
    for (const frame of neighbours) expect(frame.every((byte) => byte === 0x5a)).toBe(true)
  })

  it('leaves the host alone whatever addresses it makes', () => {
    const process = createProcess(translateAfter)
    const { space, neighbours } = process
    const random = new Random(7)
    space.protect(START, CODE - START, RIGHT_READ | RIGHT_WRITE)
    place(process, loop(0x48, 0x89, 0x44, 0x8b, 0x10, 0x48, 0x03, 0x44, 0xf3, 0xf0, 0xf3, 0x48, 0xab)) // [rbx+rcx*4+16], [rbx+rsi*8-16], rep stosq
    for (let n = 0; n < 2000; n++) {
      const near = (): bigint => BigInt(random.below(2) ? START : END) + BigInt(random.below(400) - 200)
      const far = (): bigint => BigInt.asUintN(64, BigInt(random.below(0x10000)) << BigInt(random.below(48)))
      const address = (): bigint => BigInt.asUintN(64, random.below(4) ? near() : far())
      runAt(process, [0x1122334455667788n, BigInt(1 + random.below(40)), 0n, address(), 0n, 0n, BigInt(random.below(40)), address()])
      if (neighbours.some((frame) => frame[0] !== 0x5a || frame[PAGE - 1] !== 0x5a)) expect.unreachable(`run ${n}`)
    }
    expect(neighbours.every((frame) => frame.every((byte) => byte === 0x5a))).toBe(true)
  })

  it('stays in its window with accesses near others, too', () => {
    const process = createProcess(translateAfter)
    const { space, neighbours } = process
    // mov [rbx], rax; mov [rbx+ffch], rax; mov [rbx-ff8h], rax; movups xmm0, [rbx+ff0h]
    place(process, loop(0x48, 0x89, 0x03, 0x48, 0x89, 0x83, 0xfc, 0x0f, 0, 0, 0x48, 0x89, 0x83, 0x08, 0xf0, 0xff, 0xff, 0x0f, 0x10, 0x83, 0xf0, 0x0f, 0, 0))
    const run = (at: number): VcpuExit => runAt(process, [0x1122334455667788n, 50n, 0n, BigInt(at)])
    expect(run(DATA + PAGE)).toMatchObject({ event: { kind: 'syscall' } })
    expect(space.view(DATA + 2 * PAGE - 4, 4)).toEqual(Uint8Array.of(0x88, 0x77, 0x66, 0x55))
    expect(space.view(DATA + 8, 4)).toEqual(Uint8Array.of(0x88, 0x77, 0x66, 0x55))
    for (const at of [START, END - 8, END, START - 8, END + PAGE, END + 2 * PAGE - 8, START - 2 * PAGE]) run(at)
    expect(neighbours.every((frame) => frame.every((byte) => byte === 0x5a))).toBe(true)
  })

  it('executes new instructions once the host was told', () => {
    const process = createProcess(translateAfter)
    place(process, loop(0x83, 0xc0, 0x01)) // add eax, 1
    expect(runAt(process, [0n, 100n])).toMatchObject({ event: { kind: 'syscall' } })
    expect(process.cpu.getRegisters().gpr[0]).toBe(100n)
    place(process, loop(0x83, 0xc0, 0x02))
    runAt(process, [0n, 100n])
    expect(process.cpu.getRegisters().gpr[0]).toBe(200n)
  })

  it('is not executed where that right is missing', () => {
    const process = createProcess(translateAfter)
    place(process, loop(0x83, 0xc0, 0x01))
    runAt(process, [0n, 100n])
    process.space.protect(CODE, PAGE, RIGHT_READ)
    expect(runAt(process, [0n, 100n])).toEqual(pageFault(0x15, BigInt(CODE)))
    expect(runAt(process, [0n, 100n], START)).toEqual(pageFault(0x14, BigInt(START)))
  })
})

it('is refused where it is not pages of machine memory', () => {
  const create = (linear: number, machine: number, bytes: number) => () => createBench({
    space: (memory, ram) => ({ physical: ram, walker: createPageWalker(memory, ram), flat: { linear, machine, bytes } }),
  })
  for (const [linear, machine, bytes] of [[1, 4096, 65536], [0, 100, 65536], [0, 4096, 0], [0, 4096, 16384], [0, 4096, 2 ** 31], [2 ** 32 - 65536, 4096, 69632], [0, -65536, 65536]] as const) {
    expect(create(linear, machine, bytes)).toThrow(expect.objectContaining({ code: 'bad-flat-window' }))
  }
})
