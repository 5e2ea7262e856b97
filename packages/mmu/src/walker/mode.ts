import type { PagingControl } from '@entresol/interfaces'
import { CR0_PG, CR4_PAE, CR4_LA57, EFER_LME } from '@entresol/x86'

/** Paging modes by the number of levels a walk reads from memory, which is also how the walker dispatches. */
export const MODE_OFF = 0
export const MODE_32BIT = 2
export const MODE_PAE = 3
export const MODE_4LEVEL = 4
export const MODE_5LEVEL = 5

/**
 * The paging mode the control registers select (5.1.1). EFER.LME decides, not LMA: with CR0.PG set the two are equal, and a caller may
 * configure before it updates LMA.
 */
export function pagingMode(control: PagingControl): number {
  if ((control.cr0 & CR0_PG) === 0) return MODE_OFF
  if ((control.cr4 & CR4_PAE) === 0) return MODE_32BIT
  if ((control.efer & EFER_LME) === 0) return MODE_PAE
  return (control.cr4 & CR4_LA57) === 0 ? MODE_4LEVEL : MODE_5LEVEL
}

/** Bits (top-1):(bottom) of a 64-bit entry's high half, where `bottom` and `top` are bit numbers of the whole entry, 32..64. */
export function highMask(bottom: number, top: number): number {
  let mask = 0
  for (let bit = Math.max(bottom, 32); bit < top; bit++) mask |= 1 << (bit - 32)
  return mask
}
