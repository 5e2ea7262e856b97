import type { CaseBuilder } from './case-builder.ts'
import type { EncodingRow } from './encoding-row.ts'
import { encodeMemory, encodeMemory16, pickTarget } from './memory-operand.ts'
import type { MemoryOperand } from './memory-operand.ts'
import { DATA_ADDRESS } from './layout.ts'
import { defaultSegments } from './segments.ts'

const MAPS = { '0': 0, '0F': 1, '0F38': 2, '0F3A': 3 } as const
const MANDATORY = { any: 0, none: 0, '66': 0x66, F3: 0xf3, F2: 0xf2 } as const
const VEX_PP = { any: 0, none: 0, '66': 1, F3: 2, F2: 3 } as const
/** A null selector in FS or GS keeps or clears the base depending on the CPU, in 64-bit mode: not tried there. Selectors of the Linux GDT that mean the same on every machine, and some that fault. */
const SELECTORS: readonly bigint[] = [0n, 1n, 2n, 3n, 0x08n, 0x10n, 0x18n, 0x23n, 0x28n, 0x2bn, 0x2fn, 0x33n]

interface Choice {
  readonly operandSize: 8 | 16 | 32 | 64
  readonly l: number
  readonly w: number
}

/** Writes one random encoding of `row` and overrides the registers its memory operand needs. The result is exactly one instruction. */
export function encodeRow(c: CaseBuilder, row: EncodingRow): Uint8Array {
  const r = c.random
  const sizes = row.operandSizes.filter((size) => c.mode === 64 || size !== 64)
  let operandSize = r.pick(sizes.length ? sizes : row.operandSizes)
  if (row.default64 && c.mode === 64 && (operandSize === 32 || row.force64)) operandSize = 64
  const choice: Choice = {
    operandSize,
    l: row.vex?.l === 'both' ? r.below(2) : (row.vex?.l ?? 0),
    w: row.vex ? (row.vex.w === 'both' ? r.below(2) : row.vex.w) : operandSize === 64 && !row.default64 ? 1 : (row.w ?? 0),
  }
  if (row.string) stringOperands(c, choice.operandSize / 8)
  return row.vex ? encodeVex(c, row, choice, row.vex.nds) : encodeLegacy(c, row, choice)
}

function stringOperands(c: CaseBuilder, size: number): void {
  for (const register of [6, 7]) c.setGpr(register, pickTarget(c, size))
  c.setGpr(1, BigInt(c.random.below(c.random.oneIn(8) ? 40 : 8)))
}

interface ModRm {
  readonly bytes: readonly number[]
  readonly r: number
  readonly x: number
  readonly b: number
  readonly memory: MemoryOperand | undefined
}

function encodeModRm(c: CaseBuilder, row: EncodingRow, choice: Choice, segmentBase: bigint, address32: boolean, rex: boolean): ModRm {
  const r = c.random
  const registers = c.mode === 64 && rex ? 16 : 8
  const reg = row.digit ?? (row.segment ? r.pick(row.segment === 'load' ? [0, 3, 4, 5, 1, 6] : [0, 1, 2, 3, 4, 5]) : r.below(registers))
  const useMemory = row.modrm === 'mem' || (row.modrm === 'both' && r.below(5) < 2)
  if (!useMemory) {
    const rm = row.rm ?? r.below(registers)
    if (row.segment === 'load') c.setGpr(rm, (c.gpr(rm) & ~0xffffn) | r.pick(c.mode === 64 && reg >= 4 ? SELECTORS.slice(4) : SELECTORS))
    return { bytes: [0xc0 | ((reg & 7) << 3) | (rm & 7)], r: reg >> 3, x: 0, b: rm >> 3, memory: undefined }
  }
  const size = row.memory === 'v' ? choice.operandSize / 8 : row.memory === 'x' ? (choice.l ? 32 : 16) : row.memory || 8
  const memory = c.mode === 32 && address32 ? encodeMemory16(c) : encodeMemory(c, reachable(c, pickTarget(c, size), segmentBase), row, segmentBase, address32, rex)
  const bytes = [(memory.mod << 6) | ((reg & 7) << 3) | memory.rm]
  if (memory.sib !== undefined) bytes.push(memory.sib)
  return { bytes, r: reg >> 3, x: memory.x, b: memory.b, memory }
}

/**
 * AMD CPUs ask of the offset too what the SDM asks of the linear address only, to be canonical: with a segment base the two may
 * differ, and such cases are not tried.
 */
function reachable(c: CaseBuilder, target: bigint, segmentBase: bigint): bigint {
  const canonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === BigInt.asUintN(64, address)
  return c.mode === 64 && canonical(target) !== canonical(target - segmentBase) ? BigInt(DATA_ADDRESS) : target
}

/** The rest after opcode and ModRM: displacement and immediates. `before` is the length of what comes in front. */
function tail(c: CaseBuilder, row: EncodingRow, choice: Choice, address32: boolean, memory: MemoryOperand | undefined, before: number): number[] {
  const immediates: number[] = []
  for (const kind of row.immediates) {
    const size = kind === 'z' ? (choice.operandSize === 16 ? 2 : 4) : kind === 'v' ? Math.max(2, choice.operandSize / 8)
      : kind === 'a' ? (c.mode === 32 || address32 ? 4 : 8) : kind
    const value = kind === 'a' ? pickTarget(c, choice.operandSize / 8) : immediate(c, size)
    for (let i = 0; i < size; i++) immediates.push(Number((value >> BigInt(8 * i)) & 0xffn))
  }
  if (!memory || memory.displacementBytes === 0) return immediates
  const next = memory.ripRelative ? c.codeAddress + before + 4 + immediates.length : 0
  const displacement = memory.displacement - next
  const bytes: number[] = []
  for (let i = 0; i < memory.displacementBytes; i++) bytes.push((displacement >> (8 * i)) & 0xff)
  return [...bytes, ...immediates]
}

function immediate(c: CaseBuilder, size: number): bigint {
  const r = c.random
  switch (r.below(8)) {
    case 0: return 0n
    case 1: return 1n
    case 2: return BigInt.asUintN(8 * size, -1n)
    case 3: return 1n << BigInt(8 * size - 1)
    case 4: return (1n << BigInt(8 * size - 1)) - 1n
    case 5: return BigInt(r.below(72))
    default: return BigInt.asUintN(8 * size, r.next64())
  }
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const

function prefixes(c: CaseBuilder, row: EncodingRow, usesMemory: boolean): { bytes: number[]; segmentBase: bigint; /** 67 is there. */ address32: boolean } {
  const r = c.random
  const bytes: number[] = []
  let segmentBase = 0n
  let address32 = false
  if (!usesMemory) return { bytes, segmentBase, address32 }
  if (r.oneIn(10)) {
    const prefix = r.pick(SEGMENT_PREFIXES)
    bytes.push(prefix)
    const segments = defaultSegments(c.mode)
    if (prefix === 0x64) segmentBase = segments.fsBase
    if (prefix === 0x65) segmentBase = segments.gsBase
  }
  // 67 in 32-bit mode means 16-bit addressing, which reaches nothing of the layout (and has no SIB byte).
  if (c.mode === 64 ? r.oneIn(12) : !row.vsib && !row.immediates.includes('a') && r.oneIn(40)) {
    bytes.push(0x67)
    address32 = true
  }
  return { bytes, segmentBase, address32 }
}

function encodeLegacy(c: CaseBuilder, row: EncodingRow, choice: Choice): Uint8Array {
  const r = c.random
  const usesMemory = row.modrm === 'mem' || row.modrm === 'both' || row.string === true || row.immediates.includes('a')
  const { bytes, segmentBase, address32 } = prefixes(c, row, usesMemory)
  if (row.string && !r.oneIn(3)) {
    bytes.push(r.pick([0xf3, 0xf2]))
    c.repeat = true
  }
  const needsRex = choice.w === 1
  const rex = c.mode === 64 && (needsRex || r.oneIn(2))
  const modrm = row.modrm === 'none' ? undefined : encodeModRm(c, row, choice, segmentBase, address32, rex)
  if (row.lock ? modrm?.memory && r.oneIn(6) : usesMemory && !row.string && r.oneIn(200)) bytes.push(0xf0)
  if (choice.operandSize === 16 && row.prefix !== '66') bytes.push(0x66)
  if (MANDATORY[row.prefix]) bytes.push(MANDATORY[row.prefix])
  const register = row.opcodeRegister ? r.below(rex ? 16 : 8) : 0
  if (rex) bytes.push(0x40 | (choice.w << 3) | ((modrm?.r ?? 0) << 2) | ((modrm?.x ?? 0) << 1) | (modrm?.b ?? register >> 3))
  if (row.map !== '0') bytes.push(0x0f)
  if (row.map === '0F38') bytes.push(0x38)
  if (row.map === '0F3A') bytes.push(0x3a)
  bytes.push(row.opcode | (register & 7))
  if (modrm) bytes.push(...modrm.bytes)
  bytes.push(...tail(c, row, choice, address32, modrm?.memory, bytes.length))
  return Uint8Array.from(bytes)
}

function encodeVex(c: CaseBuilder, row: EncodingRow, choice: Choice, nds: boolean): Uint8Array {
  const r = c.random
  const { bytes, segmentBase, address32 } = prefixes(c, row, row.modrm !== 'none')
  const modrm = row.modrm === 'none' ? undefined : encodeModRm(c, row, choice, segmentBase, address32, c.mode === 64)
  const map = MAPS[row.map]
  const pp = VEX_PP[row.prefix]
  // VEX.vvvv is 1111b where unused; in 32-bit mode its high bit has to stay set for the two-byte form to be VEX at all.
  const vvvv = nds ? r.below(c.mode === 64 ? 16 : 8) : 0
  const last = ((~vvvv & 15) << 3) | (choice.l << 2) | pp
  const two = map === 1 && choice.w === 0 && !modrm?.x && !modrm?.b && r.oneIn(2)
  if (two) bytes.push(0xc5, ((modrm?.r ?? 0) ? 0 : 0x80) | last)
  else bytes.push(0xc4, ((modrm?.r ?? 0) ? 0 : 0x80) | (modrm?.x ? 0 : 0x40) | (modrm?.b ? 0 : 0x20) | map, (choice.w << 7) | last)
  bytes.push(row.opcode)
  if (modrm) bytes.push(...modrm.bytes)
  bytes.push(...tail(c, row, choice, address32, modrm?.memory, bytes.length))
  return Uint8Array.from(bytes)
}
