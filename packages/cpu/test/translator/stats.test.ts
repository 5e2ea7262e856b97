import { expect, test } from 'vitest'
import type { Gpa } from '@entresol/interfaces'
import { vcpuCounters } from '../../src/stats.ts'
import { CODE, longMachine } from '../support/system.ts'

test('counters tell regions made, entered, left, bailed out of, overwritten and flushed', () => {
  const m = longMachine({}, { translateAfter: 1 })
  const counters = (): ReturnType<typeof vcpuCounters> => vcpuCounters(m.cpu)
  // mov ecx, 1100; again: inc eax; dec ecx; jnz again; hlt
  m.execute([0xb9, 0x4c, 0x04, 0, 0, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xfa, 0xf4], { steps: 1000 })
  const looped = counters()
  expect(looped).toMatchObject({
    instructions: 3302, regions: 1, regionsMade: 1, translatedInstructions: 3, exitsSlice: 3, exitsTransfer: 1, exitsBailed: 0, regionEntries: 4,
  })
  m.ram.write((CODE + 5) as Gpa, Uint8Array.of(0xff, 0xc3))
  expect(counters()).toMatchObject({ regions: 0, regionsMade: 1, regionsInvalidated: 1, regionFlushes: 0 })
  // A store to a page that the TLB does not know is left to the interpreter. again: mov [rcx + 30000], ecx
  m.execute([0xb9, 8, 0x10, 0, 0, 0x89, 0x89, 0, 0, 3, 0, 0xff, 0xc9, 0x75, 0xf6, 0xf4])
  expect(counters().regionsMade).toBeGreaterThan(1)
  expect(counters().exitsBailed).toBeGreaterThan(0)
  expect(counters().translatedBytes).toBeGreaterThan(looped.translatedBytes)
  m.cpu.code.flush()
  expect(counters()).toMatchObject({ regions: 0, regionFlushes: 1, codeFlushes: 1 })
})
