import { ACCESS_FETCH, ACCESS_USER, ACCESS_WRITE, RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from '@entresol/interfaces'
import { PFEC_ID, PFEC_P, PFEC_US, PFEC_WR } from '@entresol/x86'
import { describe, expect, it } from 'vitest'
import { createMachineMemory, FlatMemory, FlatWalker } from '../../src/index.ts'

const MIB = 2 ** 20

describe('a flat address space', () => {
  const machine = createMachineMemory({ bytes: 4 * MIB })
  const space = new FlatMemory(machine, { bytes: MIB })
  const walker = new FlatWalker(space)
  const end = space.linear + MIB

  it('has no rights at first', () => {
    expect(walker.walk(space.linear, 0, ACCESS_USER)).toBe(PFEC_US)
    expect(walker.walk(space.linear, 0, ACCESS_WRITE)).toBe(PFEC_WR)
  })

  it('has the rights it was given, page by page', () => {
    expect(space.protect(0x20000, 0x2000, RIGHT_READ | RIGHT_EXECUTE)).toBe(true)
    expect(space.protect(0x21000, 0x1000, RIGHT_READ | RIGHT_WRITE)).toBe(true)
    expect(walker.walk(0x20fff, 0, ACCESS_FETCH)).toBe(-1)
    expect(walker).toMatchObject({
      physicalLow: 0x20fff, physicalHigh: 0, frame: space.machine + 0x10000, rights: RIGHT_READ | RIGHT_EXECUTE, global: 0, pageShift: 12,
    })
    expect(walker.walk(0x20fff, 0, ACCESS_WRITE | ACCESS_USER)).toBe(PFEC_P | PFEC_WR | PFEC_US)
    expect(walker.walk(0x21000, 0, ACCESS_WRITE)).toBe(-1)
    expect(walker.walk(0x21000, 0, ACCESS_FETCH)).toBe(PFEC_P | PFEC_ID)
    expect(walker.walk(0x22000, 0, 0)).toBe(0)
    expect(walker.walk(0x20000, 1, 0)).toBe(0)
  })

  it('ends where its window ends', () => {
    expect(space.protect(space.linear, MIB, RIGHT_READ)).toBe(true)
    for (const [address, found] of [[0, 0], [space.linear - 1, 0], [space.linear, -1], [end - 1, -1], [end, 0], [2 ** 32 - 1, 0]] as const) {
      expect(walker.walk(address, 0, 0)).toBe(found)
      expect(walker.walk(address | 0, 0, 0)).toBe(found)
    }
    for (const [linear, bytes] of [[space.linear - 4096, 4096], [end, 4096], [end - 4096, 8192], [space.linear + 1, 4096], [space.linear, 1], [NaN, 4096]] as const) {
      expect(space.protect(linear, bytes, RIGHT_READ)).toBe(false)
    }
    for (const [linear, bytes] of [[space.linear - 1, 1], [end - 1, 2], [end + 1, 0], [space.linear, -1], [space.linear, NaN], [-1, 2 ** 40]] as const) {
      expect(space.view(linear, bytes)).toBeUndefined()
    }
    expect(space.view(end - 4, 4)!.byteOffset).toBe(space.machine + MIB - 4)
  })

  it('says which pages changed, and which code to decode anew', () => {
    const told: unknown[] = []
    space.onInvalidate((gfn, count) => told.push([gfn, count]))
    space.onHostWrite((address, length) => told.push({ address, length }))
    space.protect(0x30000, 0x2000, RIGHT_READ | RIGHT_WRITE)
    space.protect(0x30000, 0x2000, RIGHT_READ | RIGHT_EXECUTE)
    const at = space.machine + 0x20000
    expect(told).toEqual([[0x30, 2], [0x30, 2], { address: at, length: 4096 }, { address: at + 4096, length: 4096 }])
  })

  it('is whole pages below 4 GiB', () => {
    for (const options of [{ bytes: 0 }, { bytes: 1 }, { bytes: 4096, linear: 1 }, { bytes: 4096, linear: 4096 }, { bytes: 4096, linear: 2 ** 32 - 8192 }, { bytes: 4096, linear: -8192 }]) {
      expect(() => new FlatMemory(machine, options)).toThrow(expect.objectContaining({ code: 'bad-memory-size' }))
    }
    expect(() => new FlatMemory(machine, { bytes: 8 * MIB })).toThrow(expect.objectContaining({ code: 'machine-memory-exhausted' }))
  })
})
