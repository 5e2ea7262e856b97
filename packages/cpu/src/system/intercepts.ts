import type { Intercepts, VcpuEvent } from '@entresol/interfaces'
import type { Variant } from '../decode/variants.ts'
import type { HostInstruction, SystemContext } from './context.ts'

/** Decided when an instruction is decoded, so that nothing chosen costs nothing. */
export function interceptsVariant(_intercepts: Intercepts, _variant: Variant): boolean {
  return false
}

/** The event for the monitor. Faults that come before the event in priority are thrown. */
export function describeIntercept(_c: SystemContext, i: HostInstruction, _variant: Variant | undefined): VcpuEvent {
  return { kind: 'privileged', nextRip: i.nextRip }
}
