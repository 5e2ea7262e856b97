import type { TlbFlush } from './memory/tlb.ts'
import type { CpuState } from './state/state.ts'
import type { GuestEvent } from './system/events.ts'

/** The vCPU something happened to. */
export interface TraceSubject {
  readonly id: number
  readonly state: CpuState
}

/** Hot code that became WebAssembly. */
export interface TranslatedRegion {
  /** Where it begins; other places of it can be entered too. */
  readonly rip: bigint
  readonly pages: number
  readonly blocks: number
  readonly instructions: number
  /** Of the WebAssembly module. */
  readonly bytes: number
  /** Spent on it, without what the engine does in the background. */
  readonly milliseconds: number
}

/** Its bytes changed; its addresses lead to other memory; it was among the older half of many; all go (the code cache was flushed). */
export type RegionDropped = 'overwritten' | 'remapped' | 'evicted' | 'flush'

/**
 * Callbacks of a vCPU that is watched, all optional. They run in the middle of its work: they look, and change nothing. With `instruction` every
 * instruction is stepped singly, which is exact and slow.
 */
export interface VcpuTrace {
  /** An exception or interrupt is about to be delivered; registers are still those of what it interrupts. */
  event?(vcpu: TraceSubject, event: GuestEvent): void
  /** The instruction at state.rip is about to run (one iteration of a repeated string instruction). */
  instruction?(vcpu: TraceSubject): void
  /** CR0, CR3, CR4 or EFER was loaded. */
  paging?(vcpu: TraceSubject): void
  translated?(vcpu: TraceSubject, region: TranslatedRegion): void
  /** `rip` as in TranslatedRegion; undefined: all regions. */
  dropped?(vcpu: TraceSubject, why: RegionDropped, rip: bigint | undefined): void
  flush?(vcpu: TraceSubject, what: TlbFlush, linearLow: number, linearHigh: number): void
}
