import type { Gpa, GuestMemory, SegmentRegister } from '@entresol/interfaces'
import { GUEST_BYTES, MONITOR_GDT } from './hardware.ts'

/** Guest descriptors that get a shadow. */
export const SHADOW_ENTRIES = 32
const PRESENT = 1 << 15
const CODE_OR_DATA = 1 << 12
const CODE = 1 << 11
const EXPAND_DOWN = 1 << 10

/** A segment descriptor's two words (SDM vol. 3A, 3.4.5). */
export interface Descriptor {
  readonly low: number
  readonly high: number
}

export const baseOf = ({ low, high }: Descriptor): number => (((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0)

/** Last offset, granularity applied. */
export function limitOf({ low, high }: Descriptor): number {
  const limit = (low & 0xffff) | (high & 0xf0000)
  return high & (1 << 23) ? ((limit << 12) | 0xfff) >>> 0 : limit
}

/** Entry of a guest's own GDT; beyond its limit or memory, one that is not present. */
export function guestDescriptor(memory: GuestMemory, gdtr: { base: number; limit: number }, selector: number): Descriptor {
  const offset = selector & 0xfff8
  const at = gdtr.base + offset
  if (offset + 7 > gdtr.limit || at + 8 > GUEST_BYTES) return { low: 0, high: 0 }
  return { low: memory.readU32(at as Gpa), high: memory.readU32((at + 4) as Gpa) }
}

/**
 * The descriptor the real GDT gets: ring 0 becomes ring 1, and the segment ends with the guest's memory. Gates, system segments and what would lie outside
 * are not present, so that their use traps.
 */
export function shadowOf(descriptor: Descriptor): Descriptor {
  const { high } = descriptor
  const base = baseOf(descriptor)
  const usable = high & PRESENT && high & CODE_OR_DATA && base < GUEST_BYTES && (high & CODE || !(high & EXPAND_DOWN))
  if (!usable) return { low: 0, high: 0 }
  const limit = Math.min(limitOf(descriptor), GUEST_BYTES - 1 - base)
  const ring = Math.max(1, (high >>> 13) & 3)
  // Byte granularity, no conforming code: it would take the caller's ring. 64-bit code is ignored outside long mode.
  const attributes = high & 0x0050ff00 & ~(3 << 13) & (high & CODE ? ~EXPAND_DOWN : -1)
  return {
    low: (((base & 0xffff) << 16) | (limit & 0xffff)) >>> 0,
    high: ((base & 0xff000000) | ((base >>> 16) & 0xff) | attributes | (ring << 13) | (limit & 0xf0000)) >>> 0
  }
}

/** Fills the real GDT from the guest's. */
export function shadowTable(memory: GuestMemory, gdtr: { base: number; limit: number }): void {
  for (let index = 0; index < SHADOW_ENTRIES; index++) {
    const { low, high } = index === 0 ? { low: 0, high: 0 } : shadowOf(guestDescriptor(memory, gdtr, index * 8))
    memory.writeU32((MONITOR_GDT + index * 8) as Gpa, low)
    memory.writeU32((MONITOR_GDT + index * 8 + 4) as Gpa, high)
  }
}

/** The segment register a real load of `selector` in ring 1 would make from the shadow; undefined where it would fault. */
export function shadowSegment(memory: GuestMemory, selector: number, kind: 'code' | 'stack'): SegmentRegister | undefined {
  const index = selector >>> 3
  if (index === 0 || index >= SHADOW_ENTRIES || selector & 4) return undefined
  const descriptor = { low: memory.readU32((MONITOR_GDT + index * 8) as Gpa), high: memory.readU32((MONITOR_GDT + index * 8 + 4) as Gpa) }
  const { high } = descriptor
  const isCode = (high & CODE) !== 0
  const writable = !isCode && (high & (1 << 9)) !== 0
  if (!(high & PRESENT) || ((high >>> 13) & 3) !== 1 || (kind === 'code' ? !isCode : !writable)) return undefined
  return {
    selector: (index << 3) | 1, base: BigInt(baseOf(descriptor)), limit: limitOf(descriptor),
    attributes: ((high >>> 8) & 0xff) | ((high >>> 12) & 0xf00)
  }
}
