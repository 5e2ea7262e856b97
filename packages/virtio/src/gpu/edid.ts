/** VESA E-EDID 1.4, 3: offsets and what they hold. */
const BASE_BYTES = 128
const MAX_ACTIVE = 4095
const MAX_CLOCK = 0xffff
/** Blanking as in CVT with reduced blanking: pixels and lines. */
const H_BLANK = 160
const H_FRONT = 48
const H_SYNC = 32
const V_BLANK = 35
const V_FRONT = 3
const V_SYNC = 6
const REFRESH = 60
/** Pixels in a millimetre: 96 in an inch. */
const PIXELS_PER_MM = 96 / 25.4

/** A display with one mode of its own, `width` × `height` at 60 Hz, as far as the format can say it. */
export function makeEdid(width: number, height: number): Uint8Array {
  const edid = new Uint8Array(BASE_BYTES)
  edid.set([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0])
  // Manufacturer ENT in three times five bits; product 1, serial 1, week 1 of 2026; version 1.4.
  edid.set([0x15, 0xd4, 1, 0, 1, 0, 0, 0, 1, 2026 - 1990, 1, 4], 8)
  const [millimetresWide, millimetresHigh] = [width, height].map((pixels) => Math.min(Math.round(pixels / PIXELS_PER_MM), MAX_ACTIVE))
  // Digital, 8 bits a colour; size in cm; gamma 2.2; sRGB, the first timing is the native one; sRGB's primaries.
  edid.set([0xa0, Math.min(255, Math.round(millimetresWide! / 10)), Math.min(255, Math.round(millimetresHigh! / 10)), 120, 0x06], 20)
  edid.set([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], 25)
  // Established: 640×480, 800×600, 1024×768, all at 60 Hz. No standard timings.
  edid.set([0x21, 0x08, 0x00], 35)
  edid.fill(0x01, 38, 54)
  edid.set(detailedTiming(Math.min(width, MAX_ACTIVE), Math.min(height, MAX_ACTIVE), millimetresWide!, millimetresHigh!), 54)
  edid.set([0, 0, 0, 0xfc, 0, ...new TextEncoder().encode('Entresol\n    ')], 72)
  edid.set([0, 0, 0, 0x10], 90)
  edid.set([0, 0, 0, 0x10], 108)
  edid[127] = -edid.reduce((sum, byte) => sum + byte, 0)
  return edid
}

/** 3.10.2 */
function detailedTiming(width: number, height: number, millimetresWide: number, millimetresHigh: number): number[] {
  const clock = Math.min(Math.round((width + H_BLANK) * (height + V_BLANK) * REFRESH / 10_000), MAX_CLOCK)
  const high = (first: number, second: number): number => ((first >> 8) << 4) | (second >> 8)
  return [
    clock & 0xff, clock >> 8, width & 0xff, H_BLANK, high(width, H_BLANK), height & 0xff, V_BLANK, high(height, V_BLANK),
    H_FRONT, H_SYNC, (V_FRONT << 4) | V_SYNC, 0, millimetresWide & 0xff, millimetresHigh & 0xff, high(millimetresWide, millimetresHigh), 0, 0,
    // Digital separate sync, horizontal positive.
    0x1a,
  ]
}
