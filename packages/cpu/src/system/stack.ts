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

/**
 * Pushes `values`, first one deepest, as `size`-byte slots below `sp`; returns the new stack pointer (masked). All slots are
 * checked before any is written.
 */
export function pushFrame(c: SystemContext, stack: StackView, sp: bigint, size: number, values: readonly bigint[]): bigint {
  const bytes = new Uint8Array(values.length * size)
  const view = new DataView(bytes.buffer)
  const last = values.length - 1
  values.forEach((value, i) => {
    const at = (last - i) * size
    if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true)
    else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
    else view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
  })
  const total = BigInt(bytes.length)
  const top = (sp - total) & stack.mask
  if (top + total <= stack.mask + 1n) {
    c.memory.writeBytes(slot(c, stack, top, bytes.length), bytes, stack.privilege, true)
    return top
  }
  // Wraps around the top of the segment: slot by slot.
  const slots = values.map((_, i) => slot(c, stack, (top + BigInt(i * size)) & stack.mask, size))
  for (const linear of slots) c.memory.probe(linear, size, true, stack.privilege)
  slots.forEach((linear, i) => c.memory.writeBytes(linear, bytes.subarray(i * size, (i + 1) * size), stack.privilege, true))
  return top
}

/** Reads `count` slots upwards from `sp` without moving it. */
export function peekFrame(c: SystemContext, stack: StackView, sp: bigint, size: number, count: number): bigint[] {
  const total = BigInt(count * size)
  const start = sp & stack.mask
  const values: bigint[] = []
  if (start + total <= stack.mask + 1n) {
    const bytes = new Uint8Array(count * size)
    c.memory.readBytes(slot(c, stack, start, bytes.length), bytes, stack.privilege, true)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < count; i++) {
      values.push(size === 8 ? view.getBigUint64(i * 8, true) : BigInt(size === 4 ? view.getUint32(i * 4, true) : view.getUint16(i * 2, true)))
    }
    return values
  }
  for (let i = 0; i < count; i++) {
    values.push(c.memory.read(slot(c, stack, (start + BigInt(i * size)) & stack.mask, size), size, stack.privilege, true))
  }
  return values
}

/** rSP as the stack size sees it. */
export const stackPointer = (c: SystemContext): bigint => c.state.gpr(4) & c.state.u64(L.STACK_MASK)

/** Writes the part of rSP the stack size covers (`mask`); a 32-bit one clears the upper half only where RSP has none anyway. */
export function setStackPointer(state: CpuState, value: bigint, mask: bigint): void {
  if (mask === MASK_16) state.setGpr(4, (state.gpr(4) & ~MASK_16 & MASK_64) | (value & MASK_16))
  else state.setGpr(4, value & mask)
}
