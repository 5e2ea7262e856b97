import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { MemoryStore, RawImage, formatNamed } from '../../src/index.ts'

describe('raw', () => {
  describeSuite(blockBackendSuite, () => ({ backend: new RawImage(new MemoryStore(new Uint8Array(131_072))) }), { describe, it })
  describeSuite(blockBackendSuite, () => ({ backend: new RawImage(new MemoryStore(new Uint8Array(131_072).fill(9), true)) }), { describe, it })

  it('a last part of a sector belongs to the disk', async () => {
    const image = new RawImage(new MemoryStore(new Uint8Array(700).fill(1)))
    expect(image.size).toBe(1024)
    const bytes = new Uint8Array(512).fill(2)
    await image.read(512, bytes)
    expect([bytes[187], bytes[188]]).toEqual([1, 0])
  })

  it('discards become holes, and holes are told', async () => {
    const store = new MemoryStore(new Uint8Array(2 ** 20).fill(1))
    const image = new RawImage(store)
    await image.discard(131_072, 262_144)
    expect(store.allocated).toBe(2 ** 20 - 262_144)
    expect(await image.status(0, 2 ** 20)).toMatchObject({ length: 131_072, allocated: true, zero: false, fileOffset: 0 })
    expect(await image.status(131_072, 2 ** 20 - 131_072)).toMatchObject({ length: 262_144, allocated: false, zero: true })
    await image.writeZeroes(0, 65_536, true)
    expect(store.allocated).toBe(2 ** 20 - 262_144 - 65_536)
  })

  it('holes that begin or end within a sector are never called zero where data is', async () => {
    const store = new MemoryStore()
    await store.write(65_536 + 100, new Uint8Array(10).fill(1))
    await store.truncate(196_608 + 100)
    const image = new RawImage(store)
    const { length } = await image.status(131_072, image.size - 131_072)
    expect(length % 512).toBe(0)
    expect(await image.status(image.size - 512, 512)).toMatchObject({ length: 512 })
  })

  it('is what a file is that no other format wants', () => {
    expect(formatNamed('raw').probe(new Uint8Array(0), new Uint8Array(0), 'x')).toBeGreaterThan(0)
    expect(() => formatNamed('cow')).toThrow(expect.objectContaining({ code: 'unknown-format' }) as Error)
  })
})
