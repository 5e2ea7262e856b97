import { describe, expect, it } from 'vitest'
import { i32, i64, ModuleBuilder } from '../src/index.ts'
import type { AtomicShape, Expr, FunctionBuilder, I32 } from '../src/index.ts'
import { instantiate } from './support.ts'

const AT = 64
const OLD = 0x8182_8384_8586_8788n
const OPERAND = 0x0102_0304_f5f6_f7f8n
const MODIFY = {
  add: (a: bigint, b: bigint) => a + b, sub: (a: bigint, b: bigint) => a - b, and: (a: bigint, b: bigint) => a & b, or: (a: bigint, b: bigint) => a | b,
  xor: (a: bigint, b: bigint) => a ^ b, xchg: (_: bigint, b: bigint) => b,
}
const SHAPES: readonly [AtomicShape, 'i32' | 'i64', number][] = [
  ['i32', 'i32', 32], ['i64', 'i64', 64], ['i32_8', 'i32', 8], ['i32_16', 'i32', 16], ['i64_8', 'i64', 8], ['i64_16', 'i64', 16], ['i64_32', 'i64', 32],
]

/** Runs `body` on memory that holds OLD at AT: its result without sign, and the memory afterwards. */
function run(type: 'i32' | 'i64', body: (b: FunctionBuilder, address: I32) => Expr): { value: bigint; after: bigint } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const view = new DataView(memory.buffer)
  view.setBigUint64(AT, OLD, true)
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', 1, 1, true)
  const { builder: b } = module.func({ params: ['i32'], results: [type] }, 'run')
  b.return(body(b, b.param('i32', 0).get))
  const value = instantiate(module, { env: { memory } })['run']!(AT - 8)
  return { value: BigInt.asUintN(type === 'i32' ? 32 : 64, BigInt(value)), after: view.getBigUint64(AT, true) }
}

describe.each(SHAPES)('%s', (shape, type, bits) => {
  const full = type === 'i32' ? 32 : 64
  const low = (value: bigint): bigint => BigInt.asUintN(bits, value)
  const stored = (value: bigint): bigint => (OLD >> BigInt(bits) << BigInt(bits)) | low(value)
  const operations = (type === 'i32' ? i32 : i64).atomic as unknown as Record<string, never>
  const suffix = bits === full ? '' : '_u'
  const constant = (value: bigint): never => (type === 'i32' ? i32 : i64).const(value) as never
  const rmw = operations[bits === full ? 'rmw' : `rmw${bits}`] as Record<string, (...args: unknown[]) => Expr>

  it('loads with zeros above', () => {
    const load = operations[bits === full ? 'load' : `load${bits}_u`] as (address: I32, offset: number) => Expr
    expect(run(type, (_, address) => load(address, 8))).toEqual({ value: low(OLD), after: OLD })
  })
  it('stores', () => {
    expect(run(type, (b, address) => {
      b.atomicStore(shape, address, 8, constant(OPERAND))
      b.atomicFence()
      return constant(0n)
    }).after).toBe(stored(OPERAND))
  })
  it.each(Object.entries(MODIFY))('rmw %s', (name, compute) => {
    expect(run(type, (_, address) => rmw[name + suffix]!(address, constant(OPERAND), 8))).toEqual({ value: low(OLD), after: stored(compute(OLD, OPERAND)) })
  })
  it('rmw cmpxchg', () => {
    const exchange = (expected: bigint): { value: bigint; after: bigint } =>
      run(type, (_, address) => rmw[`cmpxchg${suffix}`]!(address, constant(expected), constant(OPERAND), 8))
    expect(exchange(low(OLD))).toEqual({ value: low(OLD), after: stored(OPERAND) })
    expect(exchange(low(OLD) ^ 1n)).toEqual({ value: low(OLD), after: OLD })
  })
  if (bits > 8) {
    it('traps when unaligned', () => {
      expect(() => run(type, (_, address) => rmw[`add${suffix}`]!(address, constant(1n), 9))).toThrow(/unaligned/)
    })
  }
})
