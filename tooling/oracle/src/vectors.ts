import type { MemoryPiece, Outcome, Segments, TestCase } from './case.ts'
import { EXTENDED_DEFAULT } from './case.ts'
import { ByteReader, ByteWriter, damaged } from './bytes.ts'
import { CODE_DEFAULT, CODE_ADDRESS, CODE_SIZE, DATA_ADDRESS, DATA_SIZE } from './layout.ts'
import { mix32 } from './random.ts'
import { applyRuns, readOverrides, readSegments, writeOverrides, writeRuns, writeSegments } from './overrides.ts'
import type { Flavour } from './seed-state.ts'
import { flavourByte, flavourFromByte } from './seed-state.ts'
import { defaultSegments } from './segments.ts'

// Golden vectors: cases with what the real CPU made of them. The format is described in vectors/README.md. Runs in browsers too.

const MAGIC = 'ENTV'
const VERSION = 1
const KINDS: readonly Outcome['kind'][] = ['done', 'fault', 'system-call', 'step-limit', 'lost']
const COLUMNS = ['head', 'form', 'seed', 'flavour', 'length', 'code', 'override', 'undefined', 'mask', 'value', 'flags', 'rip', 'fault', 'extended', 'memory', 'segment'] as const
type Column = (typeof COLUMNS)[number]

const KIND_MASK = 3
const HAS_OVERRIDES = 4
const HAS_EXTENDED = 8
const HAS_MEMORY = 16
const HAS_SEED = 32
const STRAIGHT = 64
const REPEAT = 128

export interface VectorForm {
  readonly name: string
  /** CPU features it needs, as /proc/cpuinfo spells them. */
  readonly needs: readonly string[]
}

export interface VectorHeader {
  readonly family: string
  /** The CPU that was asked, e.g. "AuthenticAMD 25/17/1": vendors differ in what the manuals leave undefined. */
  readonly origin: string
  readonly baseSeed: number
  readonly count: number
  readonly forms: readonly VectorForm[]
}

export interface Vector {
  readonly form: VectorForm
  readonly seed: number
  readonly flavour: Flavour
  readonly testCase: TestCase
  /** Bits of RFLAGS that the manuals leave undefined in this case; everything else must be equal. */
  readonly undefinedFlags: number
  readonly outcome: Outcome
}

export interface VectorFile {
  readonly header: VectorHeader
  readonly vectors: readonly Vector[]
}

/** The seed of the nth case of a file; a case with another seed carries it. */
export function seedOf(baseSeed: number, index: number): number {
  return mix32((baseSeed + index) >>> 0)
}

/** Encodes and compresses. Outcomes of kind `system-call`, `step-limit` and `lost` are refused: they say nothing about the CPU. */
export async function writeVectors(header: Omit<VectorHeader, 'count' | 'forms'>, vectors: readonly Vector[]): Promise<Uint8Array> {
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, new ByteWriter()])) as Record<Column, ByteWriter>
  const forms = new Map<string, { index: number; form: VectorForm }>()
  vectors.forEach((vector, index) => {
    let known = forms.get(vector.form.name)
    if (!known) forms.set(vector.form.name, (known = { index: forms.size, form: vector.form }))
    columns.form.varint(known.index)
    writeVector(columns, vector, seedOf(header.baseSeed, index))
  })
  const out = new ByteWriter()
  const json = new TextEncoder().encode(JSON.stringify({ ...header, count: vectors.length, forms: [...forms.values()].map(({ form: { name, needs } }) => ({ name, needs })) }))
  out.varint(json.length)
  out.bytes(json)
  for (const name of COLUMNS) {
    out.varint(columns[name].length)
    out.bytes(columns[name].finish())
  }
  const packed = await pipe(out.finish(), new CompressionStream('deflate-raw'))
  const file = new Uint8Array(5 + packed.length)
  file.set(new TextEncoder().encode(MAGIC))
  file[4] = VERSION
  file.set(packed, 5)
  return file
}

/** @throws CodedError ERR_ORACLE_VECTORS when the bytes are not a vector file of this version. */
export async function readVectors(file: Uint8Array): Promise<VectorFile> {
  if (new TextDecoder().decode(file.subarray(0, 4)) !== MAGIC) throw damaged('has no ENTV magic')
  if (file[4] !== VERSION) throw damaged(`is version ${file[4]}, not ${VERSION}`)
  const bytes = await pipe(file.slice(5), new DecompressionStream('deflate-raw')).catch(() => { throw damaged('does not inflate') })
  const reader = new ByteReader(bytes)
  const header = parseHeader(new TextDecoder().decode(reader.bytes(reader.varint())))
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, new ByteReader(reader.bytes(reader.varint()))])) as Record<Column, ByteReader>
  const vectors: Vector[] = []
  for (let index = 0; index < header.count; index++) {
    const form = header.forms[columns.form.varint()]
    if (!form) throw damaged('names an unknown form')
    vectors.push(readVector(columns, form, seedOf(header.baseSeed, index)))
  }
  return { header, vectors }
}

function parseHeader(text: string): VectorHeader {
  let header: Partial<VectorHeader>
  try {
    header = (JSON.parse(text) ?? {}) as Partial<VectorHeader>
  } catch {
    throw damaged('has an unreadable header')
  }
  const valid = typeof header.family === 'string' && typeof header.origin === 'string' && Number.isInteger(header.baseSeed) && Number.isInteger(header.count)
    && Array.isArray(header.forms) && header.forms.every((form: Partial<VectorForm>) => typeof form?.name === 'string' && Array.isArray(form.needs))
  if (!valid) throw damaged('has an incomplete header')
  return header as VectorHeader
}

function writeVector(c: Record<Column, ByteWriter>, vector: Vector, expectedSeed: number): void {
  const { testCase, outcome, flavour, seed } = vector
  const kind = KINDS.indexOf(outcome.kind)
  if (kind > 1) throw damaged(`cannot hold an outcome of kind ${outcome.kind}`)
  const extended = testCase.extended ?? EXTENDED_DEFAULT
  const changed = outcome.extended.some((byte, i) => byte !== extended[i])
  const overrides = writeOverrides(testCase, seed, flavour)
  c.head.u8(kind | (overrides ? HAS_OVERRIDES : 0) | (changed ? HAS_EXTENDED : 0) | (outcome.memory.length ? HAS_MEMORY : 0)
    | (seed !== expectedSeed ? HAS_SEED : 0) | (testCase.straight ? STRAIGHT : 0) | (testCase.repeat ? REPEAT : 0))
  if (seed !== expectedSeed) c.seed.varint(seed)
  c.flavour.u8(flavourByte(flavour))
  c.length.u8(testCase.code.length)
  c.code.bytes(testCase.code)
  if (overrides) c.override.bytes(overrides)
  c.undefined.varint(vector.undefinedFlags)
  let mask = 0
  for (let i = 0; i < 16; i++) if (outcome.gpr[i] !== testCase.gpr[i]) mask |= 1 << i
  c.mask.varint(mask)
  for (let i = 0; i < 16; i++) if (mask & (1 << i)) c.value.value(outcome.gpr[i] as bigint, testCase.gpr[i] as bigint)
  c.flags.varint((outcome.rflags ^ testCase.rflags) >>> 0)
  c.rip.value(outcome.rip, expectedRip(testCase, kind === 1))
  if (outcome.fault) {
    c.fault.u8(outcome.fault.vector)
    c.fault.varint(outcome.fault.errorCode)
    if (outcome.fault.vector === 14) c.fault.value(outcome.fault.address ?? 0n, BigInt(DATA_ADDRESS + DATA_SIZE))
  }
  if (changed) writeRuns(c.extended, extended, outcome.extended)
  if (outcome.memory.length) {
    c.memory.varint(outcome.memory.length)
    for (const { address, bytes } of outcome.memory) {
      c.memory.varint(address - DATA_ADDRESS)
      c.memory.varint(bytes.length)
      c.memory.bytes(bytes)
    }
  }
  writeSegments(c.segment, testCase.segments ?? defaultSegments(testCase.mode), outcome.segments)
}

function readVector(c: Record<Column, ByteReader>, form: VectorForm, expectedSeed: number): Vector {
  const head = c.head.u8()
  const seed = head & HAS_SEED ? c.seed.varint() : expectedSeed
  const flavour = flavourFromByte(c.flavour.u8())
  const code = c.code.bytes(c.length.u8())
  const input = readOverrides(head & HAS_OVERRIDES ? c.override : undefined, seed, flavour)
  const testCase: TestCase = { mode: flavour.mode, code, ...input, ...(head & STRAIGHT ? { straight: true } : {}), ...(head & REPEAT ? { repeat: true } : {}) }
  if ((testCase.codeAddress ?? CODE_DEFAULT) + code.length > CODE_ADDRESS + CODE_SIZE) throw damaged('places code outside its page')
  const undefinedFlags = c.undefined.varint()
  const gpr = testCase.gpr.slice()
  const mask = c.mask.varint()
  for (let i = 0; i < 16; i++) if (mask & (1 << i)) gpr[i] = c.value.value(testCase.gpr[i] as bigint)
  const rflags = (testCase.rflags ^ c.flags.varint()) >>> 0
  const kind = KINDS[head & KIND_MASK] as Outcome['kind']
  const rip = c.rip.value(expectedRip(testCase, kind === 'fault'))
  let fault: Outcome['fault']
  if (kind === 'fault') {
    const vector = c.fault.u8()
    const errorCode = c.fault.varint()
    fault = vector === 14 ? { vector, errorCode, address: c.fault.value(BigInt(DATA_ADDRESS + DATA_SIZE)) } : { vector, errorCode }
  }
  let extended = testCase.extended ?? EXTENDED_DEFAULT
  if (head & HAS_EXTENDED) extended = applyRuns(c.extended, extended)
  const memory: MemoryPiece[] = []
  for (let n = head & HAS_MEMORY ? c.memory.varint() : 0; n > 0; n--) {
    const address = DATA_ADDRESS + c.memory.varint()
    memory.push({ address, bytes: c.memory.bytes(c.memory.varint()) })
  }
  const segments: Segments = readSegments(c.segment, testCase.segments ?? defaultSegments(testCase.mode))
  const base = { kind, gpr, rip, rflags, segments, extended, memory }
  return { form, seed, flavour, testCase, undefinedFlags, outcome: fault ? { ...base, fault } : base }
}

function expectedRip(testCase: TestCase, fault: boolean): bigint {
  return BigInt((testCase.codeAddress ?? CODE_DEFAULT) + (fault ? 0 : testCase.code.length))
}

async function pipe(bytes: Uint8Array<ArrayBuffer>, through: CompressionStream | DecompressionStream): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer())
}
