import { describe, expect, test } from 'vitest'
import { placeFirmware } from '../src/index.ts'

const KIB = 1024

describe('firmware', () => {
  test('an image ends at 4 GiB and its last 128 KiB end at 1 MiB', () => {
    for (const size of [64, 128, 256, 16384]) {
      const image = Uint8Array.from({ length: size * KIB }, (_, i) => i >> 10)
      const [high, low] = placeFirmware(image).regions
      expect(high!.base + high!.data.length).toBe(2 ** 32)
      expect(high!.data.length).toBe(size * KIB)
      expect(low!.base + low!.data.length).toBe(2 ** 20)
      expect(low!.data).toEqual(image.subarray(image.length - Math.min(size, 128) * KIB))
    }
  })

  test('execution starts at FFFFFFF0h in real mode with F000:FFF0', () => {
    const { registers, mode, entry } = placeFirmware(new Uint8Array(64 * KIB)).entry
    const { cs } = registers.segments
    expect([mode, entry, cs.selector, cs.base + registers.rip]).toEqual(['real', 0xfffffff0, 0xf000, 0xfffffff0n])
    expect(registers.cr0 & 1n).toBe(0n)
  })

  test('other sizes are refused as bad-firmware', () => {
    for (const size of [0, 1, 63 * KIB, 65 * KIB, 16 * KIB * KIB + 64 * KIB]) {
      expect(() => placeFirmware(new Uint8Array(size))).toThrow(expect.objectContaining({ code: 'bad-firmware' }))
    }
  })
})
