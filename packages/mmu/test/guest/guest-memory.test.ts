import type { Gfn, Gpa, Mfn } from '@entresol/interfaces'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ALL_FRAMES, GuestPhysicalMemory, createMachineMemory } from '../../src/index.ts'

const MB = 2 ** 20
const gpa = (address: number): Gpa => address as Gpa
const gfn = (frame: number): Gfn => frame as Gfn
const codeOf = (action: () => unknown): unknown => {
  try {
    action()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return undefined
}
const guestOf = (megabytes: number): GuestPhysicalMemory => new GuestPhysicalMemory(createMachineMemory({ bytes: megabytes * MB }))
const bitsOf = (words: Uint32Array): number[] =>
  [...words].flatMap((word, index) => Array.from({ length: 32 }, (_, bit) => ((word >>> bit) & 1 ? index * 32 + bit : -1)).filter((n) => n >= 0))

describe('layout', () => {
  it('puts RAM beyond the PCI hole above 4 GiB', () => {
    const guest = guestOf(16)
    guest.addRam(8 * MB, { holeStart: 5 * MB })
    guest.writeU32(gpa(2 ** 32 + 3 * MB - 4), 0x12345678)
    expect(guest.isRam(gpa(5 * MB - 1), 1)).toBe(true)
    expect(guest.isRam(gpa(5 * MB), 1)).toBe(false)
    expect(guest.isRam(gpa(2 ** 32), 3 * MB)).toBe(true)
    expect(guest.readU32(gpa(2 ** 32 + 3 * MB - 4))).toBe(0x12345678)
    expect(guest.readU32(gpa(2 ** 32 + 3 * MB))).toBe(0xffffffff)
    expect(guest.size).toBe(8 * MB)
  })

  it('limits a guest to 3.5 GiB, in all', () => {
    const guest = guestOf(1)
    expect(codeOf(() => guest.addRam(0))).toBe('bad-memory-size')
    expect(codeOf(() => guest.addRam(3.5 * 1024 * MB + 1))).toBe('memory-too-large')
    guest.addRam(3 * 1024 * MB)
    expect(codeOf(() => guest.createRegion('more', 'ram', 1024 * MB))).toBe('memory-too-large')
    expect(codeOf(() => guest.createRegion('rest', 'ram', 512 * MB))).toBeUndefined()
  })

  it('shadows ROM in the four ways of a PAM register (i440FX datasheet, 3.2.16)', () => {
    const guest = guestOf(8)
    const ram = guest.addRam(2 * MB)
    const rom = guest.createRegion('bios', 'rom', 65536, new Uint8Array(65536).fill(0xb1))
    const at = gpa(0xf0000)
    guest.map(at, rom)
    guest.writeU8(at, 1)
    expect(guest.readU8(at)).toBe(0xb1)
    guest.mapWrites(at, 65536, ram, 0xf0000)
    guest.writeU8(at, 2)
    expect(guest.readU8(at)).toBe(0xb1)
    expect(guest.frameForRead(gfn(0xf0))).not.toBe(guest.frameForWrite(gfn(0xf0)))
    guest.map(at, ram, { offset: 0xf0000, bytes: 65536, writes: 'drop' })
    guest.writeU8(at, 3)
    expect(guest.readU8(at)).toBe(2)
    expect(guest.frameForWrite(gfn(0xf0))).toBe(-2)
    guest.map(at, ram, { offset: 0xf0000, bytes: 65536 })
    guest.writeU8(at, 4)
    expect(guest.readU8(at)).toBe(4)
    guest.map(at, rom, { writes: 'bus' })
    expect(guest.frameForWrite(gfn(0xf0))).toBe(-1)
    expect(guest.segments().reduce((frames, s) => frames + s.count, 0)).toBe(512)
  })

  it('aliases reach the same bytes, and a change of frame is announced for all of them', () => {
    const guest = guestOf(8)
    const ram = guest.addRam(1 * MB)
    guest.map(0x40000000, ram)
    guest.writeU8(gpa(0x5000), 7)
    expect(guest.readU8(gpa(0x40005000))).toBe(7)
    const seen: number[] = []
    guest.onInvalidate((first, count) => seen.push(first, count))
    guest.share(gfn(5))
    expect(seen).toEqual([5, 1, 0x40005, 1])
  })

  it('a destroyed region is gone everywhere and its frames are free', () => {
    const guest = guestOf(8)
    const before = guest.machine.framesUsed
    const region = guest.createRegion('vram', 'ram', 3 * MB)
    guest.map(0xe0000000, region)
    guest.map(0xd0000000, region, { offset: MB, bytes: MB })
    guest.write(gpa(0xe0000000), new Uint8Array(3 * MB))
    guest.destroyRegion(region)
    expect(guest.machine.framesUsed).toBe(before)
    expect(guest.readU8(gpa(0xd0000000))).toBe(0xff)
    expect(guest.size).toBe(0)
    expect(codeOf(() => guest.map(0, region))).toBe('unknown-region')
  })

  it('agrees with a plain table through any sequence of mappings', () => {
    const operation = fc.record({
      kind: fc.constantFrom('ram', 'rom', 'writes', 'unmap'), at: fc.nat(63), count: fc.integer({ min: 1, max: 24 }), offset: fc.nat(31),
    })
    fc.assert(fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
      const guest = guestOf(2)
      const contents = (base: number): Uint8Array => {
        const bytes = new Uint8Array(64 * 4096)
        for (let page = 0; page < 64; page++) bytes[page * 4096] = base + page
        return bytes
      }
      const ram = guest.createRegion('a', 'ram', 64 * 4096, contents(0))
      const rom = guest.createRegion('b', 'rom', 64 * 4096, contents(64))
      const table = Array.from({ length: 96 }, () => ({ read: 0xff, write: -1 }))
      for (const { kind, at, count, offset } of operations) {
        if (kind === 'unmap') guest.unmap(at * 4096, count * 4096)
        else if (kind === 'writes') guest.mapWrites(at * 4096, count * 4096, ram, offset * 4096)
        else guest.map(at * 4096, kind === 'ram' ? ram : rom, { offset: offset * 4096, bytes: count * 4096 })
        for (let index = 0; index < count; index++) {
          const slot = table[at + index]!
          if (kind !== 'writes') slot.read = kind === 'unmap' ? 0xff : offset + index + (kind === 'rom' ? 64 : 0)
          slot.write = kind === 'unmap' ? -1 : kind === 'rom' ? -2 : offset + index
        }
      }
      const found = table.map((_, frame) => {
        const write = guest.frameForWrite(gfn(frame))
        return { read: guest.readU8(gpa(frame * 4096)), write: write < 0 ? write : guest.machine.u8[write] }
      })
      expect(found).toEqual(table)
      const covered = guest.segments().reduce((frames, s) => frames + s.count, 0)
      expect(covered).toBe(table.filter((slot) => slot.read !== 0xff || slot.write !== -1).length)
    }), { numRuns: 100 })
  }, 60_000)
})

describe('frames', () => {
  it('come in 2 MiB blocks where the guest has whole ones', () => {
    const guest = guestOf(16)
    guest.addRam(5 * MB)
    const first = guest.frameForWrite(gfn(512))
    expect(first % (2 * MB)).toBe(0)
    expect(guest.frameForRead(gfn(1023)) - first).toBe(511 * 4096)
    expect(guest.superpageAt(gfn(700))).toBe(first)
    guest.frameForWrite(gfn(1024))
    expect(guest.superpageAt(gfn(1024))).toBe(-1)
  })

  it('reserved but untouched are taken back before memory is exhausted, and not zeroed for it', () => {
    const guest = guestOf(6)
    guest.addRam(64 * MB)
    for (let block = 0; block < 32; block++) guest.writeU32(gpa(block * 2 * MB), block + 1)
    for (let block = 0; block < 32; block++) expect(guest.readU32(gpa(block * 2 * MB))).toBe(block + 1)
    let frame = 0
    const error = codeOf(() => {
      for (; frame < 64 * 256; frame++) guest.frameForWrite(gfn(frame))
    })
    expect(error).toBe('machine-memory-exhausted')
    expect(guest.machine.framesUsed).toBe(guest.machine.frames)
    for (let block = 0; block < 32; block++) expect(guest.readU32(gpa(block * 2 * MB))).toBe(block + 1)
  })

  it('given back read as zero and are free again', () => {
    const guest = guestOf(8)
    guest.addRam(4 * MB)
    guest.write(gpa(0), new Uint8Array(4 * MB).fill(1))
    const used = guest.machine.framesUsed
    guest.discard(gpa(100), 3 * 4096)
    expect(guest.machine.framesUsed).toBe(used - 2)
    expect([guest.readU8(gpa(4095)), guest.readU8(gpa(4096)), guest.readU8(gpa(3 * 4096))]).toEqual([1, 0, 1])
    expect(guest.machine.u8[guest.frameForRead(gfn(1))]).toBe(0)
  })
})

describe('copy-on-write', () => {
  it('shares a frame between guests until one of them writes', () => {
    const machine = createMachineMemory({ bytes: 16 * MB })
    const [a, b] = [new GuestPhysicalMemory(machine), new GuestPhysicalMemory(machine)]
    for (const guest of [a, b]) guest.addRam(MB)
    a.writeU32(gpa(0x3000), 42)
    b.writeU32(gpa(0x7000), 42)
    const used = machine.framesUsed
    b.adopt(gfn(7), a.share(gfn(3)) as Mfn)
    expect(machine.framesUsed).toBe(used - 1)
    expect(b.frameForRead(gfn(7))).toBe(a.frameForRead(gfn(3)))
    expect([a.peek(gfn(3), true), b.peek(gfn(7), true)]).toEqual([-3, -3])
    const invalidated: number[] = []
    b.onInvalidate((first) => invalidated.push(first))
    b.writeU8(gpa(0x7001), 1)
    expect([a.readU32(gpa(0x3000)), b.readU32(gpa(0x7000))]).toEqual([42, 42 + 256])
    expect(invalidated).toContain(7)
    // The last owner writes in place.
    const frame = a.frameForRead(gfn(3))
    expect(a.frameForWrite(gfn(3))).toBe(frame)
    expect(machine.framesUsed).toBe(used)
  })

  it('has nothing to share where nothing was touched', () => {
    const guest = guestOf(2)
    guest.addRam(MB)
    expect(guest.share(gfn(3))).toBe(-1)
    expect(guest.share(gfn(0x80000))).toBe(-1)
  })

  it('keeps every guest’s bytes its own through any sequence of shares and writes', () => {
    const step = fc.record({ kind: fc.constantFrom('share', 'write', 'discard'), from: fc.nat(2), to: fc.nat(2), page: fc.nat(5), page2: fc.nat(5), value: fc.nat(255) })
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const machine = createMachineMemory({ bytes: 4 * MB })
      const guests = [0, 1, 2].map(() => new GuestPhysicalMemory(machine))
      for (const guest of guests) guest.addRam(2 * MB)
      const model = guests.map(() => new Uint8Array(6))
      for (const { kind, from, to, page, page2, value } of steps) {
        if (kind === 'write') {
          guests[from]!.writeU8(gpa(page * 4096 + 9), value)
          model[from]![page] = value
        } else if (kind === 'discard') {
          guests[from]!.discard(gpa(page * 4096), 4096)
          model[from]![page] = 0
        } else {
          const mfn = guests[from]!.share(gfn(page))
          if (mfn < 0) continue
          guests[to]!.adopt(gfn(page2), mfn as Mfn)
          model[to]![page2] = model[from]![page]!
        }
      }
      guests.forEach((guest, index) => {
        for (let page = 0; page < 6; page++) expect(guest.readU8(gpa(page * 4096 + 9))).toBe(model[index]![page])
      })
      for (const guest of guests) for (const region of guest.regions()) guest.destroyRegion(region)
      expect(machine.framesUsed).toBe(1)
    }), { numRuns: 100 })
  }, 60_000)
})

describe('dirty log', () => {
  it('names the pages written since the last collect, each time anew', () => {
    const guest = guestOf(8)
    const ram = guest.addRam(4 * MB)
    guest.writeU8(gpa(0), 1)
    guest.startDirtyLog(ram)
    expect(bitsOf(guest.collectDirty(ram))).toEqual([])
    guest.writeU8(gpa(0x21fff), 1)
    guest.frameForWrite(gfn(0x300))
    guest.frameForRead(gfn(0x200))
    expect(bitsOf(guest.collectDirty(ram))).toEqual([0x21, 0x300])
    expect(guest.peek(gfn(0x21), true)).toBe(-3)
    guest.writeU16(gpa(0x21fff), 1)
    expect(bitsOf(guest.collectDirty(ram))).toEqual([0x21, 0x22])
    guest.discard(gpa(0x22000), 4096)
    expect(bitsOf(guest.collectDirty(ram))).toEqual([0x22])
    guest.stopDirtyLog(ram)
    expect(codeOf(() => guest.collectDirty(ram))).toBe('no-dirty-log')
  })

  it('withdraws write access of exactly the dirty pages on collect', () => {
    const guest = guestOf(8)
    const ram = guest.addRam(4 * MB)
    guest.write(gpa(0), new Uint8Array(4 * MB))
    guest.startDirtyLog(ram)
    for (const frame of [0, 31, 32, 33, 1023]) guest.frameForWrite(gfn(frame))
    const seen: number[][] = []
    guest.onInvalidate((first, count) => seen.push([first, count]))
    guest.collectDirty(ram)
    expect(seen).toEqual([[0, 1], [31, 3], [1023, 1]])
  })
})

describe('A20', () => {
  it('masks bit 20 of CPU addresses, announces it for everything, and leaves DMA alone', () => {
    const guest = guestOf(8)
    guest.addRam(4 * MB)
    const seen: number[] = []
    guest.onInvalidate((first, count) => seen.push(first, count))
    guest.setA20(false)
    guest.setA20(false)
    expect(seen).toEqual([0, ALL_FRAMES])
    expect(guest.addressMask).toBe(~0x100000)
    guest.writeU8(gpa(0x100000), 9)
    expect(guest.readU8(gpa(0))).toBe(0)
  })
})

describe('what a guest costs', () => {
  it('is the pages touched and not given back, counted once however they are mapped', () => {
    const guest = guestOf(16)
    const ram = guest.addRam(8 * MB)
    expect(guest.touchedBytes()).toBe(0)
    guest.map(64 * MB, ram)
    guest.write(gpa(MB - 1), new Uint8Array(2))
    guest.readU32(gpa(4 * MB))
    guest.frameForRead(gfn((64 * MB + 4 * MB) / 4096))
    expect(guest.touchedBytes()).toBe(3 * 4096)
    guest.discard(gpa(MB), 4096)
    expect(guest.touchedBytes()).toBe(2 * 4096)
  })

  it('says which machine bytes are gone, so that CPUs forget code that was in a frame given back, replaced or copied', () => {
    const guest = guestOf(16)
    guest.addRam(4 * MB)
    const changed: number[] = []
    guest.onHostWrite((address, length) => length === 4096 && changed.push(address))
    const first = guest.frameForWrite(gfn(5))
    guest.discard(gpa(5 * 4096), 4096)
    expect(changed).toEqual([first])
    const second = guest.frameForWrite(gfn(6))
    const shared = guest.share(gfn(6))
    guest.adopt(gfn(7), shared as Mfn)
    expect(changed).toEqual([first])
    // The copy leaves the shared frame behind.
    guest.frameForWrite(gfn(7))
    expect(changed).toEqual([first, second])
  })
})
