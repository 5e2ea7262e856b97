import { expect, test } from 'vitest'
import { absolute, assemble, dword, near, text } from '../src/assembler.ts'

test('labels are addresses, near ones distances from the end of their field', () => {
  const { bytes, labels } = assemble(0x1000, ['top:', [0xeb, near('end')], [0xb8, absolute('end')], 'end:', [0xeb, near('top')], text('a'), dword(0x12345678)])
  expect(labels.get('end')).toBe(0x1007)
  expect([...bytes]).toEqual([0xeb, 5, 0xb8, 7, 0x10, 0, 0, 0xeb, 0xf7, 0x61, 0, 0x78, 0x56, 0x34, 0x12])
})
