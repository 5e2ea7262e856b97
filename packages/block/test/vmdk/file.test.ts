import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, MemoryStore, openImage } from '../../src/index.ts'
import { nodeFiles } from '../../src/node/index.ts'
import { parseDescriptor } from '../../src/vmdk/descriptor.ts'
import { vmdk } from '../../src/vmdk/vmdk.ts'
import { sectorOf } from '../mapped/history.ts'
import { qemuImg, qemuIo, withPeer } from '../mapped/peer.ts'
import { Recording } from '../mapped/recording.ts'

const GIB = 2 ** 30
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const descriptor = (extents: string, header = 'version=1\nCID=1234abcd\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'): Uint8Array =>
  text(`# Disk DescriptorFile\n${header}\n# Extent description\n${extents}\n\n# The Disk Data Base\n#DDB\nddb.adapterType = "ide"\n`)

describe('descriptor', () => {
  it('gives the extents and identifiers', () => {
    const parsed = parseDescriptor(descriptor('RW 8 FLAT "a b.vmdk" 16\r\nRW  9 SPARSE "c.vmdk"'))
    expect(parsed).toMatchObject({
      cid: 0x1234abcd, parentCid: 0xffffffff, createType: 'monolithicFlat', cidDigits: 8,
      extents: [{ size: 4096, type: 'FLAT', fileName: 'a b.vmdk', offset: 8192 }, { size: 4608, type: 'SPARSE', fileName: 'c.vmdk', offset: 0 }],
    })
    expect(new TextDecoder().decode(descriptor('x').subarray(parsed.cidAt, parsed.cidAt + 8))).toBe('1234abcd')
  })

  it('ends at the first NUL', () => {
    expect(parseDescriptor(Uint8Array.of(...descriptor('RW 8 FLAT "a" 0'), 0, 1, 2)).extents.length).toBe(1)
  })

  const cases: readonly (readonly [what: string, bytes: Uint8Array, code: string])[] = [
    ['no beginning', text('version=1\nCID=1\n'), 'bad-image'],
    ['no extents', descriptor(''), 'bad-image'],
    ['an unknown line', descriptor('RW 8 FLAT "a" 0\nfree text'), 'bad-image'],
    ['an extent without a file', descriptor('RW 8 FLAT'), 'bad-image'],
    ['an extent without size', descriptor('RW 0 FLAT "a" 0'), 'bad-image'],
    ['an extent beyond all sizes', descriptor('RW 9999999999999999 FLAT "a" 0'), 'bad-image'],
    ['an offset beyond all sizes', descriptor('RW 8 FLAT "a" 9999999999999999'), 'bad-image'],
    ['a sparse extent with an offset', descriptor('RW 8 SPARSE "a" 5'), 'bad-image'],
    ['a file elsewhere', descriptor('RW 8 FLAT "/etc/passwd" 0'), 'unsupported'],
    ['a file above', descriptor('RW 8 FLAT "../a" 0'), 'unsupported'],
    ['an address', descriptor('RW 8 FLAT "http:a" 0'), 'unsupported'],
    ['a device', descriptor('RW 8 FLAT "\\\\.\\PhysicalDrive0" 0'), 'unsupported'],
    ['extents of ESX', descriptor('RW 8 VMFSSPARSE "a"'), 'unsupported'],
    ['read-only extents', descriptor('RDONLY 8 FLAT "a" 0'), 'unsupported'],
    ['extents of zeroes', descriptor('RW 8 ZERO'), 'unsupported'],
    ['version 4', descriptor('RW 8 FLAT "a" 0', 'version=4\nCID=1\nparentCID=1\ncreateType="monolithicFlat"\n'), 'unsupported'],
    ['an unknown type', descriptor('RW 8 FLAT "a" 0', 'version=1\nCID=1\nparentCID=1\ncreateType="fullDevice"\n'), 'unsupported'],
    ['no identifier', descriptor('RW 8 FLAT "a" 0', 'version=1\nparentCID=1\ncreateType="monolithicFlat"\n'), 'bad-image'],
    ['a bad identifier', descriptor('RW 8 FLAT "a" 0', 'version=1\nCID=123456789\nparentCID=1\ncreateType="monolithicFlat"\n'), 'bad-image'],
    ['a value twice', descriptor('RW 8 FLAT "a" 0', 'version=1\nCID=1\nCID=2\nparentCID=1\ncreateType="monolithicFlat"\n'), 'bad-image'],
    ['two mebibytes of comment', descriptor(`#${'x'.repeat(2 ** 21)}`), 'bad-image'],
  ]
  for (const [what, bytes, code] of cases) {
    it(`with ${what} is refused`, async () => {
      await expect(vmdk.open(new MemoryStore(bytes), { openFile: async () => new MemoryStore(new Uint8Array(65536)) })).rejects.toMatchObject({ code })
    })
  }

  it('opens no file that its extents do not name plainly', async () => {
    const files = new MemoryFiles(new Map([['folder/disk.vmdk', new MemoryStore(descriptor('RW 8 FLAT "../secret" 0'))], ['secret', new MemoryStore(new Uint8Array(4096))]]))
    await expect(openImage('folder/disk.vmdk', { files })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('gets another identifier with the first write, as long as the one before', async () => {
    for (const cid of ['1234abcd', 'f', '0', 'cfe6364']) {
      const bytes = descriptor('RW 8 FLAT "a" 0', `version=1\nCID=${cid}\nparentCID=ffffffff\ncreateType="monolithicFlat"\n`)
      const files = new MemoryFiles(new Map([['disk.vmdk', new MemoryStore(bytes)], ['a', new MemoryStore(new Uint8Array(4096))]]))
      const image = await openImage('disk.vmdk', { files })
      await image.write(0, new Uint8Array(512))
      await image.close()
      const again = new Uint8Array(bytes.length)
      await (await files.open('disk.vmdk', { readOnly: true })).read(0, again)
      const parsed = parseDescriptor(again)
      expect(parsed.cid).not.toBe(Number.parseInt(cid, 16))
      expect(parsed.cidDigits).toBe(cid.length)
    }
  })
})

describe('sparse extents', () => {
  async function made(options: Readonly<Record<string, string>> = {}): Promise<Recording> {
    const files = new Recording()
    await vmdk.create!(files.create('disk.vmdk'), { size: 4 * 2 ** 20, options, fileName: 'disk.vmdk', createFile: async (name) => files.create(name) })
    return files
  }

  it('changed by a transfer as text are refused', async () => {
    const files = await made()
    await files.open('disk.vmdk').write(75, text('\n'))
    await expect(vmdk.open(files.open('disk.vmdk'), {})).rejects.toMatchObject({ code: 'bad-image' })
  })

  it('of ESX, and extents without a descriptor, are refused', async () => {
    await expect(vmdk.open(new MemoryStore(text('COWD'.padEnd(4096))), {})).rejects.toMatchObject({ code: 'unsupported' })
    const files = await made({ subformat: 'twoGbMaxExtentSparse' })
    await expect(vmdk.open(files.open('disk-s001.vmdk'), {})).rejects.toMatchObject({ code: 'bad-image' })
  })

  it('keep their redundant tables like the others', async () => {
    const files = await made()
    const image = await vmdk.open(files.open('disk.vmdk'), {})
    await image.write(70 * 512, sectorOf(1, 70))
    await image.close()
    const store = files.open('disk.vmdk')
    const at = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length)
      await store.read(offset, bytes)
      return bytes
    }
    const header = new DataView((await at(0, 512)).buffer)
    const tables = await Promise.all([48, 56].map(async (field) => {
      const directory = new DataView((await at(Number(header.getBigUint64(field, true)) * 512, 4)).buffer)
      return at(directory.getUint32(0, true) * 512, 2048)
    }))
    expect(tables[0]).toEqual(tables[1])
    expect(tables[0]!.some((byte) => byte !== 0)).toBe(true)
  })

  it('get grain tables where they have none', async () => {
    const files = await made()
    const store = files.open('disk.vmdk')
    // The directories: of VMware's own programs, some are not all there.
    const header = new DataView(new ArrayBuffer(512))
    await store.read(0, new Uint8Array(header.buffer))
    for (const field of [48, 56]) await store.write(Number(header.getBigUint64(field, true)) * 512, new Uint8Array(4))
    const image = await vmdk.open(files.open('disk.vmdk'), {})
    expect(await image.status(0, image.size)).toMatchObject({ length: image.size, allocated: false, zero: true })
    await image.write(512 * 9, sectorOf(5, 9))
    await image.close()
    const again = await vmdk.open(files.open('disk.vmdk'), {})
    const bytes = new Uint8Array(512)
    await again.read(512 * 9, bytes)
    expect(bytes).toEqual(sectorOf(5, 9))
    expect(await again.check!()).toMatchObject({ corruptions: 0, allocatedClusters: 1 })
  })

  it('whose grains are in two places, or nowhere, are found', async () => {
    const files = await made()
    const image = await vmdk.open(files.open('disk.vmdk'), {})
    for (let grain = 0; grain < 3; grain++) await image.write(grain * 65536, sectorOf(1, grain * 128))
    await image.close()
    const store = files.open('disk.vmdk')
    const broken = await vmdk.open(files.open('disk.vmdk'), {})
    expect(await broken.check!()).toMatchObject({ corruptions: 0, allocatedClusters: 3 })
    // The table of the first grains, in an image of this size.
    const table = 27 * 512
    await store.write(table + 4, Uint8Array.of(128, 0, 0, 0))
    await store.write(table + 8, Uint8Array.of(0, 0, 0, 9))
    expect(await (await vmdk.open(files.open('disk.vmdk'), {})).check!()).toMatchObject({ corruptions: 2 })
  })
})

describe('disks of several files', () => {
  it('are split at 2 GiB, as qemu-img splits them', async (context) => {
    await withPeer(context, async (folder) => {
      for (const subformat of ['twoGbMaxExtentSparse', 'twoGbMaxExtentFlat']) {
        const file = join(folder, `${subformat}.vmdk`)
        await qemuImg('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, file, String(5 * GIB))
        await qemuIo('vmdk', file, `write -P 1 ${2 * GIB - 512} 1024`, `write -P 2 ${4 * GIB} 512`)
        const openFile = (name: string): ReturnType<typeof nodeFiles.open> => nodeFiles.open(join(folder, name), { readOnly: false })
        const image = await vmdk.open(await nodeFiles.open(file, { readOnly: false }), { openFile })
        expect(image.size).toBe(5 * GIB)
        const bytes = new Uint8Array(2048)
        await image.read(2 * GIB - 1024, bytes)
        expect([0, 512, 1024, 1536].map((at) => bytes[at])).toEqual([0, 1, 1, 0])
        await image.write(4 * GIB - 512, new Uint8Array(1024).fill(3))
        await image.close()
        await qemuIo('vmdk', file, `read -P 3 ${4 * GIB - 512} 1024`, `read -P 1 ${2 * GIB - 512} 1024`, `read -P 0 ${4 * GIB + 512} 512`)

        const ours = join(folder, `ours-${subformat}.vmdk`)
        const createFile = (name: string): ReturnType<typeof nodeFiles.open> => nodeFiles.open(join(folder, name), { readOnly: false, create: true })
        const store = await nodeFiles.open(ours, { readOnly: false, create: true })
        await vmdk.create!(store, { size: 5 * GIB, options: { subformat }, fileName: `ours-${subformat}.vmdk`, createFile })
        await store.close()
        await qemuIo('vmdk', ours, `write -P 1 ${2 * GIB - 512} 1024`)
        const [mine, peer] = await Promise.all([ours, file].map(async (path) => {
          const info = JSON.parse(await qemuImg('info', '--output=json', path)) as { 'format-specific': { data: { extents: { 'virtual-size': number }[] } } }
          return info['format-specific'].data.extents.map((extent) => extent['virtual-size'])
        }))
        expect(mine).toEqual(peer)
      }
    })
  })
})

describe('differences', () => {
  it('are what qemu-img takes them for, in both directions', async (context) => {
    await withPeer(context, async (folder) => {
      const base = join(folder, 'base.vmdk')
      const files = { openFile: (name: string): ReturnType<typeof nodeFiles.open> => nodeFiles.open(join(folder, name), { readOnly: true }) }
      const disk = new Uint8Array(4 * 2 ** 20).fill(5)
      await writeFile(join(folder, 'raw'), disk)
      await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', join(folder, 'raw'), base)
      await qemuImg('create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', join(folder, 'theirs.vmdk'))
      const store = await nodeFiles.open(join(folder, 'ours.vmdk'), { readOnly: false, create: true })
      await vmdk.create!(store, { size: disk.length, fileName: 'ours.vmdk', backing: { name: 'base.vmdk' }, ...files })
      await store.close()
      disk.fill(6, 512 * 1000, 512 * 1010)
      disk.fill(0, 512 * 2000, 512 * 2100)
      await writeFile(join(folder, 'raw'), disk)
      for (const name of ['theirs.vmdk', 'ours.vmdk']) {
        const image = await openImage(join(folder, name), { files: nodeFiles })
        expect(image.backing).toMatchObject({ name: 'base.vmdk' })
        await image.write(512 * 1000, new Uint8Array(512 * 10).fill(6))
        await image.writeZeroes(512 * 2000, 512 * 100, true)
        await image.close()
        await qemuImg('compare', '-f', 'vmdk', '-F', 'raw', join(folder, name), join(folder, 'raw'))
        await qemuImg('check', '-f', 'vmdk', join(folder, name))
      }
    })
  })
})
