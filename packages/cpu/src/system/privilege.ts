import { CR4_UMIP } from '@entresol/x86'
import { GP, GuestFault, UD } from '../memory/fault.ts'
import type { SystemContext } from './context.ts'

/** #GP(0) unless CPL is 0 (real-address mode counts as 0). */
export function requirePrivileged(c: SystemContext): void {
  if (c.state.cpl !== 0) throw new GuestFault(GP, 0)
}

/** #UD in real-address and virtual-8086 mode. */
export function requireProtected(c: SystemContext): void {
  if (!c.state.protectedMode || c.state.virtual8086) throw new GuestFault(UD)
}

/** CR4.UMIP keeps SGDT, SIDT, SLDT, SMSW and STR from user code. */
export function requireUmip(c: SystemContext): void {
  if (c.state.cr4 & CR4_UMIP && c.state.cpl !== 0) throw new GuestFault(GP, 0)
}
