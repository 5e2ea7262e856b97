import { PAT_RESET } from '@entresol/x86'
import { SYSTEM } from '../state/layout.ts'
import type { SystemContext } from './context.ts'

/** State-block offsets of registers only WRMSR and RDMSR touch. 8 bytes each. */
export const PAT: number = SYSTEM + 0x00
export const TSC_ADJUST: number = SYSTEM + 0x08
export const MISC_ENABLE: number = SYSTEM + 0x10
export const MCG_STATUS: number = SYSTEM + 0x18
export const MTRR_DEF_TYPE: number = SYSTEM + 0x20
export const DEBUGCTL: number = SYSTEM + 0x28
export const SPEC_CTRL: number = SYSTEM + 0x30
/** IA32_MTRR_FIXED in order. */
export const MTRR_FIXED: number = SYSTEM + 0x40
/** PHYSBASE and PHYSMASK of each pair. */
export const MTRR_VARIABLE: number = SYSTEM + 0xa0
export const MTRR_VARIABLE_COUNT = 8
/** CTL, STATUS, ADDR, MISC of each bank. */
export const MC_BANKS: number = SYSTEM + 0x120
export const MC_BANK_COUNT = 4
/** MONITOR: nonzero while armed, linear address of the line, and the line as it was then. */
export const MONITOR_ARMED: number = SYSTEM + 0x200
export const MONITOR_LINE: number = SYSTEM + 0x208
export const MONITOR_COPY: number = SYSTEM + 0x240
export const MONITOR_BYTES = 64

/** Fast strings, and no branch trace storage or PEBS (SDM vol. 4, IA32_MISC_ENABLE). */
const MISC_ENABLE_RESET = 0x1801n

export function resetMsrs({ state }: SystemContext): void {
  for (let offset = SYSTEM; offset < MC_BANKS + MC_BANK_COUNT * 32; offset += 8) state.setU64(offset, 0n)
  state.setU32(MONITOR_ARMED, 0)
  state.setU64(PAT, PAT_RESET)
  state.setU64(MISC_ENABLE, MISC_ENABLE_RESET)
  for (let i = 0; i < MC_BANK_COUNT; i++) state.setU64(MC_BANKS + i * 32, 0xffffffffffffffffn)
}
