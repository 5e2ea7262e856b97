import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** The DAC's 256 colours as RGBA words in memory order (red in the low byte), after the PEL mask. */
export function dacColors(r: VgaRegisters, into: Uint32Array): void {
  const wide = (r.dispi[spec.DISPI_ENABLE] & spec.BIT8_DAC) !== 0
  const component = (i: number): number => (wide ? r.dac[i] : ((r.dac[i] << 2) | (r.dac[i] >> 4)) & 0xff)
  for (let i = 0; i < 256; i++) {
    const at = (i & r.pelMask) * 3
    into[i] = 0xff00_0000 | (component(at + 2) << 16) | (component(at + 1) << 8) | component(at)
  }
}

/** Sixteen attribute values through the internal palette and colour select to DAC colours. */
export function attributeColors(r: VgaRegisters, dac: Uint32Array, into: Uint32Array): void {
  const select = r.attribute[spec.AR_COLOR_SELECT]
  const p54 = (r.attribute[spec.AR_MODE] & spec.AR10_P54_SELECT) !== 0
  for (let i = 0; i < 16; i++) {
    const color = r.attribute[i & r.attribute[spec.AR_PLANE_ENABLE]]
    into[i] = dac[p54 ? (color & 0x0f) | ((select & 0x0f) << 4) : (color & 0x3f) | ((select & 0x0c) << 4)]
  }
}
