import type { MemoryPiece, TestCase } from './case.ts'
import type { InstructionForm } from './forms.ts'
import { CODE_ADDRESS, CODE_SIZE, DATA_ADDRESS, DATA_SIZE, STACK_DEFAULT } from './layout.ts'
import { assemble, fixed, formPiece, le, moveImmediate } from './program-code.ts'
import type { Piece, Placed } from './program-code.ts'
import { accessChain, flagsToRegister, shiftChain } from './program-patterns.ts'
import { Random } from './random.ts'
import type { Fill } from './interesting.ts'
import { stateFromSeed } from './seed-state.ts'

export interface Program {
  readonly seed: number
  readonly testCase: TestCase
  readonly listing: readonly Placed[]
}

export interface ProgramOptions {
  readonly mode: 64 | 32
  /** Forms of that mode: see `programForms`. */
  readonly forms: readonly InstructionForm[]
  /** Instructions that leave flags undefined are followed by one that defines them all: for comparisons with a real CPU. */
  readonly defined: boolean
  /** The program lies across the end of the code page, for CPUs that have another page of code behind it. */
  readonly straddling?: boolean
  /** Some instructions overwrite others, for CPUs whose page of code can be written to. */
  readonly selfModifying?: boolean
}

const HLT = 0xf4
const FILLS: readonly Fill[] = ['integer', 'f32', 'f64', 'f80', 'bytes']
/** AF behind logic operations is undefined by the book and zero on every processor that was tried. */
const LOGIC = /^(AND|OR|XOR|TEST) /
/**
 * What programs do not contain: state the harness owns (TF), the vendor's own (MXCSR bit 17, shifts of words by more than their width),
 * branches (programs make their own), and operands that need prepared vector registers.
 */
const UNFIT = /^(POPF|V?LDMXCSR|FLDENV|FRSTOR|SH[LR]D|V?P?GATHER\w*|VGATHER\w*|IRET\w*|RETF|ENTER|MOV [^ ]* ?S|INS|OUTS)/

/** Forms that may stand in a program of a mode on a CPU with these features, by family, so that a draw can be fair among families. */
export function programForms(forms: readonly InstructionForm[], mode: 64 | 32, features: ReadonlySet<string>): InstructionForm[] {
  return forms.filter((form) => form.mode === mode && form.straight && !UNFIT.test(form.name) && form.needs.every((feature) => features.has(feature)))
}

/** A random program: a few blocks of random instructions and control flow of every kind between them. The same seed gives the same program. */
export function generateProgram(seed: number, options: ProgramOptions): Program {
  return new ProgramWriter(seed, options).write()
}

const families = new WeakMap<readonly InstructionForm[], InstructionForm[][]>()
function byFamily(forms: readonly InstructionForm[]): InstructionForm[][] {
  let known = families.get(forms)
  if (!known) families.set(forms, known = [...Map.groupBy(forms, (form) => form.family).values()])
  return known
}

class ProgramWriter {
  readonly #seed: number
  readonly #r: Random
  readonly #options: ProgramOptions
  readonly #mode: 64 | 32
  readonly #memory: MemoryPiece[] = []
  readonly #start = new Map<number, bigint>()
  /** Words of memory that are to hold addresses of blocks. */
  readonly #tables: { address: number; blocks: number[] }[] = []
  #blocks: Piece[][] = []
  /** Blocks before this are the main program, later ones subroutines. */
  #main = 0
  /** Families this program draws from: few, so that state flows between its instructions. */
  readonly #families: InstructionForm[][]

  constructor(seed: number, options: ProgramOptions) {
    this.#seed = seed
    this.#options = options
    this.#mode = options.mode
    const r = this.#r = new Random(seed)
    const all = byFamily(options.forms)
    const integer = all.filter(([form]) => form!.family === 'integer')
    this.#families = [...integer, ...integer, ...Array.from({ length: 1 + r.below(3) }, () => r.pick(all))]
  }

  write(): Program {
    const r = this.#r
    const flavour = {
      mode: this.#mode, x87: !r.oneIn(4), sse: true, avx: r.oneIn(2), fill: r.pick(FILLS), quietControls: !r.oneIn(4),
    }
    const state = stateFromSeed(this.#seed, flavour)
    this.#main = 2 + r.below(10)
    const total = this.#main + r.below(3)
    this.#blocks = Array.from({ length: total }, () => [])
    for (let n = 0; n < total; n++) this.#block(n)
    const first = CODE_ADDRESS + (this.#options.straddling ? CODE_SIZE - 8 * total - r.below(0x80) : 0x40 + r.below(0x400))
    const { code, labels, listing } = assemble(first, this.#blocks)
    const gpr = state.gpr
    gpr[4] = BigInt(STACK_DEFAULT - 8 * r.below(64))
    for (const [register, value] of this.#start) gpr[register] = BigInt.asUintN(this.#mode, value)
    for (const { address, blocks } of this.#tables) {
      this.#memory.push({ address, bytes: Uint8Array.from(blocks.flatMap((n) => le(labels[n]!, this.#mode / 8))) })
    }
    const testCase: TestCase = {
      mode: this.#mode, code, codeAddress: first, gpr, rflags: state.rflags, program: true,
      ...(state.extended ? { extended: state.extended } : {}), memory: this.#memory,
    }
    return { seed: this.#seed, testCase, listing }
  }

  #block(n: number): void {
    const r = this.#r
    const block = this.#blocks[n]!
    const length = r.below(8)
    // What comes from several places brings flags of several kinds.
    if (r.oneIn(3)) block.push(r.oneIn(2) ? flagsToRegister(r.below(4)) : this.#condition(r.below(this.#main)))
    for (let i = 0; i < length; i++) block.push(...this.#body())
    if (n === this.#main - 1) block.push(fixed('HLT', HLT))
    else if (n >= this.#main) block.push(...this.#return())
    else block.push(...this.#transfer(n))
  }

  #body(): Piece[] {
    const r = this.#r
    if (this.#options.selfModifying && r.oneIn(8)) return [this.#overwrite()]
    if (r.oneIn(2)) return this.#plain()
    if (r.oneIn(6)) return accessChain(r, this.#mode)
    if (!this.#options.defined && r.oneIn(6)) return shiftChain(r)
    for (;;) {
      const form = r.pick(r.pick(this.#families))
      const piece = formPiece(form, r.next(), this.#mode, r.pick(['before', 'before', 'start', 'never']))
      if (!piece) continue
      this.#memory.push(...piece.memory)
      for (const [register, value] of piece.start) this.#start.set(register, value)
      return this.#options.defined && piece.undefinedFlags && !LOGIC.test(piece.name) ? [piece, this.#compare()] : [piece]
    }
  }

  #register(): number {
    const register = this.#r.below(this.#mode === 64 ? 16 : 8)
    return register === 4 ? 3 : register
  }

  /** One-byte or two-register arithmetic of 8, 16, 32 or 64 bits. */
  #arithmetic(opcode: number, wide: boolean, to: number, from: number): number[] {
    const r = this.#r
    const width = wide ? r.pick(this.#mode === 64 ? [16, 32, 64, 64] : [16, 32, 32]) : 8
    const rex = this.#mode === 64 && (width === 64 || to > 7 || from > 7 || r.oneIn(4))
    const high = rex ? [0x40 | (width === 64 ? 8 : 0) | ((from >> 3) << 2) | (to >> 3)] : []
    return [...(width === 16 ? [0x66] : []), ...high, opcode | (wide ? 1 : 0), 0xc0 | ((from & 7) << 3) | (to & 7)]
  }

  /** Integer instructions that read and write flags of every kind, on registers: what loops of real programs are made of. */
  #plain(): Piece[] {
    const r = this.#r
    const [a, b] = [this.#register(), this.#register()]
    const wide = !r.oneIn(4)
    switch (r.below(10)) {
      case 0: return [fixed('flags', r.pick([0xf8, 0xf9, 0xf5, 0xfc, 0x9f]))]
      case 1: return [fixed('INC/DEC', ...this.#arithmetic(0xfe, wide, a, r.below(2)))]
      case 2: return [fixed('SETcc', 0x0f, 0x90 | r.below(16), 0xc0 | r.below(8))]
      case 3: return [fixed('CMOVcc', 0x0f, 0x40 | r.below(16), 0xc0 | (r.below(4) << 3) | r.below(4))]
      case 4: return [fixed('MOV/XCHG/TEST', ...this.#arithmetic(r.pick([0x88, 0x86, 0x84]), wide, a, b))]
      case 5: return [fixed('MOV count', 0xb1, r.pick([0, 0, 1, 2, 31, 32, 33, 64]))]
      case 6: {
        const digit = r.below(8)
        const shift = fixed('shift', ...this.#arithmetic(r.pick([0xd0, 0xd2]), wide, a, digit))
        return this.#options.defined ? [shift, this.#compare()] : [shift]
      }
      case 7: {
        const at = DATA_ADDRESS + r.below(DATA_SIZE - 8)
        const absolute = this.#mode === 64 ? [0x04, 0x25] : [0x05]
        return [fixed('memory', (r.below(8) << 3) | r.below(2) << 1 | 1, absolute[0]! | (r.below(4) << 3), ...absolute.slice(1), ...le(at, 4))]
      }
      default: return [fixed('arithmetic', ...this.#arithmetic(r.below(8) << 3, wide, a, b))]
    }
  }

  /** MOV of a register to the code of a block, or a byte of an immediate there that is a code of a harmless instruction. */
  #overwrite(): Piece {
    const r = this.#r
    const target = r.below(this.#main)
    const offset = r.below(24)
    const absolute = this.#mode === 64 ? [0x04, 0x25] : [0x05]
    const register = r.below(4)
    const byte = r.pick([0x90, 0xf8, 0xf9, 0xf5, 0x9f, 0x98, 0x40 | r.below(8), 0xf4, r.below(256)])
    const wide = r.oneIn(6)
    return {
      name: 'MOV code', undefinedFlags: 0,
      bytes: (_, labels) => {
        const at = le(labels[target]! + offset, 4)
        return wide ? [0x89, absolute[0]! | (register << 3), ...absolute.slice(1), ...at] : [0xc6, ...absolute, ...at, byte]
      },
    }
  }

  #compare(): Piece {
    return fixed('CMP', ...this.#arithmetic(0x38, true, this.#register(), this.#register()))
  }

  // Control

  /** A branch with a short form to a block, or two bytes over it and a long one. */
  #short(name: string, prefix: readonly number[], opcode: number, target: number, long: readonly number[] | undefined): Piece {
    return {
      name, undefinedFlags: 0,
      bytes: (address, labels) => {
        const near = labels[target]! - (address + prefix.length + 2)
        if (near >= -128 && near < 128) return [...prefix, opcode, near & 0xff]
        if (long) return [...prefix, ...long, ...le(labels[target]! - (address + prefix.length + long.length + 4), 4)]
        // Over a jump that goes the long way.
        const at = address + prefix.length + 9
        return [...prefix, opcode, 2, 0xeb, 5, 0xe9, ...le(labels[target]! - at, 4)]
      },
    }
  }

  #jump(target: number): Piece {
    return this.#short('JMP', [], 0xeb, target, [0xe9])
  }

  #condition(target: number): Piece {
    const code = this.#r.below(16)
    const long: Piece = { name: 'Jcc', undefinedFlags: 0, bytes: (address, labels) => [0x0f, 0x80 | code, ...le(labels[target]! - address - 6, 4)] }
    return this.#r.oneIn(4) ? long : this.#short('Jcc', [], 0x70 | code, target, [0x0f, 0x80 | code])
  }

  /** LOOPNE, LOOPE, LOOP, JRCXZ, with 32-bit counts now and then in 64-bit mode. */
  #count(target: number): Piece {
    const r = this.#r
    return this.#short('LOOP/JRCXZ', this.#mode === 64 && r.oneIn(4) ? [0x67] : [], 0xe0 | r.below(4), target, undefined)
  }

  /** The address of a block in a register. */
  #address(register: number, target: number): Piece {
    const mode = this.#mode
    return { name: 'MOV label', undefinedFlags: 0, bytes: (_, labels) => moveImmediate(mode, register, BigInt(labels[target]!)) }
  }

  /** JMP or CALL through a register, a word of memory, or a table indexed by two bits of a register. */
  #indirect(digit: 2 | 4, targets: readonly number[]): Piece[] {
    const r = this.#r
    const mode = this.#mode
    const register = this.#register()
    const rex = register > 7 ? [0x41] : []
    const target = r.pick(targets)
    if (r.oneIn(2)) return [this.#address(register, target), fixed('indirect', ...rex, 0xff, 0xc0 | (digit << 3) | (register & 7))]
    const address = DATA_ADDRESS + 8 * r.below(DATA_SIZE / 8 - 4)
    this.#tables.push({ address, blocks: Array.from({ length: 4 }, () => r.pick(targets)) })
    const and = fixed('AND', ...rex, 0x83, 0xe0 | (register & 7), 3)
    const sib = ((mode === 64 ? 3 : 2) << 6) | ((register & 7) << 3) | 5
    return [and, fixed('indirect', ...(register > 7 ? [0x42] : []), 0xff, (digit << 3) | 4, sib, ...le(address, 4))]
  }

  /** RET, from a subroutine or to a block that was pushed. */
  #return(): Piece[] {
    return [this.#r.oneIn(6) ? fixed('RET n', 0xc2, 8, 0) : fixed('RET', 0xc3)]
  }

  #transfer(n: number): Piece[] {
    const r = this.#r
    const anywhere = r.below(this.#main)
    const forward = n + 1 + r.below(this.#main - n - 1)
    const back = r.below(n + 1)
    const subroutines = Array.from({ length: this.#blocks.length - this.#main }, (_, i) => this.#main + i)
    switch (r.below(12)) {
      case 0: return []
      case 1: return [this.#jump(forward)]
      case 2: return [this.#count(r.oneIn(2) ? forward : back)]
      case 3: return this.#countedLoop(back)
      case 4: return this.#countedLoop(back)
      case 5: return this.#indirect(4, [forward, forward, anywhere])
      case 6: return subroutines.length ? this.#indirect(2, subroutines) : []
      case 7: return subroutines.length ? [this.#call(r.pick(subroutines))] : [this.#condition(forward)]
      case 8: {
        const register = this.#register()
        return [this.#address(register, forward), fixed('PUSH', ...(register > 7 ? [0x41] : []), 0x50 | (register & 7)), fixed('RET', 0xc3)]
      }
      case 9: return [this.#condition(anywhere)]
      default: return [this.#condition(forward)]
    }
  }

  #call(target: number): Piece {
    return { name: 'CALL', undefinedFlags: 0, bytes: (address, labels) => [0xe8, ...le(labels[target]! - address - 5, 4)] }
  }

  /** A loop that a register counts down; `LEA` and JRCXZ leave the flags of the body alone. */
  #countedLoop(back: number): Piece[] {
    const r = this.#r
    const mode = this.#mode
    const register = this.#register()
    const count = BigInt(1 + r.below(r.oneIn(2) ? 800 : 6))
    const load = (to: number): Piece => fixed('MOV count', ...moveImmediate(mode, to, count))
    const place = (to: number): void => void this.#blocks[r.below(back + 1)]!.unshift(load(to))
    if (r.oneIn(3)) {
      place(1)
      return [this.#short('LOOP', [], 0xe2, back, undefined)]
    }
    place(register)
    const rex = mode === 64 ? [0x48 | (register >> 3)] : []
    if (r.oneIn(2)) return [fixed('DEC', ...rex, 0xff, 0xc8 | (register & 7)), this.#short('JNZ', [], 0x75, back, [0x0f, 0x85])]
    return [fixed('SUB', ...rex, 0x83, 0xe8 | (register & 7), 1), this.#short('JA', [], 0x77, back, [0x0f, 0x87])]
  }
}
