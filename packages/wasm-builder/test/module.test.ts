import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { callExpr, callIndirectExpr, f32, f64, i32, i64, ModuleBuilder, select, simd, v128 } from '../src/index.ts'
import type { FunctionType } from '../src/index.ts'
import { compile, instantiate } from './support.ts'

const BINARY: FunctionType = { params: ['i32', 'i32'], results: ['i32'] }

/** count(n, total): total + n by tail calls, too deep for any stack otherwise. */
function counter(module: ModuleBuilder): { index: number } {
  const { index, builder: b } = module.func(BINARY, 'count')
  const n = b.param('i32', 0).get
  const total = b.param('i32', 1).get
  b.if(i32.eqz(n), () => b.return(total), undefined, { likely: false })
  b.returnCall(index, i32.sub(n, i32.const(1)), i32.add(total, i32.const(1)))
  return { index }
}

describe('calls', () => {
  it('returnCall uses no stack', () => {
    const module = new ModuleBuilder()
    counter(module)
    expect(instantiate(module)['count']!(1_000_000, 5)).toBe(1_000_005)
  })
  it('tables: imported ones first, the module\'s own after them, exported if named', () => {
    const module = new ModuleBuilder()
    const imported = module.importTable('env', 'shared', 4)
    const bounded = module.importTable('env', 'bounded', 1, 2)
    const type = module.typeIndex(BINARY.params, BINARY.results)
    const sub = module.func(BINARY)
    sub.builder.return(i32.sub(sub.builder.param('i32', 0).get, sub.builder.param('i32', 1).get))
    const own = module.table([undefined, sub.index, undefined, sub.index], 'own')
    module.exportFunction('difference', sub.index)
    module.exportFunction('minus', sub.index)
    for (const [name, table] of [['foreign', imported], ['private', own]] as const) {
      const { builder: b } = module.func({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, name)
      const [target, x, y] = [b.param('i32', 0).get, b.param('i32', 1).get, b.param('i32', 2).get]
      b.if(i32.lt_s(x, i32.const(0)), () => b.returnCallIndirect(type, table, target, y, x))
      b.return(i32.add(callIndirectExpr('i32', type, table, target, [x, y]), i32.const(1000)))
    }
    const shared = new WebAssembly.Table({ element: 'anyfunc', initial: 4 })
    const wasm = instantiate(module, { env: { shared, bounded: new WebAssembly.Table({ element: 'anyfunc', initial: 1, maximum: 2 }) } })
    shared.set(2, wasm['minus'])
    expect([imported, bounded, own]).toEqual([0, 1, 2])
    expect([wasm['foreign']!(2, 7, 3), wasm['private']!(1, 7, 3), wasm['private']!(3, -7, 3)]).toEqual([1004, 1004, 10])
    expect(() => wasm['private']!(2, 7, 3)).toThrow(WebAssembly.RuntimeError)
    expect((wasm['own'] as unknown as WebAssembly.Table).get(1)).toBe(wasm['difference'])
  })
  it('imports come first', () => {
    const module = new ModuleBuilder()
    module.func(BINARY)
    module.table([])
    expect(() => module.importFunction('env', 'late', BINARY)).toThrow('late')
    expect(() => module.importTable('env', 'late', 1)).toThrow('late')
  })
  it('arguments keep their order', () => {
    const module = new ModuleBuilder()
    const three = module.importFunction('env', 'three', { params: ['i32', 'i64', 'i32'], results: ['i32'] })
    const { builder: b } = module.func({ params: [], results: ['i32'] }, 'run')
    b.return(callExpr('i32', three, [i32.const(1), i64.const(2), i32.const(3)]))
    expect(instantiate(module, { env: { three: (x: number, y: bigint, z: number) => x * 100 + Number(y) * 10 + z } })['run']!()).toBe(123)
  })
})

describe('function bodies', () => {
  it('memory.copy and memory.fill', () => {
    expect(compile([], ['i32'], (b) => {
      b.memoryFill(i32.const(8), i32.const(0x5a), i32.const(2))
      b.memoryCopy(i32.const(9), i32.const(8), i32.const(2))
      b.return(i32.load(i32.const(8)))
    })()).toBe(0x5a5a5a)
  })
  it('locals of a scope are used again, lasting ones and values of let are not', () => {
    const { builder: b } = new ModuleBuilder().func(BINARY)
    const indices: number[] = []
    const lasting: number[] = []
    for (let n = 0; n < 2; n++) {
      b.scope(() => {
        indices.push(b.local('i32').index)
        lasting.push(b.lasting('i32').index)
      })
    }
    expect(indices[0]).toBe(indices[1])
    expect(new Set([...indices, ...lasting]).size).toBe(3)
    expect(compile(['i32'], ['i32'], (f) => {
      const x = f.param('i32', 0)
      const copy = f.let(i32.add(x.get, i32.const(0)))
      f.set(x, i32.const(99))
      f.return(copy)
    })(5)).toBe(5)
  })
  it('the prologue runs first, hints move with the code', () => {
    expect(compile([], ['i32'], (b) => {
      const x = b.local('i32')
      b.if(x.get, () => b.return(i32.add(x.get, i32.const(1))), undefined, { likely: true })
      b.return(i32.const(0))
      b.prologue(() => b.set(x, i32.const(41)))
    })()).toBe(42)
  })
  it('size counts; an arm of control flow is open until it ends', () => {
    const { builder: b } = new ModuleBuilder().func(BINARY)
    expect(b.size).toBe(0)
    const arms: number[] = []
    b.if(b.param('i32', 0).get, () => {
      arms.push(b.arm)
      b.block(() => expect(b.isOpen(arms[0]!)).toBe(true))
    }, () => {
      arms.push(b.arm)
      expect(b.isOpen(arms[0]!)).toBe(false)
    })
    expect(arms.map((arm) => b.isOpen(arm))).toEqual([false, false])
    expect(b.isOpen(b.arm)).toBe(true)
    expect(b.size).toBe(9)
  })
  it('grows past every buffer', () => {
    const run = compile(['i64'], ['i64'], (b) => {
      let value = b.param('i64', 0).get
      for (let n = 0; n < 3000; n++) value = i64.rotl(i64.add(value, i64.const(0x1234_5678_9abcn + BigInt(n))), i64.const(7))
      b.return(value)
    })
    let value = 1n
    for (let n = 0n; n < 3000n; n++) {
      value = BigInt.asUintN(64, value + 0x1234_5678_9abcn + n)
      value = BigInt.asUintN(64, (value << 7n) | (value >> 57n))
    }
    expect(run(1n)).toBe(BigInt.asIntN(64, value))
  })
  it('floats and vectors', () => {
    expect(compile(['f64'], ['f64'], (b) => b.return(f64.mul(b.param('f64', 0).get, f64.promote_f32(f32.const(1.5)))))(3)).toBe(4.5)
    expect(compile(['i32'], ['i32'], (b) => {
      const bytes = v128.const([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
      const lanes = v128.shuffle([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], bytes, bytes)
      const chosen = select(b.param('i32', 0).get, lanes, v128.bitselect(bytes, lanes, v128.not(v128.xor(bytes, bytes))))
      // i8x16.add is 110, i32x4.extract_lane 27, i8x16.replace_lane 23 (Core Specification 5.4.9).
      b.return(simd.extract('i32', 27, simd.replace(23, simd.binary(110, chosen, chosen), 3, i32.const(0x7f)), 0))
    })(0)).toBe(0x7f060402)
  })
})

describe('custom sections', () => {
  it('name section: names in stack traces', () => {
    const module = new ModuleBuilder()
    const { index, builder: b } = module.func({ params: [], results: [] }, 'run')
    b.unreachable()
    module.nameFunction(index, 'guest_0x1000')
    let stack = ''
    try {
      instantiate(module)['run']!()
    } catch (error) {
      stack = (error as Error).stack ?? ''
    }
    expect(stack).toContain('guest_0x1000')
  })
  it('branch hints point at if and br_if, counted from the start of the locals', () => {
    const module = new ModuleBuilder()
    module.importFunction('env', 'unused', { params: [], results: [] })
    module.func({ params: [], results: [] }).builder.return()
    const { builder: b } = module.func({ params: ['i32'], results: [] })
    b.local('i64')
    b.block((end) => {
      b.brIf(end, b.param('i32', 0).get, { likely: true })
      b.if(b.param('i32', 0).get, () => b.return(), undefined, { likely: false })
    })
    const bytes = module.encode()
    const [section] = WebAssembly.Module.customSections(new WebAssembly.Module(bytes), 'metadata.code.branch_hint')
    // Locals 01 01 7e; block 02 40; local.get 20 00; br_if at 7, 0d 00; local.get 20 00; if at 11.
    expect([...new Uint8Array(section!)]).toEqual([1, 2, 2, 7, 1, 1, 11, 1, 0])
  })
  it('V8 takes the branch hints without a warning', () => {
    const module = new ModuleBuilder()
    counter(module)
    const script = `const bytes = Buffer.from('${Buffer.from(module.encode()).toString('hex')}', 'hex')
      console.log(new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.count(100, 1))`
    const flags = ['--experimental-wasm-branch-hinting', '--no-wasm-lazy-compilation', '--no-liftoff']
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', script], { encoding: 'utf8' })
    expect({ stdout, stderr }).toEqual({ stdout: '101\n', stderr: '' })
  })
})
