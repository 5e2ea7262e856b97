import { beforeEach, describe, expect, it } from 'vitest'
import { Vga } from '../../src/vga/vga.ts'
import { ManualClock, read, write } from '../support/device-fakes.ts'

let clock: ManualClock
let vga: Vga
beforeEach(() => {
  clock = new ManualClock()
  vga = new Vga({ clock, vramSize: 1 << 20 })
})
const out = (port: number, value: number, size: 1 | 2 = 1): void => write(vga.ports, port - 0x3b0, value, size)
const inp = (port: number): number => read(vga.ports, port - 0x3b0)
const sr = (i: number, v: number): void => out(0x3c4, i | (v << 8), 2)
const gr = (i: number, v: number): void => out(0x3ce, i | (v << 8), 2)
const cr = (i: number, v: number): void => out(0x3d4, i | (v << 8), 2)
const dispi = (i: number, v: number): void => { write(vga.dispiPorts, 0, i, 2); write(vga.dispiPorts, 1, v, 2) }
const dispiRead = (i: number): number => { write(vga.dispiPorts, 0, i, 2); return read(vga.dispiPorts, 1, 2) }
function attribute(values: number[], from = 0): void {
  inp(0x3da)
  values.forEach((v, i) => { out(0x3c0, from + i); out(0x3c0, v) })
  out(0x3c0, 0x20)
}
/** Register set of a 320 x 200, 256-colour mode; `chain4` 13h, else unchained with byte addressing. */
function mode256(chain4: boolean): void {
  out(0x3c2, 0x63)
  sr(1, 1); sr(2, 15); sr(4, chain4 ? 0x0e : 0x06)
  cr(0x11, 0)
  const crtc = [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, chain4 ? 0x40 : 0, 0x96, 0xb9, chain4 ? 0xa3 : 0xe3, 0xff]
  crtc.forEach((v, i) => cr(i, v))
  gr(5, 0x40); gr(6, 5); gr(8, 0xff)
  attribute([...Array.from({ length: 16 }, (_, i) => i), 0x41, 0, 15, 0, 0])
  out(0x3c8, 0)
  for (let i = 0; i < 256; i++) { out(0x3c9, i & 63); out(0x3c9, 0); out(0x3c9, i >> 2) }
}
/** 640 x 480, 16 colours (mode 12h). */
function mode12(): void {
  out(0x3c2, 0xe3)
  sr(1, 1); sr(2, 15); sr(4, 6)
  cr(0x11, 0)
  const crtc = [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x0c, 0xdf, 0x28, 0, 0xe7, 0x04, 0xe3, 0xff]
  crtc.forEach((v, i) => cr(i, v))
  gr(0, 0); gr(1, 0); gr(3, 0); gr(5, 0); gr(6, 5); gr(7, 15); gr(8, 0xff)
  attribute([...Array.from({ length: 16 }, (_, i) => i), 1, 0, 15, 0, 0])
  out(0x3c8, 0)
  for (let i = 0; i < 64; i++) for (let c = 0; c < 3; c++) out(0x3c9, i)
}
function pixels(): Uint32Array {
  const rgba = new Uint8ClampedArray(vga.width * vga.height * 4)
  vga.render(rgba)
  return new Uint32Array(rgba.buffer)
}
const plane = (p: number, at: number): number => vga.vram[at * 4 + p]

describe('text', () => {
  it('shows what is written to B8000h as cells with a cursor', () => {
    vga.enterTextMode()
    write(vga.legacyWindow, 0x18000, 0x1f41, 2)
    write(vga.legacyWindow, 0x18000 + 160, 0x42)
    cr(0x0e, 0); cr(0x0f, 81)
    const text = vga.text()
    expect([text?.columns, text?.rows, text?.cursor]).toEqual([80, 25, 81])
    expect([...text?.cells.subarray(0, 4) ?? []]).toEqual([0x41, 0x1f, 0x20, 0x07])
    expect(text?.cells[160]).toBe(0x42)
    expect(read(vga.legacyWindow, 0x18000, 4)).toBe(0x07201f41)
    expect(read(vga.legacyWindow, 0x10000)).toBe(0xff)
  })
  it('draws nine-dot cells with the font in plane 2, loaded as a BIOS loads it', () => {
    vga.enterTextMode()
    expect([vga.width, vga.height]).toEqual([720, 400])
    sr(2, 4); sr(4, 7); gr(5, 0); gr(6, 4)
    write(vga.legacyWindow, 0x41 * 32, 0x81)
    write(vga.legacyWindow, 0xc4 * 32, 0x01)
    sr(2, 3); sr(4, 2); gr(5, 0x10); gr(6, 0x0e)
    write(vga.legacyWindow, 0x18000, 0x4f41, 2)
    write(vga.legacyWindow, 0x18002, 0x4fc4, 2)
    cr(0x0a, 0x20)
    const row = [...pixels().subarray(0, 18)]
    const [on, off] = [0xffffffff, 0xff0000aa]
    expect(row).toEqual([on, off, off, off, off, off, off, on, off, ...new Array(7).fill(off), on, on])
    inp(0x3da); out(0x3c0, 0x30); out(0x3c0, 0x08)
    expect(pixels()[17]).toBe(off)
  })
  it('scrolls by start address and hides the screen while the palette belongs to the processor', () => {
    vga.enterTextMode()
    write(vga.legacyWindow, 0x18000 + 160, 0x5a)
    cr(0x0d, 80)
    expect(vga.text()?.cells[0]).toBe(0x5a)
    inp(0x3da); out(0x3c0, 0)
    expect(new Set(pixels())).toEqual(new Set([0xff000000]))
  })
})

describe('256 colours', () => {
  it('shows mode 13h linearly at A0000h', () => {
    mode256(true)
    expect([vga.width, vga.height, vga.text()]).toEqual([320, 200, undefined])
    for (let i = 0; i < 64000; i++) write(vga.legacyWindow, i, (i * 7 + (i >> 8)) & 255)
    const shown = pixels()
    for (let i = 0; i < 64000; i += 331) expect(shown[i] & 255).toBe((((i * 7 + (i >> 8)) & 63) << 2) | (((i * 7 + (i >> 8)) & 63) >> 4))
    expect(read(vga.legacyWindow, 777)).toBe((777 * 7 + 3) & 255)
  })
  it('spreads mode X over planes by map mask', () => {
    mode256(false)
    for (let p = 0; p < 4; p++) { sr(2, 1 << p); write(vga.legacyWindow, 80, 10 + p) }
    expect([...pixels().subarray(320, 325)].map((c) => (c >> 2) & 63)).toEqual([10, 11, 12, 13, 0])
    gr(4, 2)
    expect(read(vga.legacyWindow, 80)).toBe(12)
  })
})

describe('planar memory', () => {
  beforeEach(mode12)
  it('writes in mode 0 with rotation, set/reset, bit mask and the logical functions', () => {
    write(vga.legacyWindow, 0, 0xf0)
    expect([0, 1, 2, 3].map((p) => plane(p, 0))).toEqual([0xf0, 0xf0, 0xf0, 0xf0])
    gr(3, 0x04); write(vga.legacyWindow, 1, 0x1f); expect(plane(0, 1)).toBe(0xf1)
    gr(3, 0); gr(0, 0x05); gr(1, 0x0f); gr(8, 0x0f)
    read(vga.legacyWindow, 0); write(vga.legacyWindow, 0, 0)
    expect([0, 1, 2, 3].map((p) => plane(p, 0))).toEqual([0xff, 0xf0, 0xff, 0xf0])
    gr(1, 0); gr(8, 0xff); gr(3, 0x18)
    read(vga.legacyWindow, 0); write(vga.legacyWindow, 0, 0x3c)
    expect([0, 1].map((p) => plane(p, 0))).toEqual([0xc3, 0xcc])
  })
  it('copies latches in mode 1, paints a colour in mode 2, masks by data in mode 3', () => {
    gr(5, 2); write(vga.legacyWindow, 5, 0x0a)
    expect([0, 1, 2, 3].map((p) => plane(p, 5))).toEqual([0, 0xff, 0, 0xff])
    gr(5, 1); read(vga.legacyWindow, 5); write(vga.legacyWindow, 6, 0)
    expect([0, 1, 2, 3].map((p) => plane(p, 6))).toEqual([0, 0xff, 0, 0xff])
    gr(5, 3); gr(0, 0x01); read(vga.legacyWindow, 5); write(vga.legacyWindow, 5, 0x0f)
    expect([0, 1, 2, 3].map((p) => plane(p, 5))).toEqual([0x0f, 0xf0, 0, 0xf0])
  })
  it('compares colours in read mode 1, ignoring planes that do not care', () => {
    gr(5, 2); gr(8, 0xf0); read(vga.legacyWindow, 9); write(vga.legacyWindow, 9, 0x0d)
    gr(5, 0x0a); gr(2, 0x0d); gr(7, 0x0f)
    expect(read(vga.legacyWindow, 9)).toBe(0xf0)
    gr(7, 0); expect(read(vga.legacyWindow, 9)).toBe(0xff)
  })
  it('shows sixteen colours at 640 x 480', () => {
    expect([vga.width, vga.height]).toEqual([640, 480])
    gr(5, 2); write(vga.legacyWindow, 81, 0x09)
    expect([...pixels().subarray(647, 657)].map((c) => (c >> 2) & 63)).toEqual([0, 9, 9, 9, 9, 9, 9, 9, 9, 0])
  })
})

describe('registers', () => {
  it('protects CR0-CR7 by CR11 bit 7, save the line compare bit', () => {
    out(0x3c2, 1)
    cr(0, 0x11); cr(0x11, 0x80); cr(0, 0x22); cr(7, 0xff)
    out(0x3d4, 0); expect(inp(0x3d5)).toBe(0x11)
    out(0x3d4, 7); expect(inp(0x3d5)).toBe(0x10)
  })
  it('answers CRTC accesses on the side the miscellaneous output register selects', () => {
    out(0x3c2, 0)
    out(0x3b4, 0x0f); out(0x3b5, 0x77)
    expect([inp(0x3b5), inp(0x3d5)]).toEqual([0x77, 0xff])
    expect(inp(0x3cc)).toBe(0)
  })
  it('steps the DAC through red, green, blue with six bits each', () => {
    out(0x3c8, 5); for (const v of [1, 2, 0xff, 4]) out(0x3c9, v)
    out(0x3c7, 5); expect([inp(0x3c9), inp(0x3c9), inp(0x3c9), inp(0x3c9), inp(0x3c7)]).toEqual([1, 2, 63, 4, 3])
  })
  it('shows vertical retrace about seventy times a second in text mode', () => {
    vga.enterTextMode()
    let edges = 0
    let last = 8
    for (let t = 0; t < 100_000; t++) {
      clock.time = t * 10_000
      const now = inp(0x3da) & 8
      if (now && !last) edges++
      last = now
    }
    expect(edges).toBeGreaterThanOrEqual(69)
    expect(edges).toBeLessThanOrEqual(71)
  })
})

describe('DISPI', () => {
  const set = (x: number, y: number, bpp: number, flags = 0x41): void => { dispi(4, 0); dispi(1, x); dispi(2, y); dispi(3, bpp); dispi(4, flags) }
  beforeEach(() => { out(0x3c2, 0x63); attribute([]) })
  it('identifies as B0C5 with its memory in 64 KiB units and its capabilities', () => {
    expect([dispiRead(0), dispiRead(10)]).toEqual([0xb0c5, 16])
    dispi(4, 2)
    expect([dispiRead(1), dispiRead(2), dispiRead(3)]).toEqual([2560, 1600, 32])
    dispi(0, 0xb0c2); expect(dispiRead(0)).toBe(0xb0c2)
    dispi(0, 0x1234); expect(dispiRead(0)).toBe(0xb0c2)
  })
  it('shows 8, 15, 16, 24 and 32 bits from the linear framebuffer', () => {
    const expected: [number, number[], number][] = [
      [15, [0x00, 0x7c], 0xff0000ff], [16, [0xe0, 0x07], 0xff00ff00], [24, [1, 2, 3], 0xff010203], [32, [1, 2, 3, 9], 0xff010203],
    ]
    for (const [bpp, bytes, color] of expected) {
      set(64, 32, bpp)
      expect([vga.width, vga.height]).toEqual([64, 32])
      const at = (64 * 3 + 5) * ((bpp + 7) >> 3)
      bytes.forEach((b, i) => write(vga.linearFramebuffer, at + i, b))
      expect(pixels()[64 * 3 + 5] >>> 0).toBe(color)
    }
    set(64, 32, 8, 0x61)
    out(0x3c8, 200); out(0x3c9, 255); out(0x3c9, 1); out(0x3c9, 2)
    write(vga.linearFramebuffer, 0, 200)
    expect(pixels()[0] >>> 0).toBe(0xff0201ff)
  })
  it('clears memory on enabling unless told not to, and banks the window', () => {
    write(vga.linearFramebuffer, 0x20010, 0x1234_5678, 4)
    set(640, 200, 32, 0xc1)
    dispi(5, 2)
    expect(read(vga.legacyWindow, 0x10, 4)).toBe(0x1234_5678)
    expect(read(vga.legacyWindow, 0x18000)).toBe(0xff)
    set(640, 200, 32)
    expect(read(vga.linearFramebuffer, 0x20010, 4)).toBe(0)
  })
  it('pans by virtual width and offsets and refuses what does not fit', () => {
    set(64, 32, 32)
    dispi(6, 128)
    expect(dispiRead(7)).toBe((1 << 20) / 512)
    dispi(8, 8); dispi(9, 4)
    write(vga.linearFramebuffer, (4 * 128 + 8) * 4, 0x00abcdef, 4)
    expect(pixels()[0] >>> 0).toBe(0xffefcdab)
    dispi(9, 60000); expect(dispiRead(9)).toBe(4)
    set(2048, 1600, 32); expect(dispiRead(4) & 1).toBe(0)
  })
  it('is reached through BAR 2 with the VGA ports and QEMU\'s extended registers', () => {
    expect([read(vga.mmio, 0x500, 2), read(vga.mmio, 0x514, 2)]).toEqual([0xb0c5, 16])
    write(vga.mmio, 0x502, 64, 2); write(vga.mmio, 0x504, 32, 2); write(vga.mmio, 0x506, 32, 2); write(vga.mmio, 0x508, 0x41, 2)
    expect(vga.width).toBe(64)
    expect([read(vga.mmio, 0x600, 4), read(vga.mmio, 0x604, 4)]).toEqual([8, 0x1e1e1e1e])
    write(vga.mmio, 0x402, 0x67); expect(inp(0x3cc)).toBe(0x67)
  })
})

describe('snapshot', () => {
  it('carries registers and memory, refuses an impossible mode', () => {
    mode256(true)
    write(vga.legacyWindow, 3, 200)
    const saved = structuredClone(vga.save())
    const copy = new Vga({ clock, vramSize: 1 << 20 })
    copy.restore(saved)
    expect(copy.save()).toEqual(saved)
    const dispiState = [...saved.dispi]
    dispiState[1] = 65535
    expect(() => copy.restore({ ...saved, dispi: dispiState })).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
    expect(copy.width).toBe(320)
  })
})
