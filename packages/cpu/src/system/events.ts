import { TYPE_INTERRUPT_GATE, TYPE_INTERRUPT_GATE16, TYPE_TASK_GATE, TYPE_TRAP_GATE, TYPE_TRAP_GATE16 } from '@entresol/x86'
import { DB, DF, GP, GuestFault, NP, PF, TS } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import {
  dplOf, gateOffset32, gateSelector, isCode, isConforming, isDefault32, isLong, isNull, isPresent, markAccessed, maskLinear,
  readDescriptor, segmentOf, selectorError,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { codeSegment, isCanonical, setCode } from './mode-state.ts'
import { loadRealSegment, nullSegment, setSegment, stackDescriptor } from './segments.ts'
import { currentStack, innerStack, pushFrame, setStackPointer, stack64, stackPointer } from './stack.ts'
import { switchTask, TaskFault } from './task-switch.ts'
import { innerStackPointer, longStackPointer } from './tss.ts'

/** What to deliver through the IDT or IVT. */
export interface GuestEvent {
  readonly vector: number
  /** -1: none. */
  readonly errorCode: number
  /** 'trap': #DB after an instruction or from an instruction breakpoint; its RF is not forced in the image pushed. */
  readonly kind: 'fault' | 'trap' | 'interrupt' | 'nmi' | 'software' | 'software-breakpoint' | 'icebp'
  /** RIP to push: of the instruction (faults) or behind it. */
  readonly returnRip: bigint
}

const isSoftware = (event: GuestEvent): boolean => event.kind === 'software' || event.kind === 'software-breakpoint'

/** SDM vol. 3, table 7-4: 1 contributory, 2 page fault. */
function severity(vector: number): 0 | 1 | 2 {
  if (vector === PF) return 2
  return vector === 0 || (vector >= TS && vector <= GP) ? 1 : 0
}

/**
 * Delivers an event: pushes the frame, loads CS:RIP, in the mode the CPU is in. Faults met on the way become double and triple faults
 * (SDM vol. 3, 7.8). Returns false on a triple fault (shutdown).
 */
export function deliverEvent(c: SystemContext, event: GuestEvent): boolean {
  let current = event
  for (;;) {
    try {
      deliverOnce(c, current)
      return true
    } catch (thrown) {
      if (!(thrown instanceof GuestFault)) throw thrown
      if (current.vector === DF && current.kind === 'fault') return false
      const first = current.kind === 'fault' ? severity(current.vector) : 0
      const second = severity(thrown.vector)
      const double = (first === 1 && second === 1) || (first === 2 && second !== 0)
      const returnRip = c.state.rip
      current = double ? { vector: DF, errorCode: 0, kind: 'fault', returnRip }
        : { vector: thrown.vector, errorCode: thrown.errorCode, kind: 'fault', returnRip }
    }
  }
}

/** One attempt. Throws the fault met on the way, with EXT set unless a software interrupt is delivered; nothing has changed then. */
export function deliverOnce(c: SystemContext, event: GuestEvent): void {
  c.trace?.event?.(c, event)
  try {
    if (!c.state.protectedMode) deliverReal(c, event)
    else deliverProtected(c, event)
  } catch (thrown) {
    if (thrown instanceof GuestFault && thrown.vector >= TS && thrown.vector <= GP && !isSoftware(event)) {
      throw new GuestFault(thrown.vector, thrown.errorCode | 1)
    }
    throw thrown
  }
}

/** EFLAGS to push: fault-class exceptions set RF (18.3.1.1). */
function flagsImage(c: SystemContext, event: GuestEvent): bigint {
  const flags = c.state.eflags
  return BigInt(event.kind === 'fault' && event.vector !== DF ? (flags | L.FLAG_RF) >>> 0 : flags)
}

/** Real-address mode: IVT of far pointers, no error codes (SDM vol. 3, 21.1.4). */
function deliverReal(c: SystemContext, event: GuestEvent): void {
  const { state } = c
  const entry = event.vector * 4
  if (entry + 3 > state.u32(L.IDTR_LIMIT)) throw new GuestFault(GP, event.vector * 8 + 2)
  const pointer = Number(c.memory.read(maskLinear(c, state.u64(L.IDTR_BASE) + BigInt(entry)), 4, 'supervisor'))
  interruptReal(c, pointer, BigInt(state.eflags), event.returnRip)
  state.setFlag(L.FLAG_IF | L.FLAG_TF | L.FLAG_AC | L.FLAG_RF, false)
  c.modeChanged()
}

/** Pushes FLAGS, CS, IP and goes to a real-mode vector. */
export function interruptReal(c: SystemContext, pointer: number, flags: bigint, returnRip: bigint): void {
  const { state } = c
  const stack = currentStack(c)
  const top = pushFrame(c, stack, stackPointer(c), 2, [flags, BigInt(state.selector(L.SEG_CS)), returnRip])
  setStackPointer(state, top, stack.mask)
  loadRealSegment(state, L.SEG_CS, pointer >>> 16)
  state.rip = BigInt(pointer & 0xffff)
}

interface Gate {
  readonly selector: number
  readonly offset: bigint
  /** Slot size of the frame in bytes. */
  readonly size: 2 | 4 | 8
  readonly interrupt: boolean
  readonly ist: number
}

function deliverProtected(c: SystemContext, event: GuestEvent): void {
  const { state } = c
  const long = state.longMode
  const entryBytes = long ? 16 : 8
  const entry = event.vector * entryBytes
  const idtError = event.vector * 8 + 2
  if (entry + entryBytes - 1 > state.u32(L.IDTR_LIMIT)) throw new GuestFault(GP, idtError)
  const linear = maskLinear(c, state.u64(L.IDTR_BASE) + BigInt(entry))
  const raw = c.memory.read(linear, 8, 'supervisor')
  const d: Descriptor = { selector: 0, linear, low: Number(raw & 0xffffffffn), high: Number(raw >> 32n) }
  const type = (d.high >>> 8) & 0x1f
  const legal = long
    ? type === TYPE_INTERRUPT_GATE || type === TYPE_TRAP_GATE
    : type === TYPE_TASK_GATE || type === TYPE_INTERRUPT_GATE || type === TYPE_TRAP_GATE || type === TYPE_INTERRUPT_GATE16 || type === TYPE_TRAP_GATE16
  if (!legal) throw new GuestFault(GP, idtError)
  if (isSoftware(event) && dplOf(d) < state.cpl) throw new GuestFault(GP, idtError)
  if (!isPresent(d)) throw new GuestFault(NP, idtError)
  if (type === TYPE_TASK_GATE) {
    deliverTask(c, event, gateSelector(d))
    return
  }
  const upper = long ? c.memory.read(maskLinear(c, linear + 8n), 4, 'supervisor') : 0n
  deliverGate(c, event, {
    selector: gateSelector(d),
    offset: type < 8 ? BigInt(d.low & 0xffff) : BigInt(gateOffset32(d)) | (upper << 32n),
    size: long ? 8 : type < 8 ? 2 : 4,
    interrupt: (type & 1) === 0,
    ist: long ? d.high & 7 : 0,
  })
}

/** 7.12.2: a task gate; the new task gets the error code on its stack. */
function deliverTask(c: SystemContext, event: GuestEvent, selector: number): void {
  const flags = event.kind === 'fault' ? L.FLAG_RF : 0
  const fault = switchTask(c, selector, { how: 'interrupt', returnRip: event.returnRip, errorCode: event.errorCode, setFlags: flags })
  if (fault) throw new TaskFault(fault.vector, fault.errorCode)
}

function deliverGate(c: SystemContext, event: GuestEvent, gate: Gate): void {
  const { state } = c
  if (isNull(gate.selector)) throw new GuestFault(GP, 0)
  let d = readDescriptor(c, gate.selector)
  const error = selectorError(gate.selector)
  const long = gate.size === 8
  if (!isCode(d) || dplOf(d) > state.cpl) throw new GuestFault(GP, error)
  if (long && (!isLong(d) || isDefault32(d))) throw new GuestFault(GP, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  const v86 = state.virtual8086
  const inner = !isConforming(d) && dplOf(d) < state.cpl
  if (v86 && (!inner || dplOf(d) !== 0)) throw new GuestFault(GP, error)
  const cpl = inner ? dplOf(d) : state.cpl
  const frame = [flagsImage(c, event), BigInt(state.selector(L.SEG_CS)), event.returnRip]
  if (event.errorCode >= 0) frame.push(BigInt(event.errorCode))
  const oldStack = [BigInt(state.selector(L.SEG_SS)), state.gpr(4)]
  if (v86) oldStack.unshift(...[L.SEG_GS, L.SEG_FS, L.SEG_DS, L.SEG_ES].map((s) => BigInt(state.selector(s))))

  if (long) {
    const switched = inner || gate.ist !== 0
    const from = switched ? longStackPointer(c, cpl, gate.ist) : state.gpr(4)
    if (!isCanonical(c, gate.offset)) throw new GuestFault(GP, 0)
    const top = pushFrame(c, stack64(cpl === 3 ? 'current' : 'supervisor'), from & ~15n, 8, [...oldStack, ...frame])
    d = markAccessed(c, d)
    state.setGpr(4, top)
    if (inner) setSegment(state, L.SEG_SS, nullSegment(cpl, cpl))
  } else if (inner) {
    const { selector, pointer } = innerStackPointer(c, cpl)
    if (isNull(selector)) throw new GuestFault(TS, 0)
    const ss = stackDescriptor(c, selector, cpl, TS)
    const segment = segmentOf(ss, selector)
    requireLimit(gate.offset, d)
    const view = innerStack(segment, selectorError(selector), 'supervisor')
    const top = pushFrame(c, view, pointer & view.mask, gate.size, [...oldStack, ...frame])
    d = markAccessed(c, d)
    setSegment(state, L.SEG_SS, segmentOf(markAccessed(c, ss), selector))
    setStackPointer(state, pointer, 0xffffffffn)
    setStackPointer(state, top, view.mask)
    if (v86) for (const s of [L.SEG_ES, L.SEG_DS, L.SEG_FS, L.SEG_GS]) setSegment(state, s, nullSegment(0))
  } else {
    requireLimit(gate.offset, d)
    const stack = currentStack(c)
    const top = pushFrame(c, stack, stackPointer(c), gate.size, frame)
    d = markAccessed(c, d)
    setStackPointer(state, top, stack.mask)
  }
  setCode(c, codeSegment(c, d, gate.selector, cpl), cpl)
  state.rip = gate.offset
  state.setFlag(L.FLAG_TF | L.FLAG_NT | L.FLAG_RF | L.FLAG_VM | (gate.interrupt ? L.FLAG_IF : 0), false)
  c.modeChanged()
}

/** The target offset must lie in the code segment: #GP(0). */
function requireLimit(offset: bigint, d: Descriptor): void {
  if (offset > BigInt(segmentOf(d, 0).limit)) throw new GuestFault(GP, 0)
}


/** A fault of the task just switched to, on behalf of the instruction that switched. */
export const deliverTaskFault = (c: SystemContext) => (fault: GuestFault): boolean =>
  deliverEvent(c, { vector: fault.vector, errorCode: fault.errorCode, kind: fault.vector === DB ? 'trap' : 'fault', returnRip: c.state.rip })
