import type { PagingControl } from '@entresol/interfaces'
import { CR0_AM } from '@entresol/x86'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'

/** CODE_MODE from CS and long mode (SDM vol. 3, 3.4.5 and 6.2.1). */
export function codeMode(state: CpuState): number {
  if (!state.protectedMode || state.virtual8086) return L.MODE_16
  const attributes = state.attributes(L.SEG_CS)
  if (state.longMode && attributes & 0x200) return L.MODE_64
  if (!(attributes & 0x400)) return L.MODE_16
  return L.MODE_32 | (isFlat(state) ? L.MODE_FLAT : 0)
}

/** CS, SS, DS and ES cover the 4 GiB from 0, and rSP is ESP. */
function isFlat(state: CpuState): boolean {
  const data = [L.SEG_SS, L.SEG_DS, L.SEG_ES].every((index) => (state.u32(L.segment(index) + L.SEG_PERMISSIONS) & L.SEG_FLAT) !== 0)
  return data && (state.attributes(L.SEG_SS) & 0x400) !== 0 && state.segBase(L.SEG_CS) === 0n && state.segLimit(L.SEG_CS) === 0xffffffff
}

/** Which TLB set explicit data accesses use. SMAP applies to supervisor accesses while EFLAGS.AC is 0, alignment checks (with CR0.AM) to user ones while it is 1. */
export function privilegeSet(state: CpuState): number {
  if (state.cpl === 3) return state.flag(L.FLAG_AC) && state.cr0 & CR0_AM ? L.TLB_USER_ALIGNED : L.TLB_USER
  return state.flag(L.FLAG_AC) ? L.TLB_SUPERVISOR_AC : L.TLB_SUPERVISOR
}

export function stackMask(state: CpuState): bigint {
  if ((state.u32(L.CODE_MODE) & L.MODE_SIZE) === L.MODE_64) return 0xffffffffffffffffn
  return state.attributes(L.SEG_SS) & 0x400 ? 0xffffffffn : 0xffffn
}

export function pagingControl(state: CpuState, physicalAddressBits: number): PagingControl {
  return {
    cr0: state.cr0, cr3Low: state.u32(L.CR3), cr3High: state.u32(L.CR3 + 4), cr4: state.cr4, efer: state.efer, physicalAddressBits,
  }
}
