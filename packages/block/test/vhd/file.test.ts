import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/index.ts'
import type { ImageBackend, ImageCreateOptions } from '../../src/index.ts'
import { checksum } from '../../src/vhd/footer.ts'
import { geometryOf, roundToGeometry, sectorsOf } from '../../src/vhd/geometry.ts'
import { vpc } from '../../src/vhd/vhd.ts'
import { qemuImg, withPeer } from '../mapped/peer.ts'

async function made(options: Partial<ImageCreateOptions> = {}): Promise<MemoryStore> {
  const store = new MemoryStore()
  await vpc.create!(store, { size: 4 * 2 ** 20, random: (into) => into.fill(9), ...options })
  return store
}
const open = (store: MemoryStore): Promise<ImageBackend> => vpc.open(store, {})
const sizes = [1, 7, 68, 69, 1000, 20480, 69632, 278528, 507904, 6368887, 66059279, 66059280, 267382799, 267382801, 0xff000000]

describe('geometry', () => {
  it('holds all of a rounded disk', () => {
    for (const sectors of sizes) {
      const rounded = roundToGeometry(sectors)
      expect(rounded).toBeGreaterThanOrEqual(sectors)
      if (rounded < 65534 * 16 * 255) expect(sectorsOf(geometryOf(rounded))).toBe(rounded)
    }
  })

  it('gives the sizes that qemu-img create gives', async (context) => {
    await withPeer(context, async (folder) => {
      for (const sectors of sizes) {
        const file = join(folder, `${sectors}.vhd`)
        await qemuImg('create', '-q', '-f', 'vpc', file, String(sectors * 512))
        const footer = (await readFile(file)).subarray(0, 512)
        const ours = await made({ size: sectors * 512 })
        const bytes = new Uint8Array(512)
        await ours.read(0, bytes)
        // Sizes, geometry and type.
        expect(Buffer.from(bytes.subarray(40, 64)).toString('hex')).toBe(footer.subarray(40, 64).toString('hex'))
        expect(ours.size).toBe((await readFile(file)).length)
      }
    })
  })

  it('refuses what is larger than 2040 GiB', async () => {
    await expect(made({ size: (0xff000000 + 1) * 512 })).rejects.toMatchObject({ code: 'bad-option' })
  })
})

describe('footer', () => {
  it('may be missing at the end, or at the beginning', async () => {
    const lost = await made()
    await lost.truncate(lost.size - 512)
    expect((await open(lost)).size).toBe((await open(await made())).size)
    const damaged = await made()
    await damaged.write(70, new Uint8Array(4))
    expect((await open(damaged)).size).toBe((await open(await made())).size)
  })

  it('is mended by a check where it is asked to, and by the next new block', async () => {
    for (const mend of [(image: ImageBackend) => image.check!('all'), (image: ImageBackend) => image.write(0, new Uint8Array(512).fill(1))]) {
      const store = await made()
      await store.truncate(store.size - 512)
      const image = await open(store)
      expect(await image.check!()).toMatchObject({ corruptions: 1 })
      await mend(image)
      expect(await image.check!()).toMatchObject({ corruptions: 0 })
    }
  })

  it('is refused where it could be either of two', async () => {
    const store = await made({ options: { subformat: 'fixed' } })
    const dynamic = await made()
    const bytes = new Uint8Array(1536)
    await dynamic.read(0, bytes)
    // The guest of the fixed disk writes this.
    await store.write(0, bytes)
    await expect(open(store)).rejects.toMatchObject({ code: 'bad-image' })
  })

  it('with a wrong checksum is none', async () => {
    const store = await made({ options: { subformat: 'fixed' } })
    await store.write(store.size - 100, new Uint8Array(1).fill(1))
    await expect(open(store)).rejects.toMatchObject({ code: 'bad-image' })
  })

  it('decides the size by its geometry, unless its creator is one that goes by sizes', async () => {
    for (const [creator, size] of [['vpc ', 10 * 4 * 17 * 512], ['vs  ', 10 * 4 * 17 * 512], ['win ', 4_734_976], ['d2v ', 4_734_976]] as const) {
      const store = await made({ size: 4_734_976, options: { force_size: 'on' } })
      const footer = new Uint8Array(512)
      await store.read(0, footer)
      footer.set(new TextEncoder().encode(creator), 28)
      footer.set([0, 10, 4, 17], 56)
      new DataView(footer.buffer).setUint32(64, checksum(footer, 64))
      await store.write(0, footer)
      expect((await open(store)).size, creator).toBe(size)
    }
  })
})

describe('table', () => {
  it('whose entries point nowhere fails where it is read', async () => {
    for (const entry of [0, 1, 2, 3, 100_000, 0xfffffffe]) {
      const store = await made()
      const table = new Uint8Array(4)
      new DataView(table.buffer).setUint32(0, entry)
      await store.write(1536, table)
      const broken = await open(store)
      await expect(broken.read(0, new Uint8Array(512)), `entry ${entry}`).rejects.toMatchObject({ code: 'bad-image' })
      await expect(broken.write(0, new Uint8Array(512)), `entry ${entry}`).rejects.toMatchObject({ code: 'bad-image' })
      expect((await broken.check!()).corruptions).toBeGreaterThan(0)
    }
  })
})
