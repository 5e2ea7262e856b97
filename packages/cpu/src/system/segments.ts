import type { SegmentRegister } from '@entresol/interfaces'
import * as L from '../state/layout.ts'
import type { CpuState } from '../state/state.ts'

/**
 * Writes a segment register with its hidden part and derives what generated code checks: first and last valid offset and
 * permissions (SDM vol. 3, 3.4.5.1, 6.3). Attributes in the SVM VMCB layout: type 0..3, S 4, DPL 5..6, P 7, AVL 8, L 9, D/B 10, G 11.
 */
export function setSegment(state: CpuState, index: number, value: SegmentRegister): void {
  const at = L.segment(index)
  const { attributes, limit } = value
  state.setU64(at + L.SEG_BASE, value.base)
  state.setU32(at + L.SEG_LIMIT, limit)
  state.setU32(at + L.SEG_SELECTOR, value.selector)
  state.setU32(at + L.SEG_ATTRIBUTES, attributes)
  const present = (attributes & 0x80) !== 0
  const code = (attributes & 0x8) !== 0
  const readable = !code || (attributes & 0x2) !== 0
  const writable = !code && (attributes & 0x2) !== 0
  const expandDown = !code && (attributes & 0x4) !== 0
  state.setU32(at + L.SEG_PERMISSIONS, present && attributes & 0x10 ? (readable ? 1 : 0) | (writable ? 2 : 0) : 0)
  // Expand-down with limit at the top leaves no valid offset: first > last.
  state.setU32(at + L.SEG_FIRST, expandDown ? (limit + 1) >>> 0 || 0xffffffff : 0)
  state.setU32(at + L.SEG_LAST, expandDown ? (limit === 0xffffffff ? 0 : attributes & 0x400 ? 0xffffffff : 0xffff) : limit)
}
