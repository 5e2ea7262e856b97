import { describe, expect, it } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { Decoder } from '../src/decode/decoder.ts'
import type { DecodedInstruction } from '../src/decode/decoder.ts'
import { InstructionTable } from '../src/decode/variants.ts'
import { INSTRUCTIONS } from '../src/instructions/index.ts'
import { PSEUDO_COUNT } from '../src/interpreter/module.ts'
import { GuestFault } from '../src/memory/fault.ts'
import { BLOCK_FAULT, translateBlock } from '../src/translator/block.ts'
import { createBench, enterLongMode } from './support/bench.ts'
import type { Bench } from './support/bench.ts'

const CODE = 0x5000
const DATA = 0x40000
const BLOCK = 12

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

const table = new InstructionTable(INSTRUCTIONS, PSEUDO_COUNT)
const decoder = new Decoder(table, () => true)

/** Random bytes that decode, keep to the slice, and have no branch but at the end. */
function program(next: (below: number) => number): { bytes: number[]; decoded: DecodedInstruction[] } {
  const bytes: number[] = []
  const decoded: DecodedInstruction[] = []
  for (let tries = 0; decoded.length < BLOCK && tries < 400; tries++) {
    const candidate = Array.from({ length: 15 }, () => next(256))
    if (next(2)) candidate.unshift(0x48 | next(8))
    if (next(4) === 0) candidate.unshift(0x0f)
    if (decoder.decode(Uint8Array.from(candidate), 0, 15, { size: 64 }) !== 'ok') continue
    const instruction = decoder.snapshot()
    try {
      translateBlock([instruction], 0n, limits)
    } catch {
      continue
    }
    bytes.push(...candidate.slice(0, instruction.length))
    decoded.push(instruction)
    if (instruction.variant.operands.some((o) => o.kind === 'relative') || instruction.variant.row.options.ends) break
  }
  return { bytes, decoded }
}

const limits = { initialPages: 1, maximumPages: 1, shared: false }

function prepare(bench: Bench, bytes: number[], next: (below: number) => number): void {
  bench.load(CODE, Uint8Array.from([...bytes, 0x0f, 0x0b]))
  for (let i = 0; i < 0x2000; i += 4) bench.ram.writeU32((DATA + i) as Gpa, next(0x100000000))
  enterLongMode(bench, CODE)
  const r = bench.cpu.getRegisters()
  for (let i = 0; i < 16; i++) {
    const kind = next(4)
    r.gpr[i] = kind === 0 ? BigInt(next(0x100)) : kind === 1 ? BigInt.asUintN(64, -BigInt(next(0x1000))) : BigInt(DATA + 0x1000 + next(0x400))
  }
  r.gpr[4] = BigInt(DATA + 0x800)
  r.rflags = BigInt(2 | (next(0x1000) & 0x8d5))
  bench.cpu.setRegisters(r)
}

interface Outcome {
  registers: string
  fault: number
  /** A hash of the data window. */
  memory: number
}

function outcome(bench: Bench, fault: number): Outcome {
  const r = bench.cpu.getRegisters()
  const memory = new Uint8Array(0x2000)
  bench.ram.read(DATA as Gpa, memory)
  return { registers: [...r.gpr, r.rip, r.rflags].map((v) => v.toString(16)).join(' '), fault, memory: memory.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0) }
}

/** The UD2 behind the program is where a straight run ends. */
function interpret(bench: Bench, instructions: number, end: number): Outcome {
  bench.cpu.intercepts.exceptions = -1
  const exit = bench.cpu.run(instructions)
  const faulted = exit.reason === 'intercept' && exit.event.kind === 'exception' && bench.cpu.state.rip !== BigInt(end)
  return outcome(bench, faulted ? exit.event.vector : -1)
}

function translated(bench: Bench, decoded: DecodedInstruction[]): Outcome {
  const { state, memory } = bench.cpu
  const pages = state.memory.wasm.buffer.byteLength / 65536
  const block = translateBlock(decoded, BigInt(CODE), { initialPages: pages, maximumPages: pages, shared: false })
  let fault = -1
  const guard = <T>(otherwise: T, action: () => T): T => {
    try {
      return action()
    } catch (thrown) {
      if (!(thrown instanceof GuestFault)) throw thrown
      fault = thrown.vector
      return otherwise
    }
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(block.bytes), {
    env: {
      memory: state.memory.wasm,
      slow: (access: number) => guard(0, () => memory.slow(access, false)),
      commit: () => guard(undefined, () => memory.commit()),
      raise: (vector: number) => void (fault = vector),
    },
  })
  const status = (instance.exports['block'] as (cpu: number) => number)(state.base)
  expect(status === BLOCK_FAULT).toBe(fault >= 0)
  return outcome(bench, fault)
}

describe('one table of semantics', () => {
  it('gives the same registers, flags, memory and faults interpreted and translated, for random straight code', () => {
    const next = random(20261121)
    const used = new Set<string>()
    const a = createBench({ bytes: 2 << 20, codeCacheBytes: 4 << 20 })
    const b = createBench({ bytes: 2 << 20, codeCacheBytes: 4 << 20 })
    for (let round = 0; round < 400; round++) {
      const { bytes, decoded } = program(next)
      if (!decoded.length) continue
      const seed = next(0x7fffffff)
      prepare(a, bytes, random(seed))
      prepare(b, bytes, random(seed))
      const first = interpret(a, decoded.length, CODE + bytes.length)
      const second = translated(b, decoded)
      const names = decoded.map((d) => d.variant.row.mnemonic)
      expect({ ...second, names }).toEqual({ ...first, names })
      for (const name of names) used.add(name)
    }
    // The slice is a real one.
    expect(used.size).toBeGreaterThan(60)
  }, 120_000)

  it('says what it cannot translate', () => {
    expect(decoder.decode(Uint8Array.of(0xa4, 0, 0, 0), 0, 4, { size: 64 })).toBe('ok')
    expect(() => translateBlock([decoder.snapshot()], 0n, limits)).toThrow('not translated yet')
  })
})
