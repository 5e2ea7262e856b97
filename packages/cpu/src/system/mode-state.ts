import type { SegmentRegister } from '@entresol/interfaces'
import * as L from '../state/layout.ts'
import type { SystemContext } from './context.ts'
import type { Descriptor } from './descriptors.ts'
import { attributesOf, isLong, segmentOf } from './descriptors.ts'
import { setSegment } from './segments.ts'

/** What CS gets from a code descriptor at privilege `cpl`. 64-bit code has base 0. */
export function codeSegment(c: SystemContext, d: Descriptor, selector: number, cpl: number): SegmentRegister {
  const value = segmentOf(d, (selector & 0xfffc) | cpl)
  return c.state.longMode && isLong(d) ? { ...value, base: 0n, limit: 0xffffffff, attributes: attributesOf(d) } : value
}

/** Loads CS and the privilege level; the caller calls `modeChanged` once everything is loaded. */
export function setCode(c: SystemContext, segment: SegmentRegister, cpl: number): void {
  setSegment(c.state, L.SEG_CS, segment)
  c.state.setU32(L.CPL, cpl)
}

/** isCanonical by the high half, which alone decides. */
export function isCanonicalHigh(c: SystemContext, high: number): boolean {
  const shift = c.state.u32(L.CANONICAL_SHIFT)
  return ((high << shift) >> shift) === (high | 0)
}

/** True when bits 63:47 (63:56 with LA57) are equal. */
export function isCanonical(c: SystemContext, address: bigint): boolean {
  const bits = 64 - c.state.u32(L.CANONICAL_SHIFT)
  return BigInt.asIntN(64, address) === BigInt.asIntN(bits, address)
}
