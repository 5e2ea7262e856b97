import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NinePServer } from '../../src/9p/index.ts'
import { HostFileTree } from '../../src/9p/node/index.ts'
import * as spec from '../../src/9p/spec.ts'
import { Client, refused } from './client.ts'

/** outside/secret beside the shared folder. */
let base: string
let shared: string
let server: NinePServer | undefined
let client: Client

async function share(access: 'descriptors' | 'paths', descriptors = 64): Promise<void> {
  server = new NinePServer(await HostFileTree.open(shared, { wallClock: Date.now, access, descriptors }))
  client = await new Client(server).start()
}

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'entresol-escape-'))
  shared = join(base, 'shared')
  await mkdir(shared)
  await mkdir(join(base, 'outside'))
  await writeFile(join(base, 'outside', 'secret'), 'secret')
})
afterEach(async () => {
  await server?.reset()
  await rm(base, { recursive: true, force: true })
})

const ways = process.platform === 'linux' ? ['descriptors', 'paths'] as const : ['paths'] as const

describe.each(ways)('a folder shared by %s is not left', (access) => {
  beforeEach(() => share(access))

  test('by names', async () => {
    for (const name of ['../outside', '/etc/passwd', 'a/../../outside', '', '.', 'a\0b', '..']) {
      for (const attempt of [
        () => client.create(0, name), () => client.mkdir(0, name), () => client.symlink(0, name, 'x'), () => client.unlink(0, name),
        () => client.unlink(0, name, spec.AT_REMOVEDIR), () => client.renameat(0, name, 0, 'x'), () => client.mknod(0, name, spec.S_IFREG),
      ]) expect([17, 22]).toContain(await refused(attempt()))
      if (name !== '.' && name !== '..') expect(await refused(client.walk(0, 5, name))).toBe(22)
    }
    await client.walk(0, 1, '..', '..')
    await client.open(1)
    expect((await client.readdir(1)).map((e) => e.name).sort()).toEqual(['.', '..'])
    expect(await refused(client.mkdir(0, 'x'.repeat(256)))).toBe(36)
    expect(await refused(client.mkdir(0, 'ü'.repeat(128)))).toBe(36)
  })

  test('by symlinks the guest makes', async () => {
    await client.symlink(0, 'l', '../outside')
    await client.symlink(0, 's', '../outside/secret')
    expect(await client.walk(0, 1, 'l', 'secret')).toBe(1)
    await client.walk(0, 1, 's')
    expect(await refused(client.open(1))).toBe(40)
    expect(await refused(client.create(0, 's', spec.O_RDWR | spec.O_TRUNC))).toBe(40)
    await client.setattr(1, spec.SETATTR_MTIME | spec.SETATTR_MTIME_SET | spec.SETATTR_UID, { modified: 1, uid: 12345 })
    expect(await refused(client.setattr(1, spec.SETATTR_MODE, { mode: 0 }))).toBe(95)
    await client.unlink(0, 's')
    expect(await readFile(join(base, 'outside', 'secret'), 'utf8')).toBe('secret')
  })

  test('by symlinks put in the place of what a fid names', async () => {
    await client.mkdir(0, 'd')
    await client.walk(0, 1, 'd')
    await client.mknod(1, 'secret', spec.S_IFREG | 0o600)
    await client.walk(1, 2, 'secret')
    await rename(join(shared, 'd'), join(shared, 'e'))
    await symlink('../outside', join(shared, 'd'))
    // Either the fid's own directory, or nothing: never what the symlink leads to.
    await refused(client.mkdir(1, 'planted'))
    await refused(client.unlink(1, 'secret'))
    await refused(client.setattr(2, spec.SETATTR_SIZE, { size: 0 }))
    expect(await client.walk(0, 3, 'd', 'secret')).toBe(1)
    expect(await readdir(join(base, 'outside'))).toEqual(['secret'])
    expect(await readFile(join(base, 'outside', 'secret'), 'utf8')).toBe('secret')
  })

  test('by a file replaced with a symlink between lookup and opening', async () => {
    await client.mknod(0, 'f', spec.S_IFREG | 0o600)
    await client.walk(0, 1, 'f')
    await unlink(join(shared, 'f'))
    await symlink('../outside/secret', join(shared, 'f'))
    const failed = await refused(client.open(1, spec.O_RDWR | spec.O_TRUNC))
    if (failed === undefined) expect(await client.read(1, 0, 10)).toHaveLength(0)
    expect(await readFile(join(base, 'outside', 'secret'), 'utf8')).toBe('secret')
  })

  test('by renaming a directory while it is walked', async () => {
    await client.mkdir(0, 'a')
    await client.walk(0, 1, 'a')
    await client.mkdir(1, 'b')
    await client.walk(0, 2, 'a', 'b')
    await client.renameat(1, 'b', 0, 'b')
    await client.walk(2, 3, '..', '..', '..')
    await client.open(3)
    expect((await client.readdir(3)).map((e) => e.name).sort()).toEqual(['.', '..', 'a', 'b'])
  })

  test('pipes of the host are seen and not opened', async (ctx) => {
    const { execFileSync } = await import('node:child_process')
    try {
      execFileSync('mkfifo', [join(shared, 'pipe')])
    } catch {
      ctx.skip('no mkfifo here')
    }
    await client.walk(0, 1, 'pipe')
    expect((await client.getattr(1)).mode & spec.S_IFMT).toBe(0o010000)
    expect(await refused(client.open(1))).toBe(6)
    expect(await refused(client.create(0, 'pipe'))).toBe(40)
  })

  test('names that are not UTF-8 are not there', async (ctx) => {
    if (process.platform !== 'linux') ctx.skip('file names are UTF-8 here')
    await writeFile(Buffer.concat([Buffer.from(`${shared}/`), Buffer.of(0x61, 0xff, 0xfe)]), '')
    await writeFile(join(shared, 'é'), '')
    await client.walk(0, 1)
    await client.open(1)
    expect((await client.readdir(1)).map((e) => e.name).sort()).toEqual(['.', '..', 'é'])
  })

  test('hard links of the host are files like others', async () => {
    await link(join(base, 'outside', 'secret'), join(shared, 'linked'))
    await client.walk(0, 1, 'linked')
    await client.open(1)
    expect(new TextDecoder().decode(await client.read(1, 0, 100))).toBe('secret')
  })
})

test.runIf(process.platform === 'linux')('a guest that swaps directories and symlinks all the time reads no secret', async () => {
  await share('descriptors', 2)
  await mkdir(join(shared, 'real'))
  await writeFile(join(shared, 'real', 'secret'), 'public')
  await symlink('../outside', join(shared, 'link'))
  let running = true
  const swap = (async () => {
    while (running) {
      await rename(join(shared, 'real'), join(shared, 'tmp'))
      await rename(join(shared, 'link'), join(shared, 'real'))
      await rename(join(shared, 'real'), join(shared, 'link'))
      await rename(join(shared, 'tmp'), join(shared, 'real'))
    }
  })()
  const seen = new Set<string>()
  for (let round = 0; round < 300; round++) {
    const fid = 10 + round
    if (await refused(client.walk(0, fid, 'real', 'secret')) !== undefined) continue
    if (await refused(client.open(fid)) !== undefined) continue
    seen.add(new TextDecoder().decode(await client.read(fid, 0, 100)))
    await client.clunk(fid)
  }
  running = false
  await swap
  seen.delete('public')
  expect([...seen]).toEqual([])
})

test.runIf(process.platform === 'linux')('descriptors are given back', async () => {
  const count = async (): Promise<number> => (await readdir('/proc/self/fd')).length
  const before = await count()
  const tree = await HostFileTree.open(shared, { wallClock: Date.now, descriptors: 8 })
  server = new NinePServer(tree)
  client = await new Client(server).start()
  for (let n = 0; n < 50; n++) {
    await client.walk(0, 1)
    await client.create(1, `f${n}`)
    await client.walk(0, 1000 + n, `f${n}`)
    if (n % 2) await client.unlink(0, `f${n}`)
    await client.clunk(1)
    await client.walk(0, 1)
    await client.open(1)
    await client.clunk(1)
  }
  expect(await count()).toBeLessThanOrEqual(before + 10)
  await server.reset()
  tree.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await count()).toBeLessThanOrEqual(before)
})
