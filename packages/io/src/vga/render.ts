import { pitch } from './dispi.ts'
import { blanked, displayMode, planeOffset, startAddress } from './mode.ts'
import type { DisplayMode } from './mode.ts'
import { attributeColors, dacColors } from './palette.ts'
import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'
import { renderText } from './text.ts'
import { lineCompare } from './timing.ts'

const BLACK = 0xff00_0000

/** Draws the current screen into RGBA words; `out` holds width × height of `displayMode(r)`. */
export function renderScreen(r: VgaRegisters, vram: Uint8Array, now: number, out: Uint32Array): void {
  const mode = displayMode(r)
  const dac = new Uint32Array(256)
  dacColors(r, dac)
  if (blanked(r)) {
    out.fill(BLACK)
    return
  }
  if (mode.kind === 'linear') renderLinear(r, vram, mode, dac, out)
  else {
    const colors = new Uint32Array(16)
    attributeColors(r, dac, colors)
    if (mode.kind === 'text') renderText(r, vram, mode, colors, now, out)
    else renderGraphics(r, vram, mode, dac, colors, out)
  }
}

function renderLinear(r: VgaRegisters, vram: Uint8Array, mode: DisplayMode & { kind: 'linear' }, dac: Uint32Array, out: Uint32Array): void {
  const { width, height, bpp } = mode
  const row = pitch(r.dispi[spec.DISPI_VIRT_WIDTH], bpp)
  const step = (bpp + 7) >> 3
  const origin = r.dispi[spec.DISPI_Y_OFFSET] * row + r.dispi[spec.DISPI_X_OFFSET] * step
  for (let y = 0, to = 0; y < height; y++) {
    let at = origin + y * row
    for (let x = 0; x < width; x++, at += step, to++) out[to] = linearPixel(vram, at, bpp, dac)
  }
}

/** One pixel as RGBA; beyond VRAM everything is 0. 15 and 16 bits widen by repeating their top bits. */
function linearPixel(vram: Uint8Array, at: number, bpp: number, dac: Uint32Array): number {
  if (bpp === 8) return dac[vram[at]]
  if (bpp >= 24) return BLACK | (vram[at] << 16) | (vram[at + 1] << 8) | vram[at + 2]
  const value = vram[at] | (vram[at + 1] << 8)
  const blue = (value & 0x1f) << 3
  const green = bpp === 15 ? ((value >> 5) & 0x1f) << 3 : ((value >> 5) & 0x3f) << 2
  const red = bpp === 15 ? ((value >> 10) & 0x1f) << 3 : (value >> 11) << 3
  return BLACK | ((blue | (blue >> 5)) << 16) | ((green | (green >> (bpp === 15 ? 5 : 6))) << 8) | red | (red >> 5)
}

function renderGraphics(
  r: VgaRegisters, vram: Uint8Array, mode: DisplayMode & { kind: 'planar' | 'cga4' | 'packed256' }, dac: Uint32Array, colors: Uint32Array, out: Uint32Array,
): void {
  const { width, height, repeat, rowScans } = mode
  const dispi = (r.dispi[spec.DISPI_ENABLE] & spec.ENABLED) !== 0
  // CR13 counts pairs of address counter steps.
  const offset = dispi ? r.dispi[spec.DISPI_VIRT_WIDTH] >> 3 : r.crtc[spec.CR_OFFSET] << 1
  const top = dispi ? r.dispi[spec.DISPI_Y_OFFSET] * offset + (r.dispi[spec.DISPI_X_OFFSET] >> 3) : startAddress(r)
  const split = dispi ? Infinity : Math.floor((lineCompare(r) + 1) / repeat)
  const panning = r.attribute[spec.AR_PEL_PANNING] & 7
  // Eight dots per address; two bits per pixel and the 256-colour shift keep that pace in their own way.
  const perAddress = mode.kind === 'packed256' && r.attribute[spec.AR_MODE] & spec.AR10_PEL_WIDTH ? 4 : 8
  const pan = mode.kind === 'packed256' ? panning >> 1 : panning
  for (let y = 0; y < height; y++) {
    const below = y >= split
    const line = below ? y - split : y
    const counter = (below ? 0 : top) + Math.floor(line / rowScans) * offset
    const shift = below && r.attribute[spec.AR_MODE] & spec.AR10_PANNING_COMPATIBLE ? 0 : pan
    let to = y * width
    for (let x = 0; x < width; x++, to++) {
      const dot = x + shift
      const address = dispi ? counter + (dot >> 3) : planeOffset(r, counter + Math.floor(dot / perAddress), line % rowScans)
      out[to] = mode.kind === 'packed256'
        ? dac[vram[address * 4 + (perAddress === 4 ? dot & 3 : (dot & 7) >> 1)]]
        : colors[mode.kind === 'cga4' ? interleavedPixel(vram, address * 4, dot & 7) : planarPixel(vram, address * 4, dot & 7)]
    }
  }
}

function planarPixel(vram: Uint8Array, at: number, dot: number): number {
  const bit = 7 - dot
  return ((vram[at] >> bit) & 1) | (((vram[at + 1] >> bit) & 1) << 1) | (((vram[at + 2] >> bit) & 1) << 2) | (((vram[at + 3] >> bit) & 1) << 3)
}

/** Shift register interleave: even planes give four two-bit pixels of planes 0 and 2, then odd planes those of 1 and 3. */
function interleavedPixel(vram: Uint8Array, at: number, dot: number): number {
  const plane = dot >> 2
  const shift = 6 - 2 * (dot & 3)
  return ((vram[at + plane] >> shift) & 3) | (((vram[at + plane + 2] >> shift) & 3) << 2)
}
