import type { SegmentRegister } from '@entresol/interfaces'
import { GP, GuestFault } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'

/** A descriptor as it lies in the GDT or LDT (SDM vol. 3, 3.4.5 and 3.5), with where it lies. */
export interface Descriptor {
  readonly selector: number
  /** Linear address of its first byte. */
  readonly linear: bigint
  readonly low: number
  readonly high: number
}

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0
export const rplOf = (selector: number): number => selector & 3
/** Error code that names a selector: index and TI, without EXT. */
export const selectorError = (selector: number): number => selector & 0xfffc

export const typeOf = (d: Descriptor): number => (d.high >>> 8) & 0xf
/** S bit: code or data. */
export const isSegment = (d: Descriptor): boolean => (d.high & 0x1000) !== 0
export const dplOf = (d: Descriptor): number => (d.high >>> 13) & 3
export const isPresent = (d: Descriptor): boolean => (d.high & 0x8000) !== 0
export const isCode = (d: Descriptor): boolean => (d.high & 0x1800) === 0x1800
export const isConforming = (d: Descriptor): boolean => (d.high & 0x1c00) === 0x1c00
export const isWritableData = (d: Descriptor): boolean => (d.high & 0x1a00) === 0x1200
/** Data, or code that can be read. */
export const isReadable = (d: Descriptor): boolean => isSegment(d) && ((d.high & 0x800) === 0 || (d.high & 0x200) !== 0)
export const isLong = (d: Descriptor): boolean => (d.high & 0x200000) !== 0
export const isDefault32 = (d: Descriptor): boolean => (d.high & 0x400000) !== 0

export const baseOf = (d: Descriptor): number => ((d.low >>> 16) | ((d.high & 0xff) << 16) | (d.high & 0xff000000)) >>> 0
export function limitOf(d: Descriptor): number {
  const limit = (d.low & 0xffff) | (d.high & 0xf0000)
  return d.high & 0x800000 ? ((limit << 12) | 0xfff) >>> 0 : limit
}
/** Attributes in the SVM VMCB layout. */
export const attributesOf = (d: Descriptor): number => ((d.high >>> 8) & 0xff) | ((d.high >>> 12) & 0xf00)

/** Gates: target selector and offset (vol. 3, 6.8.3 and 7.11). */
export const gateSelector = (d: Descriptor): number => d.low >>> 16
export const gateOffset32 = (d: Descriptor): number => ((d.low & 0xffff) | (d.high & 0xffff0000)) >>> 0

/** The register a code or data descriptor loads, base and limit as in the descriptor. */
export const segmentOf = (d: Descriptor, selector: number): SegmentRegister => ({
  selector, base: BigInt(baseOf(d)), limit: limitOf(d), attributes: attributesOf(d),
})

/** Linear address of the descriptor a selector names; undefined when `bytes` of it are not inside the table's limit. */
export function descriptorAddress(c: SystemContext, selector: number, bytes = 8): bigint | undefined {
  const { state } = c
  const offset = selector & 0xfff8
  let base: bigint
  let limit: number
  if (selector & 4) {
    if (!(state.attributes(L.SEG_LDTR) & 0x80)) return undefined
    base = state.segBase(L.SEG_LDTR)
    limit = state.segLimit(L.SEG_LDTR)
  } else {
    base = state.u64(L.GDTR_BASE)
    limit = state.u32(L.GDTR_LIMIT)
  }
  if (offset + bytes - 1 > limit) return undefined
  return maskLinear(c, base + BigInt(offset))
}

/** Linear addresses have 64 bits in long mode, 32 in others. */
export const maskLinear = (c: SystemContext, linear: bigint): bigint => BigInt.asUintN(c.state.longMode ? 64 : 32, linear)

export function descriptorAt(c: SystemContext, linear: bigint, selector: number): Descriptor {
  const value = c.memory.read(linear, 8, 'supervisor')
  return { selector, linear, low: Number(value & 0xffffffffn), high: Number(value >> 32n) }
}

/** Reads the descriptor of a selector that is not null; beyond the table's limit is fault `vector` with the selector. */
export function readDescriptor(c: SystemContext, selector: number, vector: number = GP): Descriptor {
  const linear = descriptorAddress(c, selector)
  if (linear === undefined) throw new GuestFault(vector, selectorError(selector))
  return descriptorAt(c, linear, selector)
}

/** Bits 63:32 of the base or offset in a 16-byte descriptor of long mode; its type field must be 0 (figure 8-4). */
export function readUpper(c: SystemContext, d: Descriptor, vector: number = GP): number {
  if (descriptorAddress(c, d.selector, 16) === undefined) throw new GuestFault(vector, selectorError(d.selector))
  const value = c.memory.read(maskLinear(c, d.linear + 8n), 8, 'supervisor')
  if ((value >> 32n) & 0x1f00n) throw new GuestFault(vector, selectorError(d.selector))
  return Number(value & 0xffffffffn)
}

/** Sets the accessed bit of a code or data descriptor in memory; returns the descriptor with it set. */
export function markAccessed(c: SystemContext, d: Descriptor): Descriptor {
  if (d.high & 0x100) return d
  const high = (d.high | 0x100) >>> 0
  c.memory.write(maskLinear(c, d.linear + 5n), 1, BigInt((high >>> 8) & 0xff), 'supervisor')
  return { ...d, high }
}
