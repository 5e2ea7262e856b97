import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteStoreSuite, describeSuite } from '@entresol/compliance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileStore } from '../../src/node/index.ts'

let folder = ''
let count = 0
const fresh = (): string => join(folder, `file ${count++}`)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entresol-store-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Holes and locks are made by perl on Linux. */
const helped = process.platform === 'linux' && spawnSync('perl', ['-e', '1']).status === 0

describe('FileStore', () => {
  describeSuite(byteStoreSuite, async () => ({ store: await FileStore.open(fresh(), { readOnly: false, create: true }) }), { describe, it })
  describeSuite(byteStoreSuite, async () => {
    const path = fresh()
    await writeFile(path, new Uint8Array(70_000).fill(5))
    return { store: await FileStore.open(path, { readOnly: true }) }
  }, { describe, it })

  it('punches holes into the file and finds them again', async (context) => {
    if (!helped) return context.skip('no Linux, or no perl')
    const path = fresh()
    const store = await FileStore.open(path, { readOnly: false, create: true })
    await store.write(0, new Uint8Array(2 ** 20).fill(1))
    await store.flush()
    const before = (await stat(path)).blocks
    await store.punchHole(262_144, 524_288)
    expect((await stat(path)).blocks).toBe(before / 2)
    expect(await store.extent(0)).toEqual({ length: 262_144, hole: false })
    expect(await store.extent(262_144)).toEqual({ length: 524_288, hole: true })
    expect(await store.extent(300_000)).toEqual({ length: 786_432 - 300_000, hole: true })
    await store.close()
    expect((await readFile(path)).subarray(262_144, 786_432).every((byte) => byte === 0)).toBe(true)
  })

  it('lets in any number of readers, or one writer; closing lets go of the file', async (context) => {
    if (!helped) return context.skip('no Linux, or no perl')
    const path = fresh()
    const writer = await FileStore.open(path, { readOnly: false, create: true })
    await writer.write(0, new Uint8Array(512))
    await expect(FileStore.open(path, { readOnly: false })).rejects.toMatchObject({ code: 'locked', message: expect.stringContaining(path) as string })
    await expect(FileStore.open(path, { readOnly: true })).rejects.toMatchObject({ code: 'locked' })
    await expect(FileStore.open(path, { readOnly: false, create: true })).rejects.toMatchObject({ code: 'locked' })
    expect(writer.size, 'a refused writer has not emptied the file').toBe((await stat(path)).size)
    await (await FileStore.open(path, { readOnly: true, shared: true })).close()
    await writer.close()
    const readers = [await FileStore.open(path, { readOnly: true }), await FileStore.open(path, { readOnly: true })]
    await expect(FileStore.open(path, { readOnly: false })).rejects.toMatchObject({ code: 'locked' })
    await Promise.all(readers.map((reader) => reader.close()))
    await (await FileStore.open(path, { readOnly: false })).close()
  })

  it('locks as QEMU does: each refuses what the other has open', async (context) => {
    if (!helped) return context.skip('no Linux, or no perl')
    if (spawnSync('qemu-io', ['--version']).status !== 0) return context.skip('qemu-io is not installed (Debian: qemu-utils)')
    const path = fresh()
    const writer = await FileStore.open(path, { readOnly: false, create: true })
    await writer.truncate(2 ** 20)
    const refused = spawnSync('qemu-io', ['-f', 'raw', '-c', 'write 0 512', path], { encoding: 'utf8' })
    expect(refused.stderr).toContain('lock')
    await writer.close()
    expect(spawnSync('qemu-io', ['-f', 'raw', '-c', 'write 0 512', path]).status).toBe(0)
  })

  it.each([
    ['a file that is not there', () => fresh(), 'no such file'],
    ['a folder', () => folder, 'is a directory'],
    ['a character device', () => '/dev/null', 'neither a file nor a block device'],
  ])('refuses %s', async (_what, path, message) => {
    await expect(FileStore.open(path(), { readOnly: true })).rejects.toMatchObject({ code: 'file-error', message: expect.stringContaining(message) as string })
  })
})
