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

/** What the regions of a vCPU have in common. */
export interface BatchOptions {
  /** The memory is shared with other processors. */
  readonly shared: boolean
  /** Linear addresses reached without the TLB. */
  readonly flat: FlatWindow | undefined
  /** What the guest calls the place, for profilers. */
  readonly symbol: ((rip: bigint) => string | undefined) | undefined
}

/** A module of regions, exported as r0, r1 …; imports env.memory, env.chain, env.words, env.prepare and, where rows call them, helpers. */
export function buildBatch(regions: readonly RegionCode[], options: BatchOptions): Uint8Array<ArrayBuffer> {
  const loops = regions.map((code) => loopsOf(code.region))
  let helpers = false
  for (;;) {
    try {
      return build(regions, loops, options, helpers)
    } catch (error) {
      if (error instanceof NeedsHelpers) helpers = true
      else if (!(error instanceof MoreRegisters)) throw error
    }
  }
}

function build(regions: readonly RegionCode[], loops: readonly RegionLoops[], options: BatchOptions, withHelpers: boolean): Uint8Array<ArrayBuffer> {
  const { shared, flat } = options
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
  regions.forEach((code, n) => {
    const { index, builder } = module.func(REGION_TYPE, `r${n}`)
    // What profilers of the engine show.
    module.nameFunction(index, ['guest:' + code.rip.toString(16), options.symbol?.(code.rip) ?? []].flat().join(' '))
    if (!emitRegion(builder, code, loops[n]!, imports)) throw new MoreRegisters()
  })
  return module.encode()
}
