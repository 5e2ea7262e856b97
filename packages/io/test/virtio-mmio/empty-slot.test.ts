import { describe, expect, it } from 'vitest'
import { EmptyVirtioMmioSlot } from '../../src/virtio-mmio/empty-slot.ts'

describe('an empty virtio-mmio slot (virtio 1.2, 4.2.2)', () => {
  const slot = new EmptyVirtioMmioSlot(0)

  it('says "virt", version 2 and device ID 0', () => {
    expect([0, 4, 8].map((offset) => slot.read(offset, 4))).toEqual([0x74726976, 2, 0])
  })

  it('has no registers beyond the identification', () => {
    for (let offset = 0x10; offset < slot.length; offset += 4) expect(slot.read(offset, 4)).toBe('no-register')
    expect(slot.write()).toBe('no-register')
  })

  it('refuses accesses that are not aligned words', () => {
    expect([slot.read(0, 1), slot.read(0, 2), slot.read(2, 4)]).toEqual(['bad-size', 'bad-size', 'unaligned'])
  })
})
