import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BlockBackend } from '@entresol/interfaces'
import { isZero } from '../../src/index.ts'
import type { ImageBackend } from '../../src/index.ts'
import { nodeCodecs, nodeFiles } from '../../src/node/index.ts'
import { vmdk } from '../../src/vmdk/vmdk.ts'
import { seeded } from '../mapped/history.ts'
import { qemuImg, withPeer } from '../mapped/peer.ts'
import { Recording } from '../mapped/recording.ts'

const GRAIN = 65536
/** More than one grain table stands for. */
const SIZE = 33 * 2 ** 20 + 512 * 5
const given = { size: SIZE, options: { subformat: 'streamOptimized' }, fileName: 'disk.vmdk', random: (into: Uint8Array): void => { into.fill(7) } }

async function empty(): Promise<Recording> {
  const files = new Recording()
  await vmdk.create!(files.create('disk.vmdk'), given)
  return files
}
const open = (files: Recording, readOnly = false): Promise<ImageBackend> => vmdk.open(files.open('disk.vmdk', readOnly), { codecs: nodeCodecs })

/** A disk with stretches of everything: text, noise, zeroes. */
function content(): Uint8Array {
  const disk = new Uint8Array(SIZE)
  const random = seeded(4)
  for (let index = 0; index < 30; index++) {
    const at = random(SIZE - 300_000)
    const length = random(300_000)
    for (let byte = at; byte < at + length; byte++) disk[byte] = index % 3 === 0 ? random(256) : index
  }
  disk.fill(0xab, SIZE - 512)
  return disk
}

async function fill(image: BlockBackend, disk: Uint8Array, step: number): Promise<void> {
  for (let at = 0; at < disk.length; at += step) {
    const part = disk.subarray(at, Math.min(disk.length, at + step))
    if (!isZero(part)) await image.write(at, part)
    else await image.writeZeroes(at, part.length, true)
  }
}

async function all(image: BlockBackend, step = SIZE): Promise<Uint8Array> {
  const disk = new Uint8Array(image.size)
  for (let at = 0; at < disk.length; at += step) await image.read(at, disk.subarray(at, at + step))
  return disk
}

describe('VMDK, streamOptimized', () => {
  it('is written from beginning to end, in pieces of any length, and read back', async () => {
    const disk = content()
    for (const step of [512 * 77, 10 * GRAIN]) {
      const files = await empty()
      const image = await open(files)
      await fill(image, disk, step)
      expect(Buffer.compare(await all(image), disk)).toBe(0)
      await image.close()
      const again = await open(files)
      expect(again.readOnly).toBe(true)
      expect(Buffer.compare(await all(again, 512 * 99), disk)).toBe(0)
      expect(await again.check!()).toMatchObject({ corruptions: 0 })
      await expect(again.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'read-only' })
      expect((await again.info()).specific).toMatchObject({ 'create-type': 'streamOptimized', 'extents': [{ compressed: true, 'cluster-size': GRAIN }] })
    }
  })

  it('is written once: what is behind stays as it is', async () => {
    const image = await open(await empty())
    await image.write(10 * GRAIN, new Uint8Array(512).fill(1))
    await image.write(10 * GRAIN + 512, new Uint8Array(512).fill(2))
    await image.write(20 * GRAIN, new Uint8Array(512).fill(3))
    await expect(image.write(10 * GRAIN, new Uint8Array(512).fill(4))).rejects.toMatchObject({ code: 'unsupported' })
    await expect(image.writeZeroes(10 * GRAIN, 512, true)).rejects.toMatchObject({ code: 'unsupported' })
    await image.writeZeroes(0, 5 * GRAIN, true)
    await image.discard(10 * GRAIN, 512)
    const bytes = new Uint8Array(1024)
    await image.read(10 * GRAIN, bytes)
    expect([bytes[0], bytes[512]]).toEqual([1, 2])
  })

  it('is an image while empty and when closed, none when it breaks off', async () => {
    const files = await empty()
    expect(isZero(await all(await open(files, true)))).toBe(true)
    const image = await open(files)
    await image.write(0, new Uint8Array(GRAIN).fill(1))
    await image.write(GRAIN, new Uint8Array(GRAIN).fill(1))
    await expect(open(files)).rejects.toMatchObject({ code: 'bad-image' })
    await image.close()
    await open(files)
  })

  it('needs a codec', async () => {
    const image = await vmdk.open((await empty()).open('disk.vmdk'), {})
    await image.write(0, new Uint8Array(GRAIN).fill(1))
    await expect(image.write(GRAIN, new Uint8Array(GRAIN).fill(1))).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('refuses grains that are damaged', async () => {
    const files = await empty()
    const image = await open(files)
    await image.write(0, new Uint8Array(GRAIN).fill(1))
    await image.close()
    // The marker: another sector, no bytes, too many bytes; then the data.
    for (const [at, bytes] of [[0, [1]], [8, [0, 0]], [8, [255, 255, 255]], [12, [255, 255]]] as const) {
      const store = files.open('disk.vmdk')
      const before = new Uint8Array(512)
      await store.read(GRAIN, before)
      await store.write(GRAIN + at, Uint8Array.from(bytes))
      const damaged = await open(files)
      await expect(damaged.read(0, new Uint8Array(512)), `${at}`).rejects.toMatchObject({ code: 'bad-image' })
      await store.write(GRAIN, before)
    }
  })

  it('what it writes, qemu-img reads, and the other way round', async (context) => {
    await withPeer(context, async (folder) => {
      const disk = content()
      const raw = join(folder, 'raw')
      const ours = join(folder, 'ours.vmdk')
      const theirs = join(folder, 'theirs.vmdk')
      await writeFile(raw, disk)
      const store = await nodeFiles.open(ours, { readOnly: false, create: true })
      await vmdk.create!(store, { ...given, fileName: 'ours.vmdk' })
      await store.close()
      await qemuImg('check', '-f', 'vmdk', ours)
      const image = await vmdk.open(await nodeFiles.open(ours, { readOnly: false }), { codecs: nodeCodecs })
      await fill(image, disk, 2 ** 20)
      await image.close()
      await qemuImg('check', '-f', 'vmdk', ours)
      await qemuImg('compare', '-f', 'vmdk', '-F', 'raw', ours, raw)
      await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, theirs)
      const read = await vmdk.open(await nodeFiles.open(theirs, { readOnly: false }), { codecs: nodeCodecs })
      expect(Buffer.compare(await all(read), disk)).toBe(0)
      await read.close()
      expect((await readFile(ours)).length).toBeLessThan(2 * (await readFile(theirs)).length)
    })
  })
})
