import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, MemoryStore, openImage } from '../../src/index.ts'
import type { ImageBackend } from '../../src/index.ts'
import { vpc } from '../../src/vhd/vhd.ts'
import { disagreement, Model, perform, randomSteps, SECTOR, sectorOf, seeded } from '../mapped/history.ts'

const SIZE = 3 * 2 ** 20
const SECTORS = SIZE / SECTOR

/** Files in memory with 'folder/base.vhd', and what is made of them. */
async function chain(...names: readonly string[]): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  const random = seeded(3)
  const fill = (into: Uint8Array): void => { for (let at = 0; at < into.length; at++) into[at] = random(256) }
  for (const [index, name] of names.entries()) {
    const store = await files.open(`folder/${name}`, { readOnly: false, create: true })
    const backing = index === 0 ? undefined : { name: names[index - 1]! }
    await vpc.create!(store, {
      size: SIZE, random: fill, options: index === 0 ? { force_size: 'on' } : {}, openFile: (other) => files.open(`folder/${other}`, { readOnly: true }),
      ...(backing && { backing }),
    })
    await store.close()
  }
  return files
}

const open = (files: MemoryFiles, name: string): Promise<ImageBackend> => openImage(`folder/${name}`, { files })

describe('VHD, differencing', () => {
  describeSuite(blockBackendSuite, async () => ({ backend: await open(await chain('base.vhd', 'child.vhd'), 'child.vhd') }), { describe, it })

  it('says what it is a difference to', async () => {
    const image = await open(await chain('base.vhd', 'child.vhd'), 'child.vhd')
    expect(image.backing).toMatchObject({ name: 'base.vhd', format: 'vpc' })
    expect(image.size).toBe(SIZE)
  })

  it('keeps random histories over a parent with content, and leaves the parent as it was', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const files = await chain('base.vhd', 'middle.vhd', 'child.vhd')
      const model = new Model(SECTORS)
      let number = 0
      for (const [name, steps] of [['base.vhd', 20], ['middle.vhd', 20], ['child.vhd', 60]] as const) {
        const image = await open(files, name)
        for (const step of randomSteps({ seed: seed + steps, steps, sectors: SECTORS, largest: 2048 })) {
          // Discarding shows the parent's sectors or zeroes or what was there: only the last two are the contract's.
          model.begin(step, ++number)
          await perform(image, step, number)
          model.end(step, number)
        }
        await image.close()
        const again = await open(files, name)
        expect(await disagreement(again, model.now), `seed ${seed}, ${name}`).toBe(undefined)
        await again.close()
      }
      const base = new Model(SECTORS)
      randomSteps({ seed: seed + 20, steps: 20, sectors: SECTORS, largest: 2048 }).forEach((step, index) => base.end(step, index + 1))
      expect(await disagreement(await open(files, 'base.vhd'), base.now)).toBe(undefined)
    }
  })

  it('holds only the sectors written', async () => {
    const files = await chain('base.vhd', 'child.vhd')
    const base = await open(files, 'base.vhd')
    await base.write(0, sectorOf(7, 0))
    await base.write(SECTOR, sectorOf(7, 1))
    await base.close()
    const child = await open(files, 'child.vhd')
    await child.write(SECTOR, sectorOf(8, 1))
    expect(await child.status(0, SIZE)).toMatchObject({ length: SECTOR, allocated: false, zero: false })
    expect(await child.status(SECTOR, SIZE - SECTOR)).toMatchObject({ length: SECTOR, allocated: true })
    await child.close()
    const model = new Model(SECTORS)
    model.now[0] = [7]
    model.now[1] = [8]
    expect(await disagreement(await open(files, 'child.vhd'), model.now)).toBe(undefined)
  })

  it('zeroes hide the parent', async () => {
    const files = await chain('base.vhd', 'child.vhd')
    const base = await open(files, 'base.vhd')
    await base.write(0, new Uint8Array(65536).fill(1))
    await base.close()
    const child = await open(files, 'child.vhd')
    await child.writeZeroes(512, 1024, true)
    await child.writeZeroes(4096, 512, false)
    const bytes = new Uint8Array(8192)
    await child.read(0, bytes)
    expect([...bytes].map((byte, at) => (byte === 0 ? Math.floor(at / 512) : -1)).filter((at, index, all) => at >= 0 && all[index - 1] !== at)).toEqual([1, 2, 8])
  })

  it('refuses a parent that is another disk, and reads nothing of one that is not there', async () => {
    const files = await chain('base.vhd', 'child.vhd')
    const other = await chain('base.vhd', 'base2.vhd', 'child.vhd')
    const mixed = new MemoryFiles(new Map([
      ['folder/base.vhd', await bytesOf(other, 'base2.vhd')], ['folder/child.vhd', await bytesOf(files, 'child.vhd')],
    ]))
    await expect(open(mixed, 'child.vhd')).rejects.toMatchObject({ code: 'bad-image' })
    const alone = await openImage('folder/child.vhd', { files, backing: false })
    await expect(alone.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'no-backing' })
  })
})

async function bytesOf(files: MemoryFiles, name: string): Promise<MemoryStore> {
  const store = await files.open(`folder/${name}`, { readOnly: true })
  const bytes = new Uint8Array(store.size)
  await store.read(0, bytes)
  return new MemoryStore(bytes)
}
