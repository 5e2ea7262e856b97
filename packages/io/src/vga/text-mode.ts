import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** Register values of BIOS mode 3, 80 × 25 in 9 × 16 cells (PS/2 Technical Reference, "Video modes", 3+). */
const CRTC: readonly number[] = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
]
const PALETTE: readonly number[] = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f]

/** Puts the registers and the screen into text mode as a video BIOS does, for guests started without one. No font is loaded. */
export function enterTextMode(r: VgaRegisters, vram: Uint8Array): void {
  r.misc = 0x67
  r.sequencer.set([3, 0, 3, 0, 2])
  r.crtc.set(CRTC)
  r.graphics.set([0, 0, 0, 0, 0, spec.MODE_ODD_EVEN, 0x0e, 0x0f, 0xff])
  r.attribute.set([...PALETTE, 0x0c, 0, 0x0f, 8, 0])
  r.attributeIndex = spec.PALETTE_ADDRESS_SOURCE
  r.attributeData = false
  r.pelMask = 0xff
  r.dispi[spec.DISPI_ENABLE] = 0
  // The 64 colours of the EGA: bits 0..2 blue, green, red at two thirds, bits 3..5 at one third.
  for (let i = 0; i < 64; i++) {
    for (let c = 0; c < 3; c++) r.dac[i * 3 + 2 - c] = ((i >> c) & 1 ? 0x2a : 0) + ((i >> (c + 3)) & 1 ? 0x15 : 0)
  }
  // Blanks in light grey, as odd/even addressing lays them out: cell n in planes 0 and 1 at 2n.
  for (let at = 0; at < 0x8000; at += 2) {
    vram[at * 4] = 0x20
    vram[at * 4 + 1] = 0x07
  }
}
