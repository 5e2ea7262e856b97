import type { MemoryPiece, Segments, TestCase } from './case.ts'
import { EXTENDED_DEFAULT } from './case.ts'
import { ByteWriter, damaged } from './bytes.ts'
import type { ByteReader } from './bytes.ts'
import { CODE_ADDRESS, CODE_DEFAULT, CODE_SIZE, DATA_ADDRESS, DATA_SIZE } from './layout.ts'
import type { Flavour } from './seed-state.ts'
import { memoryFromSeed, stateFromSeed, windowOffset } from './seed-state.ts'
import { defaultSegments } from './segments.ts'

// The input side of a vector: how a case differs from the state its seed gives.

const END = 0xff
const GPR_WINDOW = 0x10
const RFLAGS = 0x20
const CODE_AT = 0x21
const SEGMENTS = 0x22
const EXTENDED = 0x23
const MEMORY = 0x24
const MEMORY_DERIVED = 0x25

const SELECTORS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const

/** Undefined when the case is exactly what its seed gives. */
export function writeOverrides(testCase: TestCase, seed: number, flavour: Flavour): Uint8Array | undefined {
  const out = new ByteWriter()
  const state = stateFromSeed(seed, flavour)
  for (let i = 0; i < 16; i++) {
    const value = testCase.gpr[i] as bigint
    if (value === state.gpr[i]) continue
    const offset = windowOffset(value)
    out.u8(offset >= 0 ? GPR_WINDOW | i : i)
    if (offset >= 0) {
      out.u8(offset & 0xff)
      out.u8(offset >> 8)
    } else {
      out.value(value, state.gpr[i] as bigint)
    }
  }
  if (testCase.rflags !== state.rflags) {
    out.u8(RFLAGS)
    out.varint((testCase.rflags ^ state.rflags) >>> 0)
  }
  const codeAddress = testCase.codeAddress ?? CODE_DEFAULT
  if (codeAddress !== CODE_DEFAULT) {
    out.u8(CODE_AT)
    out.varint(codeAddress - CODE_ADDRESS)
  }
  if (testCase.segments) {
    out.u8(SEGMENTS)
    writeSegments(out, defaultSegments(testCase.mode), testCase.segments)
  }
  const extended = testCase.extended ?? EXTENDED_DEFAULT
  const derived = state.extended ?? EXTENDED_DEFAULT
  if (extended.some((byte, i) => byte !== derived[i])) {
    out.u8(EXTENDED)
    writeRuns(out, derived, extended)
  }
  ;(testCase.memory ?? []).forEach(({ address, bytes }, index) => {
    const expected = memoryFromSeed(seed, flavour, bytes.length, index)
    const same = bytes.every((byte, i) => byte === expected[i])
    out.u8(same ? MEMORY_DERIVED : MEMORY)
    out.varint(address - DATA_ADDRESS)
    out.varint(bytes.length)
    if (!same) out.bytes(bytes)
  })
  if (out.length === 0) return undefined
  out.u8(END)
  return out.finish()
}

export type CaseInput = Pick<TestCase, 'gpr' | 'rflags' | 'codeAddress' | 'segments' | 'extended' | 'memory'>

export function readOverrides(reader: ByteReader | undefined, seed: number, flavour: Flavour): CaseInput {
  const { gpr, rflags, extended } = stateFromSeed(seed, flavour)
  const input: { -readonly [K in keyof CaseInput]: CaseInput[K] } = { gpr, rflags }
  if (extended) input.extended = extended
  if (!reader) return input
  const memory: MemoryPiece[] = []
  for (let tag = reader.u8(); tag !== END; tag = reader.u8()) {
    if (tag < GPR_WINDOW) gpr[tag] = reader.value(gpr[tag] as bigint)
    else if (tag < RFLAGS) gpr[tag & 15] = BigInt.asUintN(64, BigInt(DATA_ADDRESS - 0x8000 + (reader.u8() | (reader.u8() << 8))))
    else if (tag === RFLAGS) input.rflags = (rflags ^ reader.varint()) >>> 0
    else if (tag === CODE_AT) input.codeAddress = CODE_ADDRESS + inside(reader.varint(), CODE_SIZE)
    else if (tag === SEGMENTS) input.segments = readSegments(reader, defaultSegments(flavour.mode))
    else if (tag === EXTENDED) input.extended = applyRuns(reader, extended ?? EXTENDED_DEFAULT)
    else if (tag === MEMORY || tag === MEMORY_DERIVED) {
      const offset = inside(reader.varint(), DATA_SIZE)
      const length = inside(reader.varint(), DATA_SIZE - offset + 1)
      memory.push({ address: DATA_ADDRESS + offset, bytes: tag === MEMORY ? reader.bytes(length) : memoryFromSeed(seed, flavour, length, memory.length) })
    } else throw damaged(`holds an unknown override ${tag}`)
  }
  if (memory.length) input.memory = memory
  return input
}

function inside(value: number, limit: number): number {
  if (value >= limit) throw damaged('points outside the layout')
  return value
}

/** Differences of two segment states: a byte of changed registers (bit 6 FS base, bit 7 GS base), then the new values. */
export function writeSegments(out: ByteWriter, from: Segments, to: Segments): void {
  let mask = 0
  SELECTORS.forEach((name, i) => { if (from[name] !== to[name]) mask |= 1 << i })
  if (from.fsBase !== to.fsBase) mask |= 0x40
  if (from.gsBase !== to.gsBase) mask |= 0x80
  out.u8(mask)
  SELECTORS.forEach((name, i) => { if (mask & (1 << i)) out.varint(to[name]) })
  if (mask & 0x40) out.value(to.fsBase, from.fsBase)
  if (mask & 0x80) out.value(to.gsBase, from.gsBase)
}

export function readSegments(reader: ByteReader, from: Segments): Segments {
  const to = { ...from }
  const mask = reader.u8()
  SELECTORS.forEach((name, i) => { if (mask & (1 << i)) to[name] = reader.varint() })
  if (mask & 0x40) to.fsBase = reader.value(from.fsBase)
  if (mask & 0x80) to.gsBase = reader.value(from.gsBase)
  return to
}

/** Runs of changed bytes: a count, then per run the distance from the end of the last, the length, and the new bytes. Gaps under 3 are bridged. */
export function writeRuns(out: ByteWriter, from: Uint8Array, to: Uint8Array): void {
  const runs: { start: number; end: number }[] = []
  for (let i = 0; i < to.length; i++) {
    if (from[i] === to[i]) continue
    const last = runs.at(-1)
    if (last && i - last.end < 3) last.end = i + 1
    else runs.push({ start: i, end: i + 1 })
  }
  out.varint(runs.length)
  let at = 0
  for (const { start, end } of runs) {
    out.varint(start - at)
    out.varint(end - start)
    out.bytes(to.subarray(start, end))
    at = end
  }
}

export function applyRuns(reader: ByteReader, from: Uint8Array): Uint8Array {
  const to = from.slice()
  let at = 0
  for (let n = reader.varint(); n > 0; n--) {
    at += reader.varint()
    const bytes = reader.bytes(reader.varint())
    if (at + bytes.length > to.length) throw damaged('changes bytes outside the register file')
    to.set(bytes, at)
    at += bytes.length
  }
  return to
}
