import type { MachineMemory } from '@entresol/interfaces'
import { Decoder, MODES } from '../decode/decoder.ts'
import type { DecodedInstruction } from '../decode/decoder.ts'
import { TABLE } from '../interpreter/instance.ts'
import * as L from '../state/layout.ts'
import { buildRegionModule } from './region-module.ts'
import type { RegionTarget } from './region-module.ts'
import type { RegionCode } from './region.ts'

/** Code of a region for another thread, which decodes it anew: instructions cannot be posted, their bytes can. Structured-cloneable. */
export interface RegionJob {
  /** Given back with the result. */
  readonly ticket: number
  readonly code: Omit<RegionCode, 'region'>
  /** As `Region`, but for instructions. */
  readonly blocks: readonly { readonly offset: number; readonly end: number; readonly target: number | undefined; readonly ends: boolean; readonly returns: readonly number[] }[]
  readonly entries: readonly number[]
  readonly successors: readonly (readonly number[])[]
  /** Of the blocks, one after the other. */
  readonly bytes: Uint8Array
  /** What the guest calls the place. */
  readonly symbol: string | undefined
}

/** A region's module, or the error that making it ended with, which is a bug of ours. */
export interface RegionResult {
  readonly ticket: number
  readonly module?: WebAssembly.Module
  /** Of the module as it was compiled from. */
  readonly bytes?: number
  readonly error?: unknown
}

/** Another thread that makes modules while this one goes on. */
export interface TranslationHelper {
  post(job: RegionJob): void
  /** The next result, if there is one; never waits. */
  take(): RegionResult | undefined
}

export function describeJob(ticket: number, code: RegionCode, memory: MachineMemory, symbol: RegionTarget['symbol']): RegionJob {
  const { region: { blocks, entries, successors }, ...rest } = code
  const bytes = new Uint8Array(blocks.reduce((sum, { offset, end }) => sum + end - offset, 0))
  let at = 0
  for (const { offset, end } of blocks) {
    for (let from = offset; from < end;) {
      const to = Math.min(end, (from & ~0xfff) + 0x1000)
      const machine = code.pages.get(from & ~0xfff)!.frame + (from & 0xfff)
      bytes.set(memory.u8.subarray(machine, machine + to - from), at)
      at += to - from
      from = to
    }
  }
  return {
    ticket, code: rest, entries, successors, bytes, symbol: symbol?.(code.rip),
    blocks: blocks.map(({ offset, end, target, ends, returns }) => ({ offset, end, target, ends, returns })),
  }
}

/** Does what `RegionJob`s ask, in whatever thread it is. `features`: what CPUID announces; memory `shared` or not, as that of the CPU. */
export function createRegionBuilder(features: ReadonlySet<string>, shared: boolean): (job: RegionJob) => RegionResult {
  const decoder = new Decoder(TABLE, (entry) => entry.row.options.feature === undefined || features.has(entry.row.options.feature))
  const decodeBlock = (bytes: Uint8Array, from: number, to: number, mode: number): DecodedInstruction[] => {
    const instructions: DecodedInstruction[] = []
    for (let at = from; at < to; at += decoder.length) {
      decoder.decode(bytes, at, to, MODES[mode & L.MODE_SIZE]!)
      instructions.push(decoder.snapshot())
    }
    return instructions
  }
  return ({ ticket, code, blocks, entries, successors, bytes, symbol }) => {
    try {
      let at = 0
      const decoded = blocks.map((block) => {
        const from = at
        at += block.end - block.offset
        return { ...block, instructions: decodeBlock(bytes, from, at, code.mode) }
      })
      const wasm = buildRegionModule({ ...code, region: { blocks: decoded, entries, successors } }, { shared, flat: undefined, symbol: () => symbol })
      return { ticket, module: new WebAssembly.Module(wasm), bytes: wasm.length }
    } catch (error) {
      return { ticket, error }
    }
  }
}
