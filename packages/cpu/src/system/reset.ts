import { CR0_CD, CR0_ET, CR0_NW, DR6_FIXED, DR7_FIXED } from '@entresol/x86'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import { resetMsrs } from './msr-state.ts'
import { setSegment } from './segments.ts'

/** Attributes after reset: present, writable, accessed; LDT and busy 16-bit TSS (SDM vol. 3, table 10-1). */
const DATA = 0x93
const CODE = 0x9b
const LDT = 0x82
const TSS = 0x8b

/** Power-on, INIT, or the start at page `how` of a SIPI (SDM vol. 3, table 10-1). */
export function resetState(c: SystemContext, how: 'power-on' | 'init' | number): void {
  const { state } = c
  if (typeof how === 'number') {
    // Vector VV starts at VV000H in real mode (9.4.3).
    setSegment(state, L.SEG_CS, { selector: how << 8, base: BigInt(how) << 12n, limit: 0xffff, attributes: CODE })
    state.rip = 0n
    return
  }
  for (let i = 0; i < 16; i++) state.setGpr(i, 0n)
  // Family, model and stepping.
  state.setGpr(2, BigInt(c.model.cpuid(1, 0)[0]))
  state.rip = 0xfff0n
  state.eflags = 2
  for (let i = 0; i < 6; i++) {
    if (i === L.SEG_CS) setSegment(state, i, { selector: 0xf000, base: 0xffff0000n, limit: 0xffff, attributes: CODE })
    else setSegment(state, i, { selector: 0, base: 0n, limit: 0xffff, attributes: DATA })
  }
  setSegment(state, L.SEG_LDTR, { selector: 0, base: 0n, limit: 0xffff, attributes: LDT })
  setSegment(state, L.SEG_TR, { selector: 0, base: 0n, limit: 0xffff, attributes: TSS })
  for (const [base, limit] of [[L.GDTR_BASE, L.GDTR_LIMIT], [L.IDTR_BASE, L.IDTR_LIMIT]] as const) {
    state.setU64(base, 0n)
    state.setU32(limit, 0xffff)
  }
  // INIT keeps CD and NW.
  const cache = how === 'init' ? state.cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW
  state.setU64(L.CR0, BigInt((CR0_ET | cache) >>> 0))
  for (const register of [L.CR2, L.CR3, L.CR4, L.CR8, L.EFER]) state.setU64(register, 0n)
  for (let i = 0; i < 8; i++) state.setU64(L.DR + i * 8, 0n)
  state.setU64(L.DR + 6 * 8, BigInt(DR6_FIXED))
  state.setU64(L.DR + 7 * 8, BigInt(DR7_FIXED))
  state.setU32(L.CPL, 0)
  if (how === 'init') return
  for (const register of [
    L.STAR, L.LSTAR, L.CSTAR, L.SFMASK, L.KERNEL_GS_BASE, L.SYSENTER_CS, L.SYSENTER_ESP, L.SYSENTER_EIP, L.TSC_AUX,
  ]) state.setU64(register, 0n)
  state.setU64(L.XCR0, 1n)
  for (let offset = L.YMM; offset < L.MXCSR; offset += 8) state.setU64(offset, 0n)
  state.setU32(L.MXCSR, 0x1f80)
  resetFpu(c)
  resetMsrs(c)
}

/** x87 at power-on: FCW 0040H, every register +0.0 and its tag 5555H (zero, so not empty). */
function resetFpu({ state }: SystemContext): void {
  state.setU32(L.FPU_CONTROL, 0x40)
  for (const field of [L.FPU_STATUS, L.FPU_TOP, L.FPU_EMPTY, L.FPU_OPCODE, L.FPU_CS, L.FPU_DS]) state.setU32(field, 0)
  state.setU64(L.FPU_IP, 0n)
  state.setU64(L.FPU_DP, 0n)
  for (let offset = 0; offset < 128; offset += 8) state.setU64(L.FPU_REGISTERS + offset, 0n)
}
