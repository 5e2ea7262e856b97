import { EFER_SCE } from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, SystemContext } from './context.ts'
import { setCode } from './mode-state.ts'
import { isCanonical } from './mode-state.ts'
import { setSegment } from './segments.ts'
import { flagsWith } from './flags.ts'

/** Attributes of the flat segments these instructions load without looking at descriptors (SDM vol. 2B, SYSCALL). */
const CODE64 = 0xa9b
const CODE32 = 0xc9b
const DATA = 0xc93
const FLAT = { base: 0n, limit: 0xffffffff }
const dpl = (level: number): number => level << 5

/** Which vendor's rules hold: Intel has SYSCALL in 64-bit mode only, AMD has no SYSENTER in long mode. */
const isAmd = (c: SystemContext): boolean => c.model.vendor === 'AuthenticAMD'

function loadFlat(c: SystemContext, code: number, codeAttributes: number, stack: number, level: number): void {
  setCode(c, { ...FLAT, selector: (code & 0xfffc) | level, attributes: codeAttributes | dpl(level) }, level)
  setSegment(c.state, L.SEG_SS, { ...FLAT, selector: (stack & 0xffff), attributes: DATA | dpl(level) })
}

export const syscall: HostFunction = (c, i) => {
  const { state } = c
  if (!(state.efer & EFER_SCE) || (!isAmd(c) && !state.mode64)) throw new GuestFault(UD)
  const selector = state.u32(L.STAR + 4) & 0xffff
  state.setGpr(1, i.nextRip)
  if (state.longMode) {
    const flags = state.eflags
    state.setGpr(11, BigInt((flags & ~L.FLAG_RF) >>> 0))
    state.rip = state.u64(state.mode64 ? L.LSTAR : L.CSTAR)
    state.eflags = (flags & ~(state.u32(L.SFMASK) | L.FLAG_RF)) >>> 0
    loadFlat(c, selector & 0xfffc, CODE64, (selector & 0xfffc) + 8, 0)
  } else {
    state.rip = BigInt(state.u32(L.STAR))
    state.setFlag(L.FLAG_IF | L.FLAG_RF | L.FLAG_VM, false)
    loadFlat(c, selector & 0xfffc, CODE32, (selector & 0xfffc) + 8, 0)
  }
  c.modeChanged()
  if (!state.flag(L.FLAG_TF)) c.suppressStep()
  return STATUS_JUMP
}

export const sysret: HostFunction = (c, i) => {
  const { state } = c
  if (!(state.efer & EFER_SCE) || (!isAmd(c) && !state.mode64)) throw new GuestFault(UD)
  if (!state.protectedMode || state.cpl !== 0) throw new GuestFault(GP, 0)
  const selector = state.u32(L.STAR + 4) >>> 16
  if (state.longMode) {
    const wide = i.width === 64
    const rip = wide ? state.gpr(1) : state.gpr(1) & 0xffffffffn
    if (wide && !isCanonical(c, rip)) throw new GuestFault(GP, 0)
    // R11 with RF and VM cleared, reserved bits fixed.
    state.eflags = Number(state.gpr(11) & 0x3c7fd7n) | 2
    state.rip = rip
    loadFlat(c, wide ? selector + 16 : selector, wide ? CODE64 : CODE32, (selector + 8) | 3, 3)
  } else {
    state.rip = state.gpr(1) & 0xffffffffn
    state.setFlag(L.FLAG_IF, true)
    loadFlat(c, selector, CODE32, (selector + 8) | 3, 3)
  }
  c.modeChanged()
  c.interruptsMayFlow()
  if (state.flag(L.FLAG_TF)) c.debugChanged()
  return STATUS_JUMP
}

export const sysenter: HostFunction = (c) => {
  const { state } = c
  if (isAmd(c) && state.longMode) throw new GuestFault(UD)
  const selector = state.u32(L.SYSENTER_CS)
  if (!state.protectedMode || (selector & 0xfffc) === 0) throw new GuestFault(GP, 0)
  const long = state.longMode
  state.eflags = flagsWith(state.eflags, 0, L.FLAG_VM | L.FLAG_IF | L.FLAG_RF)
  const width = long ? 64 : 32
  state.setGpr(4, BigInt.asUintN(width, state.u64(L.SYSENTER_ESP)))
  state.rip = BigInt.asUintN(width, state.u64(L.SYSENTER_EIP))
  loadFlat(c, selector & 0xfffc, long ? CODE64 : CODE32, (selector & 0xfffc) + 8, 0)
  c.modeChanged()
  return STATUS_JUMP
}

export const sysexit: HostFunction = (c, i) => {
  const { state } = c
  if (isAmd(c) && state.longMode) throw new GuestFault(UD)
  const selector = state.u32(L.SYSENTER_CS)
  if ((selector & 0xfffc) === 0 || !state.protectedMode || state.cpl !== 0) throw new GuestFault(GP, 0)
  const wide = i.width === 64
  const [rip, rsp] = [state.gpr(2), state.gpr(1)]
  if (wide && (!isCanonical(c, rip) || !isCanonical(c, rsp))) throw new GuestFault(GP, 0)
  const width = wide ? 64 : 32
  state.setGpr(4, BigInt.asUintN(width, rsp))
  state.rip = BigInt.asUintN(width, rip)
  const code = selector + (wide ? 32 : 16)
  loadFlat(c, code, wide ? CODE64 : CODE32, ((code & 0xfffc) + 8) | 3, 3)
  c.modeChanged()
  return STATUS_JUMP
}
