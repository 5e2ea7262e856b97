import type { SegmentRegister } from '@entresol/interfaces'
import { GP, GuestFault, NP, SS } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { SystemContext } from './context.ts'
import {
  dplOf, isConforming, isNull, isPresent, isReadable, isWritableData, markAccessed, readDescriptor, rplOf, segmentOf, selectorError,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { attributesOfHigh, baseOfHalves, gdtEntry, limitOfHalves } from './tables.ts'

/**
 * Writes a segment register with its hidden part and derives what generated code checks: first and last valid offset and
 * permissions (SDM vol. 3, 3.4.5.1, 6.3). Attributes in the SVM VMCB layout: type 0..3, S 4, DPL 5..6, P 7, AVL 8, L 9, D/B 10, G 11.
 */
export function setSegment(state: CpuState, index: number, value: SegmentRegister): void {
  const at = L.segment(index)
  state.setU64(at + L.SEG_BASE, value.base)
  setHidden(state, at, value.selector, value.limit, value.attributes)
}

/** A segment with base 0: the selector and the descriptor's limit and attributes are all there is. */
export function setBasedAtZero(state: CpuState, index: number, selector: number, limit: number, attributes: number): void {
  setBased(state, index, selector, 0, limit, attributes)
}

function setBased(state: CpuState, index: number, selector: number, base: number, limit: number, attributes: number): void {
  const at = L.segment(index)
  state.setU32(at + L.SEG_BASE, base)
  state.setU32(at + L.SEG_BASE + 4, 0)
  setHidden(state, at, selector, limit, attributes)
}

function setHidden(state: CpuState, at: number, selector: number, limit: number, attributes: number): void {
  state.setU32(at + L.SEG_LIMIT, limit)
  state.setU32(at + L.SEG_SELECTOR, selector)
  state.setU32(at + L.SEG_ATTRIBUTES, attributes)
  const present = (attributes & 0x80) !== 0
  const code = (attributes & 0x8) !== 0
  const readable = !code || (attributes & 0x2) !== 0
  const writable = !code && (attributes & 0x2) !== 0
  const expandDown = !code && (attributes & 0x4) !== 0
  const permissions = present && attributes & 0x10 ? (readable ? 1 : 0) | (writable ? 2 : 0) : 0
  const based = state.u32(at + L.SEG_BASE) | state.u32(at + L.SEG_BASE + 4)
  const flat = permissions === 3 && !expandDown && limit === 0xffffffff && based === 0
  state.setU32(at + L.SEG_PERMISSIONS, permissions | (flat ? L.SEG_FLAT : 0))
  // Expand-down with limit at the top leaves no valid offset: first > last.
  state.setU32(at + L.SEG_FIRST, expandDown ? (limit + 1) >>> 0 || 0xffffffff : 0)
  state.setU32(at + L.SEG_LAST, expandDown ? (limit === 0xffffffff ? 0 : attributes & 0x400 ? 0xffffffff : 0xffff) : limit)
}

/** Attributes of every segment in virtual-8086 mode: present, DPL 3, writable, accessed (SDM vol. 3, 21.2). */
export const V86_ATTRIBUTES = 0xf3
const REAL_ATTRIBUTES = 0x93

/** A load outside protected mode: base from the selector. Real mode keeps limit and D/B ("big real"); virtual-8086 mode sets 64 KiB. */
export function loadRealSegment(state: CpuState, index: number, selector: number): void {
  const base = BigInt(selector) << 4n
  if (state.virtual8086) {
    setSegment(state, index, { selector, base, limit: 0xffff, attributes: V86_ATTRIBUTES })
    return
  }
  const old = state.attributes(index)
  // An unusable register (null selector loaded in protected mode) has no limit to keep.
  const limit = old & 0x80 ? state.segLimit(index) : 0xffff
  setSegment(state, index, { selector, base, limit, attributes: (old & 0xc00) | REAL_ATTRIBUTES })
}

/** A register holding a null selector: accesses through it fault, except in 64-bit mode. SS keeps the CPL as its DPL. */
export const nullSegment = (selector: number, dpl = 0): SegmentRegister => ({ selector, base: 0n, limit: 0, attributes: dpl << 5 })

/** Checks a selector for DS, ES, FS or GS and gives what the register gets (SDM vol. 3, 6.6 and vol. 2, MOV); `vector` is #TS in a task switch. */
export function dataSegment(c: SystemContext, selector: number, cpl: number = c.state.cpl, vector: number = GP): SegmentRegister {
  if (isNull(selector)) return nullSegment(selector)
  const d = readDescriptor(c, selector, vector)
  const error = selectorError(selector)
  if (!isReadable(d)) throw new GuestFault(vector, error)
  if (!isConforming(d) && (rplOf(selector) > dplOf(d) || cpl > dplOf(d))) throw new GuestFault(vector, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  return segmentOf(markAccessed(c, d), selector)
}

/** Checks a stack segment for privilege `cpl`: wrong privilege or type is `vector`, absent #SS. The selector is not null. */
export function stackDescriptor(c: SystemContext, selector: number, cpl: number, vector: number = GP): Descriptor {
  const error = selectorError(selector)
  const d = readDescriptor(c, selector, vector)
  if (rplOf(selector) !== cpl || !isWritableData(d) || dplOf(d) !== cpl) throw new GuestFault(vector, error)
  if (!isPresent(d)) throw new GuestFault(SS, error)
  return d
}

/** Checks a selector for SS (SDM vol. 3, 6.7). A null one is for 64-bit mode at CPL 0..2 only. */
export function stackSegment(c: SystemContext, selector: number): SegmentRegister {
  const { state } = c
  if (isNull(selector)) {
    if (!state.mode64 || state.cpl === 3 || rplOf(selector) !== state.cpl) throw new GuestFault(GP, 0)
    return nullSegment(selector, state.cpl)
  }
  return segmentOf(markAccessed(c, stackDescriptor(c, selector, state.cpl)), selector)
}

/** High half of a descriptor: present segment, accessed. */
const USABLE = 0x9100

/** DS, ES, FS or GS from a descriptor of the GDT that is all right and known to the TLB, or null. False: dataSegment has to look. */
function loadData(c: SystemContext, index: number, selector: number): boolean {
  const { state } = c
  if (isNull(selector)) {
    setBasedAtZero(state, index, selector, 0, 0)
    return true
  }
  const at = gdtEntry(c, selector)
  if (at < 0) return false
  const low = state.memory.u32[at >>> 2]!
  const high = state.memory.u32[(at >>> 2) + 1]!
  const dpl = (high >>> 13) & 3
  // Data, or code that can be read and does not conform.
  const readable = !(high & 0x800) || (high & 0x600) === 0x200
  if ((high & USABLE) !== USABLE || !readable || dpl < state.cpl || dpl < rplOf(selector)) return false
  setBased(state, index, selector, baseOfHalves(low, high), limitOfHalves(low, high), attributesOfHigh(high))
  return true
}

/** MOV/POP/Lxx to a segment register other than CS. */
export function loadSegment(c: SystemContext, index: number, selector: number): void {
  const { state } = c
  const permissions = L.segment(index) + L.SEG_PERMISSIONS
  const flat = state.u32(permissions) & L.SEG_FLAT
  if (index !== L.SEG_SS && state.protectedMode && !state.virtual8086 && loadData(c, index, selector)) {
    // Whether they are flat is part of the mode of 32-bit code.
    if ((state.u32(permissions) & L.SEG_FLAT) !== flat && (state.u32(L.CODE_MODE) & L.MODE_SIZE) === L.MODE_32) c.modeChanged()
    return
  }
  if (!state.protectedMode || state.virtual8086) loadRealSegment(state, index, selector)
  else setSegment(state, index, index === L.SEG_SS ? stackSegment(c, selector) : dataSegment(c, selector))
  if (index === L.SEG_SS || (state.u32(L.CODE_MODE) & L.MODE_SIZE) === L.MODE_32) c.modeChanged()
}

/** After a return to an outer level: registers the new privilege may not use become null (SDM vol. 2, RET and IRET). */
export function dropPrivilegedSegments(state: CpuState): void {
  for (let index = L.SEG_ES; index <= L.SEG_GS; index++) {
    if (index === L.SEG_CS || index === L.SEG_SS) continue
    const attributes = state.attributes(index)
    if (!(attributes & 0x80)) continue
    const dpl = (attributes >>> 5) & 3
    const conforming = (attributes & 0x1c) === 0x1c
    if (dpl < state.cpl && !conforming) setSegment(state, index, nullSegment(0))
  }
}
