import { join } from 'node:path'
import type { ByteStore } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import type { ImageCreateOptions, MemoryStore } from '../../src/index.ts'
import { nodeFiles } from '../../src/node/index.ts'
import { crc32c } from '../../src/vhdx/crc32c.ts'
import { vhdx } from '../../src/vhdx/vhdx.ts'
import { batEntries } from '../../src/vhdx/vhdx-map.ts'
import { disagreement, Model, perform, SECTOR, sectorOf, type Step } from '../mapped/history.ts'
import { qemuImg, withPeer } from '../mapped/peer.ts'
import { cloneFiles, Recording } from '../mapped/recording.ts'

const MIB = 2 ** 20
const SIZE = 8 * MIB

async function made(options: Partial<ImageCreateOptions> = {}): Promise<Recording> {
  const files = new Recording()
  await vhdx.create!(files.create('disk.vhdx'), { size: SIZE, options: { block_size: '1M' }, random: (into) => into.fill(into.length), ...options })
  return files
}

/** The file as it is after some writes and a flush, when the power is cut: the log is in use. */
async function dirty(): Promise<{ readonly files: Map<string, MemoryStore>; readonly model: Model }> {
  const recording = await made()
  const image = await vhdx.open(recording.open('disk.vhdx'), {})
  const model = new Model(SIZE / SECTOR)
  const steps: Step[] = [0, 3000, 5000, 9000].map((first) => ({ kind: 'write', first, count: 100 }))
  for (const [index, step] of [...steps, { kind: 'flush', first: 0, count: 0 } as const].entries()) {
    await perform(image, step, index + 1)
    model.end(step, index + 1)
  }
  // The last pages had not reached their places, only the log.
  const last = recording.ops.findLastIndex((op) => op.kind === 'write')
  const cut = new Recording(await cloneFiles((await made()).files))
  for (const op of recording.ops.slice(recording.ops.findIndex((one) => one.kind === 'flush') + 1, last)) {
    if (op.kind === 'write') await cut.open('disk.vhdx').write(op.offset, op.bytes)
    else if (op.kind === 'truncate') await cut.open('disk.vhdx').truncate(op.size)
  }
  return { files: cut.files, model }
}

describe('CRC-32C', () => {
  it('is that of RFC 3720, section B.4, for zeroes', () => {
    expect(crc32c(new Uint8Array(32), 0)).toBe(0x8a9136aa)
  })

  it('is the remainder of a division by the polynomial, the field taken as zero', () => {
    for (const [length, field] of [[4, 0], [37, 5], [4096, 4], [100, 96]] as const) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 37 + 11) & 255)
      let sum = 0xffffffff
      for (const [at, byte] of bytes.entries()) {
        sum = (sum ^ (at >= field && at < field + 4 ? 0 : byte)) >>> 0
        for (let bit = 0; bit < 8; bit++) sum = ((sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0)) >>> 0
      }
      expect(crc32c(bytes, field)).toBe(~sum >>> 0)
    }
  })
})

describe('log', () => {
  it('is replayed when the image is opened', async () => {
    const { files, model } = await dirty()
    const again = new Recording(files)
    const image = await vhdx.open(again.open('disk.vhdx'), {})
    expect(await disagreement(image, model.now)).toBe(undefined)
    expect(again.ops.length).toBeGreaterThan(0)
    await image.close()
  })

  it('is looked through where the file may not be written', async () => {
    const { files, model } = await dirty()
    const again = new Recording(files)
    const image = await vhdx.open(again.open('disk.vhdx', true), {})
    expect(image.readOnly).toBe(true)
    expect(await disagreement(image, model.now)).toBe(undefined)
    await image.close()
    expect(again.ops).toEqual([])
  })

  it('is replayed by qemu-img as well', async (context) => {
    await withPeer(context, async (folder) => {
      const { files, model } = await dirty()
      const raw = join(folder, 'raw')
      await copy(files.get('disk.vhdx')!, await nodeFiles.open(join(folder, 'disk.vhdx'), { readOnly: false, create: true }))
      await qemuImg('check', '-r', 'all', '-f', 'vhdx', join(folder, 'disk.vhdx'))
      await qemuImg('convert', '-f', 'vhdx', '-O', 'raw', join(folder, 'disk.vhdx'), raw)
      const store = await nodeFiles.open(raw, { readOnly: true })
      const content = new Uint8Array(SIZE)
      await store.read(0, content)
      await store.close()
      const now = await vhdx.open(new Recording(files).open('disk.vhdx', true), {})
      expect(await disagreement(now, model.now)).toBe(undefined)
      const ours = new Uint8Array(SIZE)
      await now.read(0, ours)
      expect(Buffer.compare(content, ours)).toBe(0)
    })
  })

  it('goes round and round', async () => {
    const recording = await made({ size: 600 * MIB })
    const image = await vhdx.open(recording.open('disk.vhdx'), {})
    for (let block = 0; block < 600; block++) {
      await image.write(block * MIB, sectorOf(1, block * 2048))
      if (block % 2 === 0) await image.flush()
    }
    // The power is cut: the file is not closed.
    const again = await vhdx.open(new Recording(await cloneFiles(recording.files)).open('disk.vhdx'), {})
    const sector = new Uint8Array(SECTOR)
    for (let block = 0; block < 599; block++) {
      await again.read(block * MIB, sector)
      expect(sector).toEqual(sectorOf(1, block * 2048))
    }
  })

  it('that is damaged makes a damaged image', async () => {
    const { files } = await dirty()
    await files.get('disk.vhdx')!.write(MIB, new Uint8Array(MIB))
    await expect(vhdx.open(new Recording(files).open('disk.vhdx'), {})).rejects.toMatchObject({ code: 'bad-image' })
  })
})

describe('headers', () => {
  it('one is enough', async () => {
    for (const offset of [0x10000, 0x20000]) {
      const files = await made()
      await files.open('disk.vhdx').write(offset + 100, Uint8Array.of(1))
      const image = await vhdx.open(files.open('disk.vhdx'), {})
      await image.write(0, sectorOf(1, 0))
      await image.close()
      await vhdx.open(files.open('disk.vhdx'), {})
    }
  })

  it('none are too few', async () => {
    const files = await made()
    for (const offset of [0x10000, 0x20000]) await files.open('disk.vhdx').write(offset + 100, Uint8Array.of(1))
    await expect(vhdx.open(files.open('disk.vhdx'), {})).rejects.toMatchObject({ code: 'bad-image' })
  })

  it('an image that is only read is not touched', async () => {
    const files = await made()
    files.ops.length = 0
    const image = await vhdx.open(files.open('disk.vhdx'), {})
    await image.read(0, new Uint8Array(512))
    await image.flush()
    await image.close()
    expect(files.ops.filter(({ kind }) => kind !== 'flush')).toEqual([])
  })
})

describe('create', () => {
  it('lays out what qemu-img lays out', async (context) => {
    await withPeer(context, async (folder) => {
      for (const [size, options] of [[MIB, {}], [1100 * MIB, {}], [200 * 1024 * MIB, {}], [MIB * MIB, { block_size: '1M', log_size: '3M' }]] as const) {
        const file = join(folder, 'peer.vhdx')
        await qemuImg('create', '-q', '-f', 'vhdx', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]), file, String(size))
        const peer = await vhdx.open(await nodeFiles.open(file, { readOnly: true }), {})
        const ours = await vhdx.open((await made({ size, options })).open('disk.vhdx'), {})
        expect(ours.size).toBe(peer.size)
        expect(await ours.info()).toEqual(await peer.info())
        await peer.close()
      }
    })
  })

  it('refuses what no VHDX can be', async () => {
    for (const options of [{ block_size: '3M' }, { block_size: '512M' }, { subformat: 'sparse' }, { log_size: '1T' }]) {
      await expect(made({ options })).rejects.toMatchObject({ code: 'bad-option' })
    }
    await expect(made({ size: 65 * 2 ** 40 })).rejects.toMatchObject({ code: 'bad-option' })
  })

  it('counts the entries of the table as the specification does', () => {
    // Blocks of 1 MiB: 4096 to a sector bitmap.
    expect([1, 4096, 4097, 8192, 8193].map((blocks) => batEntries(blocks, MIB, false))).toEqual([1, 4096, 4098, 8193, 8195])
    expect([1, 4096, 4097].map((blocks) => batEntries(blocks, MIB, true))).toEqual([4097, 4097, 8194])
  })
})

async function copy(from: ByteStore, to: ByteStore): Promise<void> {
  const bytes = new Uint8Array(from.size)
  await from.read(0, bytes)
  await to.write(0, bytes)
  await to.close()
}
