import { describe, expect, test } from 'vitest'
import { MmioBus, PortBus } from '../../src/bus/index.ts'
import { Scratch } from '../support/platform-fakes.ts'

for (const make of [() => new PortBus(), () => new MmioBus()]) {
  describe(make().name, () => {
    test('nothing mapped reads as all ones of the width, drops writes and counts', () => {
      const bus = make()
      expect([bus.read(0x80, 1), bus.read(0x80, 2), bus.read(0x80, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff])
      bus.write(0x80, 4, 1)
      expect(bus.faults.unmapped).toBe(1 + 2 + 4 + 4)
    })

    test('a device sees offsets into its own registers and the width it takes', () => {
      const bus = make()
      const device = new Scratch('a', 8)
      bus.map(0x100, device)
      bus.write(0x104, 4, 0x89abcdef)
      expect(bus.read(0x104, 4)).toBe(0x89abcdef)
      expect(device.log).toEqual(['w4@4', 'r4@4'])
    })

    test('an access refused by size is taken apart in ascending order, unsigned', () => {
      const bus = make()
      const device = new Scratch('bytes', 8, [1])
      bus.map(0x100, device)
      bus.write(0x100, 4, 0xfedcba98)
      expect(device.log).toEqual(['w1@0', 'w1@1', 'w1@2', 'w1@3'])
      expect(bus.read(0x100, 4)).toBe(0xfedcba98)
      expect(bus.read(0x102, 2)).toBe(0xfedc)
    })

    test('an access that straddles devices reaches both, and ones fill the hole', () => {
      const bus = make()
      const [low, high] = [new Scratch('low', 2), new Scratch('high', 1)]
      bus.map(0x100, low)
      bus.map(0x102, high)
      bus.write(0x100, 4, 0x44332211)
      expect([...low.data, ...high.data]).toEqual([0x11, 0x22, 0x33])
      expect(bus.read(0x100, 4)).toBe(0xff332211)
      expect(bus.read(0xff, 2)).toBe(0x11ff)
    })

    test('overlap and range are coded errors and leave the bus as it was', () => {
      const bus = make()
      bus.map(0x100, new Scratch('a', 8))
      expect(() => bus.map(0x107, new Scratch('b', 1))).toThrowError(expect.objectContaining({ code: 'bus-overlap' }))
      expect(() => bus.map(0xf8, new Scratch('b', 9))).toThrowError(expect.objectContaining({ code: 'bus-overlap' }))
      expect(() => bus.map(-1, new Scratch('b', 9))).toThrowError(expect.objectContaining({ code: 'bus-range' }))
      expect(() => bus.map(2 ** 52 - 1, new Scratch('b', 2))).toThrowError(expect.objectContaining({ code: 'bus-range' }))
      bus.map(0xf8, new Scratch('c', 8))
      expect(bus.deviceAt(0xff)?.name).toBe('c')
      expect(bus.deviceAt(0x100)?.name).toBe('a')
    })

    test('unmapping frees the addresses, once', () => {
      const bus = make()
      const mapping = bus.map(0x100, new Scratch('a', 8))
      expect(bus.read(0x100, 1)).toBe(0)
      mapping.unmap()
      const again = new Scratch('b', 8)
      bus.map(0x100, again)
      mapping.unmap()
      expect(bus.deviceAt(0x100)).toBe(again)
    })
  })
}

test('many ranges in any order of mapping are all found', () => {
  const bus = new MmioBus()
  const bases = Array.from({ length: 200 }, (_, i) => ((i * 73) % 200) * 0x1000 + 0xfe000000)
  for (const base of bases) bus.map(base, new Scratch(base.toString(16), 0x800))
  for (const base of bases) {
    expect(bus.deviceAt(base + 0x7ff)?.name).toBe(base.toString(16))
    expect(bus.deviceAt(base + 0x800)).toBeUndefined()
  }
})
