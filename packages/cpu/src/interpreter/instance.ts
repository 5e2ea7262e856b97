import type { MachineMemory } from '@entresol/interfaces'
import { InstructionTable } from '../decode/variants.ts'
import { HELPER_GLOBALS, HELPER_TYPES } from '../helpers.ts'
import { INSTRUCTIONS } from '../instructions/index.ts'
import { HOST_FUNCTIONS } from '../system/host.ts'
import { buildInterpreter } from './module.ts'
import { PSEUDO_COUNT } from './pseudo.ts'

/** What the generated module calls back: see InterpreterFunctions. */
export interface InterpreterImports {
  slow(record: number, access: number): number
  commit(record: number): void
  raise(vector: number, errorCode: number): void
  host(number: number, record: number): number
  lookup(): number
  /** A record that control reached often → the record to go on at, which may be that of a region now. */
  hot(record: number): number
  /** Runs a region: see translator/core.ts. */
  readonly enter: (cpu: number, slot: number, entry: number) => number
}

export interface InterpreterExports {
  run(cpu: number, record: number): number
  offset(cpu: number, record: number): bigint
  linear(cpu: number, record: number, segment: number, offset: bigint, access: number): bigint
}

/** Host functions by number: the vCPU's own two, then those of `system/host.ts`. */
export const HOST_CROSS_PAGE = 0
export const HOST_INTERCEPT = 1
export const HOST_NAMES: readonly string[] = ['cross-page', 'intercept', ...Object.keys(HOST_FUNCTIONS)]

export const TABLE: InstructionTable = new InstructionTable(INSTRUCTIONS, PSEUDO_COUNT)

/** Declared limits that every 32-bit memory with a maximum fits. */
const ANY_MEMORY = { initialPages: 1, maximumPages: 65536 }
const modules = new Map<boolean, WebAssembly.Module>()

/** The interpreter, compiled once per process for plain and once for shared memory. */
export function interpreterModule(memory: MachineMemory): WebAssembly.Module {
  const shared = !(memory.wasm.buffer instanceof ArrayBuffer)
  let module = modules.get(shared)
  if (!module) {
    module = new WebAssembly.Module(buildInterpreter(TABLE, HOST_NAMES, HELPER_TYPES, HELPER_GLOBALS, { ...ANY_MEMORY, shared }))
    modules.set(shared, module)
  }
  return module
}

/** Takes over the interpreter for shared memory that another thread of this process compiled. */
export function adoptInterpreter(module: WebAssembly.Module): void {
  modules.set(true, module)
}

/** `helpers`: what instruction rows call by name, see helpers.ts. */
export function instantiateInterpreter(memory: MachineMemory, helpers: WebAssembly.ModuleImports, imports: InterpreterImports): InterpreterExports {
  const { slow, commit, raise, host, lookup, hot, enter } = imports
  const env = { memory: memory.wasm, slow, commit, raise, host, lookup, hot, enter }
  return new WebAssembly.Instance(interpreterModule(memory), { env, helpers }).exports as unknown as InterpreterExports
}
