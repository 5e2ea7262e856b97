import { CR0_EM, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE } from '@entresol/x86'
import { GuestFault, NM, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { HostFunction } from './context.ts'

/** When x87, MMX, SSE and AVX instructions may run (SDM vol. 3, 2.5, 14.1; vol. 1, 13.3, 14.5.3). */
const XCR0_SSE_AVX = 6

type Unit = 'x87' | 'mmx' | 'sse' | 'avx'

/** The vector of the exception the unit's instructions raise now, undefined when they may run. */
function refusal(state: CpuState, unit: Unit): number | undefined {
  const { cr0, cr4 } = state
  if (unit === 'x87') return cr0 & (CR0_EM | CR0_TS) ? NM : undefined
  if (unit === 'avx') {
    if (!state.protectedMode || state.virtual8086) return UD
    if (!(cr4 & CR4_OSXSAVE) || (state.u32(L.XCR0) & XCR0_SSE_AVX) !== XCR0_SSE_AVX) return UD
  } else if (cr0 & CR0_EM || (unit === 'sse' && !(cr4 & CR4_OSFXSR))) return UD
  return cr0 & CR0_TS ? NM : undefined
}

export function usableUnits(state: CpuState): number {
  const bit = (unit: Unit, value: number): number => (refusal(state, unit) === undefined ? value : 0)
  return bit('x87', L.UNIT_X87) | bit('mmx', L.UNIT_MMX) | bit('sse', L.UNIT_SSE) | bit('avx', L.UNIT_AVX)
}

const refuse = (unit: Unit): HostFunction => (c) => {
  throw new GuestFault(refusal(c.state, unit) ?? UD)
}

export const UNIT_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  'require-x87': refuse('x87'), 'require-mmx': refuse('mmx'), 'require-sse': refuse('sse'), 'require-avx': refuse('avx'),
}
