import type { Gpa, GuestMemory } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { hex, seededRandom, thrownBy } from './support.ts'

export interface GuestMemorySubject {
  memory: GuestMemory
  /** Fresh RAM, page-aligned, at least four pages, with nothing mapped right behind it. */
  ram: { start: number; length: number }
  /** A ROM page, when the memory can have one. */
  rom?: number
  /** Address of a page where nothing is mapped. */
  hole: number
}

const gpa = (address: number): Gpa => address as Gpa
const filled = (length: number, seed: number): Uint8Array => {
  const random = seededRandom(seed)
  return Uint8Array.from({ length }, () => random(256))
}
const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index])

const laws: Law<GuestMemorySubject>[] = [
  {
    name: 'untouched RAM reads as zero',
    check({ memory, ram }, violated) {
      const bytes = new Uint8Array(8192).fill(0x55)
      memory.read(gpa(ram.start + 100), bytes)
      if (bytes.some((byte) => byte !== 0)) violated('read gave other bytes')
      if (memory.readU8(gpa(ram.start)) !== 0 || memory.readU64(gpa(ram.start + 8)) !== 0n) violated('a sized read gave another value')
    },
  },
  {
    name: 'what is written is read back, across pages and at any alignment',
    check({ memory, ram }, violated) {
      for (const [offset, length] of [[0, 1], [1, 7], [4090, 12], [4095, 2], [3, 8192], [4096, 4096], [0, 12288]] as const) {
        const from = filled(length, offset + length)
        const into = new Uint8Array(length)
        memory.write(gpa(ram.start + offset), from)
        memory.read(gpa(ram.start + offset), into)
        if (!equal(from, into)) violated(`${length} bytes at +${hex(offset)} came back different`)
      }
    },
  },
  {
    name: 'a write changes the bytes it names and no others',
    check({ memory, ram }, violated) {
      const before = filled(12288, 7)
      memory.write(gpa(ram.start), before)
      memory.write(gpa(ram.start + 4090), new Uint8Array(12).fill(0xaa))
      memory.writeU16(gpa(ram.start + 4103), 0xbbbb)
      before.fill(0xaa, 4090, 4102).fill(0xbb, 4103, 4105)
      const after = new Uint8Array(12288)
      memory.read(gpa(ram.start), after)
      if (!equal(before, after)) violated('other bytes changed')
    },
  },
  {
    name: 'sized accesses are little-endian, unsigned and truncating, also across pages',
    check({ memory, ram }, violated) {
      for (const offset of [0, 1, 4093, 4094, 4095]) {
        const at = ram.start + offset
        memory.writeU64(gpa(at), 0xf7e6d5c4b3a29180n)
        const bytes = new Uint8Array(8)
        memory.read(gpa(at), bytes)
        if (!equal(bytes, Uint8Array.of(0x80, 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7))) violated(`writeU64 at +${offset} left ${bytes.join()}`)
        if (memory.readU8(gpa(at)) !== 0x80) violated(`readU8 at +${offset}`)
        if (memory.readU16(gpa(at)) !== 0x9180) violated(`readU16 at +${offset}`)
        if (memory.readU32(gpa(at)) !== 0xb3a29180) violated(`readU32 at +${offset}`)
        if (memory.readU64(gpa(at)) !== 0xf7e6d5c4b3a29180n) violated(`readU64 at +${offset}`)
        memory.writeU32(gpa(at), 0x89abcdef)
        memory.writeU16(gpa(at + 4), 0x1fedc)
        memory.writeU8(gpa(at + 6), 0x177)
        if (memory.readU64(gpa(at)) !== 0xf777fedc89abcdefn) violated(`smaller writes at +${offset} left ${memory.readU64(gpa(at)).toString(16)}`)
      }
    },
  },
  {
    name: 'where there is no memory, reads give 0xff bytes and writes are dropped',
    check({ memory, hole }, violated) {
      memory.write(gpa(hole), new Uint8Array(16))
      memory.writeU32(gpa(hole + 4), 0)
      const bytes = new Uint8Array(16)
      memory.read(gpa(hole), bytes)
      if (bytes.some((byte) => byte !== 0xff)) violated('read gave other bytes')
      if (memory.readU8(gpa(hole)) !== 0xff || memory.readU16(gpa(hole)) !== 0xffff || memory.readU32(gpa(hole)) !== 0xffffffff) {
        violated('a sized read gave another value')
      }
      if (memory.readU64(gpa(hole)) !== 2n ** 64n - 1n) violated('readU64 gave another value')
    },
  },
  {
    name: 'an access over the end of RAM does the part inside',
    check({ memory, ram }, violated) {
      const end = ram.start + ram.length
      memory.write(gpa(end - 4), new Uint8Array(8).fill(0x5a))
      memory.writeU32(gpa(end - 2), 0x33221100)
      const bytes = new Uint8Array(8)
      memory.read(gpa(end - 4), bytes)
      if (!equal(bytes, Uint8Array.of(0x5a, 0x5a, 0x00, 0x11, 0xff, 0xff, 0xff, 0xff))) violated(`read gave ${bytes.join()}`)
      if (memory.readU32(gpa(end - 2)) !== 0xffff1100) violated('readU32 over the end')
    },
  },
  {
    name: 'writes to ROM are dropped',
    check({ memory, rom }, violated) {
      if (rom === undefined) return
      const before = memory.readU32(gpa(rom))
      memory.writeU32(gpa(rom), ~before >>> 0)
      memory.write(gpa(rom), new Uint8Array(4).fill(~before & 0xff))
      if (memory.readU32(gpa(rom)) !== before) violated('the ROM changed')
      if (memory.isRam(gpa(rom), 1)) violated('isRam says a ROM is RAM')
    },
  },
  {
    name: 'isRam is true for ranges of RAM only',
    check({ memory, ram, hole }, violated) {
      if (!memory.isRam(gpa(ram.start), ram.length)) violated('not for all of the RAM')
      if (!memory.isRam(gpa(ram.start + 4095), 2)) violated('not across a page')
      if (memory.isRam(gpa(ram.start), ram.length + 1)) violated('for one byte too many')
      if (memory.isRam(gpa(hole), 1)) violated('for a hole')
      // Descriptors of devices have 64-bit addresses, which are no safe integers.
      if (memory.isRam(gpa(2 ** 64 - 4096), 512) || memory.isRam(gpa(ram.start), 2 ** 53)) violated('at the end of the world')
    },
  },
  {
    name: 'size is a whole number of bytes and covers the RAM',
    check({ memory, ram }, violated) {
      if (!Number.isSafeInteger(memory.size) || memory.size < ram.length) violated(`size ${memory.size}`)
    },
  },
  {
    name: 'no address makes an access throw',
    check({ memory }, violated) {
      for (const address of [2 ** 32 - 1, 2 ** 36, 2 ** 40, 2 ** 52 - 1, Number.MAX_SAFE_INTEGER, -1, -4096, 0.5, Number.NaN, Infinity]) {
        const error = thrownBy(() => {
          memory.read(gpa(address), new Uint8Array(9))
          memory.write(gpa(address), new Uint8Array(0))
          memory.readU8(gpa(address))
          memory.readU16(gpa(address))
          memory.readU32(gpa(address))
          memory.readU64(gpa(address))
          memory.isRam(gpa(address), 16)
          if (address > 2 ** 35) memory.writeU64(gpa(address), 1n)
        })
        if (error !== undefined) violated(`address ${address}: threw ${String(error)}`)
      }
    },
  },
]

/** Laws of GuestMemory. */
export const guestMemorySuite: Suite<GuestMemorySubject> = { name: 'GuestMemory', laws }
