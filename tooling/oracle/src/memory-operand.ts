import type { CaseBuilder } from './case-builder.ts'
import type { EncodingRow } from './encoding-row.ts'
import { EXT_YMM } from './case.ts'
import { CONST_ADDRESS, CONST_SIZE, DATA_ADDRESS, DATA_SIZE, GUARD_ADDRESS } from './layout.ts'

/** ModRM, SIB and displacement of a memory operand; `rip` asks the encoder to subtract the address of the next instruction. */
export interface MemoryOperand {
  readonly mod: number
  readonly rm: number
  readonly sib?: number
  readonly displacement: number
  readonly displacementBytes: 0 | 1 | 2 | 4
  readonly ripRelative: boolean
  /** High bits for REX/VEX. */
  readonly b: number
  readonly x: number
}

/** Where operands point: mostly inside the window, sometimes across its end, into the guard, at read-only memory or nowhere canonical. */
export function pickTarget(c: CaseBuilder, size: number): bigint {
  const r = c.random
  const kind = r.below(64)
  const aligned = size >= 8 && !r.oneIn(4)
  const place = (base: number, length: number): number => {
    const offset = r.below(length - size)
    return base + (aligned ? offset & -Math.min(size, 64) : offset)
  }
  if (kind < 3 && size > 1) return BigInt(GUARD_ADDRESS - 1 - r.below(size - 1))
  if (kind === 3) return BigInt(GUARD_ADDRESS + r.below(0x800))
  if (kind < 6) return BigInt(place(CONST_ADDRESS, CONST_SIZE))
  if (kind === 6) return BigInt(DATA_ADDRESS + 0x1000 - r.below(size + 1))
  if (kind === 7) return BigInt(DATA_ADDRESS - 1 - r.below(Math.max(1, size)))
  if (kind === 8 && c.mode === 64) return r.pick([0x8000_0000_0000n, 0xffff_7fff_ffff_fff0n, 0x7fff_ffff_ffffn, 0xffff_8000_0000_0000n, 0x8000_0000_0000_0000n]) + BigInt(r.below(8))
  const address = place(DATA_ADDRESS, DATA_SIZE)
  if (!r.oneIn(4)) c.memoryOperand(address, size)
  return BigInt(address)
}

/** A random addressing form for `target`; registers are overridden so that the effective address comes out right. */
export function encodeMemory(c: CaseBuilder, target: bigint, row: EncodingRow, segmentBase: bigint, address32: boolean, rex: boolean): MemoryOperand {
  const r = c.random
  const width = c.mode === 32 || address32 ? 32 : 64
  const effective = BigInt.asUintN(width, target - segmentBase)
  const registers = c.mode === 64 && rex ? 16 : 8
  const reachable = BigInt.asUintN(width, BigInt.asIntN(32, effective)) === effective
  if (row.vsib) return vsib(c, effective, row, registers)
  const kind = r.below(8)
  if (reachable && kind === 0) {
    return { mod: 0, rm: 5, displacement: Number(BigInt.asIntN(32, effective)), displacementBytes: 4, ripRelative: c.mode === 64, b: 0, x: 0 }
  }
  const useSib = kind >= 4
  if (!useSib) {
    const base = pickRegister(c, registers, [4, 12])
    const { mod, displacement, displacementBytes } = pickDisplacement(c, (base & 7) === 5)
    c.setGpr(base, BigInt.asUintN(width, effective - BigInt(displacement)))
    return { mod, rm: base & 7, displacement, displacementBytes, ripRelative: false, b: base >> 3, x: 0 }
  }
  const scale = r.below(4)
  const index = r.oneIn(4) ? 4 : pickRegister(c, registers, [4])
  const noBase = reachable && r.oneIn(6)
  const scaled = index === 4 ? 0n : c.gpr(index) << BigInt(scale)
  if (noBase) {
    if (index !== 4) c.setGpr(index, BigInt(r.below(64)))
    const displacement = Number(BigInt.asIntN(32, effective - (index === 4 ? 0n : c.gpr(index) << BigInt(scale))))
    return { mod: 0, rm: 4, sib: (scale << 6) | ((index & 7) << 3) | 5, displacement, displacementBytes: 4, ripRelative: false, b: 0, x: index >> 3 }
  }
  const base = pickRegister(c, registers, [index])
  const { mod, displacement, displacementBytes } = pickDisplacement(c, (base & 7) === 5)
  c.setGpr(base, BigInt.asUintN(width, effective - BigInt(displacement) - scaled))
  return { mod, rm: 4, sib: (scale << 6) | ((index & 7) << 3) | (base & 7), displacement, displacementBytes, ripRelative: false, b: base >> 3, x: index >> 3 }
}

/** A random 16-bit form (SDM vol. 2, table 2-1). It reaches nothing of the layout: what is recorded is LEA's result or the address of the fault. */
export function encodeMemory16(c: CaseBuilder): MemoryOperand {
  const r = c.random
  const mod = r.below(3)
  const rm = r.below(8)
  const displacementBytes = mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0
  return { mod, rm, displacement: r.next() & 0xffff, displacementBytes, ripRelative: false, b: 0, x: 0 }
}

function vsib(c: CaseBuilder, effective: bigint, row: EncodingRow, registers: number): MemoryOperand {
  const r = c.random
  const scale = r.below(4)
  const index = r.below(registers)
  const base = pickRegister(c, registers, [])
  const elements = 32 / (row.vsib as number)
  for (let i = 0; i < elements; i++) {
    c.setExtended(EXT_YMM + 32 * index + i * (row.vsib as number), BigInt.asUintN(8 * (row.vsib as number), BigInt(r.below(129) - 64)), row.vsib as number)
  }
  const { mod, displacement, displacementBytes } = pickDisplacement(c, (base & 7) === 5)
  c.setGpr(base, BigInt.asUintN(c.mode, effective - BigInt(displacement)))
  return { mod, rm: 4, sib: (scale << 6) | ((index & 7) << 3) | (base & 7), displacement, displacementBytes, ripRelative: false, b: base >> 3, x: index >> 3 }
}

function pickRegister(c: CaseBuilder, registers: number, not: readonly number[]): number {
  for (;;) {
    const register = c.random.below(registers)
    if (!not.includes(register) && (register !== 4 || c.random.oneIn(4))) return register
  }
}

function pickDisplacement(c: CaseBuilder, needed: boolean): Pick<MemoryOperand, 'mod' | 'displacement' | 'displacementBytes'> {
  const kind = c.random.below(4)
  if (kind < 2 && !needed) return { mod: 0, displacement: 0, displacementBytes: 0 }
  if (kind < 3) return { mod: 1, displacement: (c.random.next() << 24) >> 24, displacementBytes: 1 }
  return { mod: 2, displacement: c.random.oneIn(2) ? c.random.below(0x1000) : c.random.next() | 0, displacementBytes: 4 }
}
