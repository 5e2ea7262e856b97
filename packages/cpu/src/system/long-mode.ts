import * as L from '../state/layout.ts'
import { DF } from '../memory/fault.ts'
import type { SystemContext } from './context.ts'
import type { GuestEvent } from './events.ts'
import { changeableFlags, flagsWith } from './flags.ts'
import { isCanonicalHigh } from './mode-state.ts'
import { dropPrivilegedSegments, setBasedAtZero } from './segments.ts'
import { attributesOfHigh, baseOfHalves, gdtEntry, limitOfHalves, supervisor, tableEntry } from './tables.ts'

/**
 * Events and returns as a 64-bit kernel has them: 64-bit code on both sides, the GDT's flat segments, everything in the TLB. Numbers only, and
 * nothing changes before all is known to be right: whatever is not like that gives false, and the general code (events.ts, iret.ts) starts
 * over, which knows the faults.
 */

/** High half of a descriptor: present, accessed, code, not conforming, L without D. */
const CODE64_MASK = 0x609d00
const CODE64 = 0x209900
/** Present, accessed, writable data that does not expand down. */
const STACK_MASK = 0x9f00
const STACK = 0x9300

const TSS_BASE = L.segment(L.SEG_TR) + L.SEG_BASE
const TSS_LIMIT = L.segment(L.SEG_TR) + L.SEG_LIMIT

/** Delivers an event to a handler at CPL 0 (SDM vol. 3, 7.14); the halves of the return address as `GuestEvent.returnRip`. */
export function deliverLong(
  c: SystemContext, vector: number, errorCode: number, kind: GuestEvent['kind'], returnLow: number, returnHigh: number,
): boolean {
  const { state } = c
  if (!state.mode64 || c.trace?.event) return false
  const { u32 } = state.memory
  const entry = tableEntry(c, L.IDTR_BASE, L.IDTR_LIMIT, vector * 16, 16)
  if (entry < 0) return false
  const gate = entry >>> 2
  const low = u32[gate]!
  const middle = u32[gate + 1]!
  const offsetHigh = u32[gate + 2]!
  // Interrupt or trap gate, present.
  if ((middle & 0x9e00) !== 0x8e00) return false
  const selector = low >>> 16
  const at = gdtEntry(c, selector)
  if (at < 0 || (selector & 0xfffc) === 0) return false
  const descriptor = u32[(at >>> 2) + 1]!
  if ((descriptor & CODE64_MASK) !== CODE64 || descriptor & 0x6000 || !isCanonicalHigh(c, offsetHigh)) return false

  const { cpl } = state
  if ((kind === 'software' || kind === 'software-breakpoint') && ((middle >>> 13) & 3) < cpl) return false
  const ist = middle & 7
  let from = L.REGS + 4 * 8 + state.base
  if (cpl !== 0 || ist !== 0) from = tableEntry(c, TSS_BASE, TSS_LIMIT, ist ? ist * 8 + 28 : 4, 8)
  if (from < 0) return false
  const bytes = errorCode >= 0 ? 48 : 40
  const stackLow = (u32[from >>> 2]! & ~15) >>> 0
  const stackHigh = u32[(from >>> 2) + 1]!
  const top = stackLow - bytes
  if (top < 0) return false
  const frame = supervisor(c, top, stackHigh, bytes, true)
  if (frame < 0) return false

  let slot = frame >>> 2
  if (errorCode >= 0) {
    u32[slot++] = errorCode
    u32[slot++] = 0
  }
  u32[slot] = returnLow
  u32[slot + 1] = returnHigh
  u32[slot + 2] = state.selector(L.SEG_CS)
  u32[slot + 3] = 0
  u32[slot + 4] = kind === 'fault' && vector !== DF ? state.eflags | L.FLAG_RF : state.eflags
  u32[slot + 5] = 0
  u32[slot + 6] = state.u32(L.REGS + 4 * 8)
  u32[slot + 7] = state.u32(L.REGS + 4 * 8 + 4)
  u32[slot + 8] = state.selector(L.SEG_SS)
  u32[slot + 9] = 0

  state.setU32(L.REGS + 4 * 8, top)
  state.setU32(L.REGS + 4 * 8 + 4, stackHigh)
  if (cpl !== 0) setBasedAtZero(state, L.SEG_SS, 0, 0, 0)
  setBasedAtZero(state, L.SEG_CS, selector & 0xfffc, 0xffffffff, attributesOfHigh(descriptor))
  state.setU32(L.CPL, 0)
  state.setU32(L.RIP, ((low & 0xffff) | (middle & 0xffff0000)) >>> 0)
  state.setU32(L.RIP + 4, offsetHigh)
  state.setFlag(L.FLAG_TF | L.FLAG_NT | L.FLAG_RF | L.FLAG_VM | (middle & 0x100 ? 0 : L.FLAG_IF), false)
  c.privilegeChanged()
  return true
}

/** IRETQ from 64-bit code to 64-bit code (SDM vol. 2A). */
export function returnLong(c: SystemContext): boolean {
  const { state } = c
  if (!state.mode64 || state.flag(L.FLAG_NT)) return false
  const { u32 } = state.memory
  const { cpl } = state
  const stackLow = state.u32(L.REGS + 4 * 8)
  if ((stackLow & 0xfff) + 40 > 0x1000 || stackLow & 3) return false
  const set = (state.u32(L.TLB_BASE) - state.base - L.TLB) / L.TLB_SET_BYTES
  const frame = c.tlb.find(set, stackLow, state.u32(L.REGS + 4 * 8 + 4), false)
  if (frame < 0) return false
  const slot = frame >>> 2
  const selector = u32[slot + 2]! & 0xffff
  const rpl = selector & 3
  const at = gdtEntry(c, selector)
  if (at < 0 || (selector & 0xfffc) === 0 || rpl < cpl || !isCanonicalHigh(c, u32[slot + 1]!)) return false
  const descriptor = u32[(at >>> 2) + 1]!
  if ((descriptor & CODE64_MASK) !== CODE64 || ((descriptor >>> 13) & 3) !== rpl) return false

  const stack = u32[slot + 8]! & 0xffff
  let stackLimit = 0
  let stackAttributes = rpl << 5
  if ((stack & 0xfffc) === 0) {
    if (rpl === 3 || (stack & 3) !== rpl) return false
  } else {
    const entry = gdtEntry(c, stack)
    if (entry < 0) return false
    const d = u32[entry >>> 2]!
    const high = u32[(entry >>> 2) + 1]!
    if ((high & STACK_MASK) !== STACK || ((high >>> 13) & 3) !== rpl || (stack & 3) !== rpl || baseOfHalves(d, high) !== 0) return false
    stackLimit = limitOfHalves(d, high)
    stackAttributes = attributesOfHigh(high)
  }

  const image = u32[slot + 4]!
  const mask = changeableFlags(c, 8) | (cpl === 0 ? L.FLAG_VIF | L.FLAG_VIP : 0)
  state.setU32(L.RIP, u32[slot]!)
  state.setU32(L.RIP + 4, u32[slot + 1]!)
  state.setU32(L.REGS + 4 * 8, u32[slot + 6]!)
  state.setU32(L.REGS + 4 * 8 + 4, u32[slot + 7]!)
  setBasedAtZero(state, L.SEG_SS, stack, stackLimit, stackAttributes)
  setBasedAtZero(state, L.SEG_CS, selector, 0xffffffff, attributesOfHigh(descriptor))
  state.setU32(L.CPL, rpl)
  state.eflags = flagsWith(state.eflags, image, mask)
  if (rpl > cpl) dropPrivilegedSegments(state)
  c.privilegeChanged()
  return true
}
