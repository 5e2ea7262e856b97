import { CodedError } from '@entresol/kit'
import { describe, expect, test } from 'vitest'
import { loadKernel, type LoadRequest } from '../src/index.ts'
import { elf, multiboot1, multiboot2 } from './support/images.ts'
import { FakeMemory, pcMap } from './support/memory.ts'

const MIB = 1 << 20
const TEXT = new Uint8Array(100).fill(0xf4)

function load(kernel: Uint8Array, extra: Partial<LoadRequest> = {}) {
  const memory = new FakeMemory(64 * MIB)
  memory.write(0x200000 as never, new Uint8Array(0x2000).fill(0xee))
  const loaded = loadKernel({ memory, map: pcMap(64 * MIB), kernel, ...extra })
  return { memory, loaded, u32: (at: number) => memory.readU32(at as never), u64: (at: number) => Number(memory.readU64(at as never)) }
}

function failure(kernel: Uint8Array, extra: Partial<LoadRequest> = {}): string {
  try {
    load(kernel, extra)
  } catch (error) {
    if (error instanceof CodedError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

describe('ELF', () => {
  test('segments land at p_paddr and the rest of p_memsz is zeroed over what was there', () => {
    const { memory, loaded } = load(elf(32, 0x200010n, [{ physical: 0x200000, data: TEXT, memorySize: 0x1000 }]))
    expect(memory.bytes(0x200000, 100)).toEqual(TEXT)
    expect(memory.bytes(0x200064, 0x1000 - 100)).toEqual(new Uint8Array(0x1000 - 100))
    expect(memory.readU8(0x201000 as never)).toBe(0xee)
    expect([loaded.format, loaded.entry.mode, loaded.entry.entry]).toEqual(['elf', 'protected', 0x200010])
  })

  test('a 64-bit executable linked high starts in long mode at the physical place of its virtual entry', () => {
    const kernel = elf(64, 0xffffffff80000020n, [{ physical: 0x200000, virtual: 0xffffffff80000000n, data: TEXT }])
    const { loaded } = load(kernel)
    expect([loaded.entry.mode, loaded.entry.entry]).toEqual(['long', 0x200020])
  })

  test('an entry that is physical already is taken as it is (vmlinux)', () => {
    const kernel = elf(64, 0x200020n, [{ physical: 0x200000, virtual: 0xffffffff81000000n, data: TEXT }])
    expect(load(kernel).loaded.entry.entry).toBe(0x200020)
  })

  test('overlapping segments, segments outside RAM and lying headers are refused with the reason', () => {
    const two = (base: number): Uint8Array => elf(32, 0x200000n, [{ physical: 0x200000, data: TEXT }, { physical: base, data: TEXT }])
    expect(failure(two(0x200050))).toMatch(/^bad-kernel: kernel segment 1 .* overlaps kernel segment 0/)
    expect(failure(two(0x9ffff000))).toMatch(/^bad-kernel: .*no memory/)
    expect(failure(two(0xa0000))).toMatch(/^bad-kernel: .*no memory/)
    expect(failure(elf(64, 0n, [{ physical: 2 ** 52, data: TEXT }]))).toMatch(/^bad-kernel/)
    expect(failure(elf(32, 0x300000n, [{ physical: 0x200000, data: TEXT }]))).toMatch(/^bad-kernel: .*entry point/)
    expect(failure(elf(32, 0x200000n, [{ physical: 0x200000, data: TEXT, memorySize: 50 }]))).toMatch(/^bad-kernel: .*larger in the file/)
    const arm = elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT }])
    arm[18] = 183
    expect(failure(arm)).toMatch(/^bad-kernel: .*machine 183/)
    const many = elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT }])
    many.set([0xff, 0xff], 56)
    expect(failure(many)).toMatch(/^bad-kernel: .*65535 program headers/)
  })

  test('memory promised to be zero is not touched for the zero-filled part', () => {
    const kernel = elf(32, 0x300000n, [{ physical: 0x300000, data: TEXT, memorySize: 32 * MIB }])
    expect(load(kernel, { memoryIsZero: true }).memory.bytesWritten).toBeLessThan(MIB)
    expect(load(kernel).memory.bytesWritten).toBeGreaterThan(32 * MIB - MIB)
  })
})

describe('PVH', () => {
  const note = { owner: 'Xen', type: 18, descriptor: Uint8Array.of(0x10, 0, 0x20, 0) }
  const kernel = elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT }], [{ owner: 'GNU', type: 18, descriptor: new Uint8Array(8) }, note])

  test('the Xen note gives the entry, and EBX points to a version 1 hvm_start_info', () => {
    const { memory, loaded, u32, u64 } = load(kernel, { commandLine: 'quiet', initrd: new Uint8Array(300).fill(5), rsdp: 0xe0000 })
    const { registers, entry, mode } = loaded.entry
    expect([loaded.format, mode, entry]).toEqual(['pvh', 'protected', 0x200010])
    const info = Number(registers.gpr[3])
    expect([u32(info), u32(info + 4), u32(info + 12)]).toEqual([0x336ec578, 1, 1])
    expect(memory.text(u64(info + 24))).toBe('quiet')
    expect(u64(info + 32)).toBe(0xe0000)
    const module = u64(info + 16)
    expect([u64(module + 8), memory.readU8(u64(module) as never)]).toEqual([300, 5])
    expect(u32(info + 48)).toBe(4)
    const map = u64(info + 40)
    expect([u64(map + 72), u64(map + 80), u32(map + 88)]).toEqual([0x100000, 63 * MIB, 1])
    expect([registers.cr0 & ~0x10n, registers.cr4, registers.segments.tr.limit, registers.rflags]).toEqual([1n, 0n, 0x67, 2n])
  })

  test('an entry outside of every segment is refused', () => {
    const bad = elf(64, 0x200000n, [{ physical: 0x200000, data: TEXT }], [{ ...note, descriptor: Uint8Array.of(0, 0, 0x30, 0) }])
    expect(failure(bad)).toMatch(/^bad-kernel: .*PVH entry point/)
  })
})

describe('Multiboot', () => {
  test('a flat Multiboot 1 image is loaded by its header: EAX magic, EBX information, modules, memory map, command line', () => {
    const modules = [{ data: new Uint8Array(10).fill(1), commandLine: 'one' }, { data: new Uint8Array(20).fill(2) }]
    const { memory, loaded, u32 } = load(multiboot1(), { commandLine: 'arg', modules })
    expect([loaded.format, loaded.entry.entry, loaded.entry.registers.gpr[0]]).toEqual(['multiboot', 0x100080, 0x2badb002n])
    const info = Number(loaded.entry.registers.gpr[3])
    expect(u32(info) & 0x4d).toBe(0x4d)
    expect([u32(info + 4), u32(info + 8)]).toEqual([639, 63 * 1024])
    expect(memory.text(u32(info + 16))).toBe('arg')
    const list = u32(info + 24)
    expect(u32(info + 20)).toBe(2)
    expect(u32(list + 4) - u32(list)).toBe(10)
    expect(u32(list) % 4096).toBe(0)
    expect(memory.text(u32(list + 8))).toBe('one')
    expect(memory.readU8(u32(list + 16) as never)).toBe(2)
    const map = u32(info + 48)
    expect([u32(info + 44), u32(map), u32(map + 4 + 24 * 3), u32(map + 20)]).toEqual([96, 20, 0x100000, 1])
  })

  test('Multiboot 2 gives tags in EBX, ended by the end tag', () => {
    const { memory, loaded, u32 } = load(multiboot2(), { commandLine: 'two', initrd: new Uint8Array(30) })
    expect([loaded.format, loaded.entry.entry, loaded.entry.registers.gpr[0]]).toEqual(['multiboot2', 0x100100, 0x36d76289n])
    const info = Number(loaded.entry.registers.gpr[3])
    const types: number[] = []
    let at = info + 8
    for (; ; at += Math.ceil(u32(at + 4) / 8) * 8) {
      types.push(u32(at))
      if (u32(at) === 1) expect(memory.text(at + 8)).toBe('two')
      if (u32(at) === 3) expect(u32(at + 12) - u32(at + 8)).toBe(30)
      if (u32(at) === 0) break
    }
    expect(types).toEqual([1, 2, 3, 4, 6, 0])
    expect(u32(info)).toBe(at + 8 - info)
  })

  test('a Multiboot ELF is loaded by its program headers', () => {
    const data = new Uint8Array(64)
    data.set(multiboot1(0, 0, 0x3).subarray(0, 12), 4)
    const { loaded } = load(elf(32, 0x200030n, [{ physical: 0x200000, data }]))
    expect([loaded.format, loaded.entry.entry]).toEqual(['multiboot', 0x200030])
  })

  test('an unknown required feature is refused, a wrong checksum is no header', () => {
    expect(failure(multiboot1(0x100000, 64, 0x10103))).toMatch(/^bad-kernel: .*features/)
    const broken = multiboot1()
    broken[72]! ^= 1
    expect(failure(broken)).toMatch(/^bad-kernel: .*no Linux bzImage/)
  })
})
