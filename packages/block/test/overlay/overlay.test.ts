import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, MemoryStore, RawImage, openOverlay } from '../../src/index.ts'

const base = (bytes = new Uint8Array(2 ** 20).fill(7)): RawImage => new RawImage(new MemoryStore(bytes, true))

describe('an overlay', () => {
  describeSuite(blockBackendSuite, async () => ({ backend: await openOverlay(base()) }), { describe, it })

  it('reads as its base until written to, and never writes to it', async () => {
    const below = base()
    const overlay = await openOverlay(below)
    await overlay.write(1024, new Uint8Array(512).fill(1))
    await overlay.writeZeroes(65_536, 512, true)
    await overlay.flush()
    const bytes = new Uint8Array(2 ** 20)
    await overlay.read(0, bytes)
    const expected = new Uint8Array(2 ** 20).fill(7).fill(1, 1024, 1536).fill(0, 65_536, 66_048)
    expect(Buffer.compare(bytes, expected)).toBe(0)
    await below.read(0, bytes)
    expect(bytes.every((byte) => byte === 7)).toBe(true)
  })

  it('takes memory for what is written, not for the disk', async () => {
    const huge = new MemoryStore()
    await huge.truncate(2 ** 42)
    const store = new MemoryStore()
    const overlay = await openOverlay(new RawImage(huge), store)
    for (let at = 0; at < 16; at++) await overlay.write(at * 2 ** 37, new Uint8Array(4096).fill(at + 1))
    await overlay.flush()
    expect(store.allocated).toBeLessThan(2 ** 24)
    await overlay.close()
  })

  it('is found again in a store that lasts, and refused over another disk', async () => {
    const files = new MemoryFiles()
    const first = await openOverlay(base(), await files.open('o', { readOnly: false, create: true }))
    await first.write(512, new Uint8Array(512).fill(3))
    await first.close()
    const second = await openOverlay(base(), await files.open('o', { readOnly: false }))
    const bytes = new Uint8Array(1024)
    await second.read(0, bytes)
    expect([bytes[0], bytes[512]]).toEqual([7, 3])
    await second.close()
    await expect(openOverlay(base(new Uint8Array(4096)), await files.open('o', { readOnly: false }))).rejects.toMatchObject({ code: 'bad-image' })
  })
})
