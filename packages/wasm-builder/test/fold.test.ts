import { describe, expect, it } from 'vitest'
import { callExpr, constantOf, i32, i64, ModuleBuilder, select } from '../src/index.ts'
import type { Expr, FunctionBuilder, I32, I64 } from '../src/index.ts'
import { compile, evaluate, instantiate, randomIntegers } from './support.ts'
import type { Value } from './support.ts'

const BINARY = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_s', 'shr_u', 'rotl', 'rotr', 'eq', 'ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u'] as const
const random = randomIntegers(0x1234_5678)
const random64 = (): bigint => {
  const low = random()
  return random() & 1 ? BigInt(low) : BigInt.asIntN(64, BigInt(random()) << 32n | BigInt(low >>> 0))
}

/** What the engine computes of parameters, which nothing can fold. */
const size = (body: (b: FunctionBuilder) => void): number => {
  const { builder } = new ModuleBuilder().func({ params: [], results: [] })
  body(builder)
  return builder.size
}

describe('folding agrees with the engine', () => {
  it.each(BINARY)('i32.%s', (name) => {
    const run = compile(['i32', 'i32'], ['i32'], (b) => b.return(i32[name](b.param('i32', 0).get, b.param('i32', 1).get)))
    for (let n = 0; n < 200; n++) {
      const [x, y] = [random(), random()]
      const folded = i32[name](i32.const(x), i32.const(y))
      expect(name.startsWith('rot') ? evaluate(folded) : constantOf(folded), `${x} ${y}`).toBe(run(x, y))
    }
  })
  it.each(BINARY)('i64.%s', (name) => {
    const build = (a: I64, b: I64): Expr => i64[name](a, b)
    const result = build(i64.const(0), i64.const(0)).type
    const run = compile(['i64', 'i64'], [result], (b) => b.return(build(b.param('i64', 0).get, b.param('i64', 1).get)))
    for (let n = 0; n < 200; n++) {
      const [x, y] = [random64(), random64()]
      const folded = build(i64.const(x), i64.const(y))
      expect(name.startsWith('rot') ? evaluate(folded) : constantOf(folded), `${x} ${y}`).toBe(run(x, y))
    }
  })
  it('eqz, extensions and wrap', () => {
    const unary: [string, 'i32' | 'i64', (a: never) => Expr][] = [
      ['i32.eqz', 'i32', i32.eqz], ['i32.extend8_s', 'i32', i32.extend8_s], ['i32.extend16_s', 'i32', i32.extend16_s],
      ['i64.eqz', 'i64', i64.eqz], ['i64.extend8_s', 'i64', i64.extend8_s], ['i64.extend16_s', 'i64', i64.extend16_s], ['i64.extend32_s', 'i64', i64.extend32_s],
      ['i64.extend_i32_s', 'i32', i64.extend_i32_s], ['i64.extend_i32_u', 'i32', i64.extend_i32_u], ['i32.wrap_i64', 'i64', i32.wrap_i64],
    ]
    for (const [name, type, operation] of unary) {
      const result = operation((type === 'i32' ? i32.const(0) : i64.const(0)) as never).type
      const run = compile([type], [result], (b) => b.return(operation(b.param(type, 0).get as never)))
      for (let n = 0; n < 100; n++) {
        const x = type === 'i32' ? random() : random64()
        expect(constantOf(operation((type === 'i32' ? i32.const(x) : i64.const(x)) as never)), `${name} ${x}`).toBe(run(x))
      }
    }
  })
  it('chains of operations with constants on either side of a variable', () => {
    const operations = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_s', 'shr_u', 'rotl'] as const
    for (let n = 0; n < 300; n++) {
      const steps = Array.from({ length: 6 }, () => ({ name: operations[(random() >>> 3) % operations.length]!, constant: random64(), left: random() < 0 }))
      const chain = (x: I64, constants: readonly I64[]): I64 =>
        steps.reduce((value, { name, left }, k) => left ? i64[name](constants[k]!, value) : i64[name](value, constants[k]!), x)
      const folded = compile(['i64'], ['i64'], (b) => b.return(chain(b.param('i64', 0).get, steps.map((s) => i64.const(s.constant)))))
      const plain = compile(['i64', ...steps.map(() => 'i64' as const)], ['i64'], (b) => {
        b.return(chain(b.param('i64', 0).get, steps.map((_, k) => b.param('i64', k + 1).get)))
      })
      const x = random64()
      expect(folded(x), JSON.stringify(steps, (_, v: unknown) => typeof v === 'bigint' ? String(v) : v)).toBe(plain(x, ...steps.map((s) => s.constant)))
    }
  })
  it('leaves traps where they are', () => {
    expect(() => evaluate(i32.div_u(i32.const(1), i32.const(0)))).toThrow(WebAssembly.RuntimeError)
    expect(() => evaluate(select(i32.const(1), i32.const(7), i32.div_u(i32.const(1), i32.const(0))))).toThrow(WebAssembly.RuntimeError)
  })
})

describe('identities', () => {
  const { builder } = new ModuleBuilder().func({ params: ['i32', 'i64'], results: [] })
  const x = builder.param('i32', 0).get
  const y = builder.param('i64', 1).get
  it('give back the operand', () => {
    const [zero, ones] = [i32.const(0), i32.const(-1)]
    expect([i32.add(x, zero), i32.add(zero, x), i32.sub(x, zero), i32.or(x, zero), i32.xor(zero, x), i32.and(x, ones), i32.shl(x, i32.const(32)),
      i32.mul(x, i32.const(1)), i32.wrap_i64(i64.extend_i32_u(x))].every((e) => e === x)).toBe(true)
    expect(i64.and(y, i64.const(0xffff_ffff_ffff_ffffn))).toBe(y)
    expect(i64.and(y, i64.const(0xffff_ffff))).not.toBe(y)
  })
  it('gather constants', () => {
    expect(i32.sub(i32.add(i32.const(5), x), i32.const(5))).toBe(x)
    expect(size((b) => b.drop(i64.add(i64.add(y, i64.const(1)), i64.const(2))))).toBe(size((b) => b.drop(i64.add(y, i64.const(3)))))
  })
  it('keep what has effects', () => {
    const module = new ModuleBuilder()
    const effect = module.importFunction('env', 'effect', { params: ['i32'], results: ['i32'] })
    const { builder: b } = module.func({ params: [], results: ['i32'] }, 'run')
    const call = (n: number): I32 => callExpr('i32', effect, [i32.const(n)])
    b.drop(i32.and(call(1), i32.const(0)))
    b.drop(i32.mul(i32.const(0), call(2)))
    b.drop(select(i32.const(1), i32.const(9), i32.add(call(3), i32.const(1))))
    b.return(select(i32.const(0), i32.const(8), i32.add(call(4), i32.const(0))))
    const seen: Value[] = []
    const result = instantiate(module, { env: { effect: (n: number) => {
      seen.push(n)
      return n
    } } })['run']!()
    expect({ seen, result }).toEqual({ seen: [1, 2, 3, 4], result: 4 })
  })
  it('select with a constant condition is its choice', () => {
    expect(select(i32.const(3), x, i32.load(x))).toBe(x)
    expect(select(i32.const(0), i32.load(x), x)).toBe(x)
  })
})

describe('constantOf', () => {
  it('gives signed values and undefined for the rest', () => {
    expect([constantOf(i32.const(0xffff_ffff)), constantOf(i64.const(2n ** 63n)), constantOf(i64.const(-5)), constantOf(i64.const(2 ** 40 + 1))])
      .toEqual([-1, -(2n ** 63n), -5n, 2n ** 40n + 1n])
    expect(constantOf(i32.load(i32.const(0)))).toBeUndefined()
  })
  it('constants survive the encoding', () => {
    for (let shift = 0n; shift < 64n; shift++) {
      for (const value of [1n << shift, (1n << shift) - 1n, -(1n << shift), ~(1n << shift), 0x1234_5678_9abc_def0n >> shift]) {
        expect(evaluate(i64.const(value))).toBe(BigInt.asIntN(64, value))
        expect(evaluate(i32.const(value))).toBe(Number(BigInt.asIntN(32, value)))
      }
    }
  })
})

describe('constant conditions', () => {
  const run = (condition: I32): Value => compile([], ['i32'], (b) => {
    const out = b.variable(i32.const(0))
    b.if(condition, (end) => {
      b.set(out, i32.const(1))
      b.br(end)
    }, () => b.set(out, i32.const(2)))
    b.block((end) => {
      b.brIf(end, condition)
      b.set(out, i32.add(out.get, i32.const(10)))
    })
    b.return(out.get)
  })()
  it('take one side, with or without a label', () => {
    expect([run(i32.const(0)), run(i32.const(7))]).toEqual([12, 1])
    expect(size((b) => b.if(i32.const(0), () => b.unreachable()))).toBe(0)
    expect(size((b) => b.if(i32.const(1), () => b.unreachable(), () => b.return()))).toBe(1)
  })
  it('labels outside stay right', () => {
    expect(compile([], ['i32'], (b) => {
      b.block((outer) => b.block(() => b.if(i32.const(1), () => b.br(outer))))
      b.return(i32.const(5))
    })()).toBe(5)
  })
})
