import { CR4_VME } from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault, NP } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, SystemContext } from './context.ts'
import {
  dplOf, isCode, isConforming, isDefault32, isLong, isNull, isPresent, limitOf, markAccessed, readDescriptor, rplOf, segmentOf, selectorError,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { deliverTaskFault } from './events.ts'
import { changeableFlags, flagsLoaded, flagsWith } from './flags.ts'
import { returnLong } from './long-mode.ts'
import { codeSegment, isCanonical, setCode } from './mode-state.ts'
import { dropPrivilegedSegments, loadRealSegment, nullSegment, setSegment, stackDescriptor } from './segments.ts'
import { currentStack, MASK_16, MASK_32, peekFrame, setStackPointer, stackPointer } from './stack.ts'
import { finishTaskSwitch, switchTask } from './task-switch.ts'
import { readTss } from './tss.ts'

/** IRET, IRETD, IRETQ (SDM vol. 2A). NMIs are unblocked even if it faults (vol. 3, 7.7.1). */
export const iret: HostFunction = (c, i) => {
  const { state } = c
  c.nmiDone()
  const size = (i.width / 8) as 2 | 4 | 8
  if (!state.protectedMode) iretReal(c, size)
  else if (state.virtual8086) iretV86(c, size)
  else if (!state.longMode && state.flag(L.FLAG_NT)) return iretTask(c, i.nextRip)
  else if (size !== 8 || !returnLong(c)) iretProtected(c, size)
  flagsLoaded(c)
  return STATUS_JUMP
}

/** Back link of the current TSS (9.4). */
function iretTask(c: SystemContext, nextRip: bigint): number {
  const fault = switchTask(c, Number(readTss(c, 0, 2)), { how: 'iret', returnRip: nextRip, errorCode: -1, setFlags: 0 })
  flagsLoaded(c)
  return finishTaskSwitch(c, fault, deliverTaskFault(c))
}

function popThree(c: SystemContext, size: 2 | 4 | 8, count = 3): bigint[] {
  return peekFrame(c, currentStack(c), stackPointer(c), size, count)
}

function drop(c: SystemContext, bytes: number): void {
  const mask = c.state.u64(L.STACK_MASK)
  setStackPointer(c.state, (c.state.gpr(4) + BigInt(bytes)) & mask, mask)
}

function iretReal(c: SystemContext, size: 2 | 4 | 8): void {
  const { state } = c
  const [rip, cs, flags] = popThree(c, size) as [bigint, bigint, bigint]
  if (rip > BigInt(state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
  drop(c, 3 * size)
  loadRealSegment(state, L.SEG_CS, Number(cs & MASK_16))
  state.rip = rip
  // VM, VIF and VIP stay as they are.
  state.eflags = flagsWith(state.eflags, Number(flags & MASK_32), size === 2 ? 0x7fd5 : 0x257fd5)
  c.modeChanged()
}

/** 21.2.5 and 21.3: with IOPL 3 as in real mode, else #GP unless VME keeps the interrupt flag in VIF. */
function iretV86(c: SystemContext, size: 2 | 4 | 8): void {
  const { state } = c
  const vme = (state.cr4 & CR4_VME) !== 0
  if (state.iopl < 3 && !(vme && size === 2)) throw new GuestFault(GP, 0)
  const [rip, cs, flags] = popThree(c, size) as [bigint, bigint, bigint]
  if (rip > 0xffffn) throw new GuestFault(GP, 0)
  const image = Number(flags & MASK_32)
  let mask = size === 2 ? 0x4fd5 | L.FLAG_IF : 0x254fd5 | L.FLAG_IF
  let value = image
  if (state.iopl < 3) {
    // Setting the virtual interrupt flag while an interrupt is pending, or TF, is for the monitor.
    if ((image & L.FLAG_IF && state.flag(L.FLAG_VIP)) || image & L.FLAG_TF) throw new GuestFault(GP, 0)
    mask = (mask & ~L.FLAG_IF) | L.FLAG_VIF
    value = image & L.FLAG_IF ? image | L.FLAG_VIF : image & ~L.FLAG_VIF
  }
  drop(c, 3 * size)
  loadRealSegment(state, L.SEG_CS, Number(cs & MASK_16))
  state.rip = rip
  state.eflags = flagsWith(state.eflags, value, mask)
  c.modeChanged()
}

function iretProtected(c: SystemContext, size: 2 | 4 | 8): void {
  const { state } = c
  if (state.longMode && state.flag(L.FLAG_NT)) throw new GuestFault(GP, 0)
  const was64 = state.mode64
  // 64-bit mode pops five always.
  const frame = popThree(c, size, was64 ? 5 : 3)
  const [rip, csValue, flagsValue] = frame as [bigint, bigint, bigint]
  const flags = Number(flagsValue & MASK_32)
  if (!state.longMode && size === 4 && flags & L.FLAG_VM && state.cpl === 0) {
    iretToV86(c, rip, Number(csValue & MASK_16), flags)
    return
  }
  const selector = Number(csValue & MASK_16)
  const d = returnCode(c, selector)
  const rpl = rplOf(selector)
  const outer = rpl > state.cpl
  const target64 = state.longMode && isLong(d)
  let mask = changeableFlags(c, size)
  if (size !== 2 && state.cpl === 0) mask |= L.FLAG_VIF | L.FLAG_VIP
  if (outer || was64) {
    const [, , , rsp, ssValue] = (was64 ? frame : popThree(c, size, 5)) as [bigint, bigint, bigint, bigint, bigint]
    const ss = returnStack(c, Number(ssValue & MASK_16), rpl, target64)
    requireTarget(c, rip, d, target64)
    const code = codeSegment(c, markAccessed(c, d), selector, rpl)
    finishOuter(c, code, rpl, rip, ss, rsp, size, target64)
    state.eflags = flagsWith(state.eflags, flags, mask)
    if (outer) dropPrivilegedSegments(state)
  } else {
    requireTarget(c, rip, d, target64)
    const code = codeSegment(c, markAccessed(c, d), selector, state.cpl)
    drop(c, 3 * size)
    setCode(c, code, state.cpl)
    state.rip = rip
    state.eflags = flagsWith(state.eflags, flags, mask)
  }
  c.modeChanged()
}

function iretToV86(c: SystemContext, rip: bigint, cs: number, flags: number): void {
  const { state } = c
  const frame = popThree(c, 4, 9)
  if (rip > 0xffffn) throw new GuestFault(GP, 0)
  state.eflags = flags
  const at = (n: number): number => Number(frame[n]! & MASK_16)
  loadRealSegment(state, L.SEG_CS, cs)
  loadRealSegment(state, L.SEG_SS, at(4))
  loadRealSegment(state, L.SEG_ES, at(5))
  loadRealSegment(state, L.SEG_DS, at(6))
  loadRealSegment(state, L.SEG_FS, at(7))
  loadRealSegment(state, L.SEG_GS, at(8))
  state.setGpr(4, frame[3]!)
  state.rip = rip & MASK_16
  state.setU32(L.CPL, 3)
  c.modeChanged()
}

/** Checks the CS selector of a far return (SDM vol. 2, RET and IRET). */
export function returnCode(c: SystemContext, selector: number): Descriptor {
  if (isNull(selector)) throw new GuestFault(GP, 0)
  const error = selectorError(selector)
  const d = readDescriptor(c, selector)
  const rpl = rplOf(selector)
  if (!isCode(d) || rpl < c.state.cpl) throw new GuestFault(GP, error)
  if (isConforming(d) ? dplOf(d) > rpl : dplOf(d) !== rpl) throw new GuestFault(GP, error)
  if (c.state.longMode && isLong(d) && isDefault32(d)) throw new GuestFault(GP, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  return d
}

/** Checks SS of a return to privilege `rpl`; null is for 64-bit code below CPL 3. */
export function returnStack(c: SystemContext, selector: number, rpl: number, target64: boolean): Descriptor | number {
  if (isNull(selector)) {
    if (!target64 || rpl === 3 || rplOf(selector) !== rpl) throw new GuestFault(GP, 0)
    return selector
  }
  return stackDescriptor(c, selector, rpl)
}

export function requireTarget(c: SystemContext, rip: bigint, d: Descriptor, target64: boolean): void {
  if (target64 ? !isCanonical(c, rip) : rip > BigInt(limitOf(d))) throw new GuestFault(GP, 0)
}

/** Loads CS:RIP and SS:RSP of an outer level (or of IRETQ's own). */
export function finishOuter(
  c: SystemContext, code: ReturnType<typeof codeSegment>, rpl: number, rip: bigint, ss: Descriptor | number, rsp: bigint, size: 2 | 4 | 8,
  target64: boolean,
): void {
  const { state } = c
  if (typeof ss === 'number') setSegment(state, L.SEG_SS, nullSegment(ss, rpl))
  else setSegment(state, L.SEG_SS, segmentOf(markAccessed(c, ss), ss.selector))
  setCode(c, code, rpl)
  state.rip = rip
  if (target64) state.setGpr(4, size === 2 ? (state.gpr(4) & ~MASK_16) | rsp : rsp)
  else if (size === 2 || !(state.attributes(L.SEG_SS) & 0x400)) setStackPointer(state, rsp, MASK_16)
  else setStackPointer(state, rsp, MASK_32)
}
