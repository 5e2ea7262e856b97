import { ACCESS_PROBE, ACCESS_WRITE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import type { Gfn, Gpa, Mfn } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import type { NativePageWalker} from '../../src/index.ts'
import { GuestPhysicalMemory, createMachineMemory, createPageWalker } from '../../src/index.ts'

const gpa = (address: number): Gpa => address as Gpa
const LONG = { cr0: 0x80010001 | 0, cr3Low: 0x1000, cr3High: 0, cr4: 0x20, efer: 0xd00, physicalAddressBits: 40 }
const A = 0x20n
const D = 0x40n

/** 4-level tables that map linear 0..2 MiB to itself, PTEs at 0x4000; 4 MiB of RAM. */
function machine(shared = false): { guest: GuestPhysicalMemory; walker: NativePageWalker } {
  const guest = new GuestPhysicalMemory(createMachineMemory({ bytes: 2 ** 24, shared }))
  guest.addRam(4 * 2 ** 20)
  for (let level = 1; level < 4; level++) guest.writeU64(gpa(level * 0x1000), BigInt((level + 1) * 0x1000) | 7n)
  for (let page = 0; page < 512; page++) guest.writeU64(gpa(0x4000 + page * 8), BigInt(page * 4096) | 7n)
  const walker = createPageWalker(guest.machine, guest)
  walker.configure(LONG)
  return { guest, walker }
}

describe('the walker and the physical map', () => {
  it('a read of a dirty page gives the right to write only when its frame may be written at once', () => {
    const { guest, walker } = machine()
    walker.walk(0x9000, 0, ACCESS_WRITE)
    walker.walk(0x9000, 0, 0)
    expect(walker.rights & RIGHT_WRITE).toBe(RIGHT_WRITE)
    const mfn = guest.share(9 as Gfn)
    walker.walk(0x9000, 0, 0)
    expect(walker.rights & RIGHT_WRITE).toBe(0)
    walker.walk(0x9000, 0, ACCESS_WRITE)
    expect(walker.frame).not.toBe(mfn * 4096)
    expect(walker.rights & RIGHT_WRITE).toBe(RIGHT_WRITE)
    guest.machine.release(mfn as Mfn)
  })

  it('setting flags in a table logs the table as dirty and breaks its sharing', () => {
    const { guest, walker } = machine()
    const ram = guest.regions()[0]!
    const mfn = guest.share(4 as Gfn)
    guest.startDirtyLog(ram)
    walker.walk(0x9000, 0, 0)
    expect(guest.collectDirty(ram)[0]).toBe(0b11110)
    expect(guest.readU64(gpa(0x4048)) & A).toBe(A)
    expect(guest.machine.u32[(mfn * 4096 + 0x48) / 4]! & Number(A)).toBe(0)
  })

  it('tables in ROM are walked and left as they are', () => {
    const { guest, walker } = machine()
    const rom = guest.createRegion('rom', 'rom', 4096)
    const bytes = new Uint8Array(4096)
    guest.read(gpa(0x4000), bytes)
    guest.writeRegion(rom, 0, bytes)
    guest.map(0x4000, rom)
    expect(walker.walk(0x9000, 0, ACCESS_WRITE)).toBe(-1)
    expect(guest.readU64(gpa(0x4048)) & (A | D)).toBe(0n)
    // Reads from ROM with writes to RAM must not make the flag update wait for a value that never comes.
    guest.mapWrites(0x4000, 4096, guest.regions()[0]!, 0x4000)
    expect(walker.walk(0xa000, 0, ACCESS_WRITE)).toBe(-1)
  })

  it('a write to ROM gives -2 and no rights to skip the next walk; MMIO gives -1', () => {
    const { guest, walker } = machine()
    guest.map(0x9000, guest.createRegion('rom', 'rom', 4096))
    guest.unmap(0xa000, 4096)
    expect(walker.walk(0x9000, 0, ACCESS_WRITE)).toBe(-1)
    expect([walker.frame, walker.rights & RIGHT_WRITE]).toEqual([-2, 0])
    walker.walk(0x9000, 0, 0)
    expect([walker.frame >= 0, walker.rights & RIGHT_WRITE]).toEqual([true, 0])
    walker.walk(0xa000, 0, ACCESS_WRITE)
    expect([walker.frame, walker.rights & (RIGHT_READ | RIGHT_WRITE)]).toEqual([-1, RIGHT_READ | RIGHT_WRITE])
  })

  it('a probe allocates nothing, not even for tables', () => {
    const { guest, walker } = machine()
    guest.writeU64(gpa(0x4000), 0x300007n)
    guest.writeU64(gpa(0x3008), 0x310007n)
    const used = guest.peek(0x300 as Gfn, false)
    expect(walker.walk(0, 0, ACCESS_PROBE)).toBe(-1)
    expect([used, walker.frame, walker.physicalLow]).toEqual([-3, -1, 0x300000])
    expect(walker.walk(0x200000, 0, ACCESS_PROBE)).toBe(0)
    expect(guest.peek(0x300 as Gfn, false)).toBe(-3)
    expect(guest.peek(0x310 as Gfn, false)).toBe(-3)
  })

  it('an entry that maps itself at every level gets its flags and the walk ends', () => {
    for (const shared of [false, true]) {
      const { guest, walker } = machine(shared)
      guest.writeU64(gpa(0x1000), 0x1007n)
      expect(walker.walk(0, 0, ACCESS_WRITE)).toBe(-1)
      expect(walker.physicalLow).toBe(0x1000)
      expect(guest.readU64(gpa(0x1000))).toBe(0x1007n | A | D)
    }
  })

  it('A20 masks tables, pages and MMIO addresses', () => {
    const { guest, walker } = machine()
    guest.writeU64(gpa(0x4048), 0xe0109007n)
    guest.setA20(false)
    walker.walk(0x9123, 0, 0)
    expect(walker.physicalLow).toBe(0xe0009123)
    walker.configure({ ...LONG, cr3Low: 0x101000 })
    expect(walker.walk(0xa000, 0, 0)).toBe(-1)
    guest.setA20(true)
    expect(walker.walk(0xa000, 0, 0)).toBe(0)
  })

  it('without 1 GiB pages PDPTE.PS is reserved', () => {
    const { guest } = machine()
    guest.writeU64(gpa(0x2000), 0x87n)
    const walker = createPageWalker(guest.machine, guest, { oneGigabytePages: false })
    walker.configure(LONG)
    expect(walker.walk(0, 0, 0)).toBe(9)
  })
})
