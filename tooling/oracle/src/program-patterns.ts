import { CONST_ADDRESS, DATA_ADDRESS, DATA_SIZE } from './layout.ts'
import { fixed, moveImmediate } from './program-code.ts'
import type { Piece } from './program-code.ts'
import type { Random } from './random.ts'

// Sequences that a translator may take for granted too much of: each instruction is plain, what matters is how they follow on one another.

/** Anything but rSP, which has other plans, in encodings without REX. */
const BASES = [0, 1, 2, 3, 5, 6, 7] as const

/** PUSHF; POP: all flags in a register. */
export const flagsToRegister = (register: number): Piece => fixed('PUSHF, POP', 0x9c, 0x58 | register)

/** Arithmetic, then shifts by CL of which some are by zero and keep its flags, and a look at the flags. */
export function shiftChain(r: Random): Piece[] {
  const register = (): number => r.pick([0, 2, 3, 5, 6, 7])
  const pieces = [fixed('arithmetic', (r.below(8) << 3) | r.below(2), 0xc0 | (register() << 3) | register())]
  for (let n = 2 + r.below(3); n > 0; n--) {
    pieces.push(fixed('MOV CL', 0xb1, r.pick([0, 0, 1, 3, 32, 64])), fixed('shift CL', 0xd2 | r.below(2), 0xc0 | (r.below(8) << 3) | register()))
    if (r.oneIn(4)) pieces.push(fixed('ADC/SBB', r.pick([0x11, 0x19]), 0xc0 | (register() << 3) | register()))
  }
  return [...pieces, flagsToRegister(register())]
}

/** Loads and stores of every size around one address near a page border, which moves by constants in between. */
export function accessChain(r: Random, mode: 64 | 32): Piece[] {
  const base = r.pick(BASES)
  const index = r.pick(BASES.filter((register) => register !== base))
  const data = (): number => r.pick(BASES.filter((register) => register !== base && register !== index))
  const start = r.pick([DATA_ADDRESS + 0x1000 - r.below(100), DATA_ADDRESS + 0x1000 - r.below(100), DATA_ADDRESS + r.below(60), DATA_ADDRESS + DATA_SIZE - r.below(150),
    CONST_ADDRESS + r.below(60)])
  const wide = (): number[] => (mode === 64 && r.oneIn(2) ? [0x48] : [])
  const near = (): number => (r.below(80) - 24) & 0xff
  const operand = (register: number): number[] =>
    r.oneIn(4) ? [0x44 | (register << 3), (r.below(4) << 6) | (index << 3) | base, near()] : [0x40 | (register << 3) | base, near()]
  const access = (): Piece => {
    switch (r.below(7)) {
      case 0: return fixed('MOVUPS', 0x0f, 0x10 | r.below(2), ...operand(r.below(8)))
      case 1: return fixed('VMOVDQU', 0xc5, 0xfe, r.pick([0x6f, 0x7f]), ...operand(r.below(8)))
      case 2: return fixed('MOV word', 0x66, r.pick([0x8b, 0x89]), ...operand(data()))
      case 3: return fixed('ADD memory', ...wide(), r.pick([0x01, 0x03]), ...operand(data()))
      case 4: return fixed('MOV byte', r.pick([0x8a, 0x88]), ...operand(r.below(2) ? data() & 3 : (data() & 3) | 4))
      default: return fixed('MOV', ...wide(), r.pick([0x8b, 0x89]), ...operand(data()))
    }
  }
  const address = mode === 64 ? [0x48] : []
  const move = (): Piece => {
    switch (r.below(4)) {
      case 0: return fixed('ADD base', ...address, 0x83, 0xc0 | base, near())
      case 1: return fixed('SUB base', ...address, 0x83, 0xe8 | base, near())
      case 2: return fixed('LEA base', ...address, 0x8d, 0x40 | (base << 3) | base, near())
      default: return fixed('INC base', ...address, 0xff, 0xc0 | base)
    }
  }
  const pieces = [fixed('MOV base', ...moveImmediate(mode, base, BigInt(start))), fixed('MOV index', ...moveImmediate(mode, index, BigInt(r.below(8))))]
  for (let n = 3 + r.below(6); n > 0; n--) pieces.push(r.oneIn(4) ? move() : access())
  return pieces
}
