import { expect, test } from 'vitest'
import { Machine } from '../src/machine.ts'
import { tinyKernel } from './support/rig.ts'

/** mov ecx, 20000000h; dec ecx; jnz $-1, then the guest exits: long enough for a thread to start and translate it. */
function loopingKernel(): Uint8Array {
  const kernel = tinyKernel()
  kernel.set([0xb9, 0x00, 0x00, 0x00, 0x20, 0x49, 0x75, 0xfd, 0x66, 0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd], 0x20)
  return kernel
}

test.each(['single', 'multi'] as const)('statistics of a machine are the sums of its CPUs, with threads: %s', async (threads) => {
  const machine = new Machine({ kernel: loopingKernel(), isaDebugExit: {}, noReboot: true, memory: 4 << 20, cpus: 2, threads })
  await machine.boot()
  await machine.stopped
  const { vcpus, memoryTouched, events, ...sums } = machine.stats()
  expect(vcpus).toHaveLength(2)
  for (const [name, sum] of Object.entries(sums)) expect([name, sum]).toEqual([name, vcpus.reduce((total, vcpu) => total + (vcpu[name as keyof typeof sums]), 0)])
  expect(events).toEqual({})
  expect(memoryTouched).toBeGreaterThan(4096)
  const [first, second] = vcpus as [typeof vcpus[0], typeof vcpus[0]]
  expect(first.instructions).toBeGreaterThan(1_070_000_000)
  expect(second.instructions).toBe(0)
  // The loop with what follows it up to OUT is one region; slices end in it, and OUT is none.
  expect(first).toMatchObject({ regions: 1, regionsMade: 1, translatedInstructions: 4, regionsInvalidated: 0 })
  expect(first.translatedBytes).toBeGreaterThan(50)
  expect(first.exitsTransfer).toBeGreaterThanOrEqual(1)
  expect(first.exitsSlice).toBeGreaterThan(10)
  expect(first.exitsBailed).toBe(0)
  expect(first.regionEntries).toBe(first.exitsTransfer + first.exitsSlice)
}, 60_000)
