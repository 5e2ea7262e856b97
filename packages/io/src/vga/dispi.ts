import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'

/** Bytes of one pixel row of `width` pixels; planar 4-bit modes count bytes of one plane. */
export function pitch(width: number, bpp: number): number {
  return bpp === 4 ? width >> 3 : width * ((bpp + 7) >> 3)
}

/** A DISPI mode of 8 or more bits is on: the legacy window is a bank of linear memory and the VGA's own pipeline rests. */
export function linearMode(r: VgaRegisters): boolean {
  return (r.dispi[spec.DISPI_ENABLE] & spec.ENABLED) !== 0 && r.dispi[spec.DISPI_BPP] !== 4
}

/** The DISPI registers. `vram` is cleared when a mode is set without NO_CLEAR_MEMORY. */
export function readDispi(r: VgaRegisters, index: number, vram: Uint8Array): number {
  if (index === spec.DISPI_VIDEO_MEMORY_64K) return vram.length >> 16
  if (r.dispi[spec.DISPI_ENABLE] & spec.GETCAPS) {
    if (index === spec.DISPI_XRES) return spec.MAX_XRES
    if (index === spec.DISPI_YRES) return spec.MAX_YRES
    if (index === spec.DISPI_BPP) return spec.MAX_BPP
  }
  return r.dispi[index] ?? 0
}

export function writeDispi(r: VgaRegisters, index: number, value: number, vram: Uint8Array): void {
  const d = r.dispi
  const enabled = (d[spec.DISPI_ENABLE] & spec.ENABLED) !== 0
  switch (index) {
    case spec.DISPI_ID:
      if (value >= spec.DISPI_ID_LOW && value <= spec.DISPI_ID5) d[index] = value
      break
    // Resolution and depth are taken while the display is off, and only what is possible.
    case spec.DISPI_XRES:
      if (!enabled && value <= spec.MAX_XRES && (value & 7) === 0) d[index] = value
      break
    case spec.DISPI_YRES:
      if (!enabled && value <= spec.MAX_YRES) d[index] = value
      break
    case spec.DISPI_BPP:
      if (!enabled && spec.DEPTHS.includes(value || 8)) d[index] = value || 8
      break
    case spec.DISPI_ENABLE: writeEnable(r, value, vram); break
    case spec.DISPI_BANK:
      if (value < vram.length / spec.BANK_SIZE) d[index] = value
      break
    case spec.DISPI_VIRT_WIDTH:
      if (enabled) setVirtual(r, Math.max(value & ~7, d[spec.DISPI_XRES]), vram)
      break
    case spec.DISPI_X_OFFSET: if (enabled) setOffset(r, value, d[spec.DISPI_Y_OFFSET], vram); break
    case spec.DISPI_Y_OFFSET: if (enabled) setOffset(r, d[spec.DISPI_X_OFFSET], value, vram); break
    default: break
  }
}

function writeEnable(r: VgaRegisters, value: number, vram: Uint8Array): void {
  const d = r.dispi
  const was = d[spec.DISPI_ENABLE]
  const flags = value & (spec.ENABLED | spec.GETCAPS | spec.BIT8_DAC | spec.LFB_ENABLED | spec.NO_CLEAR_MEMORY)
  const bpp = d[spec.DISPI_BPP] || 8
  const fits = d[spec.DISPI_XRES] > 0 && d[spec.DISPI_YRES] > 0 && rowBytes(d[spec.DISPI_XRES], bpp) * d[spec.DISPI_YRES] <= vram.length
  if ((was ^ flags) & spec.BIT8_DAC) rescale(r.dac, (flags & spec.BIT8_DAC) !== 0)
  d[spec.DISPI_ENABLE] = fits ? flags : flags & ~spec.ENABLED
  if (!(d[spec.DISPI_ENABLE] & spec.ENABLED)) {
    d[spec.DISPI_BANK] = 0
    return
  }
  if (was & spec.ENABLED) return
  d[spec.DISPI_BPP] = bpp
  d[spec.DISPI_BANK] = d[spec.DISPI_X_OFFSET] = d[spec.DISPI_Y_OFFSET] = 0
  setVirtual(r, d[spec.DISPI_XRES], vram)
  if (!(flags & spec.NO_CLEAR_MEMORY)) vram.fill(0)
}

/** VRAM bytes of a row: in planar modes four planes lie side by side. */
function rowBytes(width: number, bpp: number): number {
  return pitch(width, bpp) * (bpp === 4 ? 4 : 1)
}

/** The virtual height follows from the width: all rows that fit. */
function setVirtual(r: VgaRegisters, width: number, vram: Uint8Array): void {
  const d = r.dispi
  const height = Math.floor(vram.length / rowBytes(width, d[spec.DISPI_BPP]))
  if (height < d[spec.DISPI_YRES]) return
  d[spec.DISPI_VIRT_WIDTH] = width
  d[spec.DISPI_VIRT_HEIGHT] = Math.min(height, 0xffff)
}

function setOffset(r: VgaRegisters, x: number, y: number, vram: Uint8Array): void {
  const d = r.dispi
  const row = rowBytes(d[spec.DISPI_VIRT_WIDTH], d[spec.DISPI_BPP])
  if ((y + d[spec.DISPI_YRES]) * row > vram.length || x + d[spec.DISPI_XRES] > 0xffff) return
  d[spec.DISPI_X_OFFSET] = x
  d[spec.DISPI_Y_OFFSET] = y
}

/** Switching the DAC between 6 and 8 bits keeps the colours. */
function rescale(dac: Uint8Array, wide: boolean): void {
  for (let i = 0; i < dac.length; i++) dac[i] = wide ? (dac[i] << 2) | (dac[i] >> 4) : dac[i] >> 2
}
