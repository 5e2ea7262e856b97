import type { Gfn, Gpa } from '@entresol/interfaces'
import { describe, expect, test } from 'vitest'
import { AttachedMachineMemory, AttachedPhysicalMap, createMachineMemory, GuestPhysicalMemory } from '../src/index.ts'

const MIB = 1 << 20
const gfn = (n: number): Gfn => n as Gfn

function guests(): { owner: GuestPhysicalMemory; attached: AttachedPhysicalMap; asked: [page: number, write: boolean][] } {
  const owner = new GuestPhysicalMemory(createMachineMemory({ bytes: 16 * MIB, shared: true }))
  owner.addRam(8 * MIB)
  const asked: [number, boolean][] = []
  const attached = new AttachedPhysicalMap(owner.sharedMap!, (page, write) => {
    asked.push([page, write])
    owner.prepare(page, write)
  })
  return { owner, attached, asked }
}

describe('a physical map attached from another thread', () => {
  test('gives the owner\'s frames, and asks for one of each 2 MiB block only', () => {
    const { owner, attached, asked } = guests()
    const frames = [0, 1, 2, 511, 512, 513].map((n) => attached.frameForWrite(gfn(n)))
    expect(frames).toEqual([0, 1, 2, 511, 512, 513].map((n) => owner.frameForWrite(gfn(n))))
    expect(asked).toHaveLength(2)
    expect(owner.touchedBytes()).toBe(6 * 4096)
    expect(attached.peek(gfn(3), false)).toBe(-3)
    expect(attached.frameForRead(gfn(8 * 256))).toBe(-1)
  })

  test('sees what the owner maps later: ROM, shadow RAM, nothing', () => {
    const { owner, attached } = guests()
    const rom = owner.createRegion('rom', 'rom', 4096, Uint8Array.of(1, 2, 3))
    owner.map(0xfffff000, rom)
    expect(attached.frameForRead(gfn(0xfffff))).toBe(owner.frameForRead(gfn(0xfffff)))
    expect(attached.frameForWrite(gfn(0xfffff))).toBe(-2)
    owner.mapWrites(0xfffff000, 4096, 'bus')
    expect(attached.peek(gfn(0xfffff), true)).toBe(-1)
    owner.setA20(false)
    expect(attached.addressMask).toBe(~(1 << 20))
  })

  test('copy-on-write and the dirty log are the owner\'s work', () => {
    const { owner, attached, asked } = guests()
    const region = owner.regions()[0]!
    owner.write(0x1000 as Gpa, Uint8Array.of(7))
    const shared = owner.share(gfn(1))
    expect(attached.frameForRead(gfn(1))).toBe(shared * 4096)
    const own = attached.frameForWrite(gfn(1))
    expect(own).not.toBe(shared * 4096)
    expect(owner.readU8(0x1000 as Gpa)).toBe(7)
    owner.startDirtyLog(region)
    asked.length = 0
    attached.frameForWrite(gfn(5))
    expect(asked.at(-1)).toEqual([region.firstPage + 5, true])
    expect(owner.collectDirty(region)[0]).toBe(1 << 5)
    owner.stopDirtyLog(region)
    asked.length = 0
    attached.frameForWrite(gfn(514))
    attached.frameForWrite(gfn(515))
    expect(asked.length).toBeLessThan(2)
  })

  test('what an attached memory reserves lies in its arena', () => {
    const owner = createMachineMemory({ bytes: MIB, shared: true })
    const address = owner.reserve(0x3000)
    const attached = new AttachedMachineMemory(owner.wasm, { address, bytes: 0x3000 })
    expect([attached.reserve(1), attached.reserve(0x2000)]).toEqual([address, address + 0x1000])
    expect(() => attached.reserve(1)).toThrow(expect.objectContaining({ code: 'machine-memory-exhausted' }))
  })
})
