import * as X from '@entresol/x86'
import { STATUS_JUMP, STATUS_LEAVE } from '../interpreter/records.ts'
import { DB, GP, GuestFault, NP, SS, TS } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import {
  attributesOf, baseOf, dplOf, isCode, isConforming, isNull, isPresent, isSegment, isWritableData, limitOf, markAccessed, maskLinear,
  readDescriptor, rplOf, segmentOf, selectorError, typeOf,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { codeSegment, setCode } from './mode-state.ts'
import { dataSegment, loadRealSegment, nullSegment, setSegment } from './segments.ts'
import { loadLdtr } from './segment-instructions.ts'
import { currentStack, pushFrame, setStackPointer, stackPointer } from './stack.ts'

/** A fault in the context of the task just switched to. */
export class TaskFault extends GuestFault {}

export interface TaskSwitch {
  readonly how: 'jump' | 'call' | 'iret' | 'interrupt'
  /** EIP saved in the old task. */
  readonly returnRip: bigint
  /** Pushed on the new task's stack; -1: none. */
  readonly errorCode: number
  /** EFLAGS bits set in the image saved (RF of faults). */
  readonly setFlags: number
}

/** Offsets in the TSS (SDM vol. 3, figures 9-2 and 9-10). Registers and selectors are consecutive in encoding order. */
const LAYOUT_32 = { eip: 0x20, eflags: 0x24, registers: 0x28, selectors: 0x48, segments: 6, ldt: 0x60, size: 4, limit: 0x67, trap: 0x64 } as const
const LAYOUT_16 = { eip: 0x0e, eflags: 0x10, registers: 0x12, selectors: 0x22, segments: 4, ldt: 0x2a, size: 2, limit: 0x2b, trap: -1 } as const
type Layout = typeof LAYOUT_32 | typeof LAYOUT_16
const CR3_OFFSET = 0x1c
const BUSY = 2

interface Image {
  readonly eip: bigint
  readonly eflags: number
  readonly registers: readonly bigint[]
  readonly selectors: readonly number[]
  readonly ldt: number
  readonly cr3: bigint
  readonly trap: boolean
}

/**
 * Switches tasks (SDM vol. 3, 9.3). What is wrong with the new TSS itself is thrown, in the old task. A fault met after that
 * belongs to the new task, whose registers are loaded already: it is returned.
 */
export function switchTask(c: SystemContext, selector: number, options: TaskSwitch): GuestFault | undefined {
  const { state } = c
  const { how } = options
  const d = findTss(c, selector, how)
  const big = (typeOf(d) & 8) !== 0
  const layout = big ? LAYOUT_32 : LAYOUT_16
  if (limitOf(d) < layout.limit) throw new GuestFault(TS, selectorError(selector))
  const base = BigInt(baseOf(d))
  const oldBase = state.segBase(L.SEG_TR)
  const old = state.attributes(L.SEG_TR) & 8 ? LAYOUT_32 : LAYOUT_16
  // Everything read or written must be reachable before anything changes.
  c.memory.probe(maskLinear(c, oldBase), old.limit + 1, true, 'supervisor')
  c.memory.probe(maskLinear(c, base), layout.limit + 1, how === 'call' || how === 'interrupt', 'supervisor')
  const nested = how === 'call' || how === 'interrupt'
  const previous = state.selector(L.SEG_TR)
  save(c, oldBase, old, options)
  const image = read(c, base, layout)
  if (how === 'jump' || how === 'iret') markBusy(c, previous, false)
  if (nested) c.memory.write(maskLinear(c, base), 2, BigInt(previous), 'supervisor')
  if (how !== 'iret') markBusy(c, selector, true)

  const attributes = attributesOf(d) | BUSY
  setSegment(state, L.SEG_TR, { selector, base, limit: limitOf(d), attributes })
  state.setU64(L.CR0, BigInt((state.cr0 | X.CR0_TS) >>> 0))
  state.setU32(L.DR + 56, (state.u32(L.DR + 56) & ~(X.DR7_LOCAL | X.DR7_LE)) >>> 0)
  const fault = loadRegisters(c, image, big, nested) ?? attempt(() => loadSegments(c, image, options))
  c.modeChanged()
  c.debugChanged()
  if (fault) return fault
  if (image.trap) {
    state.setU32(L.DR + 48, (state.u32(L.DR + 48) | X.DR6_BT) >>> 0)
    return new GuestFault(DB)
  }
  return undefined
}

/** For instructions: delivers the new task's fault there and gives the status to return. */
export function finishTaskSwitch(c: SystemContext, fault: GuestFault | undefined, deliver: (fault: GuestFault) => boolean): number {
  if (fault && !deliver(fault)) {
    c.leave({ kind: 'shutdown' })
    return STATUS_LEAVE
  }
  return STATUS_JUMP
}

function attempt(action: () => void): GuestFault | undefined {
  try {
    action()
    return undefined
  } catch (thrown) {
    if (thrown instanceof GuestFault) return thrown
    throw thrown
  }
}

function findTss(c: SystemContext, selector: number, how: TaskSwitch['how']): Descriptor {
  const vector = how === 'iret' ? TS : GP
  const error = selectorError(selector)
  if (selector & 4 || isNull(selector)) throw new GuestFault(vector, error)
  const d = readDescriptor(c, selector, vector)
  const type = typeOf(d)
  const wanted = how === 'iret' ? [X.TYPE_TSS_BUSY, X.TYPE_TSS16_BUSY] : [X.TYPE_TSS_AVAILABLE, X.TYPE_TSS16_AVAILABLE]
  if (isSegment(d) || !wanted.includes(type)) throw new GuestFault(vector, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  return d
}

function markBusy(c: SystemContext, selector: number, busy: boolean): void {
  if (isNull(selector)) return
  const at = maskLinear(c, c.state.u64(L.GDTR_BASE) + BigInt((selector & 0xfff8) + 5))
  const byte = c.memory.read(at, 1, 'supervisor')
  c.memory.write(at, 1, busy ? byte | BigInt(BUSY) : byte & ~BigInt(BUSY), 'supervisor')
}

function save(c: SystemContext, base: bigint, layout: Layout, options: TaskSwitch): void {
  const { state } = c
  const { size } = layout
  const put = (offset: number, bytes: number, value: bigint): void => c.memory.write(maskLinear(c, base + BigInt(offset)), bytes, value, 'supervisor')
  let flags = state.eflags | options.setFlags
  if (options.how === 'iret') flags &= ~L.FLAG_NT
  put(layout.eip, size, options.returnRip)
  put(layout.eflags, size, BigInt(flags >>> 0))
  for (let i = 0; i < 8; i++) put(layout.registers + i * size, size, state.gpr(i))
  for (let i = 0; i < layout.segments; i++) put(layout.selectors + i * size, 2, BigInt(state.selector(i)))
}

function read(c: SystemContext, base: bigint, layout: Layout): Image {
  const { size } = layout
  const get = (offset: number, bytes: number): bigint => c.memory.read(maskLinear(c, base + BigInt(offset)), bytes, 'supervisor')
  return {
    eip: get(layout.eip, size),
    eflags: Number(get(layout.eflags, size)),
    registers: Array.from({ length: 8 }, (_, i) => get(layout.registers + i * size, size)),
    selectors: Array.from({ length: 6 }, (_, i) => (i < layout.segments ? Number(get(layout.selectors + i * size, 2)) : 0)),
    ldt: Number(get(layout.ldt, 2)),
    cr3: size === 4 ? get(CR3_OFFSET, 4) : 0n,
    trap: layout.trap >= 0 && (get(layout.trap, 1) & 1n) !== 0n,
  }
}

/** Everything that needs no descriptor. Selectors are visible with empty hidden parts until their descriptors are read. */
function loadRegisters(c: SystemContext, image: Image, big: boolean, nested: boolean): GuestFault | undefined {
  const { state } = c
  const v86 = big && (image.eflags & L.FLAG_VM) !== 0
  const cpl = v86 ? 3 : rplOf(image.selectors[L.SEG_CS]!)
  state.rip = image.eip
  state.eflags = nested ? image.eflags | L.FLAG_NT : image.eflags
  image.registers.forEach((value, i) => state.setGpr(i, value))
  for (let i = 0; i < 6; i++) {
    if (v86) loadRealSegment(state, i, image.selectors[i]!)
    else setSegment(state, i, nullSegment(image.selectors[i]!))
  }
  setSegment(state, L.SEG_LDTR, nullSegment(image.ldt))
  state.setU32(L.CPL, cpl)
  if (!big || !(state.cr0 & X.CR0_PG)) return undefined
  const old = state.u64(L.CR3)
  state.setU64(L.CR3, image.cr3)
  const accepted = c.pagingChanged()
  if (!accepted) {
    state.setU64(L.CR3, old)
    c.pagingChanged()
  }
  c.tlb.flushNonGlobal()
  return accepted ? undefined : new GuestFault(GP, 0)
}

function loadSegments(c: SystemContext, image: Image, options: TaskSwitch): void {
  const { state } = c
  const { cpl } = state
  const selectors = image.selectors
  loadLdtr(c, image.ldt, TS)
  if (!state.virtual8086) {
    loadCode(c, selectors[L.SEG_CS]!, cpl)
    c.modeChanged()
    loadStack(c, selectors[L.SEG_SS]!, cpl)
    for (const index of [L.SEG_DS, L.SEG_ES, L.SEG_FS, L.SEG_GS]) setSegment(state, index, dataSegment(c, selectors[index]!, cpl, TS))
  }
  c.modeChanged()
  if (options.errorCode >= 0) {
    const stack = currentStack(c)
    const size = state.attributes(L.SEG_TR) & 8 ? 4 : 2
    setStackPointer(state, pushFrame(c, stack, stackPointer(c), size, [BigInt(options.errorCode)]), stack.mask)
  }
  if (state.rip > BigInt(state.segLimit(L.SEG_CS))) throw new GuestFault(GP, 0)
}

function loadCode(c: SystemContext, selector: number, cpl: number): void {
  const error = selectorError(selector)
  if (isNull(selector)) throw new GuestFault(TS, error)
  const d = readDescriptor(c, selector, TS)
  if (!isCode(d) || (isConforming(d) ? dplOf(d) > cpl : dplOf(d) !== cpl)) throw new GuestFault(TS, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  setCode(c, codeSegment(c, markAccessed(c, d), selector, cpl), cpl)
}

function loadStack(c: SystemContext, selector: number, cpl: number): void {
  const error = selectorError(selector)
  if (isNull(selector)) throw new GuestFault(TS, error)
  const d = readDescriptor(c, selector, TS)
  if (rplOf(selector) !== cpl || !isWritableData(d) || dplOf(d) !== cpl) throw new GuestFault(TS, error)
  if (!isPresent(d)) throw new GuestFault(SS, error)
  setSegment(c.state, L.SEG_SS, segmentOf(markAccessed(c, d), selector))
}
