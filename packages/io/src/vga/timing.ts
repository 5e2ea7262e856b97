import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** Vertical display end in scan lines - 1, with its overflow bits. */
export function verticalDisplayEnd(r: VgaRegisters): number {
  const overflow = r.crtc[spec.CR_OVERFLOW]
  return r.crtc[spec.CR_V_DISPLAY_END] | (overflow & 0x02 ? 0x100 : 0) | (overflow & 0x40 ? 0x200 : 0)
}

/** The scan line behind which the address counter starts from zero. */
export function lineCompare(r: VgaRegisters): number {
  return r.crtc[spec.CR_LINE_COMPARE] | (r.crtc[spec.CR_OVERFLOW] & spec.CR7_LINE_COMPARE ? 0x100 : 0) | (r.crtc[spec.CR_MAX_SCAN_LINE] & 0x40 ? 0x200 : 0)
}

/** Where the beam is at virtual time `now` (ns), from the CRTC's own numbers. */
export function frameTiming(r: VgaRegisters, now: number): { blank: boolean; retrace: boolean } {
  const c = r.crtc
  const overflow = c[spec.CR_OVERFLOW]
  const dots = r.sequencer[spec.SR_CLOCKING] & spec.CLOCKING_8_DOTS ? 8 : 9
  const clock = spec.DOT_CLOCKS[(r.misc & spec.MISC_CLOCK_SELECT) >> 2] / (r.sequencer[spec.SR_CLOCKING] & spec.CLOCKING_HALF ? 2 : 1)
  const characters = c[spec.CR_H_TOTAL] + 5
  const lineTime = (characters * dots * 1e9) / clock
  const vTotal = (c[spec.CR_V_TOTAL] | (overflow & 0x01 ? 0x100 : 0) | (overflow & 0x20 ? 0x200 : 0)) + 2
  const line = Math.floor(now / lineTime) % vTotal
  const character = (now % lineTime) / (lineTime / characters)
  const start = c[spec.CR_V_RETRACE_START] | (overflow & 0x04 ? 0x100 : 0) | (overflow & 0x80 ? 0x200 : 0)
  // The end register holds the low four bits of the line where retrace ends.
  const height = ((c[spec.CR_V_RETRACE_END] & 0x0f) - start) & 0x0f || 16
  // A frame always shows both phases, so that a guest that waits for retrace in an unset mode does not wait for ever.
  const begin = start >= vTotal - 1 ? vTotal - 2 : start
  const retrace = line >= begin && line < begin + height
  return { blank: retrace || line > verticalDisplayEnd(r) || character > c[spec.CR_H_DISPLAY_END] + 1, retrace }
}
