import { readMsr } from '@entresol/cpu'
import { IA32_MTRR_DEF_TYPE, IA32_MTRR_FIXED, IA32_MTRR_PHYSBASE0 } from '@entresol/x86'
import { describe, expect, test } from 'vitest'
import { memoryMap } from '../src/boards/memory-map.ts'
import { createRig } from './support/rig.ts'

describe('a kernel started without firmware finds what firmware sets up (SDM vol. 3, 13.11)', () => {
  const rig = createRig({ cpus: 2 })
  rig.boot()
  const types = (index: number): bigint[] => rig.platform.vcpus.map((vcpu) => readMsr(vcpu, index)!)

  test('MTRRs are on with write-back as the default, on every processor', () => {
    expect(types(IA32_MTRR_DEF_TYPE)).toEqual([0xc06n, 0xc06n])
  })

  test('conventional memory is write-back, video memory uncacheable, ROM write-protected', () => {
    expect([0, 1, 2, 3, 10].map((n) => types(IA32_MTRR_FIXED[n]!)[1])).toEqual(
      [0x0606060606060606n, 0x0606060606060606n, 0n, 0x0505050505050505n, 0x0505050505050505n])
  })

  test('3 to 4 GiB are uncacheable in one variable range', () => {
    expect(types(IA32_MTRR_PHYSBASE0)).toEqual([0xc0000000n, 0xc0000000n])
    expect(types(IA32_MTRR_PHYSBASE0 + 1)).toEqual([0xffc0000800n, 0xffc0000800n])
  })
})

test('the E820 map reserves the PCI Express configuration window (PCI Firmware Specification 3.0, 4.1.2)', () => {
  expect(memoryMap(1 << 28, undefined, { base: 0xe0000000, length: 1 << 28 })).toContainEqual({ base: 0xe0000000, length: 1 << 28, type: 'reserved' })
})
