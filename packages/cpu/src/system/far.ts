import {
  TYPE_CALL_GATE, TYPE_CALL_GATE16, TYPE_TASK_GATE, TYPE_TSS16_AVAILABLE, TYPE_TSS_AVAILABLE,
} from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault, NP, TS } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import {
  dplOf, gateOffset32, gateSelector, isCode, isConforming, isDefault32, isLong, isNull, isPresent, isSegment, markAccessed,
  readDescriptor, readUpper, rplOf, segmentOf, selectorError, typeOf,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { deliverTaskFault } from './events.ts'
import { flagsLoaded } from './flags.ts'
import { finishOuter, requireTarget, returnCode, returnStack } from './iret.ts'
import { codeSegment, isCanonical, setCode } from './mode-state.ts'
import { dropPrivilegedSegments, loadRealSegment, nullSegment, setSegment, stackDescriptor } from './segments.ts'
import { currentStack, innerStack, MASK_16, MASK_32, peekFrame, pushFrame, setStackPointer, stack64, stackPointer } from './stack.ts'
import { finishTaskSwitch, switchTask } from './task-switch.ts'
import { innerStackPointer, longStackPointer } from './tss.ts'

interface FarTarget {
  readonly selector: number
  readonly offset: bigint
  readonly size: 2 | 4 | 8
  readonly nextRip: bigint
  readonly call: boolean
}

function direct(i: HostInstruction, call: boolean): FarTarget {
  const size = i.width === 16 ? 2 : 4
  const value = BigInt.asUintN(64, i.immediate)
  return { selector: Number((value >> 32n) & MASK_16), offset: value & (size === 2 ? MASK_16 : MASK_32), size, nextRip: i.nextRip, call }
}

function indirect(c: SystemContext, i: HostInstruction, call: boolean): FarTarget {
  const size = (i.width / 8) as 2 | 4 | 8
  const linear = i.linear(size + 2, false)
  const offset = c.memory.read(linear, size, 'current', i.stackSegment)
  const selector = Number(c.memory.read(linear + BigInt(size), 2, 'current', i.stackSegment))
  return { selector, offset, size, nextRip: i.nextRip, call }
}

/** JMP and CALL with far pointers, in the instruction or in memory (SDM vol. 2A, CALL and JMP). */
export const jumpFar: HostFunction = (c, i) => transfer(c, direct(i, false))
export const callFar: HostFunction = (c, i) => transfer(c, direct(i, true))
export const jumpFarMemory: HostFunction = (c, i) => transfer(c, indirect(c, i, false))
export const callFarMemory: HostFunction = (c, i) => transfer(c, indirect(c, i, true))

function transfer(c: SystemContext, target: FarTarget): number {
  const { state } = c
  let status: number = STATUS_JUMP
  if (!state.protectedMode || state.virtual8086) transferReal(c, target)
  else status = transferProtected(c, target)
  c.modeChanged()
  return status
}

function pushReturn(c: SystemContext, target: FarTarget, size: 2 | 4 | 8): void {
  const stack = currentStack(c)
  const top = pushFrame(c, stack, stackPointer(c), size, [BigInt(c.state.selector(L.SEG_CS)), target.nextRip])
  setStackPointer(c.state, top, stack.mask)
}

function transferReal(c: SystemContext, target: FarTarget): void {
  const { state } = c
  if (target.offset > BigInt(state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
  if (target.call) pushReturn(c, target, target.size)
  loadRealSegment(state, L.SEG_CS, target.selector)
  state.rip = target.offset
}

function transferProtected(c: SystemContext, target: FarTarget): number {
  const { state } = c
  const { selector } = target
  if (isNull(selector)) throw new GuestFault(GP, 0)
  const d = readDescriptor(c, selector)
  if (isSegment(d)) {
    transferCode(c, target, d)
    return STATUS_JUMP
  }
  const error = selectorError(selector)
  const type = typeOf(d)
  const call = type === TYPE_CALL_GATE || (type === TYPE_CALL_GATE16 && !state.longMode)
  const task = !state.longMode && (type === TYPE_TASK_GATE || type === TYPE_TSS_AVAILABLE || type === TYPE_TSS16_AVAILABLE)
  if (!call && !task) throw new GuestFault(GP, error)
  if (dplOf(d) < state.cpl || rplOf(selector) > dplOf(d)) throw new GuestFault(GP, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  if (call) {
    transferGate(c, target, d, type)
    return STATUS_JUMP
  }
  const tss = type === TYPE_TASK_GATE ? gateSelector(d) : selector
  const fault = switchTask(c, tss, { how: target.call ? 'call' : 'jump', returnRip: target.nextRip, errorCode: -1, setFlags: 0 })
  flagsLoaded(c)
  return finishTaskSwitch(c, fault, deliverTaskFault(c))
}

function transferCode(c: SystemContext, target: FarTarget, found: Descriptor): void {
  const { state } = c
  const { selector } = target
  const error = selectorError(selector)
  if (!isCode(found)) throw new GuestFault(GP, error)
  const allowed = isConforming(found) ? dplOf(found) <= state.cpl : rplOf(selector) <= state.cpl && dplOf(found) === state.cpl
  if (!allowed) throw new GuestFault(GP, error)
  const target64 = state.longMode && isLong(found)
  if (target64 && isDefault32(found)) throw new GuestFault(GP, error)
  if (!isPresent(found)) throw new GuestFault(NP, error)
  requireTarget(c, target.offset, found, target64)
  const d = markAccessed(c, found)
  if (target.call) pushReturn(c, target, target.size)
  setCode(c, codeSegment(c, d, selector, state.cpl), state.cpl)
  state.rip = target.offset
}

/** Call gates: vol. 3, 6.8.4. */
function transferGate(c: SystemContext, target: FarTarget, gate: Descriptor, type: number): void {
  const { state } = c
  const long = state.longMode
  const offset = long ? BigInt(gateOffset32(gate)) | (BigInt(readUpper(c, gate)) << 32n)
    : type === TYPE_CALL_GATE16 ? BigInt(gate.low & 0xffff) : BigInt(gateOffset32(gate))
  const selector = gateSelector(gate)
  const error = selectorError(selector)
  if (isNull(selector)) throw new GuestFault(GP, 0)
  const found = readDescriptor(c, selector)
  if (!isCode(found) || dplOf(found) > state.cpl) throw new GuestFault(GP, error)
  if (long && (!isLong(found) || isDefault32(found))) throw new GuestFault(GP, error)
  const inner = !isConforming(found) && dplOf(found) < state.cpl
  if (inner && !target.call) throw new GuestFault(GP, error)
  if (!isPresent(found)) throw new GuestFault(NP, error)
  const size = long ? 8 : type === TYPE_CALL_GATE16 ? 2 : 4
  if (inner) {
    callInner(c, target, found, selector, offset, size, gate.high & 0x1f)
    return
  }
  requireTarget(c, offset, found, long)
  const d = markAccessed(c, found)
  if (target.call) pushReturn(c, target, size)
  setCode(c, codeSegment(c, d, selector, state.cpl), state.cpl)
  state.rip = offset
}

function callInner(
  c: SystemContext, target: FarTarget, found: Descriptor, selector: number, offset: bigint, size: 2 | 4 | 8, parameters: number,
): void {
  const { state } = c
  const cpl = dplOf(found)
  const oldStack = [BigInt(state.selector(L.SEG_SS)), state.gpr(4)]
  const back = [BigInt(state.selector(L.SEG_CS)), target.nextRip]
  if (size === 8) {
    const from = longStackPointer(c, cpl, 0)
    if (!isCanonical(c, offset)) throw new GuestFault(GP, 0)
    const d = markAccessed(c, found)
    const top = pushFrame(c, stack64('supervisor'), from, 8, [...oldStack, ...back])
    state.setGpr(4, top)
    setSegment(state, L.SEG_SS, nullSegment(cpl, cpl))
    setCode(c, codeSegment(c, d, selector, cpl), cpl)
    state.rip = offset
    return
  }
  const inner = innerStackPointer(c, cpl)
  if (isNull(inner.selector)) throw new GuestFault(TS, 0)
  const ss = stackDescriptor(c, inner.selector, cpl, TS)
  const view = innerStack(segmentOf(ss, inner.selector), selectorError(inner.selector), 'supervisor')
  requireTarget(c, offset, found, false)
  // The parameters, topmost pushed last.
  const copied = parameters ? peekFrame(c, currentStack(c), stackPointer(c), size, parameters).reverse() : []
  const top = pushFrame(c, view, inner.pointer & view.mask, size, [...oldStack, ...copied, ...back])
  const d = markAccessed(c, found)
  setSegment(state, L.SEG_SS, segmentOf(markAccessed(c, ss), inner.selector))
  setStackPointer(state, inner.pointer, MASK_32)
  setStackPointer(state, top, view.mask)
  setCode(c, codeSegment(c, d, selector, cpl), cpl)
  state.rip = offset
}

/** RET far, with or without bytes to release (SDM vol. 2B, RET). */
export const retFar: HostFunction = (c, i) => returnFar(c, i, 0)
export const retFarImmediate: HostFunction = (c, i) => returnFar(c, i, Number(i.immediate & MASK_16))

function returnFar(c: SystemContext, i: HostInstruction, release: number): number {
  const { state } = c
  const size = (i.width / 8) as 2 | 4 | 8
  const stack = currentStack(c)
  const sp = stackPointer(c)
  const [rip, csValue] = peekFrame(c, stack, sp, size, 2) as [bigint, bigint]
  const selector = Number(csValue & MASK_16)
  const after = (sp + BigInt(2 * size + release)) & stack.mask
  if (!state.protectedMode || state.virtual8086) {
    if (rip > BigInt(state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
    setStackPointer(state, after, stack.mask)
    loadRealSegment(state, L.SEG_CS, selector)
    state.rip = rip
  } else {
    const found = returnCode(c, selector)
    const rpl = rplOf(selector)
    const target64 = state.longMode && isLong(found)
    if (rpl === state.cpl) {
      requireTarget(c, rip, found, target64)
      const d = markAccessed(c, found)
      setStackPointer(state, after, stack.mask)
      setCode(c, codeSegment(c, d, selector, rpl), rpl)
      state.rip = rip
    } else {
      const [rsp, ssValue] = peekFrame(c, stack, after, size, 2) as [bigint, bigint]
      const ss = returnStack(c, Number(ssValue & MASK_16), rpl, target64)
      requireTarget(c, rip, found, target64)
      const d = markAccessed(c, found)
      finishOuter(c, codeSegment(c, d, selector, rpl), rpl, rip, ss, rsp + BigInt(release), size, target64)
      dropPrivilegedSegments(state)
    }
  }
  c.modeChanged()
  return STATUS_JUMP
}
