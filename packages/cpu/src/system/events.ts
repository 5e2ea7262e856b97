import type { SystemContext } from './context.ts'

/** What to deliver through the IDT or IVT. */
export interface GuestEvent {
  readonly vector: number
  /** -1: none. */
  readonly errorCode: number
  readonly kind: 'fault' | 'interrupt' | 'nmi' | 'software' | 'software-breakpoint' | 'icebp'
  /** RIP to push: of the instruction (faults) or behind it. */
  readonly returnRip: bigint
}

/**
 * Delivers an event: pushes the frame, loads CS:RIP, in the mode the CPU is in. Faults met on the way become double and triple faults
 * (SDM vol. 3, 7.8). Returns false on a triple fault (shutdown).
 */
export function deliverEvent(_c: SystemContext, _event: GuestEvent): boolean {
  return false
}
