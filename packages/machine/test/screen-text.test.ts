import type { FramebufferSource } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { screenText } from '../src/screen-text.ts'

const source = (text: FramebufferSource['text']): FramebufferSource => ({ width: 0, height: 0, text, render: () => {} })

test('a text screen reads as code page 437, one line per row, without trailing blanks', () => {
  const cells = new Uint8Array(16 * 16 * 2)
  for (let code = 0; code < 256; code++) cells[code * 2] = code
  const lines = screenText(source(() => ({ columns: 16, rows: 16, cells, cursor: 0 })))!
  expect(lines).toHaveLength(16)
  expect(lines[4]).toBe('@ABCDEFGHIJKLMNO')
  expect([lines[1]![0], lines[7]![15], lines[8]![0], lines[11]![3], lines[12]![4], lines[13]![11], lines[14]![1], lines[15]![1], lines[15]![14]])
    .toEqual(['►', '⌂', 'Ç', '│', '─', '█', 'ß', '±', '■'])
  expect(lines[15]).toHaveLength(15)
})

test('graphics have no text', () => {
  expect(screenText(source(() => undefined))).toBeUndefined()
})
