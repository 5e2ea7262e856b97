import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openImage } from '../../src/index.ts'
import type { ImageBackend } from '../../src/index.ts'
import { nodeCodecs, nodeFiles } from '../../src/node/index.ts'
import { qemuImg, qemuIo, withPeer } from '../mapped/peer.ts'
import { seeded } from '../support/random.ts'
import { contentOf } from './support.ts'

const SIZE = 3 * 2 ** 20

const open = (path: string, readOnly: boolean): Promise<ImageBackend> => openImage(path, { files: nodeFiles, codecs: nodeCodecs, readOnly })

/** Random writes, zeroes and discards by qemu-io. */
function commands(seed: number, count: number): string[] {
  const random = seeded(seed)
  return Array.from({ length: count }, () => {
    const length = 512 * (1 + random(random(3) === 0 ? 300 : 20))
    const offset = 512 * random((SIZE - length) / 512)
    return [`write -P ${1 + random(255)}`, `write -P ${1 + random(255)}`, 'write -z', 'write -zu', 'discard'][random(5)] + ` ${offset} ${length}`
  })
}

/** What qemu-img makes of the image is what we read; what we write then, it finds. */
async function agree(folder: string, path: string): Promise<void> {
  const raw = join(folder, 'peer.raw')
  await qemuImg('convert', '-O', 'raw', path, raw)
  const theirs = await readFile(raw)
  const image = await open(path, false)
  expect(Buffer.compare(await contentOf(image), theirs)).toBe(0)
  expect(await image.check!()).toMatchObject({ corruptions: 0, leaks: 0 })
  const random = seeded(5)
  for (let step = 0; step < 40; step++) {
    const length = 512 * (1 + random(100))
    const offset = 512 * random((SIZE - length) / 512)
    const zero = random(4) === 0
    if (zero) await image.writeZeroes(offset, length, true)
    else await image.write(offset, new Uint8Array(length).fill(step + 1))
    theirs.fill(zero ? 0 : step + 1, offset, offset + length)
  }
  await image.close()
  await writeFile(raw, theirs)
  await qemuImg('check', path)
  await qemuImg('compare', '-F', 'raw', path, raw)
}

describe('images made by qemu-img', () => {
  const variants: [string, string][] = [
    ['version 2', 'compat=0.10'], ['clusters of 512 bytes', 'cluster_size=512'], ['clusters of 2 MiB', 'cluster_size=2M'], ['lazy refcounts', 'lazy_refcounts=on'],
    ['refcounts of 1 bit', 'refcount_bits=1'], ['refcounts of 64 bits', 'refcount_bits=64,cluster_size=1k'], ['subclusters', 'extended_l2=on'],
    ['space for all of it', 'preallocation=metadata,cluster_size=4k'],
  ]
  for (const [what, options] of variants) {
    it(`${what}, written by qemu-io`, { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
      const path = join(folder, 'theirs.qcow2')
      await qemuImg('create', '-f', 'qcow2', '-o', options, path, String(SIZE))
      await qemuIo('qcow2', path, ...commands(1, 30))
      await agree(folder, path)
    }))
  }

  for (const type of ['zlib', 'zstd']) {
    it(`compressed with ${type}`, { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
      const raw = join(folder, 'source.raw')
      const random = seeded(9)
      await writeFile(raw, Uint8Array.from({ length: SIZE }, (_, at) => (at % 200_000 < 100_000 ? random(4) : at % 7)))
      const path = join(folder, 'theirs.qcow2')
      await qemuImg('convert', '-c', '-O', 'qcow2', '-o', `compression_type=${type}`, raw, path)
      await agree(folder, path)
    }))
  }

  it('a chain of images: relative names, formats named or found, shorter ones below', { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
    const at = (name: string): string => join(folder, name)
    await qemuImg('create', '-f', 'raw', at('base.raw'), String(SIZE / 2))
    await qemuIo('raw', at('base.raw'), 'write -P 1 0 1M')
    await qemuImg('create', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', at('middle.qcow2'), String(SIZE / 4 * 3))
    await qemuIo('qcow2', at('middle.qcow2'), 'write -P 2 4096 70000', 'write -z 512k 64k')
    await qemuImg('create', '-f', 'qcow2', '-o', 'extended_l2=on', '-b', 'middle.qcow2', '-F', 'qcow2', at('top.qcow2'), String(SIZE))
    await qemuIo('qcow2', at('top.qcow2'), 'write -P 3 2560 512', 'write -P 4 1M 3k', 'discard 0 64k')
    await agree(folder, at('top.qcow2'))
  }))

  it('internal snapshots', { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
    const path = join(folder, 'theirs.qcow2')
    await qemuImg('create', '-f', 'qcow2', path, String(SIZE))
    const contents = new Map<string, Uint8Array>()
    for (const name of ['first', 'second', 'third']) {
      await qemuIo('qcow2', path, ...commands(name.length, 10))
      await qemuImg('snapshot', '-c', name, path)
      await qemuImg('convert', '-O', 'raw', path, join(folder, 'peer.raw'))
      contents.set(name, await readFile(join(folder, 'peer.raw')))
    }
    await agree(folder, path)
    const image = await open(path, false)
    expect(image.snapshots!.list().map(({ id, name, diskSize }) => [id, name, diskSize])).toEqual([['1', 'first', SIZE], ['2', 'second', SIZE], ['3', 'third', SIZE]])
    await image.snapshots!.delete('second')
    for (const name of ['third', 'first']) {
      await image.snapshots!.apply(name)
      expect(Buffer.compare(await contentOf(image), contents.get(name)!), name).toBe(0)
    }
    await image.close()
    await qemuImg('check', path)
    await qemuImg('snapshot', '-a', 'third', path)
    await qemuImg('check', path)
  }))

  it('a leak and a wrong refcount are found as qemu-img finds them, and repaired to its liking', { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
    const path = join(folder, 'theirs.qcow2')
    await qemuImg('create', '-f', 'qcow2', path, String(SIZE))
    await qemuIo('qcow2', path, 'write -P 1 0 1M')
    const bytes = await readFile(path)
    // Refcount block: second cluster behind the header's; one count too high, one too low.
    bytes.writeUInt16BE(3, 2 * 65536 + 2 * 6)
    bytes.writeUInt16BE(0, 2 * 65536 + 2 * 8)
    await writeFile(path, bytes)
    const theirs = JSON.parse(await qemuImg('check', '--output=json', path).catch((error: { stdout: string }) => error.stdout)) as Record<string, number>
    const image = await openImage(path, { files: nodeFiles, codecs: nodeCodecs, check: true })
    const ours = await image.check!()
    expect(ours.leaks).toBe(theirs['leaks'])
    expect(ours.corruptions).toBe(theirs['corruptions'])
    expect([ours.totalClusters, ours.allocatedClusters, ours.imageEndOffset]).toEqual([theirs['total-clusters'], theirs['allocated-clusters'], theirs['image-end-offset']])
    const repaired = await image.check!('all')
    expect(repaired.corruptionsFixed).toBe(repaired.corruptions)
    expect(await image.check!()).toMatchObject({ corruptions: 0, leaks: 0 })
    await image.close()
    await qemuImg('check', path)
  }))
})
