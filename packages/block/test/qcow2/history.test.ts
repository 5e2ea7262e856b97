import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, openImage } from '../../src/index.ts'
import type { ImageBackend, ImageFiles } from '../../src/index.ts'
import { nodeCodecs, nodeFiles } from '../../src/node/index.ts'
import { qemuImg, withPeer } from '../mapped/peer.ts'
import { seeded } from '../support/random.ts'
import { VARIANTS, contentOf, newImage } from './support.ts'

const KIB = 1024

/** An image and what it must hold. */
class History {
  image: ImageBackend
  content: Uint8Array
  readonly snapshots = new Map<string, Uint8Array>()
  readonly below: Uint8Array
  readonly #files: ImageFiles
  readonly #path: string
  readonly #random: (below: number) => number

  /** `below`: what the backing image holds. */
  constructor(image: ImageBackend, files: ImageFiles, path: string, seed: number, below: Uint8Array) {
    this.image = image
    this.#files = files
    this.#path = path
    this.#random = seeded(seed)
    this.below = below
    this.content = below.slice(0, image.size)
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    const value = this.#random(255) + 1
    for (let at = this.#random(64); at < length; at += 1 + this.#random(128)) bytes[at] = value
    return bytes
  }

  async step(): Promise<void> {
    const random = this.#random
    const { size } = this.image
    const length = 512 * (1 + random(random(4) === 0 ? Math.max(1, Math.min(400, size / 512)) : 12))
    const offset = 512 * random(Math.max(1, (size - length) / 512))
    const end = Math.min(size, offset + length)
    switch (random(14)) {
      default: {
        const bytes = this.bytes(end - offset)
        await this.image.write(offset, bytes)
        this.content.set(bytes, offset)
        break
      }
      case 7:
        await this.image.writeZeroes(offset, end - offset, random(2) === 0)
        this.content.fill(0, offset, end)
        break
      case 8: {
        const before = this.content.slice(offset, end)
        await this.image.discard(offset, end - offset)
        await this.image.read(offset, this.content.subarray(offset, end))
        expect(this.content.subarray(offset, end).every((byte, at) => byte === 0 || byte === before[at]), 'zeroes or the old bytes').toBe(true)
        break
      }
      case 9: return this.#compressed()
      case 10: return this.#snapshot()
      case 11: return this.#resize()
      case 12: return this.image.flush()
      case 13: {
        await this.image.close()
        this.image = await openImage(this.#path, { files: this.#files, codecs: nodeCodecs })
      }
    }
  }

  async #compressed(): Promise<void> {
    const { clusterSize, specific } = await this.image.info()
    if (specific!['data-file'] !== undefined || this.image.size === 0) return
    const offset = clusterSize! * this.#random(Math.ceil(this.image.size / clusterSize!))
    const bytes = this.bytes(Math.min(clusterSize!, this.image.size - offset))
    await this.image.writeCompressed!(offset, bytes)
    this.content.set(bytes, offset)
  }

  async #snapshot(): Promise<void> {
    const snapshots = this.image.snapshots!
    const list = snapshots.list()
    const some = list[this.#random(Math.max(1, list.length))]
    const { specific } = await this.image.info()
    try {
      const kind = list.length > 2 ? 1 + this.#random(2) : this.#random(3)
      if (some && kind === 1) {
        await snapshots.apply(some.id)
        this.content = this.snapshots.get(some.name)!.slice()
      } else if (some && kind === 2) {
        await snapshots.delete(some.name)
        this.snapshots.delete(some.name)
      } else {
        const name = `snapshot ${this.#random(1e9)}`
        await snapshots.create(name, { seconds: 5, nanoseconds: 6 })
        this.snapshots.set(name, this.content.slice())
      }
    } catch (error) {
      expect(error).toMatchObject({ code: 'unsupported' })
      // More users than narrow refcounts can count.
      expect(specific!['data-file'] !== undefined || Number(specific!['refcount-bits']) < 8).toBe(true)
    }
  }

  async #resize(): Promise<void> {
    const size = 512 * this.#random(2 * Math.max(this.below.length, 512 * KIB) / 512)
    if ((await this.image.info()).specific!['compat'] === '0.10' && this.image.snapshots!.list().length > 0) {
      await expect(this.image.resize!(size)).rejects.toMatchObject({ code: 'unsupported' })
      return
    }
    await this.image.resize!(size)
    const content = new Uint8Array(size)
    content.set(this.content.subarray(0, size))
    this.content = content
  }

  async verify(): Promise<void> {
    expect(this.image.size).toBe(this.content.length)
    expect(Buffer.compare(await contentOf(this.image), this.content), 'the disk holds what was written').toBe(0)
    const { leaks, corruptions, messages } = await this.image.check!()
    expect({ leaks, corruptions, messages }).toEqual({ leaks: 0, corruptions: 0, messages: [] })
  }
}

async function play(options: Record<string, string>, seed: number, steps: number, withBacking: boolean, files: ImageFiles, folder = ''): Promise<History> {
  const size = 512 * KIB
  const below = new Uint8Array(size)
  const path = `${folder}image.qcow2`
  if (withBacking) {
    for (let at = 0; at < size - 70 * KIB; at += 97) below[at] = at % 251
    const store = await files.open(`${folder}base.raw`, { readOnly: false, create: true })
    // Shorter than the image above it.
    await store.write(0, below.subarray(0, size - 70 * KIB))
    await store.close()
  }
  const backing = withBacking ? { name: 'base.raw', format: 'raw' } : undefined
  const history = new History(await newImage(options, size, files, path, backing), files, path, seed, below)
  for (let step = 0; step < steps; step++) await history.step()
  await history.verify()
  return history
}

describe('qcow2 images hold what a plain disk would, whatever was done to them', () => {
  describe.each(VARIANTS)('%s', (_what, options) => {
    describeSuite(blockBackendSuite, async () => ({ backend: await newImage(options, 256 * KIB) }), { describe, it })

    it.each([false, true])('over a backing image: %s', { timeout: 60_000 }, async (withBacking) => {
      if (withBacking && options['data_file_raw'] !== undefined) return
      await fc.assert(fc.asyncProperty(fc.nat(), async (seed) => {
        const history = await play(options, seed, 50, withBacking, new MemoryFiles())
        for (const [name, content] of history.snapshots) {
          // Until the old state is given up, there is one user more; 2 bits count to 3.
          if (options['refcount_bits'] === '2') break
          await history.image.snapshots!.apply(name)
          expect(Buffer.compare(await contentOf(history.image), content), name).toBe(0)
        }
        await history.image.close()
      }), { numRuns: options['cluster_size'] === '2M' ? 1 : 3, seed: 20, endOnFailure: true })
    })
  })

  for (const [what, options] of VARIANTS) {
    it(`and qemu-img finds the same in them: ${what}`, { timeout: 60_000 }, (context) => withPeer(context, async (folder) => {
      // It looks for data files in the folder where it runs, if their names are relative.
      const absolute = options['data_file'] === undefined ? options : { ...options, data_file: join(folder, 'image.data') }
      const history = await play(absolute, 77, 60, options['data_file_raw'] === undefined, nodeFiles, `${folder}/`)
      await history.image.close()
      const path = join(folder, 'image.qcow2')
      await qemuImg('check', path)
      await writeFile(join(folder, 'model.raw'), history.content)
      await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, join(folder, 'model.raw'))
      for (const [name, content] of history.snapshots) {
        // It reads snapshots as if they had the size the disk has now.
        if (content.length !== history.content.length) continue
        await qemuImg('convert', '-l', name, '-O', 'raw', path, join(folder, 'snapshot.raw'))
        await writeFile(join(folder, 'model.raw'), content)
        await qemuImg('compare', '-f', 'raw', '-F', 'raw', join(folder, 'snapshot.raw'), join(folder, 'model.raw'))
      }
    }))
  }
})
