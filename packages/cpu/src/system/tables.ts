import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'

// Descriptor tables and the TSS as numbers, where the TLB knows them: what is not there is for descriptors.ts and tss.ts, which know the faults.

/** Machine address of supervisor data the TLB knows, within one page and aligned for 32-bit loads; -1. */
export function supervisor(c: SystemContext, low: number, high: number, bytes: number, write: boolean): number {
  if ((low & 0xfff) + bytes > 0x1000 || low & 3) return -1
  return c.tlb.find(L.TLB_SUPERVISOR, low, high, write)
}

/** Machine address of a field of a descriptor table or the TSS; -1: not in the TLB, beyond the limit, or at a place addition would have to carry to. */
export function tableEntry(c: SystemContext, base: number, limit: number, offset: number, bytes: number): number {
  const { state } = c
  const low = state.u32(base) + offset
  if (offset + bytes - 1 > state.u32(limit) || low > 0xffffffff) return -1
  return supervisor(c, low, state.u32(base + 4), bytes, false)
}

/** A descriptor of the GDT. */
export const gdtEntry = (c: SystemContext, selector: number): number => (selector & 4 ? -1 : tableEntry(c, L.GDTR_BASE, L.GDTR_LIMIT, selector & 0xfff8, 8))

/** Fields of a descriptor by its halves (SDM vol. 3, figure 3-8), attributes in the SVM VMCB layout. */
export const attributesOfHigh = (high: number): number => ((high >>> 8) & 0xff) | ((high >>> 12) & 0xf00)
export const baseOfHalves = (low: number, high: number): number => ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0
export const limitOfHalves = (low: number, high: number): number => {
  const limit = (low & 0xffff) | (high & 0xf0000)
  return high & 0x800000 ? ((limit << 12) | 0xfff) >>> 0 : limit
}
