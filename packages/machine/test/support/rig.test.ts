import type { Gfn, Gpa } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { createRig, EXIT_CODE } from './rig.ts'

test('the checks of the fuzz tests see a write outside the guest and a TLB entry that leads there', () => {
  const rig = createRig()
  expect(rig.boot()).toBe(EXIT_CODE)
  expect(rig.damage()).toEqual([])
  const { machineMemory, ram, vcpus } = rig.platform
  const outside = machineMemory.reserve(4096)
  vcpus[0]!.tlb.fill(0, 0x5000, 0, 3, outside, false)
  expect(rig.damage().join()).toMatch(/maps 5000 .*read.*maps 5000 .*write/)
  vcpus[0]!.tlb.flushAll()
  const code = ram.frameForWrite((0x100000 / 4096) as never)
  vcpus[0]!.tlb.fill(0, 0x5000, 0, 3, code, false)
  expect(rig.damage().join()).toMatch(/written unseen/)
  vcpus[0]!.tlb.flushAll()
  machineMemory.u32[0] = 1
  const canary = machineMemory.u32.indexOf(0xc0de_f00d)
  machineMemory.u32[canary + 7]! ^= 0x100
  expect(rig.damage()).toHaveLength(2)
})

test('a rig with high memory has all guest frames above 2 GiB', () => {
  const rig = createRig({ high: true })
  const { ram } = rig.platform
  for (let gfn = 0; gfn < ram.size / 4096; gfn++) if (ram.kindOf(gfn as Gfn) === 'ram') expect(ram.frameForWrite(gfn as Gfn)).toBeGreaterThanOrEqual(2 ** 31)
  expect(rig.boot()).toBe(EXIT_CODE)
  expect(rig.damage()).toEqual([])
})

test('fw_cfg DMA of the fuzz tests reaches guest memory', () => {
  const { platform: { ports, ram } } = createRig({ firmware: true })
  // Select and read 4 bytes of the signature to 2000h.
  const descriptor = Uint8Array.of(0, 0, 0, 0x0a, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x20, 0)
  ram.write(0x1000 as Gpa, descriptor)
  ports.write(0x514, 4, 0)
  ports.write(0x518, 4, 0x00100000)
  const bytes = new Uint8Array(4)
  ram.read(0x2000 as Gpa, bytes)
  expect(String.fromCharCode(...bytes)).toBe('QEMU')
})
