import type { SegmentName, VcpuRegisters } from '@entresol/interfaces'
import type { SystemContext } from '../system/context.ts'
import { setSegment } from '../system/segments.ts'
import * as L from './layout.ts'
import type { CpuState } from './state.ts'

const NAMES: readonly SegmentName[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr']

/** Architectural registers out of the state block; CR8 is the local APIC's. */
export function readRegisters(state: CpuState, cr8: number): VcpuRegisters {
  const gpr = new BigUint64Array(16)
  for (let i = 0; i < 16; i++) gpr[i] = state.gpr(i)
  const segments = Object.fromEntries(NAMES.map((name, i) => [name, {
    selector: state.selector(i), base: state.segBase(i), limit: state.segLimit(i), attributes: state.attributes(i),
  }])) as VcpuRegisters['segments']
  return {
    gpr, rip: state.rip, rflags: BigInt(state.eflags), segments,
    gdtr: { base: state.u64(L.GDTR_BASE), limit: state.u32(L.GDTR_LIMIT) },
    idtr: { base: state.u64(L.IDTR_BASE), limit: state.u32(L.IDTR_LIMIT) },
    cr0: state.u64(L.CR0), cr2: state.u64(L.CR2), cr3: state.u64(L.CR3), cr4: state.u64(L.CR4), cr8: BigInt(cr8), efer: state.u64(L.EFER),
  }
}

/** Loads them as they are, without the checks instructions make. CPL becomes SS.DPL. */
export function writeRegisters(c: SystemContext, r: VcpuRegisters): void {
  const { state } = c
  for (let i = 0; i < 16; i++) state.setGpr(i, r.gpr[i]!)
  state.rip = r.rip
  state.eflags = Number(r.rflags & 0xffffffffn)
  NAMES.forEach((name, i) => setSegment(state, i, r.segments[name]))
  state.setU64(L.GDTR_BASE, r.gdtr.base)
  state.setU32(L.GDTR_LIMIT, r.gdtr.limit)
  state.setU64(L.IDTR_BASE, r.idtr.base)
  state.setU32(L.IDTR_LIMIT, r.idtr.limit)
  state.setU64(L.CR0, r.cr0)
  state.setU64(L.CR2, r.cr2)
  state.setU64(L.CR3, r.cr3)
  state.setU64(L.CR4, r.cr4)
  state.setU64(L.EFER, r.efer)
  c.apic.tpr = Number(r.cr8)
  const vm86 = state.flag(L.FLAG_VM)
  state.setU32(L.CPL, vm86 ? 3 : (r.cr0 & 1n) ? (r.segments.ss.attributes >> 5) & 3 : 0)
}
