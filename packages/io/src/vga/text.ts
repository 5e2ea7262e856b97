import { planeOffset, startAddress } from './mode.ts'
import type { DisplayMode } from './mode.ts'
import * as spec from './spec.ts'
import type { VgaRegisters } from './state.ts'
import { lineCompare } from './timing.ts'

export type TextMode = DisplayMode & { kind: 'text' }

/** Cells of the text screen in reading order, as (character, attribute) pairs. */
export function textCells(r: VgaRegisters, vram: Uint8Array, mode: TextMode): Uint8Array {
  const { columns, rows } = mode
  const cells = new Uint8Array(columns * rows * 2)
  const split = splitRow(r, mode)
  for (let row = 0; row < rows; row++) {
    const counter = rowCounter(r, row, split)
    for (let column = 0; column < columns; column++) {
      const at = planeOffset(r, counter + column, 0) * 4
      cells[(row * columns + column) * 2] = vram[at]
      cells[(row * columns + column) * 2 + 1] = vram[at + 1]
    }
  }
  return cells
}

/** Index of the cursor's cell; -1 when it is switched off or elsewhere. */
export function textCursor(r: VgaRegisters, mode: TextMode): number {
  if (r.crtc[spec.CR_CURSOR_START] & 0x20) return -1
  const address = (r.crtc[spec.CR_CURSOR_HIGH] << 8) | r.crtc[spec.CR_CURSOR_LOW]
  const offset = r.crtc[spec.CR_OFFSET] << 1 || mode.columns
  const distance = address - startAddress(r)
  if (distance < 0) return -1
  const row = Math.floor(distance / offset)
  const column = distance % offset
  return row < mode.rows && column < mode.columns ? row * mode.columns + column : -1
}

/** First character row behind the line compare. */
function splitRow(r: VgaRegisters, mode: TextMode): number {
  return Math.ceil((lineCompare(r) + 1) / (mode.lines * mode.repeat))
}

function rowCounter(r: VgaRegisters, row: number, split: number): number {
  const offset = r.crtc[spec.CR_OFFSET] << 1
  return row >= split ? (row - split) * offset : startAddress(r) + row * offset
}

/** Plane 2 offset of the two character generators (SR3: A by bits 5, 3..2, B by bits 4, 1..0); 8 KiB each. */
function fontOffsets(r: VgaRegisters): [number, number] {
  const map = r.sequencer[spec.SR_CHARACTER_MAP]
  const offset = (select: number): number => ((select & 3) << 14) | ((select & 4) << 11)
  return [offset(((map >> 2) & 3) | ((map >> 3) & 4)), offset((map & 3) | ((map >> 2) & 4))]
}

export function renderText(r: VgaRegisters, vram: Uint8Array, mode: TextMode, colors: Uint32Array, now: number, out: Uint32Array): void {
  const cells = textCells(r, vram, mode)
  const cursor = Math.floor(now / spec.CURSOR_BLINK) % 2 === 0 ? textCursor(r, mode) : -1
  const [fontA, fontB] = fontOffsets(r)
  const blinking = (r.attribute[spec.AR_MODE] & spec.AR10_BLINK) !== 0
  const hidden = blinking && Math.floor(now / spec.CHARACTER_BLINK) % 2 === 1
  const lineGraphics = (r.attribute[spec.AR_MODE] & spec.AR10_LINE_GRAPHICS) !== 0
  const cursorFrom = r.crtc[spec.CR_CURSOR_START] & 0x1f
  const cursorTo = r.crtc[spec.CR_CURSOR_END] & 0x1f
  const underline = r.crtc[spec.CR_UNDERLINE] & 0x1f
  for (let y = 0; y < mode.height; y++) {
    const row = Math.floor(y / mode.lines)
    const line = y % mode.lines
    for (let column = 0; column < mode.columns; column++) {
      const cell = row * mode.columns + column
      const character = cells[cell * 2]
      const attribute = cells[cell * 2 + 1]
      let bits = vram[((attribute & 8 ? fontA : fontB) + character * 32 + line) * 4 + 2] << 1
      // The ninth dot repeats the eighth for the line-drawing characters.
      if (lineGraphics && (character & 0xe0) === 0xc0) bits |= (bits >> 1) & 1
      if (hidden && attribute & 0x80) bits = 0
      // Monochrome underline: foreground 1 on background 0.
      if (line === underline && (attribute & 0x77) === 0x01) bits = 0x1ff
      if (cell === cursor && line >= cursorFrom && line <= cursorTo) bits = 0x1ff
      drawCell(out, y * mode.width + column * mode.dots, mode.dots, bits, colors[attribute & 0x0f], colors[(attribute >> 4) & (blinking ? 7 : 15)])
    }
  }
}

function drawCell(out: Uint32Array, at: number, dots: number, bits: number, foreground: number, background: number): void {
  for (let dot = 0; dot < dots; dot++) out[at + dot] = (bits >> (8 - dot)) & 1 ? foreground : background
}
