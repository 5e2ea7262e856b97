import { CodedError } from '@entresol/kit'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { loadKernel, readCpio, writeCpio } from '../src/index.ts'
import { bzImage, elf, multiboot1, multiboot2 } from './support/images.ts'
import { FakeMemory, pcMap } from './support/memory.ts'

const MIB = 1 << 20
const TEXT = new Uint8Array(100).fill(0xf4)
const IMAGES: Record<string, Uint8Array> = {
  bzImage: bzImage(),
  elf32: elf(32, 0x200000n, [{ physical: 0x200000, data: TEXT, memorySize: 4096 }, { physical: 0x300000, data: TEXT }]),
  elf64: elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT, memorySize: 4096 }, { physical: 0x300000, data: TEXT }]),
  pvh: elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT }], [{ owner: 'Xen', type: 18, descriptor: new Uint8Array(8) }]),
  multiboot1: multiboot1(),
  multiboot2: multiboot2()
}
/** Where headers have their fields: mutations land here more often than in the code behind them. */
const HEADER_BYTES: Record<string, number> = { bzImage: 0x270, elf32: 120, elf64: 200, pvh: 260, multiboot1: 100, multiboot2: 140 }
const NASTY = [0, 1, 3, 4, 0x7f, 0x80, 0xff]

/** Succeeds or throws a one-line CodedError; in both cases nothing was written outside RAM or out of proportion. */
function check(kernel: Uint8Array, initrd?: Uint8Array): void {
  const memory = new FakeMemory(8 * MIB)
  try {
    loadKernel({ memory, map: pcMap(8 * MIB), kernel, memoryIsZero: true, commandLine: 'x', ...(initrd ? { initrd } : {}) })
  } catch (error) {
    if (!(error instanceof CodedError) || error.message.includes('\n') || error.message.length > 250) throw error
  }
  if (memory.strayWrites > 0) throw new Error('wrote outside RAM')
  if (memory.bytesWritten > kernel.length + (initrd?.length ?? 0) + 65536) throw new Error(`wrote ${memory.bytesWritten} bytes`)
}

describe('hostile kernels', () => {
  for (const [name, image] of Object.entries(IMAGES)) {
    test(`${name}: any mutation of its header loads within RAM or is refused in one line`, () => {
      const at = fc.nat(Math.min(HEADER_BYTES[name]!, image.length) - 1)
      const byte = fc.oneof(fc.constantFrom(...NASTY), fc.nat(255))
      fc.assert(fc.property(fc.array(fc.tuple(at, byte, fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 6 }), mutations => {
        const mutated = image.slice()
        for (const [offset, value, length] of mutations) mutated.fill(value, offset, offset + length)
        check(mutated, new Uint8Array(100))
      }), { numRuns: 2000 })
    })

    test(`${name}: any truncation loads within RAM or is refused in one line`, () => {
      fc.assert(fc.property(fc.nat(image.length), length => check(image.subarray(0, length))), { numRuns: 300 })
    })
  }

  test('random bytes are refused in one line', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), bytes => check(bytes)), { numRuns: 500 })
  })
})

describe('hostile archives', () => {
  test('a mutated or truncated cpio archive is read or refused as bad-cpio', () => {
    const archive = writeCpio([{ path: 'bin/a', kind: 'file', data: 'hello' }, { path: 'l', kind: 'symlink', target: 'bin/a' }])
    fc.assert(fc.property(fc.nat(archive.length), fc.nat(archive.length - 1), fc.nat(255), (length, at, value) => {
      const mutated = archive.slice(0, length)
      if (at < length) mutated[at] = value
      try {
        readCpio(mutated)
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'bad-cpio') throw error
      }
    }), { numRuns: 2000 })
  })
})
