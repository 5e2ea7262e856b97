import { linearMode } from './dispi.ts'
import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'
import { verticalDisplayEnd } from './timing.ts'

/** What the registers make the screen be. Sizes in pixels; text also in cells. */
export type DisplayMode =
  | { readonly kind: 'linear'; readonly width: number; readonly height: number; readonly bpp: number }
  | {
    readonly kind: 'planar' | 'cga4' | 'packed256'
    readonly width: number
    readonly height: number
    /** Scan lines shown per line of pixels, and row scans per character row (CGA-style interleave). */
    readonly repeat: number
    readonly rowScans: number
  }
  | {
    readonly kind: 'text'
    readonly width: number
    readonly height: number
    readonly columns: number
    readonly rows: number
    readonly dots: 8 | 9
    readonly lines: number
    readonly repeat: number
  }

export function displayMode(r: VgaRegisters): DisplayMode {
  if (linearMode(r)) return { kind: 'linear', width: r.dispi[spec.DISPI_XRES], height: r.dispi[spec.DISPI_YRES], bpp: r.dispi[spec.DISPI_BPP] }
  const characters = r.crtc[spec.CR_H_DISPLAY_END] + 1
  const scanLines = verticalDisplayEnd(r) + 1
  const maximum = r.crtc[spec.CR_MAX_SCAN_LINE]
  const doubled = maximum & spec.CR9_DOUBLE_SCAN ? 2 : 1
  const rowLines = (maximum & 0x1f) + 1
  if (!(r.graphics[spec.GR_MISC] & spec.MISC_GRAPHICS)) {
    const dots = r.sequencer[spec.SR_CLOCKING] & spec.CLOCKING_8_DOTS ? 8 : 9
    const height = Math.max(1, Math.floor(scanLines / doubled))
    const rows = Math.max(1, Math.ceil(height / rowLines))
    return { kind: 'text', width: characters * dots, height, columns: characters, rows, dots, lines: rowLines, repeat: doubled }
  }
  if (r.dispi[spec.DISPI_ENABLE] & spec.ENABLED) {
    return { kind: 'planar', width: r.dispi[spec.DISPI_XRES], height: r.dispi[spec.DISPI_YRES], repeat: 1, rowScans: 1 }
  }
  const substituted = (r.crtc[spec.CR_MODE] & 3) !== 3
  const repeat = substituted ? doubled : doubled * rowLines
  const height = Math.max(1, Math.floor(scanLines / repeat))
  const rowScans = substituted ? rowLines : 1
  const mode = r.graphics[spec.GR_MODE]
  if (mode & spec.MODE_SHIFT_256) {
    const halved = r.attribute[spec.AR_MODE] & spec.AR10_PEL_WIDTH ? 4 : 8
    return { kind: 'packed256', width: characters * halved, height, repeat, rowScans }
  }
  return { kind: mode & spec.MODE_SHIFT_INTERLEAVED ? 'cga4' : 'planar', width: characters * 8, height, repeat, rowScans }
}

/** The screen shows nothing: the palette is handed to the processor (drivers blank linear modes so, too), or the sequencer is off. */
export function blanked(r: VgaRegisters): boolean {
  if (!(r.attributeIndex & spec.PALETTE_ADDRESS_SOURCE)) return true
  return !linearMode(r) && (r.sequencer[spec.SR_CLOCKING] & spec.CLOCKING_SCREEN_OFF) !== 0
}

/** Address counter at the top of the screen. */
export function startAddress(r: VgaRegisters): number {
  return (r.crtc[spec.CR_START_HIGH] << 8) | r.crtc[spec.CR_START_LOW]
}

/** Plane offset of address counter value `counter` in row scan `rowScan` (byte, word and doubleword mode; CGA's bank substitution). */
export function planeOffset(r: VgaRegisters, counter: number, rowScan: number): number {
  const mode = r.crtc[spec.CR_MODE]
  let address: number
  if (r.crtc[spec.CR_UNDERLINE] & spec.CR14_DWORD) address = (counter << 2) | ((counter >> 14) & 3)
  else if (mode & spec.CR17_BYTE) address = counter
  else address = (counter << 1) | ((counter >> (mode & spec.CR17_ADDRESS_WRAP ? 15 : 13)) & 1)
  if (!(mode & spec.CR17_ROW_SCAN_A13)) address = (address & ~0x2000) | ((rowScan & 1) << 13)
  if (!(mode & spec.CR17_ROW_SCAN_A14)) address = (address & ~0x4000) | ((rowScan & 2) << 13)
  return address & spec.PLANE_MASK
}
