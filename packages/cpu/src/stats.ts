import * as L from './state/layout.ts'
import type { SoftwareVcpu } from './vcpu.ts'

/** What one vCPU did since power-on (a reset of the guest does not clear it), and sizes now. */
export interface VcpuCounters {
  /** Guest instructions retired. */
  readonly instructions: number
  /** Instructions decoded, decoded instructions dropped because their bytes changed, whole flushes of the decoded code, its bytes now. */
  readonly decoded: number
  readonly invalidated: number
  readonly codeFlushes: number
  readonly codeBytes: number
  /** Regions of translated code: now, made, and dropped because their bytes changed; whole flushes of them. What is missing was remapped, evicted or flushed. */
  readonly regions: number
  readonly regionsMade: number
  readonly regionsInvalidated: number
  readonly regionFlushes: number
  /** Guest instructions in the regions made (one in several regions counts in each), bytes of their WebAssembly modules, and time that took. */
  readonly translatedInstructions: number
  readonly translatedBytes: number
  readonly translationMilliseconds: number
  /** Entries into regions from the interpreter: the sum of the exits. Regions go on in each other without being counted. */
  readonly regionEntries: number
  /** Back to the interpreter: control went where no region is; an instruction was left to it (page miss, fault, device, helper); the slice ended. */
  readonly exitsTransfer: number
  readonly exitsBailed: number
  readonly exitsSlice: number
  /** TLB misses that found a page; flushes of all or of non-global entries. */
  readonly tlbFills: number
  readonly tlbFlushes: number
}

/** Counters of a vCPU that stands still or is this thread's own. */
export function vcpuCounters({ instructionCount, code, translator, tlb, state }: SoftwareVcpu): VcpuCounters {
  const exits = (cause: number): number => Number(state.u64(L.REGION_EXITS + cause * 8))
  const [exitsTransfer, exitsBailed, exitsSlice] = [exits(L.EXIT_TRANSFER), exits(L.EXIT_BAILED), exits(L.EXIT_SLICE)]
  const made = translator?.stats
  return {
    instructions: instructionCount,
    decoded: code.decoded, invalidated: code.invalidated, codeFlushes: code.flushes, codeBytes: code.bytes,
    regions: made?.live ?? 0, regionsMade: made?.regions ?? 0, regionsInvalidated: made?.invalidated ?? 0, regionFlushes: made?.flushes ?? 0,
    translatedInstructions: made?.instructions ?? 0, translatedBytes: made?.bytes ?? 0, translationMilliseconds: made?.milliseconds ?? 0,
    regionEntries: exitsTransfer + exitsBailed + exitsSlice, exitsTransfer, exitsBailed, exitsSlice,
    tlbFills: tlb.fills, tlbFlushes: tlb.flushes,
  }
}
