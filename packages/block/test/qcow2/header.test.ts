import { describe, expect, it } from 'vitest'
import { MemoryFiles, MemoryStore, openImage, probeFormat } from '../../src/index.ts'
import type { ImageBackend } from '../../src/index.ts'
import { nodeCodecs } from '../../src/node/index.ts'
import { contentOf, newImage, qcow2 } from './support.ts'

const SIZE = 2 ** 20

/** An image's bytes, changed, as a file. */
async function damaged(options: Record<string, string>, change: (view: DataView, bytes: Uint8Array) => void, readOnly = false): Promise<MemoryStore> {
  const store = new MemoryStore()
  await qcow2.create!(store, { size: SIZE, options })
  const bytes = new Uint8Array(store.size)
  await store.read(0, bytes)
  change(new DataView(bytes.buffer), bytes)
  return new MemoryStore(bytes, readOnly)
}

describe('the header of qcow2', () => {
  it.each([
    ['a version of the future', (view: DataView) => view.setUint32(4, 4), 'unsupported', 'version 4'],
    ['encryption', (view: DataView) => view.setUint32(32, 2), 'unsupported', 'encrypted'],
    ['clusters of 4 MiB', (view: DataView) => view.setUint32(20, 22), 'bad-image', '2^22'],
    ['an unknown feature with a name', (view: DataView) => view.setUint8(79, 0x20), 'unsupported', 'incompatible feature bit 5'],
    ['an L1 table too short for the disk', (view: DataView) => view.setUint32(36, 0), 'bad-image', 'L1'],
    ['an L1 table of gigabytes', (view: DataView) => view.setUint32(36, 0xffffffff), 'unsupported', 'L1'],
    ['a refcount table of gigabytes', (view: DataView) => view.setUint32(56, 0xffffffff), 'unsupported', 'refcount table'],
    ['refcounts of 128 bits', (view: DataView) => view.setUint32(96, 7), 'bad-image', '2^7'],
    ['a header longer than a cluster', (view: DataView) => view.setUint32(100, 70_000), 'bad-image', '70000'],
    ['a table within a cluster', (view: DataView) => view.setUint32(44, 777), 'bad-image', 'offset'],
    ['more snapshots than there may be', (view: DataView) => view.setUint32(60, 70_000), 'unsupported', 'snapshots'],
  ])('refuses %s', async (_what, change, code, message) => {
    await expect(qcow2.open(await damaged({}, change), {})).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string })
  })

  it('calls unknown features by the names the image has for them', async () => {
    const store = await damaged({}, (view, bytes) => {
      view.setUint8(79, 0x40)
      // Feature name table: the first entry is that of another bit.
      const at = bytes.findIndex((_, index) => index % 8 === 0 && view.getUint32(index) === 0x6803f857) + 8
      bytes.set([0, 6, ...new TextEncoder().encode('time travel\0')], at)
    })
    await expect(qcow2.open(store, {})).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('time travel') as string })
  })

  it('an image marked corrupt is read, repaired, but not written to', async () => {
    const mark = (view: DataView): void => view.setUint8(79, 2)
    await expect(qcow2.open(await damaged({}, mark), {})).rejects.toMatchObject({ code: 'bad-image' })
    expect((await contentOf(await qcow2.open(await damaged({}, mark, true), {}))).every((byte) => byte === 0)).toBe(true)
    const store = await damaged({}, mark)
    const image = await qcow2.open(store, { check: true })
    await image.check!('all')
    expect((await image.info()).specific).toMatchObject({ corrupt: false })
    await (await qcow2.open(store, {})).write(0, new Uint8Array(512))
  })

  it('data is never written where tables lie: the image is marked corrupt instead', async () => {
    const files = new MemoryFiles()
    const image = await newImage({ cluster_size: '4k' }, SIZE, files)
    await image.write(0, new Uint8Array(4096).fill(1))
    await image.close()
    const store = await files.open('image.qcow2', { readOnly: false })
    const header = new DataView(new ArrayBuffer(512))
    await store.read(0, new Uint8Array(header.buffer))
    const l1 = Number(header.getBigUint64(40))
    const entry = new DataView(new ArrayBuffer(8))
    await store.read(l1, new Uint8Array(entry.buffer))
    const l2 = Number(entry.getBigUint64(0) & 0x00fffffffffffe00n)
    entry.setBigUint64(0, BigInt(l1) | 1n << 63n)
    await store.write(l2, new Uint8Array(entry.buffer))
    await store.close()
    const bad = await openImage('image.qcow2', { files })
    await expect(bad.write(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'bad-image' })
    await expect(bad.write(8192, new Uint8Array(512))).rejects.toMatchObject({ code: 'bad-image' })
    expect((await bad.info()).specific).toMatchObject({ corrupt: true })
  })

  it('is found by content, whatever the name', async () => {
    expect((await probeFormat(await damaged({}, () => undefined), 'disk.raw')).name).toBe('qcow2')
    expect((await probeFormat(new MemoryStore(new Uint8Array(3)), 'disk.qcow2')).name).toBe('raw')
  })

  it.each([
    [{ cluster_size: '3k' }], [{ cluster_size: '4M' }], [{ compat: '1.2' }], [{ refcount_bits: '3' }], [{ compat: '0.10', lazy_refcounts: 'on' }], [{ colour: 'red' }],
    [{ lazy_refcounts: 'maybe' }], [{ data_file_raw: 'on' }], [{ extended_l2: 'on', cluster_size: '8k' }], [{ compression_type: 'lzma' }],
  ] as Record<string, string>[][])('no image is made with %o', async (options) => {
    await expect(qcow2.create!(new MemoryStore(), { size: SIZE, options: options! })).rejects.toMatchObject({ code: 'bad-option' })
  })
})

describe('a chain of qcow2 images', () => {
  async function chain(files: MemoryFiles): Promise<ImageBackend> {
    const base = await newImage({ cluster_size: '4k' }, SIZE, files, 'folder/base')
    await base.write(0, new Uint8Array(SIZE).fill(1))
    await base.close()
    const top = await newImage({}, SIZE + 65_536, files, 'folder/top', { name: 'base', format: 'qcow2' })
    await top.write(512, new Uint8Array(1024).fill(2))
    await top.writeZeroes(131_072, 65_536, true)
    return top
  }

  it('status tells what comes from where', async () => {
    const top = await chain(new MemoryFiles())
    expect(await top.status(0, SIZE)).toMatchObject({ length: 65_536, allocated: true, present: true, zero: false })
    expect(await top.status(65_536, SIZE)).toMatchObject({ length: 65_536, allocated: false, present: false, zero: false })
    expect(await top.status(131_072, SIZE - 65_536)).toMatchObject({ length: 65_536, allocated: false, present: true, zero: true })
    expect(await top.status(SIZE, 65_536)).toMatchObject({ length: 65_536, allocated: false, present: false, zero: true })
  })

  it('can be committed: what is present goes down, then the image is emptied and reads the same', async () => {
    const files = new MemoryFiles()
    const top = await chain(files)
    const before = await contentOf(top)
    await top.close()
    const lower = await openImage('folder/base', { files })
    const upper = await openImage('folder/top', { files })
    await lower.resize!(upper.size)
    for (let at = 0; at < upper.size;) {
      const { length, present, zero } = await upper.status(at, upper.size - at)
      if (present && zero) await lower.writeZeroes(at, length, true)
      else if (present) {
        const bytes = new Uint8Array(length)
        await upper.read(at, bytes)
        await lower.write(at, bytes)
      }
      at += length
    }
    await lower.close()
    await upper.makeEmpty!()
    expect(await upper.check!()).toMatchObject({ allocatedClusters: 0, leaks: 0, corruptions: 0 })
    await upper.close()
    expect(Buffer.compare(await contentOf(await openImage('folder/top', { files })), before)).toBe(0)
  })

  it('without its backing image only what is its own can be read', async () => {
    const files = new MemoryFiles()
    await (await chain(files)).close()
    const top = await openImage('folder/top', { files, backing: false, readOnly: true })
    expect(top.backing).toEqual({ name: 'base', format: 'qcow2' })
    await top.read(0, new Uint8Array(65_536))
    await top.read(131_072, new Uint8Array(65_536))
    await expect(top.read(65_536, new Uint8Array(512))).rejects.toMatchObject({ code: 'no-backing' })
  })

  it('another name of the backing image is there when opened again', async () => {
    const files = new MemoryFiles()
    const top = await chain(files)
    const other = await files.open('folder/other', { readOnly: false, create: true })
    await other.write(0, new Uint8Array(SIZE).fill(7))
    await top.changeBacking!({ name: 'other', format: 'raw' })
    await top.close()
    const again = await openImage('folder/top', { files })
    const bytes = new Uint8Array(512)
    await again.read(65_536, bytes)
    expect(bytes[0]).toBe(7)
    await again.changeBacking!(undefined)
    await again.close()
    expect((await openImage('folder/top', { files })).backing).toBe(undefined)
  })

  it('that never ends is refused, and says which file it is about', async () => {
    const files = new MemoryFiles()
    await (await newImage({}, SIZE, files, 'a')).close()
    const a = await openImage('a', { files })
    await a.changeBacking!({ name: 'a', format: 'qcow2' })
    await a.close()
    await expect(openImage('a', { files })).rejects.toMatchObject({ code: 'bad-image', message: expect.stringMatching(/^a: /) as string })
    await expect(openImage('nothing', { files, codecs: nodeCodecs })).rejects.toMatchObject({ code: 'file-error' })
  })
})
