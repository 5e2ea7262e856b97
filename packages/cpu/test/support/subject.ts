import {
  CODE_ADDRESS, CODE_DEFAULT, CODE_SIZE, CONST_ADDRESS, CONST_SIZE, DATA_ADDRESS, DATA_SIZE, defaultSegments, EXT_FCW, EXT_FSW, EXT_FTW, EXT_MXCSR,
  EXT_ST, EXT_YMM, EXTENDED_DEFAULT, EXTENDED_SIZE, pristine, STEP_LIMIT,
} from '@entresol/oracle'
import type { Fault, MemoryPiece, Outcome, Segments, Subject, TestCase } from '@entresol/oracle'
import type { Gfn, Gpa, VcpuExit } from '@entresol/interfaces'
import { setSegment } from '../../src/system/segments.ts'
import * as L from '../../src/state/layout.ts'
import { createBench } from './bench.ts'
import type { Bench, BenchOptions } from './bench.ts'

/** Guest physical pages of the tables; code, data and constants are mapped to their own addresses. */
const PML4 = 0x1000
const GDT = 0x10000
const IDT = 0x11000
const TSS = 0x12000
const STACK = 0x13000
const HANDLERS = 0x14000
/** Supervisor pages, where Linux would have them: 64-bit addresses no case reaches. */
const HIGH = 0xffff_fe00_0000_0000n

const USER = 7n
const NX = 1n << 63n

/** The layout of the oracle in long mode at CPL 3: see tooling/oracle/vectors/README.md. */
function pageTables(bench: Bench, code: CodePages): void {
  const { ram } = bench
  let next = PML4
  const table = (): number => (next += 0x1000)
  const entry = (at: number, index: number, value: bigint): void => ram.writeU64((at + index * 8) as Gpa, value)
  const child = (at: number, index: number): number => {
    const known = ram.readU64((at + index * 8) as Gpa)
    if (known & 1n) return Number(known & ~0xfffn)
    const made = table()
    entry(at, index, BigInt(made) | USER)
    return made
  }
  const map = (linear: bigint, physical: number, flags: bigint): void => {
    let at = PML4
    for (const shift of [39n, 30n, 21n]) at = child(at, Number((linear >> shift) & 511n))
    // Accessed and dirty already: nothing changes in the tables while cases run.
    entry(at, Number((linear >> 12n) & 511n), BigInt(physical) | flags | 0x60n)
  }
  const pages = code === 'straddled' ? 2 : 1
  for (let at = CODE_ADDRESS; at < CODE_ADDRESS + pages * CODE_SIZE; at += CODE_SIZE) map(BigInt(at), at, code === 'writable' ? USER : 5n)
  for (let page = 0; page < DATA_SIZE; page += 0x1000) map(BigInt(DATA_ADDRESS + page), DATA_ADDRESS + page, USER | NX)
  map(BigInt(CONST_ADDRESS), CONST_ADDRESS, 5n | NX)
  for (const page of [GDT, IDT, TSS, STACK, HANDLERS]) map(HIGH + BigInt(page), page, 3n)
  ram.write(CODE_ADDRESS as Gpa, new Uint8Array(CODE_SIZE).fill(NOP))
  ram.write(CONST_ADDRESS as Gpa, pristine(CONST_ADDRESS, CONST_SIZE))
  const descriptors = [0n, 0x00cf9b000000ffffn, 0x00af9b000000ffffn, 0x00cf93000000ffffn, 0x00cffb000000ffffn, 0x00cff3000000ffffn, 0x00affb000000ffffn]
  descriptors.forEach((value, i) => entry(GDT, i, value))
  // Interrupt gates to one handler each; only breakpoint and overflow are for user programs.
  for (let vector = 0; vector < 256; vector++) {
    const handler = HIGH + BigInt(HANDLERS + vector * 8)
    const rights = vector === 3 || vector === 4 ? 0xeen : 0x8en
    entry(IDT, vector * 2, (handler & 0xffffn) | (0x10n << 16n) | (rights << 40n) | (((handler >> 16n) & 0xffffn) << 48n))
    entry(IDT, vector * 2 + 1, handler >> 32n & 0xffffffffn)
  }
  ram.writeU64((TSS + 4) as Gpa, HIGH + BigInt(STACK + 0x1000))
}

const SEGMENT_INDEX = [['es', L.SEG_ES], ['cs', L.SEG_CS], ['ss', L.SEG_SS], ['ds', L.SEG_DS], ['fs', L.SEG_FS], ['gs', L.SEG_GS]] as const
const SELF_JUMP = [0xeb, 0xfe]
/** Instructions after which a program counts as endless. */
const PROGRAM_LIMIT = 10_000
const HLT = 0xf4
const NOP = 0x90
/** Attributes behind the selectors of user programs. */
const ATTRIBUTES: Record<number, number> = { 0x23: 0xcfb, 0x2b: 0xcf3, 0x33: 0xafb }

/** The oracle's page of code, or for programs two of them, or one that they may write to. */
export type CodePages = 'plain' | 'straddled' | 'writable'

/** The software CPU as one side of a comparison. */
export class SoftwareSubject implements Subject {
  readonly #bench: Bench
  readonly #code: number
  readonly #data: number
  readonly #window = pristine(DATA_ADDRESS, DATA_SIZE)
  readonly #expected: Uint8Array
  readonly #expectedWords: BigUint64Array
  readonly #dataWords: BigUint64Array
  #segments = ''
  readonly #translated: boolean
  /** Instructions the last program took. */
  instructions = 0
  readonly #codeBytes: Uint8Array

  /** `translated`: every case becomes a region of its own, as if its code were hot; programs become regions as they run. `space`: instead of paging. */
  constructor(translated = false, code: CodePages = 'plain', space?: BenchOptions['space']) {
    this.#codeBytes = new Uint8Array(code === 'straddled' ? 2 * CODE_SIZE : CODE_SIZE)
    const bench = createBench({ bytes: 4 << 20, codeCacheBytes: 1 << 20, translateAfter: translated ? 1 : 0, ...(space ? { space } : {}) })
    this.#translated = translated
    this.#bench = bench
    pageTables(bench, code)
    bench.ram.write(DATA_ADDRESS as Gpa, this.#window)
    this.#expected = this.#window.slice()
    this.#expectedWords = new BigUint64Array(this.#expected.buffer)
    const { cpu, ram } = bench
    const frame = (address: number): number => ram.frameForWrite((address >>> 12) as Gfn)
    this.#code = frame(CODE_ADDRESS)
    this.#data = frame(DATA_ADDRESS)
    const second = frame(DATA_ADDRESS + 0x1000)
    if (second !== this.#data + 0x1000) throw new RangeError('the data window is not contiguous in machine memory')
    this.#dataWords = new BigUint64Array(cpu.state.memory.wasm.buffer, this.#data, DATA_SIZE / 8)
    const r = cpu.getRegisters()
    const flat = { selector: 0x2b, base: 0n, limit: 0xffffffff, attributes: 0xcf3 }
    r.segments = {
      ...r.segments, cs: { ...flat, selector: 0x33, attributes: 0xafb }, ds: flat, es: flat, ss: flat, fs: flat, gs: flat,
      tr: { selector: 0x40, base: HIGH + BigInt(TSS), limit: 0x67, attributes: 0x8b },
    }
    Object.assign(r, {
      rip: BigInt(CODE_DEFAULT), rflags: 0x202n, cr0: 0x80050033n, cr3: BigInt(PML4), cr4: 0x150ee0n, efer: 0xd01n,
      gdtr: { base: HIGH + BigInt(GDT), limit: 0x7f }, idtr: { base: HIGH + BigInt(IDT), limit: 0xfff },
    })
    cpu.setRegisters(r)
    cpu.state.setU64(L.XCR0, 7n)
    cpu.modeChanged()
    cpu.intercepts.exceptions = -1
    cpu.interceptsChanged()
  }

  run(testCase: TestCase): Outcome {
    const { cpu, ram } = this.#bench
    const { state } = cpu
    const codeAddress = testCase.codeAddress ?? CODE_DEFAULT
    if (testCase.program) return this.#runProgram(testCase, codeAddress)
    if (this.#translated) {
      // Behind the case a jump to itself. The first run decodes, the second finds code that is due for translation.
      ram.write(codeAddress as Gpa, Uint8Array.of(...testCase.code, ...SELF_JUMP).subarray(0, CODE_ADDRESS + CODE_SIZE - codeAddress))
      this.#prepare(testCase, codeAddress)
      cpu.run(1)
      this.#changes(testCase)
    } else state.memory.u8.set(testCase.code, this.#code + codeAddress - CODE_ADDRESS)
    this.#prepare(testCase, codeAddress)
    const execute = (): VcpuExit => (this.#translated ? cpu.run(1) : cpu.step())
    let exit = execute()
    // Only string instructions stay where they are, or branches, which are not `straight`.
    const loops = testCase.repeat === true || testCase.straight === true
    for (let n = 1; loops && n < STEP_LIMIT && exit.reason === 'slice' && state.rip === BigInt(codeAddress); n++) exit = execute()
    const nops = new Uint8Array(testCase.code.length + SELF_JUMP.length).fill(0x90).subarray(0, CODE_ADDRESS + CODE_SIZE - codeAddress)
    if (this.#translated) ram.write(codeAddress as Gpa, nops)
    else state.memory.u8.set(nops, this.#code + codeAddress - CODE_ADDRESS)
    return this.#outcome(testCase, exit, codeAddress)
  }

  #runProgram(testCase: TestCase, codeAddress: number): Outcome {
    const { cpu } = this.#bench
    // Slices end in places of its own: what the interpreter brings to an end must not be cut short.
    return this.#runTo(testCase, codeAddress, this.#translated ? 2 * PROGRAM_LIMIT : PROGRAM_LIMIT, (left) => cpu.run(left))
  }

  /** A program up to the first place behind so many instructions where a slice may end; `exactly`: to the instruction. */
  runFor(testCase: TestCase, instructions: number, exactly = false): Outcome {
    const { cpu } = this.#bench
    return this.#runTo(testCase, testCase.codeAddress ?? CODE_DEFAULT, instructions, (left) => (exactly ? cpu.step() : cpu.run(left)))
  }

  #runTo(testCase: TestCase, codeAddress: number, limit: number, execute: (left: number) => VcpuExit): Outcome {
    const { cpu, ram } = this.#bench
    this.#place(codeAddress, testCase.code)
    this.#prepare(testCase, codeAddress)
    const start = cpu.instructionCount
    let exit: VcpuExit = { reason: 'slice' }
    for (this.instructions = 0; exit.reason === 'slice' && this.instructions < limit; this.instructions = cpu.instructionCount - start) {
      exit = execute(limit - this.instructions)
    }
    const { fault, ...rest } = this.#outcome(testCase, exit, codeAddress)
    const halted = fault?.vector === 13 && rest.rip < BigInt(CODE_ADDRESS + 2 * CODE_SIZE) && (ram.readU32(Number(rest.rip) as Gpa) & 0xff) === HLT
    if (halted) return { ...rest, kind: 'done' }
    return fault ? { ...rest, fault } : { ...rest, kind: exit.reason === 'slice' ? 'step-limit' : rest.kind }
  }

  /** The code of a program as it is now. */
  code({ codeAddress = CODE_DEFAULT, code }: TestCase): Uint8Array {
    const bytes = new Uint8Array(code.length)
    this.#bench.ram.read(codeAddress as Gpa, bytes)
    return bytes
  }

  /** Puts code among NOPs. Only what is not there already is written, so that a program which runs again finds its code warm. */
  #place(address: number, code: Uint8Array): void {
    const { ram } = this.#bench
    const there = this.#codeBytes
    ram.read(CODE_ADDRESS as Gpa, there)
    const from = address - CODE_ADDRESS
    for (let i = 0; i < there.length; i++) {
      const byte = code[i - from] ?? NOP
      if (there[i] !== byte) ram.write((CODE_ADDRESS + i) as Gpa, Uint8Array.of(byte))
    }
  }

  #prepare(testCase: TestCase, codeAddress: number): void {
    const { state } = this.#bench.cpu
    const u8 = state.memory.u8
    for (let i = 0; i < 16; i++) state.setGpr(i, testCase.gpr[i]!)
    state.rip = BigInt(codeAddress)
    state.eflags = testCase.rflags
    state.setU64(L.CR2, 0n)
    this.#setSegments(testCase.segments ?? defaultSegments(testCase.mode))
    this.#setExtended(testCase.extended ?? EXTENDED_DEFAULT)
    for (const { address, bytes } of testCase.memory ?? []) {
      this.#expected.set(bytes, address - DATA_ADDRESS)
      u8.set(bytes, this.#data + address - DATA_ADDRESS)
    }
  }

  #setSegments(segments: Segments): void {
    const { cpu } = this.#bench
    const { state } = cpu
    const key = SEGMENT_INDEX.map(([name]) => segments[name]).join() + ` ${segments.fsBase} ${segments.gsBase}`
    if (this.#segments === key && state.cpl === 3) return
    this.#segments = key
    for (const [name, index] of SEGMENT_INDEX) {
      const selector = segments[name]
      const base = name === 'fs' ? segments.fsBase : name === 'gs' ? segments.gsBase : 0n
      const attributes = ATTRIBUTES[selector] ?? 0
      setSegment(state, index, { selector, base, limit: attributes ? 0xffffffff : 0, attributes })
    }
    state.setU32(L.CPL, 3)
    cpu.modeChanged()
  }

  #setExtended(extended: Uint8Array): void {
    const { state } = this.#bench.cpu
    const u8 = state.memory.u8
    const from = new DataView(extended.buffer, extended.byteOffset)
    u8.set(extended.subarray(EXT_YMM, EXT_YMM + 512), state.base + L.YMM)
    state.setU32(L.MXCSR, from.getUint32(EXT_MXCSR, true))
    state.setU32(L.FPU_CONTROL, from.getUint16(EXT_FCW, true))
    const status = from.getUint16(EXT_FSW, true)
    const top = (status >> 11) & 7
    state.setU32(L.FPU_STATUS, status & ~0x3800)
    state.setU32(L.FPU_TOP, top)
    state.setU32(L.FPU_EMPTY, ~extended[EXT_FTW]! & 0xff)
    state.setU32(L.FPU_OPCODE, 0)
    state.setU64(L.FPU_IP, 0n)
    state.setU64(L.FPU_DP, 0n)
    for (let i = 0; i < 8; i++) u8.set(extended.subarray(EXT_ST + 10 * i, EXT_ST + 10 * i + 10), state.base + L.FPU_REGISTERS + ((top + i) & 7) * 16)
  }

  #extended(): Uint8Array {
    const { state } = this.#bench.cpu
    const u8 = state.memory.u8
    const extended = new Uint8Array(EXTENDED_SIZE)
    const to = new DataView(extended.buffer)
    extended.set(u8.subarray(state.base + L.YMM, state.base + L.YMM + 512), EXT_YMM)
    to.setUint32(EXT_MXCSR, state.u32(L.MXCSR), true)
    to.setUint16(EXT_FCW, state.u32(L.FPU_CONTROL), true)
    const top = state.u32(L.FPU_TOP)
    to.setUint16(EXT_FSW, (state.u32(L.FPU_STATUS) & ~0x3800) | (top << 11), true)
    extended[EXT_FTW] = ~state.u32(L.FPU_EMPTY)
    for (let i = 0; i < 8; i++) {
      const at = state.base + L.FPU_REGISTERS + ((top + i) & 7) * 16
      extended.set(u8.subarray(at, at + 10), EXT_ST + 10 * i)
    }
    return extended
  }

  #outcome(testCase: TestCase, exit: VcpuExit, codeAddress: number): Outcome {
    const { state } = this.#bench.cpu
    let fault: Fault | undefined
    if (exit.reason === 'intercept' && exit.event.kind === 'exception') {
      const { vector, errorCode, address } = exit.event
      // What Linux tells of kernel addresses: nothing about their being mapped.
      const present = vector === 14 && address >> 47n ? ~1 : ~0
      fault = { vector, errorCode: (errorCode ?? 0) & present, ...(vector === 14 ? { address } : {}) }
    }
    let rip = state.rip
    let rflags = state.eflags
    let rsp = state.gpr(4)
    let [cs, ss] = [state.selector(L.SEG_CS), state.selector(L.SEG_SS)]
    if (state.cpl === 0) {
      // A software interrupt went through its gate: the frame has what the program saw.
      fault = { vector: Number(rip - HIGH - BigInt(HANDLERS)) >> 3, errorCode: 0 }
      const frame = (slot: number): bigint => this.#bench.ram.readU64((STACK + 0x1000 - 40 + slot * 8) as Gpa)
      ;[rip, rflags, rsp] = [frame(0), Number(frame(2)), frame(3)]
      ;[cs, ss] = [Number(frame(1)), Number(frame(4))]
      this.#segments = ''
    }
    const gpr = new BigUint64Array(16)
    for (let i = 0; i < 16; i++) gpr[i] = i === 4 ? rsp : state.gpr(i)
    const segments: Segments = {
      es: state.selector(L.SEG_ES), cs, ss, ds: state.selector(L.SEG_DS), fs: state.selector(L.SEG_FS), gs: state.selector(L.SEG_GS),
      fsBase: state.segBase(L.SEG_FS), gsBase: state.segBase(L.SEG_GS),
    }
    if (SEGMENT_INDEX.map(([name]) => segments[name]).join() + ` ${segments.fsBase} ${segments.gsBase}` !== this.#segments) this.#segments = ''
    const loops = testCase.repeat === true || testCase.straight === true
    const stuck = !fault && loops && rip === BigInt(codeAddress)
    return {
      kind: fault ? 'fault' : stuck ? 'step-limit' : 'done', ...(fault ? { fault } : {}), gpr, rip, rflags: rflags & ~L.FLAG_RF, segments, extended: this.#extended(),
      memory: this.#changes(testCase),
    }
  }

  /** What the case changed, and the window pristine again. */
  #changes(testCase: TestCase): MemoryPiece[] {
    const pieces: MemoryPiece[] = []
    const { u8 } = this.#bench.cpu.state.memory
    const [expected, actual] = [this.#expectedWords, this.#dataWords]
    let restore = false
    for (let word = 0; word < expected.length; word++) {
      if (expected[word] === actual[word]) continue
      restore = true
      for (let i = word * 8; i < word * 8 + 8; i++) {
        const byte = u8[this.#data + i]!
        if (byte !== this.#expected[i]) pieces.push({ address: DATA_ADDRESS + i, bytes: Uint8Array.of(byte) })
      }
    }
    if (restore) u8.set(this.#window, this.#data)
    for (const { address, bytes } of testCase.memory ?? []) {
      const at = address - DATA_ADDRESS
      const original = this.#window.subarray(at, at + bytes.length)
      this.#expected.set(original, at)
      u8.set(original, this.#data + at)
    }
    return pieces
  }
}

export const createSubject = (translated = false): Subject => new SoftwareSubject(translated)

/** Those who run programs: see `fuzz --translate` of tooling/oracle. */
export const createProgramSubjects = (): { interpreter: SoftwareSubject; translator: SoftwareSubject } =>
  ({ interpreter: new SoftwareSubject(), translator: new SoftwareSubject(true) })
