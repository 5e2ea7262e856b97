import { TYPE_LDT, TYPE_TSS16_AVAILABLE, TYPE_TSS_AVAILABLE } from '@entresol/x86'
import { STATUS_JUMP } from '../interpreter/records.ts'
import { GP, GuestFault, NP, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import {
  baseOf, descriptorAddress, descriptorAt, dplOf, isCode, isConforming, isNull, isPresent, isReadable, isSegment, isWritableData, limitOf,
  maskLinear, readDescriptor, readUpper, rplOf, attributesOf, selectorError, typeOf,
} from './descriptors.ts'
import type { Descriptor } from './descriptors.ts'
import { isCanonical } from './mode-state.ts'
import { readCell, readE, setZero, storeWord, writeCell } from './operands.ts'
import { loadSegment, nullSegment, setSegment } from './segments.ts'
import { currentStack, peekFrame, setStackPointer, stackPointer } from './stack.ts'
import { requirePrivileged, requireProtected, requireUmip } from './privilege.ts'

/** MOV Sreg, r/m16. The rows give ModRM.reg as the segment number. */
export const movToSegment: HostFunction = (c, i) => {
  const index = i.regNumber
  if (index === L.SEG_CS || index > 5) throw new GuestFault(UD)
  const selector = i.memory ? Number(readE(c, i, 2)) : c.state.u32(i.rmCell) & 0xffff
  loadSegment(c, index, selector)
  return afterLoad(c, i, index)
}

/** Loading SS holds off interrupts and debug traps until the next instruction is done (SDM vol. 3, 7.8.3). */
function afterLoad(c: SystemContext, i: HostInstruction, index: number): number | undefined {
  if (index !== L.SEG_SS) return undefined
  c.inhibitInterrupts(true)
  c.state.rip = i.nextRip
  return STATUS_JUMP
}

const popSegment = (index: number): HostFunction => (c, i) => {
  const size = i.width / 8
  const stack = currentStack(c)
  const sp = stackPointer(c)
  const selector = Number(peekFrame(c, stack, sp, size, 1)[0]! & 0xffffn)
  loadSegment(c, index, selector)
  // With the old stack size: POP SS may change it.
  setStackPointer(c.state, (sp + BigInt(size)) & stack.mask, stack.mask)
  return afterLoad(c, i, index)
}

/** LDS, LES, LFS, LGS, LSS. */
const loadFarPointer = (index: number): HostFunction => (c, i) => {
  const size = i.width / 8
  const linear = i.linear(size + 2, false)
  const offset = c.memory.read(linear, size, 'current', i.stackSegment)
  const selector = Number(c.memory.read(linear + BigInt(size), 2, 'current', i.stackSegment))
  const cell = i.regCell
  loadSegment(c, index, selector)
  writeCell(c, cell, size, offset)
  if (index !== L.SEG_SS) return undefined
  c.state.rip = i.nextRip
  return STATUS_JUMP
}

// Descriptor-table registers

const storeTable = (base: number, limit: number): HostFunction => (c, i) => {
  requireUmip(c)
  const wide = c.state.mode64
  const bytes = new Uint8Array(wide ? 10 : 6)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, c.state.u32(limit), true)
  if (wide) view.setBigUint64(2, c.state.u64(base), true)
  else view.setUint32(2, c.state.u32(base), true)
  c.memory.writeBytes(i.linear(bytes.length, true), bytes, 'current', i.stackSegment)
}

const loadTable = (base: number, limit: number): HostFunction => (c, i) => {
  requirePrivileged(c)
  const wide = c.state.mode64
  const bytes = new Uint8Array(wide ? 10 : 6)
  c.memory.readBytes(i.linear(bytes.length, false), bytes, 'current', i.stackSegment)
  const view = new DataView(bytes.buffer)
  // A 16-bit operand size loads a 24-bit base.
  const address = wide ? view.getBigUint64(2, true) : BigInt(view.getUint32(2, true) & (i.width === 16 ? 0xffffff : -1)) & 0xffffffffn
  if (wide && !isCanonical(c, address)) throw new GuestFault(GP, 0)
  c.state.setU64(base, address)
  c.state.setU32(limit, view.getUint16(0, true))
}

const storeSelector = (index: number): HostFunction => (c, i) => {
  requireProtected(c)
  requireUmip(c)
  storeWord(c, i, BigInt(c.state.selector(index)))
}

/** Base of a system descriptor, 64 bits in long mode. */
function systemBase(c: SystemContext, d: Descriptor): bigint {
  return BigInt(baseOf(d)) | (c.state.longMode ? BigInt(readUpper(c, d)) << 32n : 0n)
}

export const lldt: HostFunction = (c, i) => {
  requireProtected(c)
  requirePrivileged(c)
  const selector = Number(readE(c, i, 2))
  loadLdtr(c, selector, GP)
}

/** Loads LDTR; the faults of LLDT, or with vector #TS those of a task switch. */
export function loadLdtr(c: SystemContext, selector: number, vector: number): void {
  const { state } = c
  if (isNull(selector)) {
    setSegment(state, L.SEG_LDTR, nullSegment(selector))
    return
  }
  const error = selectorError(selector)
  if (selector & 4) throw new GuestFault(vector, error)
  const d = readDescriptor(c, selector, vector)
  if (isSegment(d) || typeOf(d) !== TYPE_LDT) throw new GuestFault(vector, error)
  if (!isPresent(d)) throw new GuestFault(vector === GP ? NP : vector, error)
  const base = systemBase(c, d)
  if (state.longMode && !isCanonical(c, base)) throw new GuestFault(GP, error)
  setSegment(state, L.SEG_LDTR, { selector, base, limit: limitOf(d), attributes: attributesOf(d) })
}

export const ltr: HostFunction = (c, i) => {
  const { state } = c
  requireProtected(c)
  requirePrivileged(c)
  const selector = Number(readE(c, i, 2))
  if (isNull(selector)) throw new GuestFault(GP, 0)
  const error = selectorError(selector)
  if (selector & 4) throw new GuestFault(GP, error)
  const d = readDescriptor(c, selector)
  const type = typeOf(d)
  if (isSegment(d) || !(type === TYPE_TSS_AVAILABLE || (type === TYPE_TSS16_AVAILABLE && !state.longMode))) throw new GuestFault(GP, error)
  if (!isPresent(d)) throw new GuestFault(NP, error)
  const base = systemBase(c, d)
  if (state.longMode && !isCanonical(c, base)) throw new GuestFault(GP, error)
  // Busy, in memory and in the register.
  c.memory.write(maskLinear(c, d.linear + 5n), 1, BigInt((d.high >>> 8) & 0xff | 2), 'supervisor')
  setSegment(state, L.SEG_TR, { selector, base, limit: limitOf(d), attributes: attributesOf(d) | 2 })
}

// Inspection

/** Descriptor visible at the current privilege for LAR, LSL, VERR, VERW; undefined: ZF is cleared. */
function visible(c: SystemContext, selector: number): Descriptor | undefined {
  requireProtected(c)
  if (isNull(selector)) return undefined
  const linear = descriptorAddress(c, selector)
  if (linear === undefined) return undefined
  const d = descriptorAt(c, linear, selector)
  if (isConforming(d)) return d
  return c.state.cpl > dplOf(d) || rplOf(selector) > dplOf(d) ? undefined : d
}

/** Types of system descriptors LAR and LSL accept, as bit sets: legacy and long mode (SDM vol. 2, tables 3-53 and 3-56). */
const LAR_TYPES = { legacy: 0x1a3e, long: 0x1a04 }
const LSL_TYPES = { legacy: 0x0a0e, long: 0x0a04 }

const inspect = (types: { legacy: number; long: number }, value: (d: Descriptor) => number): HostFunction => (c, i) => {
  requireProtected(c)
  const d = visible(c, Number(readE(c, i, 2)))
  const valid = d !== undefined && (isSegment(d) || ((c.state.longMode ? types.long : types.legacy) >> typeOf(d)) & 1)
  if (valid) writeCell(c, i.regCell, i.width / 8, BigInt(value(d) >>> 0))
  setZero(c, Boolean(valid))
}

const verify = (allowed: (d: Descriptor) => boolean): HostFunction => (c, i) => {
  requireProtected(c)
  const d = visible(c, Number(readE(c, i, 2)))
  setZero(c, d !== undefined && isSegment(d) && allowed(d))
}

export const arpl: HostFunction = (c, i) => {
  requireProtected(c)
  const source = Number(readCell(c, i.regCell, 2))
  const linear = i.memory ? i.linear(2, true) : 0n
  const target = Number(i.memory ? c.memory.read(linear, 2, 'current', i.stackSegment) : readCell(c, i.rmCell, 2))
  const raise = rplOf(target) < rplOf(source)
  const value = BigInt(raise ? (target & ~3) | rplOf(source) : target)
  if (i.memory) c.memory.write(linear, 2, value, 'current', i.stackSegment)
  else writeCell(c, i.rmCell, 2, value)
  setZero(c, raise)
}

const NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const

export const SEGMENT_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  'mov-to-segment': movToSegment,
  ...Object.fromEntries(NAMES.filter((name) => name !== 'cs').map((name) => [`pop-${name}`, popSegment(NAMES.indexOf(name))])),
  ...Object.fromEntries(NAMES.filter((name) => name !== 'cs').map((name) => [`load-${name}`, loadFarPointer(NAMES.indexOf(name))])),
  sgdt: storeTable(L.GDTR_BASE, L.GDTR_LIMIT),
  sidt: storeTable(L.IDTR_BASE, L.IDTR_LIMIT),
  lgdt: loadTable(L.GDTR_BASE, L.GDTR_LIMIT),
  lidt: loadTable(L.IDTR_BASE, L.IDTR_LIMIT),
  sldt: storeSelector(L.SEG_LDTR),
  str: storeSelector(L.SEG_TR),
  lldt,
  ltr,
  lar: inspect(LAR_TYPES, (d) => d.high & 0xffff00),
  lsl: inspect(LSL_TYPES, limitOf),
  verr: verify(isReadable),
  verw: verify((d) => isWritableData(d) && !isCode(d)),
  arpl,
}
