import { expect, test } from 'vitest'
import { KernelSymbols } from '../../src/profile/kernel-symbols.ts'

const BASE = 0xffffffff81000000n
const MAP = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81001000 t do_one_initcall
ffffffff81001000 t do_one_initcall_alias
ffffffff81002000 D some_data
ffffffff81a00080 T entry_SYSCALL_64
ffffffffc0001000 t virtio_probe\t[virtio]
`
const file = (text: string): Uint8Array => new TextEncoder().encode(text)
/** A vCPU whose LSTAR holds this. */
const cpu = (lstar: bigint) => ({ readMsr: (index: number): bigint => (index === 0xc0000082 ? lstar : 0n) })

test('finds the function an address lies in, by its first name, with the module it is of', () => {
  const symbols = new KernelSymbols(file(MAP))
  expect(symbols.find(BASE)).toEqual({ name: '_stext', offset: 0 })
  expect(symbols.find(BASE + 0xfffn)).toEqual({ name: '_stext', offset: 0xfff })
  expect(symbols.find(BASE + 0x1234n)).toEqual({ name: 'do_one_initcall', offset: 0x234 })
  expect(symbols.find(0xffffffffc0001000n)).toEqual({ name: 'virtio_probe [virtio]', offset: 0 })
  // Data is no function, and nothing is a megabyte long.
  expect(symbols.find(BASE + 0x2000n)?.name).toBe('do_one_initcall')
  expect(symbols.find(BASE + 0x1000n + (1n << 20n))).toBeUndefined()
  expect(symbols.find(BASE - 1n)).toBeUndefined()
  expect(symbols.find(0n)).toBeUndefined()
})

test('where the kernel was moved to follows from its system-call entry', () => {
  const symbols = new KernelSymbols(file(MAP))
  const entry = BASE + 0xa00080n
  expect([symbols.slide(cpu(entry)), symbols.slide(cpu(entry + 0x13200000n)), symbols.slide(cpu(entry - 0x200000n))]).toEqual([0n, 0x13200000n, -0x200000n])
  // Not set yet, or another kernel's.
  expect([symbols.slide(cpu(0n)), symbols.slide(cpu(entry + 0x123n))]).toEqual([undefined, undefined])
  expect(symbols.describe(BASE + 0x13201010n, cpu(entry + 0x13200000n))).toBe('do_one_initcall+0x10')
  expect(symbols.describe(BASE + 0x13201000n, cpu(entry + 0x13200000n))).toBe('do_one_initcall')
  expect(symbols.describe(BASE, cpu(0n))).toBeUndefined()
})

test.each([
  ['a stub of Debian', 'ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n'],
  ['kallsyms for everyone', '0000000000000000 T _stext\n0000000000000000 T _text\n'],
  ['nothing', ''],
])('%s has no symbols, and says so', (_, text) => {
  expect(() => new KernelSymbols(file(text))).toThrow(expect.objectContaining({ code: 'no-symbols' }))
})

/** An ELF64 file: header, a symbol table of one function and one object, its strings, three section headers. */
function elf(): Uint8Array {
  const bytes = new Uint8Array(64 + 72 + 24 + 3 * 64)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  const [table, strings, headers] = [64, 136, 160]
  view.setBigUint64(40, BigInt(headers), true)
  view.setUint16(58, 64, true)
  view.setUint16(60, 3, true)
  view.setUint32(table + 24, 1, true)
  view.setUint8(table + 28, 0x12)
  view.setBigUint64(table + 32, BASE, true)
  view.setUint32(table + 48, 7, true)
  view.setUint8(table + 52, 0x11)
  view.setBigUint64(table + 56, BASE + 64n, true)
  bytes.set(new TextEncoder().encode('\0start\0data\0'), strings)
  const section = (n: number, type: number, start: number, length: number, link: number): void => {
    view.setUint32(headers + n * 64 + 4, type, true)
    view.setBigUint64(headers + n * 64 + 24, BigInt(start), true)
    view.setBigUint64(headers + n * 64 + 32, BigInt(length), true)
    view.setUint32(headers + n * 64 + 40, link, true)
  }
  section(1, 2, table, 72, 2)
  section(2, 3, strings, 12, 0)
  return bytes
}

test('reads the functions of a vmlinux, and refuses one that is cut off', () => {
  const symbols = new KernelSymbols(elf())
  expect(symbols.find(BASE + 100n)).toEqual({ name: 'start', offset: 100 })
  for (let length = 5; length < elf().length; length++) {
    const part = elf().subarray(0, length)
    try {
      new KernelSymbols(part)
    } catch (error) {
      expect(error).toMatchObject({ code: 'no-symbols' })
    }
  }
})
