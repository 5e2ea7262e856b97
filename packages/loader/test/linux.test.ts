import { CodedError } from '@entresol/kit'
import { describe, expect, test } from 'vitest'
import { loadKernel, type LoadRequest, parseLinuxHeader } from '../src/index.ts'
import { type BzImageOptions, bzImage, CODE } from './support/images.ts'
import { FakeMemory, pcMap } from './support/memory.ts'

const MIB = 1 << 20

function load(options: BzImageOptions = {}, extra: Partial<LoadRequest> = {}, size = 64 * MIB) {
  const memory = new FakeMemory(size)
  const loaded = loadKernel({ memory, map: pcMap(size), kernel: bzImage(options), ...extra })
  const at = (name: string) => loaded.placed.find(range => range.name === name)
  return { memory, loaded, at, params: Number(loaded.entry.registers.gpr[6]) }
}

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof CodedError && !error.message.includes('\n')) return error.code
    throw error
  }
  return 'no error'
}

describe('Linux boot protocol', () => {
  test('a kernel with XLF_KERNEL_64 starts in long mode at its load address + 0x200 with RSI = boot_params', () => {
    const { memory, loaded, params } = load()
    const { registers, mode, entry } = loaded.entry
    expect([mode, entry, registers.rip]).toEqual(['long', 0x1000200, 0x1000200n])
    expect(memory.bytes(0x1000000, CODE.length)).toEqual(CODE)
    expect(registers.cr0 & 0x80000001n).toBe(0x80000001n)
    expect(registers.cr4).toBe(0x20n)
    expect(registers.efer).toBe(0x500n)
    expect(registers.rflags & 0x200n).toBe(0n)
    expect([registers.segments.cs.selector, registers.segments.ds.selector]).toEqual([0x10, 0x18])
    expect(memory.readU16((params + 0x1fe) as never)).toBe(0xaa55)
    expect(loaded.version).toBe('6.1.0-test #1')
  })

  test('the boot page tables map every 2 MiB of the first 4 GiB to itself', () => {
    const { memory, loaded } = load()
    const next = (table: bigint, index: number): bigint => memory.readU64(Number(table) + index * 8 as never)
    const frame = (entry: bigint): bigint => entry & 0x000f_ffff_ffff_f000n
    for (const page of [0, 1, 511, 512, 1300, 2047]) {
      const pdpt = next(loaded.entry.registers.cr3, 0)
      const directory = next(frame(pdpt), page >> 9)
      const entry = next(frame(directory), page & 511)
      expect([pdpt & 3n, directory & 3n, entry]).toEqual([3n, 3n, BigInt(page) << 21n | 0x83n])
    }
  })

  test('the GDT in memory says the same as the segment registers', () => {
    for (const xloadflags of [0, 1]) {
      const { memory, loaded } = load({ xloadflags })
      for (const name of ['cs', 'ds', 'ss', 'tr'] as const) {
        const { selector, attributes, limit } = loaded.entry.registers.segments[name]
        const descriptor = memory.readU64(Number(loaded.entry.registers.gdtr.base) + selector as never)
        expect(Number(descriptor >> 40n & 0xffn) | Number(descriptor >> 52n & 0xfn) << 8).toBe(attributes)
        const raw = Number(descriptor & 0xffffn) | Number(descriptor >> 48n & 0xfn) << 16
        expect((attributes & 0x800) === 0 ? raw : raw * 4096 + 4095).toBe(limit)
      }
    }
  })

  test('a kernel without a 64-bit entry starts in protected mode at its load address', () => {
    const { loaded } = load({ xloadflags: 0 })
    expect([loaded.entry.mode, loaded.entry.entry, loaded.entry.registers.cr0]).toEqual(['protected', 0x1000000, 0x11n])
    expect(loaded.entry.registers.segments.cs.attributes).toBe(0xc9b)
  })

  test('a relocatable kernel goes elsewhere, aligned, when its preferred address has no room; another one is refused', () => {
    expect(load({}, {}, 16 * MIB).at('kernel')).toMatchObject({ base: 2 * MIB })
    expect(codeOf(() => load({ relocatable: 0 }, {}, 16 * MIB))).toBe('kernel-too-large')
  })

  test('the initrd lies as high as initrd_addr_max and RAM allow, page-aligned', () => {
    const initrd = new Uint8Array(5000).fill(9)
    const high = load({}, { initrd })
    expect(high.at('initrd')).toEqual({ name: 'initrd', base: 64 * MIB - 8192, length: 5000 })
    expect(high.memory.bytes(64 * MIB - 8192, 5000)).toEqual(initrd)
    expect(high.memory.readU32((high.params + 0x218) as never)).toBe(64 * MIB - 8192)
    expect(high.memory.readU32((high.params + 0x21c) as never)).toBe(5000)
    expect(load({ initrdAddressMax: 32 * MIB - 1 }, { initrd }).at('initrd')?.base).toBe(32 * MIB - 8192)
  })

  test('the initrd never overlaps the kernel, even when RAM ends with it', () => {
    const { at } = load({ initSize: 48 * MIB }, { initrd: new Uint8Array(MIB) })
    expect(at('kernel')).toMatchObject({ base: 16 * MIB, length: 48 * MIB })
    expect(at('initrd')?.base).toBe(15 * MIB)
    expect(codeOf(() => load({ initSize: 48 * MIB }, { initrd: new Uint8Array(16 * MIB) }))).toBe('initrd-too-large')
  })

  test('boot_params carry the memory map, the screen, the RSDP and the command line, and no setup_data', () => {
    const { memory, params } = load({}, { commandLine: 'console=ttyS0', rsdp: 0xf5aa0 })
    expect(memory.readU8((params + 0x1e8) as never)).toBe(4)
    const ranges = [0, 1, 2, 3].map(i => [
      Number(memory.readU64((params + 0x2d0 + i * 20) as never)), Number(memory.readU64((params + 0x2d8 + i * 20) as never)),
      memory.readU32((params + 0x2e0 + i * 20) as never)
    ])
    expect(ranges).toEqual([[0, 0x9fc00, 1], [0x9fc00, 0x400, 2], [0xf0000, 0x10000, 2], [0x100000, 63 * MIB, 1]])
    expect(memory.text(memory.readU32((params + 0x228) as never))).toBe('console=ttyS0')
    expect(memory.readU64((params + 0x70) as never)).toBe(0xf5aa0n)
    expect(memory.readU64((params + 0x250) as never)).toBe(0n)
    expect([0x07, 0x0e, 0x0f].map(offset => memory.readU8((params + offset) as never))).toEqual([80, 25, 1])
    expect(memory.readU8((params + 0x210) as never)).toBe(0xff)
  })

  test('the RSDP is withheld from protocols before 2.14, which have no such field', () => {
    const { memory, params } = load({ protocol: 0x20d }, { rsdp: 0xf5aa0 })
    expect(memory.readU64((params + 0x70) as never)).toBe(0n)
  })

  test('a command line may be exactly cmdline_size bytes long', () => {
    expect(codeOf(() => load({ commandLineSize: 100 }, { commandLine: 'x'.repeat(100) }))).toBe('no error')
    expect(codeOf(() => load({ commandLineSize: 100 }, { commandLine: 'x'.repeat(101) }))).toBe('cmdline-too-long')
  })

  test('fields count only from the protocol version that has them', () => {
    const old = parseLinuxHeader(bzImage({ protocol: 0x202 }))
    expect(old).toMatchObject({
      relocatable: false, preferredAddress: 0x100000, has64BitEntry: false, initrdAddressMax: 0x37ffffff, commandLineMax: 255
    })
  })

  test('every truncation of an image is refused as bad-kernel', () => {
    const image = bzImage()
    for (const length of [0, 1, 0x1f0, 0x202, 0x206, 0x230, 1023, 1024, 1025, image.length - 16]) {
      expect([length, codeOf(() => loadKernel({ memory: new FakeMemory(64 * MIB), map: pcMap(64 * MIB), kernel: image.subarray(0, length) }))])
        .toEqual([length, 'bad-kernel'])
    }
  })

  test('a zImage and a protocol before 2.00 are refused', () => {
    expect(codeOf(() => load({ loadflags: 0 }))).toBe('bad-kernel')
    expect(codeOf(() => load({ protocol: 0x1ff }))).toBe('bad-kernel')
  })
})
