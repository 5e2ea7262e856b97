import { expect, test } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { createTraceLog } from '../../src/trace-log.ts'
import { CODE, longMachine } from '../support/system.ts'

test('translate and invalidate: a line for each region that is made and dropped, with the name of the place', () => {
  const lines: string[] = []
  const trace = createTraceLog(['translate', 'invalidate'], (line) => lines.push(line), (rip) => (rip === BigInt(CODE + 5) ? 'spin' : undefined))
  const m = longMachine({}, { translateAfter: 1, trace })
  // mov ecx, 1100; again: inc eax; dec ecx; jnz again; hlt
  m.execute([0xb9, 0x4c, 0x04, 0, 0, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xf4], { steps: 1000 })
  expect(lines.splice(0)).toEqual([expect.stringMatching(/^translate: cpu=0 pages=1 blocks=1 instructions=3 bytes=\d+ ms=\d+\.\d\d 0{12}8005 spin$/)])
  m.ram.write((CODE + 5) as Gpa, Uint8Array.of(0xff, 0xc3))
  expect(lines.splice(0)).toEqual(['invalidate: cpu=0 overwritten 0000000000008005 spin'])
  m.cpu.code.flush()
  expect(lines).toEqual(['invalidate: cpu=0 flush'])
})
