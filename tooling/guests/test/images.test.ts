import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readCpio } from '@entresol/loader'
import { afterAll, describe, expect, test } from 'vitest'
import { bootableCd, buildInitramfs, fat16, guest } from '../src/index.ts'
import { treeEntries } from '../src/packages.ts'

const folder = await mkdtemp(join(tmpdir(), 'entresol-guests-test-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 31 & 0xff)

describe('FAT16', () => {
  test('a file is found by its root entry and read back along its cluster chain', () => {
    const files = [{ name: 'A.TXT', data: pattern(10) }, { name: 'EMPTY', data: new Uint8Array(0) }, { name: 'B.BIN', data: pattern(70000) }]
    const volume = fat16(files, 2048)
    const view = new DataView(volume.buffer)
    const cluster = volume[13]! * 512
    const fatSectors = view.getUint16(22, true)
    const root = (1 + 2 * fatSectors) * 512
    const data = root + 512 * 32
    const total = (view.getUint16(19, true) || view.getUint32(32, true)) - data / 512
    expect(total / volume[13]!).toBeGreaterThanOrEqual(4085)
    expect(total / volume[13]!).toBeLessThan(65525)
    files.forEach((file, i) => {
      const entry = root + i * 32
      const bytes = new Uint8Array(view.getUint32(entry + 28, true))
      let at = 0
      for (let n = view.getUint16(entry + 26, true); n >= 2 && n < 0xfff8; n = view.getUint16(512 + n * 2, true)) {
        bytes.set(volume.subarray(data + (n - 2) * cluster).subarray(0, Math.min(cluster, bytes.length - at)), at)
        at += cluster
      }
      expect(bytes).toEqual(file.data)
    })
    expect(volume.subarray(512, 512 + fatSectors * 512)).toEqual(volume.subarray(512 * (1 + fatSectors), 512 * (1 + 2 * fatSectors)))
  })
})

describe('ISO 9660', () => {
  test('the boot record leads through the catalog to the boot image, whose information table is filled in', () => {
    const boot = pattern(5001)
    const cd = bootableCd(boot, [{ name: 'GRUB.CFG', data: pattern(3) }])
    const view = new DataView(cd.buffer)
    const catalog = view.getUint32(17 * 2048 + 0x47, true) * 2048
    let sum = 0
    for (let i = 0; i < 32; i += 2) sum += view.getUint16(catalog + i, true)
    expect([sum & 0xffff, cd[catalog + 32]]).toEqual([0, 0x88])
    const image = view.getUint32(catalog + 40, true) * 2048
    expect(cd.subarray(image + 64, image + 5001)).toEqual(boot.subarray(64))
    expect([8, 12, 16].map(at => view.getUint32(image + at, true))).toEqual([16, image / 2048, 5001])
    expect(cd.length % 2048).toBe(0)
  })
})

describe('initramfs', () => {
  test('holds an executable init, busybox and a console, and extra files replace ours', async () => {
    const busybox = join(folder, 'busybox')
    await writeFile(busybox, pattern(100))
    const entries = readCpio(await buildInitramfs({
      busybox, busybox32: busybox, extra: [{ path: 'etc/passwd', kind: 'file', data: 'x' }, { path: 'root/a/b', kind: 'file', data: 'y' }]
    }))
    const at = (path: string) => entries.filter(entry => entry.path === path)
    expect(at('init')[0]).toMatchObject({ kind: 'file', mode: 0o755 })
    expect(at('bin/busybox')[0]?.data).toEqual(pattern(100))
    expect(at('bin/busybox32')).toHaveLength(1)
    expect(at('dev/console')[0]).toMatchObject({ kind: 'character', major: 5, minor: 1 })
    expect(at('etc/passwd').map(entry => new TextDecoder().decode(entry.data as Uint8Array))).toEqual(['x'])
    expect(at('root/a')[0]).toMatchObject({ kind: 'directory' })
  })
})

describe('a tree of packages', () => {
  test('becomes members with their kinds, targets and permissions', async () => {
    const tree = join(folder, 'tree')
    await mkdir(join(tree, 'usr/bin'), { recursive: true })
    await writeFile(join(tree, 'usr/bin/tool'), pattern(5))
    await chmod(join(tree, 'usr/bin/tool'), 0o4755)
    await symlink('tool', join(tree, 'usr/bin/link'))
    expect(await treeEntries(tree)).toEqual([
      { path: 'usr', kind: 'directory' }, { path: 'usr/bin', kind: 'directory' }, { path: 'usr/bin/link', kind: 'symlink', target: 'tool' },
      { path: 'usr/bin/tool', kind: 'file', mode: 0o755, data: Buffer.from(pattern(5)) }
    ])
  })
})

describe('guests', () => {
  test('an unknown guest is refused with the names there are', async () => {
    await expect(guest('clod')).rejects.toMatchObject({ code: 'no-such-guest', message: expect.stringContaining('cloud, generic') })
  })

  test('where apt is missing the message names the files to bring and the options that take them', async () => {
    const { PATH, ENTRESOL_CACHE } = process.env
    process.env['PATH'] = folder
    process.env['ENTRESOL_CACHE'] = join(folder, 'cache')
    try {
      await expect(guest('cloud')).rejects.toMatchObject({ code: 'no-apt', message: expect.stringMatching(/-kernel FILE.*-initrd FILE/) })
    } finally {
      process.env['PATH'] = PATH
      if (ENTRESOL_CACHE === undefined) delete process.env['ENTRESOL_CACHE']
      else process.env['ENTRESOL_CACHE'] = ENTRESOL_CACHE
    }
  })
})
