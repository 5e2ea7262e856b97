import type { SegmentRegister } from '@entresol/interfaces'
import { GuestFault, SS } from '../memory/fault.ts'
import type { Privilege } from '../memory/linear-memory.ts'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'
import type { SystemContext } from './context.ts'

export const MASK_16 = 0xffffn
export const MASK_32 = 0xffffffffn
export const MASK_64 = 0xffffffffffffffffn

/** A stack as frames are pushed to it or popped from it: maybe not the one in SS yet. */
export interface StackView {
  readonly base: bigint
  /** Valid offsets; undefined in 64-bit mode. */
  readonly bounds: { readonly first: bigint; readonly last: bigint } | undefined
  readonly mask: bigint
  readonly privilege: Privilege
  /** Error code of #SS for offsets out of bounds. */
  readonly error: number
}

/** The stack SS describes. */
export function currentStack(c: SystemContext): StackView {
  const { state } = c
  if (state.mode64) return stack64('current')
  const at = L.segment(L.SEG_SS)
  const usable = (state.u32(at + L.SEG_PERMISSIONS) & 2) !== 0
  const bounds = usable ? { first: BigInt(state.u32(at + L.SEG_FIRST)), last: BigInt(state.u32(at + L.SEG_LAST)) } : { first: 1n, last: 0n }
  return { base: state.segBase(L.SEG_SS), bounds, mask: state.u64(L.STACK_MASK), privilege: 'current', error: 0 }
}

/** The flat stack of 64-bit mode. */
export const stack64 = (privilege: Privilege): StackView => ({ base: 0n, bounds: undefined, mask: MASK_64, privilege, error: 0 })

/** A stack segment about to be loaded for an inner privilege level. */
export function innerStack(segment: SegmentRegister, error: number, privilege: Privilege): StackView {
  const limit = BigInt(segment.limit)
  const big = (segment.attributes & 0x400) !== 0
  const down = (segment.attributes & 0x4) !== 0
  const bounds = down ? { first: limit + 1n, last: big ? MASK_32 : MASK_16 } : { first: 0n, last: limit }
  return { base: segment.base, bounds, mask: big ? MASK_32 : MASK_16, privilege, error }
}

function slot(c: SystemContext, stack: StackView, offset: bigint, size: number): bigint {
  const { bounds } = stack
  if (!bounds) return BigInt.asUintN(64, stack.base + offset)
  if (offset < bounds.first || offset + BigInt(size) - 1n > bounds.last) throw new GuestFault(SS, stack.error)
  return BigInt.asUintN(c.state.longMode && stack.mask === MASK_64 ? 64 : 32, stack.base + offset)
}

function storeSlot(view: DataView, at: number, size: number, value: bigint): void {
  if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true)
  else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
  else view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
}

function loadSlot(view: DataView, at: number, size: number): bigint {
  return size === 8 ? view.getBigUint64(at, true) : BigInt(size === 4 ? view.getUint32(at, true) : view.getUint16(at, true))
}

/**
 * Pushes `values`, first one deepest, as `size`-byte slots below `sp`; returns the new stack pointer (masked). All slots are
 * checked before any is written.
 */
export function pushFrame(c: SystemContext, stack: StackView, sp: bigint, size: number, values: readonly bigint[]): bigint {
  const count = values.length
  const total = BigInt(count * size)
  const top = (sp - total) & stack.mask
  if (top + total <= stack.mask + 1n) {
    const linear = slot(c, stack, top, count * size)
    const cached = c.memory.cached(linear, count * size, stack.privilege, true)
    if (cached >= 0) {
      for (let i = 0; i < count; i++) storeSlot(c.state.view, cached + (count - 1 - i) * size, size, values[i]!)
      return top
    }
    c.memory.writeBytes(linear, frameBytes(size, values), stack.privilege, true)
    return top
  }
  // Wraps around the top of the segment: slot by slot.
  const bytes = frameBytes(size, values)
  const slots = values.map((_, i) => slot(c, stack, (top + BigInt(i * size)) & stack.mask, size))
  for (const linear of slots) c.memory.probe(linear, size, true, stack.privilege, true)
  slots.forEach((linear, i) => c.memory.writeBytes(linear, bytes.subarray(i * size, (i + 1) * size), stack.privilege, true))
  return top
}

function frameBytes(size: number, values: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(values.length * size)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => storeSlot(view, (values.length - 1 - i) * size, size, value))
  return bytes
}

/** Reads `count` slots upwards from `sp` without moving it. */
export function peekFrame(c: SystemContext, stack: StackView, sp: bigint, size: number, count: number): bigint[] {
  const total = BigInt(count * size)
  const start = sp & stack.mask
  const values: bigint[] = []
  if (start + total > stack.mask + 1n) {
    for (let i = 0; i < count; i++) {
      values.push(c.memory.read(slot(c, stack, (start + BigInt(i * size)) & stack.mask, size), size, stack.privilege, true))
    }
    return values
  }
  const linear = slot(c, stack, start, count * size)
  let at = c.memory.cached(linear, count * size, stack.privilege, false)
  let { view } = c.state
  if (at < 0) {
    const bytes = new Uint8Array(count * size)
    c.memory.readBytes(linear, bytes, stack.privilege, true)
    view = new DataView(bytes.buffer)
    at = 0
  }
  for (let i = 0; i < count; i++) values.push(loadSlot(view, at + i * size, size))
  return values
}

/** rSP as the stack size sees it. */
export const stackPointer = (c: SystemContext): bigint => c.state.gpr(4) & c.state.u64(L.STACK_MASK)

/** Writes the part of rSP the stack size covers (`mask`); a 32-bit one clears the upper half only where RSP has none anyway. */
export function setStackPointer(state: CpuState, value: bigint, mask: bigint): void {
  if (mask === MASK_16) state.setGpr(4, (state.gpr(4) & ~MASK_16 & MASK_64) | (value & MASK_16))
  else state.setGpr(4, value & mask)
}
