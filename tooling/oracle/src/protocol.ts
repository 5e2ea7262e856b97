import { CodedError } from '@entresol/kit'
import type { MemoryPiece, Outcome, Segments, TestCase } from './case.ts'
import { EXTENDED_DEFAULT, EXTENDED_SIZE, STEP_LIMIT } from './case.ts'
import { CODE_DEFAULT, CONST_ADDRESS, CONST_SIZE, DATA_ADDRESS, DATA_SIZE, pristine } from './layout.ts'
import { defaultSegments } from './segments.ts'

// The mirror of harness/protocol.h.
const MAGIC = 0x3143524f
const REGISTERS = 176
const CASE_HEADER = 16 + REGISTERS
const OUTCOME_HEADER = 32 + REGISTERS
const HAS_EXTENDED = 1
const REPEAT = 2
const STRAIGHT = 4
const PROGRAM = 8
const KINDS: readonly Outcome['kind'][] = ['done', 'fault', 'system-call', 'step-limit', 'lost']
const LOW_HALF = 0xffff_ffffn

/** First message of the stream: the memory every case starts from. */
export function encodeSetup(): Uint8Array {
  const out = new Uint8Array(4 + DATA_SIZE + CONST_SIZE)
  new DataView(out.buffer).setUint32(0, MAGIC, true)
  out.set(pristine(DATA_ADDRESS, DATA_SIZE), 4)
  out.set(pristine(CONST_ADDRESS, CONST_SIZE), 4 + DATA_SIZE)
  return out
}

export function caseSize(testCase: TestCase): number {
  let size = CASE_HEADER + (testCase.extended ? EXTENDED_SIZE : 0) + testCase.code.length
  for (const piece of testCase.memory ?? []) size += 8 + piece.bytes.length
  return size
}

function checkCase(testCase: TestCase, start: number): void {
  const inside = (address: number, length: number, base: number, size: number): boolean => address >= base && address + length <= base + size
  if (!inside(start, testCase.code.length, 0x10_0000, 0x1000)) throw new CodedError('ERR_ORACLE_CASE', 'code lies outside the code page')
  for (const { address, bytes } of testCase.memory ?? []) {
    if (!inside(address, bytes.length, DATA_ADDRESS, DATA_SIZE)) throw new CodedError('ERR_ORACLE_CASE', 'a memory piece lies outside the data window')
  }
  if (testCase.extended && testCase.extended.length !== EXTENDED_SIZE) throw new CodedError('ERR_ORACLE_CASE', `extended state is ${EXTENDED_SIZE} bytes`)
}

/** Writes one record at `at` and returns its end. @throws CodedError ERR_ORACLE_CASE when the case does not fit the layout. */
export function encodeCase(testCase: TestCase, out: Uint8Array, view: DataView, at: number): number {
  const start = testCase.codeAddress ?? CODE_DEFAULT
  checkCase(testCase, start)
  const size = caseSize(testCase)
  const memory = testCase.memory ?? []
  view.setUint32(at, size, true)
  view.setUint8(at + 4, (testCase.extended ? HAS_EXTENDED : 0) | (testCase.repeat ? REPEAT : 0) | (testCase.straight ? STRAIGHT : 0) | (testCase.program ? PROGRAM : 0))
  view.setUint8(at + 5, 0)
  view.setUint16(at + 6, testCase.code.length, true)
  view.setUint32(at + 8, testCase.repeat ? STEP_LIMIT : 1, true)
  view.setUint32(at + 12, memory.length, true)
  let r = at + 16
  for (let i = 0; i < 16; i++, r += 8) view.setBigUint64(r, testCase.gpr[i] ?? 0n, true)
  const s = testCase.segments ?? defaultSegments(testCase.mode)
  view.setBigUint64(r, BigInt(start), true)
  view.setBigUint64(r + 8, BigInt(testCase.rflags), true)
  view.setBigUint64(r + 16, s.fsBase, true)
  view.setBigUint64(r + 24, s.gsBase, true)
  r += 32
  for (const selector of [s.es, s.cs, s.ss, s.ds, s.fs, s.gs, 0, 0]) {
    view.setUint16(r, selector, true)
    r += 2
  }
  if (testCase.extended) {
    out.set(testCase.extended, r)
    r += EXTENDED_SIZE
  }
  out.set(testCase.code, r)
  r += testCase.code.length
  for (const piece of memory) {
    view.setUint32(r, piece.address, true)
    view.setUint32(r + 4, piece.bytes.length, true)
    out.set(piece.bytes, r + 8)
    r += 8 + piece.bytes.length
  }
  return r
}

/** Reads the outcome record at `at`; the caller knows that it is complete. Returns it and its end. */
export function decodeOutcome(testCase: TestCase, bytes: Uint8Array, view: DataView, at: number): { outcome: Outcome; end: number } {
  const end = at + view.getUint32(at, true)
  const kind = KINDS[view.getUint8(at + 4)] ?? 'lost'
  const flags = view.getUint8(at + 5)
  const vector = view.getUint8(at + 6)
  const errorCode = view.getUint32(at + 8, true)
  const count = view.getUint32(at + 16, true)
  const address = view.getBigUint64(at + 24, true)
  let r = at + 32
  const gpr = new BigUint64Array(16)
  for (let i = 0; i < 16; i++, r += 8) gpr[i] = view.getBigUint64(r, true)
  let rip = view.getBigUint64(r, true)
  const rflags = Number(view.getBigUint64(r + 8, true))
  const fsBase = view.getBigUint64(r + 16, true)
  const gsBase = view.getBigUint64(r + 24, true)
  r += 32
  const [es, cs, ss, ds, fs, gs] = [0, 2, 4, 6, 8, 10].map((i) => view.getUint16(r + i, true)) as [number, number, number, number, number, number]
  const segments: Segments = { es, cs, ss, ds, fs, gs, fsBase, gsBase }
  r = at + OUTCOME_HEADER
  let extended = testCase.extended ?? EXTENDED_DEFAULT
  if (flags & HAS_EXTENDED) {
    extended = bytes.slice(r, r + EXTENDED_SIZE)
    r += EXTENDED_SIZE
  }
  const memory: MemoryPiece[] = []
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(r + 4, true)
    memory.push({ address: view.getUint32(r, true), bytes: bytes.slice(r + 8, r + 8 + length) })
    r += 8 + length
  }
  if (testCase.mode === 32) {
    // Upper halves and R8..R15 are not part of the architecture in compatibility mode (SDM vol. 1, 3.4.1.1).
    for (let i = 0; i < 16; i++) gpr[i] = i < 8 ? (gpr[i] as bigint) & LOW_HALF : (testCase.gpr[i] as bigint)
    rip &= LOW_HALF
  }
  const base = { kind, gpr, rip, rflags, segments, extended, memory }
  if (kind !== 'fault') return { outcome: base, end }
  return { outcome: { ...base, fault: vector === 14 ? { vector, errorCode, address } : { vector, errorCode } }, end }
}
