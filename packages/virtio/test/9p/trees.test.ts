import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryFileTree, NinePServer } from '../../src/9p/index.ts'
import type { FileTree } from '../../src/9p/index.ts'
import { HostFileTree } from '../../src/9p/node/index.ts'
import * as spec from '../../src/9p/spec.ts'
import { Client, refused } from './client.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function hostTree(access: 'descriptors' | 'paths', descriptors?: number): Promise<FileTree> {
  const folder = await mkdtemp(join(tmpdir(), 'entresol-9p-'))
  folders.push(folder)
  return HostFileTree.open(folder, { wallClock: Date.now, access, ...(descriptors !== undefined && { descriptors }) })
}

const trees: Record<string, () => Promise<FileTree>> = {
  'in memory': async () => new MemoryFileTree({ wallClock: Date.now }),
  'of the host by paths': () => hostTree('paths'),
  ...(process.platform === 'linux' && {
    'of the host by descriptors': () => hostTree('descriptors'),
    'of the host by one descriptor': () => hostTree('descriptors', 1),
  }),
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe.each(Object.keys(trees))('a tree %s', (name) => {
  let server: NinePServer
  let tree: FileTree
  let client: Client
  beforeEach(async () => {
    tree = await trees[name]!()
    server = new NinePServer(tree)
    client = await new Client(server).start()
  })

  afterEach(() => server.reset())

  const write = async (file: string, contents: string): Promise<void> => {
    await client.walk(0, 900)
    await client.create(900, file)
    await client.write(900, 0, contents)
    await client.clunk(900)
  }
  const contents = async (...path: string[]): Promise<string> => {
    await client.walk(0, 901, ...path)
    await client.open(901)
    const bytes = await client.read(901, 0, 10_000)
    await client.clunk(901)
    return text(bytes)
  }

  test('creates, writes, reads, truncates and removes a file', async () => {
    await client.walk(0, 1)
    await client.create(1, 'a', spec.O_RDWR, 0o640)
    expect(await client.write(1, 3, 'hello')).toBe(5)
    expect(await client.read(1, 0, 100)).toEqual(new Uint8Array([0, 0, 0, ...new TextEncoder().encode('hello')]))
    expect(await client.read(1, 100, 10)).toHaveLength(0)
    await client.call(spec.TFSYNC, (m) => m.u32(1).u32(0))
    const stat = await client.getattr(1)
    expect([stat.mode, stat.size, stat.links]).toEqual([spec.S_IFREG | 0o640, 8n, 1n])
    await client.setattr(1, spec.SETATTR_SIZE, { size: 4 })
    await client.setattr(1, spec.SETATTR_SIZE, { size: 6 })
    expect(await client.read(1, 0, 100)).toEqual(new Uint8Array([0, 0, 0, 0x68, 0, 0]))
    await client.walk(0, 2, 'a')
    await client.open(2, spec.O_WRONLY | spec.O_TRUNC)
    expect((await client.getattr(1)).size).toBe(0n)
    expect(await refused(client.create(0, 'a', spec.O_RDWR | spec.O_EXCL))).toBe(17)
    await client.unlink(0, 'a')
    expect(await refused(client.walk(0, 3, 'a'))).toBe(2)
  })

  test('creating without O_EXCL opens what is there', async () => {
    await write('a', 'old')
    await client.walk(0, 1)
    await client.create(1, 'a')
    expect(text(await client.read(1, 0, 10))).toBe('old')
  })

  test('an open file lives on after it was unlinked', async () => {
    await client.walk(0, 1)
    await client.create(1, 'a')
    await client.unlink(0, 'a')
    await client.write(1, 0, 'still there')
    expect(text(await client.read(1, 0, 100))).toBe('still there')
    await write('a', 'another')
    expect(text(await client.read(1, 0, 100))).toBe('still there')
    expect(await contents('a')).toBe('another')
  })

  test('lists directories with . and .., in pieces and from the start again', async () => {
    const names = Array.from({ length: 150 }, (_, n) => `file-${n}`)
    for (const file of names) await write(file, file)
    await client.mkdir(0, 'd')
    await client.symlink(0, 'l', 'x')
    for (const size of [100, 777, 60_000]) {
      await client.walk(0, 1)
      await client.open(1)
      for (let pass = 0; pass < 2; pass++) {
        const entries = await client.readdir(1, size)
        expect(entries.map((e) => e.name).sort()).toEqual(['.', '..', 'd', 'l', ...names].sort())
        expect(entries.find((e) => e.name === 'd')!.type).toBe(4)
        expect(entries.find((e) => e.name === 'l')!.type).toBe(10)
        expect(new Set(entries.map((e) => e.path)).size).toBe(entries.length - 1)
      }
      await client.clunk(1)
    }
    await client.walk(0, 1)
    await client.open(1)
    expect(await refused(client.readdir(1, 10))).toBe(22)
    await client.walk(0, 2, 'd')
    expect((await client.getattr(2)).qid.path).toBe((await client.readdir(1)).find((e) => e.name === 'd')!.path)
  })

  test('walks: up to the first name that is missing, and never above the root', async () => {
    await client.mkdir(0, 'd')
    await client.walk(0, 1, 'd')
    await client.mkdir(1, 'e')
    expect(await client.walk(0, 2, 'd', 'e')).toBe(2)
    expect(await client.walk(0, 3, 'd', 'x', 'y')).toBe(1)
    expect(await refused(client.getattr(3))).toBe(9)
    expect(await client.walk(2, 3, '..', '..', '..', '..', 'd')).toBe(5)
    expect((await client.getattr(3)).qid).toEqual((await client.getattr(1)).qid)
    expect(await refused(client.walk(0, 4, 'x'))).toBe(2)
    expect(await client.walk(3, 3, 'e')).toBe(1)
    expect((await client.getattr(3)).qid).toEqual((await client.getattr(2)).qid)
  })

  test('fids follow their files through renames', async () => {
    await client.mkdir(0, 'd')
    await client.walk(0, 1, 'd')
    await client.walk(0, 2, 'd')
    await client.create(2, 'f')
    await client.write(2, 0, 'moving')
    await client.clunk(2)
    await client.walk(1, 2, 'f')
    await client.renameat(0, 'd', 0, 'd2')
    await client.open(2)
    expect(text(await client.read(2, 0, 100))).toBe('moving')
    await client.rename(2, 0, 'g')
    expect(await contents('g')).toBe('moving')
    expect(await refused(client.walk(1, 5, 'f'))).toBe(2)
    await write('h', 'replaced')
    await client.renameat(0, 'g', 0, 'h')
    expect(await contents('h')).toBe('moving')
    await client.mkdir(1, 'below')
    expect(await refused(client.renameat(0, 'd2', 1, 'below'))).toBe(22)
    expect([20, 21]).toContain(await refused(client.renameat(0, 'h', 0, 'd2')))
    expect(await refused(client.renameat(0, 'nothing', 0, 'x'))).toBe(2)
  })

  test('removes by fid, and refuses what unlink refuses', async () => {
    await client.mkdir(0, 'd')
    await client.walk(0, 1, 'd')
    await client.mkdir(1, 'e')
    expect(await refused(client.unlink(0, 'd'))).toBe(21)
    expect(await refused(client.unlink(0, 'd', spec.AT_REMOVEDIR))).toBe(39)
    expect(await refused(client.remove(1))).toBe(39)
    expect(await refused(client.clunk(1))).toBe(9)
    await client.walk(0, 1, 'd', 'e')
    await client.remove(1)
    await client.unlink(0, 'd', spec.AT_REMOVEDIR)
    await write('f', '')
    expect(await refused(client.unlink(0, 'f', spec.AT_REMOVEDIR))).toBe(20)
    await client.walk(0, 1)
    expect(await refused(client.remove(1))).toBe(16)
  })

  test('hard links are names of one file', async () => {
    await write('a', 'one')
    await client.walk(0, 1, 'a')
    await client.link(0, 1, 'b')
    await client.walk(0, 2, 'b')
    const [a, b] = [await client.getattr(1), await client.getattr(2)]
    expect([b.qid.path, b.links]).toEqual([a.qid.path, 2n])
    expect(await refused(client.link(0, 1, 'b'))).toBe(17)
    await client.unlink(0, 'a')
    expect(await contents('b')).toBe('one')
    await client.mkdir(0, 'd')
    await client.walk(0, 3, 'd')
    expect(await refused(client.link(0, 3, 'e'))).toBe(1)
  })

  test('symlinks are kept as they were written, and followed by nobody', async () => {
    for (const target of ['/etc', '../../..', 'nowhere', '.']) {
      await client.symlink(0, 'l', target)
      await client.walk(0, 1, 'l')
      expect(await client.readlink(1)).toBe(target)
      const stat = await client.getattr(1)
      expect([stat.mode & spec.S_IFMT, stat.size, stat.qid.type]).toEqual([spec.S_IFLNK, BigInt(target.length), spec.QID_SYMLINK])
      expect(await refused(client.open(1))).toBe(40)
      expect(await client.walk(0, 2, 'l', 'passwd')).toBe(1)
      expect([20, 40]).toContain(await refused(client.mkdir(1, 'x')))
      expect(await refused(client.setattr(1, spec.SETATTR_SIZE))).toBe(22)
      expect(await refused(client.create(0, 'l'))).toBe(40)
      await client.clunk(1)
      await client.unlink(0, 'l')
    }
    await client.symlink(0, 'l', 'x')
    await client.walk(0, 1, 'l')
    await client.link(0, 1, 'm')
    await client.walk(0, 2, 'm')
    expect(await client.readlink(2)).toBe('x')
  })

  test('sets mode and times, and says so', async () => {
    await write('a', '')
    await client.walk(0, 1, 'a')
    await client.setattr(1, spec.SETATTR_MODE, { mode: 0o400 })
    await client.setattr(1, spec.SETATTR_MTIME | spec.SETATTR_MTIME_SET, { modified: 1_000_000_000 })
    const stat = await client.getattr(1)
    expect(stat.mode).toBe(spec.S_IFREG | 0o400)
    expect(Number(stat.modified / 1_000_000_000n)).toBe(1_000_000_000)
    await client.setattr(1, spec.SETATTR_ATIME | spec.SETATTR_MTIME)
    expect((await client.getattr(1)).modified).toBeGreaterThan(1_700_000_000n * 1_000_000_000n)
  })

  test('special files are refused, regular ones made by mknod', async () => {
    for (const type of [0o020000, 0o060000, 0o010000, 0o140000]) expect(await refused(client.mknod(0, 'x', type | 0o644))).toBe(1)
    await client.mknod(0, 'x', spec.S_IFREG | 0o600)
    await client.walk(0, 1, 'x')
    expect((await client.getattr(1)).mode).toBe(spec.S_IFREG | 0o600)
  })

  test('says how much space there is', async () => {
    const r = await client.call(spec.TSTATFS, (m) => m.u32(0))
    expect(r.u32()).toBe(spec.V9FS_MAGIC)
    const [size, blocks, free] = [r.u32(), r.u64(), r.u64()]
    expect(size).toBeGreaterThan(0)
    expect(blocks).toBeGreaterThanOrEqual(free)
  })

  test('read-only: everything can be read, nothing changed', async () => {
    await write('a', 'fixed')
    const frozen = await new Client(new NinePServer(tree, { readOnly: true })).start()
    await frozen.walk(0, 1, 'a')
    expect(await refused(frozen.open(1, spec.O_RDWR))).toBe(30)
    expect(await refused(frozen.open(1, spec.O_TRUNC))).toBe(30)
    await frozen.open(1)
    expect(text(await frozen.read(1, 0, 10))).toBe('fixed')
    for (const change of [
      () => frozen.write(1, 0, 'x'), () => frozen.create(0, 'b'), () => frozen.mkdir(0, 'b'), () => frozen.symlink(0, 'b', 'c'),
      () => frozen.link(0, 1, 'b'), () => frozen.rename(1, 0, 'b'), () => frozen.renameat(0, 'a', 0, 'b'), () => frozen.unlink(0, 'a'),
      () => frozen.setattr(1, spec.SETATTR_MODE), () => frozen.mknod(0, 'b', spec.S_IFREG), () => frozen.remove(1),
    ]) expect(await refused(change())).toBe(30)
    expect(await contents('a')).toBe('fixed')
  })

  test('many requests at once', async () => {
    await Promise.all(Array.from({ length: 40 }, async (_, n) => {
      await client.walk(0, 100 + n)
      // Another request may rename it between being found and opened.
      const failed = await refused(client.create(100 + n, `f${n % 20}`))
      if (failed === undefined) await client.write(100 + n, n * 10, `${n}`)
      else expect([2, 116]).toContain(failed)
      await client.clunk(100 + n)
      await client.renameat(0, `f${n % 20}`, 0, `g${n % 7}`).catch(() => {})
    }))
    await client.walk(0, 1)
    await client.open(1)
    expect((await client.readdir(1)).length).toBeGreaterThan(2)
  })
})

test('the host sees what a guest wrote', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entresol-9p-'))
  folders.push(folder)
  const client = await new Client(new NinePServer(await HostFileTree.open(folder, { wallClock: Date.now }))).start()
  await client.walk(0, 1)
  await client.create(1, 'ünï', spec.O_RDWR, 0o4777)
  await client.write(1, 0, 'x')
  expect(await readFile(join(folder, 'ünï'), 'utf8')).toBe('x')
  expect((await client.getattr(1)).mode & 0o7000).toBe(0)
  await client.setattr(1, spec.SETATTR_MODE, { mode: 0o6755 })
  expect((await client.getattr(1)).mode).toBe(spec.S_IFREG | 0o755)
})
