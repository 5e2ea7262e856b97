import type { FlatWindow } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { ModuleBuilder } from '@entresol/wasm-builder'
import { HELPER_GLOBALS, HELPER_TYPES } from '../helpers.ts'
import { REGION_TYPE } from './core.ts'
import { emitRegion, loopsOf } from './emit-region.ts'
import type { RegionImports, RegionLoops } from './emit-region.ts'
import { FlatStrategy, TlbStrategy } from './memory-access.ts'
import type { RegionCode } from './region.ts'

/** A row called a helper: the module is built again with them imported, which most modules need not pay for. */
class NeedsHelpers extends Error {}
/** A loop uses registers that were not known of: once more, now that they are. */
class MoreRegisters extends Error {}

/** What all regions of a vCPU are translated for. */
export interface RegionTarget {
  /** The memory is shared with other processors. */
  readonly shared: boolean
  /** Linear addresses reached without the TLB. */
  readonly flat: FlatWindow | undefined
  /** What the guest calls the place, for profilers. */
  readonly symbol: ((rip: bigint) => string | undefined) | undefined
}

/** A module of one function, exported as `region`; imports env.memory, env.chain, env.words, env.prepare and, where rows call them, helpers. */
export function buildRegionModule(code: RegionCode, target: RegionTarget): Uint8Array<ArrayBuffer> {
  const loops = loopsOf(code.region)
  let helpers = false
  for (;;) {
    try {
      return build(code, loops, target, helpers)
    } catch (error) {
      if (error instanceof NeedsHelpers) helpers = true
      else if (!(error instanceof MoreRegisters)) throw error
    }
  }
}

function build(code: RegionCode, loops: RegionLoops, target: RegionTarget, withHelpers: boolean): Uint8Array<ArrayBuffer> {
  const { shared, flat, symbol } = target
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', 1, 65536, shared)
  const chain = module.importFunction('env', 'chain', { params: ['i32', 'i64'], results: ['i32'] })
  const words = module.importFunction('env', 'words', { params: ['i32', 'i32', 'i64', 'i64'], results: [] })
  const prepare = module.importFunction('env', 'prepare', { params: ['i32', 'i32', 'i64'], results: ['i32'] })
  const find = (map: ReadonlyMap<string, number>, name: string): number => {
    if (!withHelpers) throw new NeedsHelpers()
    const index = map.get(name)
    if (index === undefined) throw new CodedError('bad-instruction-row', `helper "${name}" does not exist`)
    return index
  }
  const helpers = new Map(withHelpers ? HELPER_TYPES.map((h) => [h.name, module.importFunction('helpers', h.name, h.type)]) : [])
  const globals = new Map(withHelpers ? HELPER_GLOBALS.map((g) => [g.name, module.importGlobal('helpers', g.name, g.type)]) : [])
  const imports: RegionImports = {
    shared, chain, words, prepare,
    helper: (name) => find(helpers, name),
    helperGlobal: (name) => find(globals, name),
    strategy: (locals) => (flat ? new FlatStrategy(flat) : new TlbStrategy(locals.tlb.get)),
  }
  const { index, builder } = module.func(REGION_TYPE, 'region')
  // What profilers of the engine show.
  module.nameFunction(index, ['guest:' + code.rip.toString(16), symbol?.(code.rip) ?? []].flat().join(' '))
  if (!emitRegion(builder, code, loops, imports)) throw new MoreRegisters()
  return module.encode()
}
