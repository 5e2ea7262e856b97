import { ModuleBuilder } from '../src/index.ts'
import type { Expr, FunctionBuilder, ValueType } from '../src/index.ts'

export type Value = number | bigint

/** Validates, compiles and links. */
export function instantiate(module: ModuleBuilder, imports: WebAssembly.Imports = {}): Record<string, (...args: Value[]) => Value> {
  const bytes = module.encode()
  if (!WebAssembly.validate(bytes)) new WebAssembly.Module(bytes)
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as Record<string, (...args: Value[]) => Value>
}

/** A function of its own module with one page of shared memory. */
export function compile(params: readonly ValueType[], results: readonly ValueType[], body: (b: FunctionBuilder) => void): (...args: Value[]) => Value {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', 1, 1, true)
  body(module.func({ params, results }, 'run').builder)
  return instantiate(module, { env: { memory } })['run']!
}

export const evaluate = (value: Expr): Value => compile([], [value.type], (b) => b.return(value))()

/** Reproducible 32-bit integers (xorshift32), every other one small or at an edge. */
export function randomIntegers(seed: number): () => number {
  const edges = [0, 1, -1, 2, 31, 32, 63, 64, 0x7f, 0x80, -0x40, -0x41, 0x7fff_ffff, -0x8000_0000]
  return () => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return seed & 1 ? edges[(seed >>> 1) % edges.length]! : seed
  }
}
