import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryFileTree, NinePServer } from '../../src/9p/index.ts'
import type { FileNode } from '../../src/9p/index.ts'
import * as spec from '../../src/9p/spec.ts'
import { MessageWriter } from '../../src/9p/wire.ts'
import { Client, refused } from './client.ts'
import { messages } from './messages.ts'

let server: NinePServer
let client: Client
beforeEach(async () => {
  server = new NinePServer(new MemoryFileTree(), { messageSize: 8192, limits: { fids: 20, openFiles: 5, locks: 10 } })
  client = await new Client(server).start()
})

test('the version: the smaller message size, unknown dialects named so, everything before it ended', async () => {
  expect(await client.version(100_000)).toEqual([8192, '9P2000.L'])
  expect(await refused(client.getattr(0))).toBe(9)
  expect(await client.version(5000)).toEqual([5000, '9P2000.L'])
  expect(await client.version(5000, '9P2000.u')).toEqual([5000, 'unknown'])
  expect(await refused(client.attach(0))).toBe(71)
  expect(await refused(client.version(100))).toBe(22)
})

test('answers stay within the message size', async () => {
  await client.version(4096)
  await client.attach(0)
  await client.walk(0, 1)
  await client.create(1, 'a')
  for (let at = 0; at < 8000; at += 4000) await client.write(1, at, new Uint8Array(4000))
  expect(await client.read(1, 0, 0xffff_ffff)).toHaveLength(4096 - 24)
  await client.symlink(0, 'l', 'x'.repeat(4000))
  await client.walk(0, 2, 'l')
  expect((await client.readlink(2)).length).toBe(4000)
  expect(await refused(client.write(1, 0, new Uint8Array(5000)))).toBe(71)
  expect(await refused(client.write(1, Number.MAX_SAFE_INTEGER, 'abc'))).toBe(27)
  expect(await refused(client.setattr(1, spec.SETATTR_SIZE, { size: Number.MAX_SAFE_INTEGER }))).toBe(28)
})

test('fids, open files and locks are bounded', async () => {
  for (let fid = 1; fid < 20; fid++) await client.walk(0, fid)
  expect(await refused(client.walk(0, 20))).toBe(23)
  expect(server.fids).toBe(20)
  for (let fid = 1; fid < 5; fid++) await client.open(fid)
  await client.create(5, 'a')
  expect(await refused(client.open(6))).toBe(23)
  await client.clunk(1)
  await client.open(6)
  for (let n = 0; n < 10; n++) expect(await client.lock(5, spec.LOCK_TYPE_WRLCK, 2 * n, 1, 1)).toBe(0)
  expect(await refused(client.lock(5, spec.LOCK_TYPE_WRLCK, 100, 1, 1))).toBe(37)
  await server.reset()
  expect(server.fids).toBe(0)
})

test('fids in use, unknown, open twice, of the wrong kind', async () => {
  expect(await refused(client.attach(0))).toBe(9)
  expect(await refused(client.walk(7, 8))).toBe(9)
  await client.walk(0, 1)
  expect(await refused(client.walk(0, 1))).toBe(9)
  expect(await refused(client.read(1, 0, 1))).toBe(9)
  expect(await refused(client.readdir(1))).toBe(9)
  await client.create(1, 'a')
  expect(await refused(client.open(1))).toBe(9)
  expect(await refused(client.create(1, 'b'))).toBe(20)
  expect(await refused(client.readlink(1))).toBe(22)
  expect(await refused(client.walk(1, 2, 'x'))).toBe(20)
  expect(await refused(client.open(0, spec.O_RDWR))).toBe(21)
  await client.walk(0, 3, 'a')
  expect(await refused(client.open(3, spec.O_DIRECTORY))).toBe(20)
})

describe('record locks', () => {
  const [READ, WRITE, UNLOCK] = [spec.LOCK_TYPE_RDLCK, spec.LOCK_TYPE_WRLCK, spec.LOCK_TYPE_UNLCK]
  beforeEach(async () => {
    await client.walk(0, 1)
    await client.create(1, 'a')
    await client.walk(0, 2, 'a')
    await client.open(2, spec.O_RDWR)
  })

  test('keep others out, range by range', async () => {
    expect(await client.lock(1, WRITE, 0, 10, 1)).toBe(spec.LOCK_SUCCESS)
    expect(await client.lock(2, WRITE, 5, 10, 2)).toBe(spec.LOCK_BLOCKED)
    expect(await client.lock(2, READ, 9, 1, 2)).toBe(spec.LOCK_BLOCKED)
    expect(await client.lock(2, WRITE, 10, 0, 2)).toBe(spec.LOCK_SUCCESS)
    expect(await client.getlock(1, READ, 0, 0, 3)).toEqual({ type: WRITE, start: 0n, length: 10n, process: 1 })
    expect(await client.getlock(1, READ, 50, 1, 1)).toEqual({ type: WRITE, start: 10n, length: 0n, process: 2 })
    expect((await client.getlock(1, WRITE, 0, 10, 1)).type).toBe(UNLOCK)
    expect(await client.lock(1, UNLOCK, 3, 4, 1)).toBe(spec.LOCK_SUCCESS)
    expect(await client.lock(2, READ, 3, 4, 2)).toBe(spec.LOCK_SUCCESS)
    expect(await client.lock(1, READ, 3, 4, 1)).toBe(spec.LOCK_SUCCESS)
    expect(await client.lock(1, WRITE, 3, 4, 1)).toBe(spec.LOCK_BLOCKED)
    expect(await client.lock(2, READ, 7, 3, 2)).toBe(spec.LOCK_BLOCKED)
  })

  test('end with the fid that took them', async () => {
    await client.lock(1, WRITE, 0, 0, 1)
    expect(await client.lock(2, WRITE, 0, 1, 2)).toBe(spec.LOCK_BLOCKED)
    await client.clunk(1)
    expect(await client.lock(2, WRITE, 0, 1, 2)).toBe(spec.LOCK_SUCCESS)
  })
})

test('extended attributes and authentication: not there', async () => {
  expect(await refused(client.call(spec.TXATTRWALK, (m) => m.u32(0).u32(5).string('user.x')))).toBe(95)
  expect(await refused(client.call(spec.TXATTRCREATE, (m) => m.u32(0).string('user.x').u64(1).u32(0)))).toBe(95)
  expect(await refused(client.call(spec.TAUTH, (m) => m.u32(0).string('').string('').u32(0)))).toBe(95)
})

test('a flush is answered after the request it is about', async () => {
  const order: string[] = []
  await client.walk(0, 1)
  await client.create(1, 'a')
  const write = client.call(spec.TWRITE, (m) => m.u32(1).u64(0).u32(1).u8(1), 77).then(() => order.push('write'))
  const flush = client.call(spec.TFLUSH, (m) => m.u16(77), 78).then(() => order.push('flush'))
  await Promise.all([write, flush])
  expect(order).toEqual(['write', 'flush'])
  await client.call(spec.TFLUSH, (m) => m.u16(1234))
})

test('requests under way when the client goes leave nothing behind', async () => {
  let held = 0
  const node = { kind: 'directory', id: 1n, release: () => { held-- } } as FileNode
  const slow = new NinePServer({
    root: async () => {
      await Promise.resolve()
      held++
      return node
    },
  })
  const gone = new Client(slow)
  await gone.version()
  const attaching = refused(gone.attach(0))
  await slow.reset()
  expect(await attaching).toBe(9)
  expect(held).toBe(0)
})

test('messages cut short, too long, with a wrong size or an unknown type are refused', async () => {
  const whole = new MessageWriter(spec.TGETATTR, 9).u32(0).u64(0).finish()
  for (let length = 0; length < whole.length; length++) {
    const answer = await server.handle(whole.subarray(0, length))
    expect(answer[4]).toBe(spec.RLERROR)
  }
  for (const size of [0, 6, 0xffff_ffff]) {
    const wrong = whole.slice()
    new DataView(wrong.buffer).setUint32(0, size, true)
    expect((await server.handle(wrong))[4]).toBe(spec.RLERROR)
  }
  for (const type of [0, 6, 7, 9, 99, 106, 121, 255]) expect(await refused(client.call(type, () => {}))).toBe(95)
  expect(await refused(client.call(spec.TCLUNK, (m) => m.u32(0).u8(1)))).toBe(71)
  expect(await refused(client.call(spec.TMKDIR, (m) => m.u32(0).u16(2).u8(0xff).u8(0xfe).u32(0).u32(0)))).toBe(22)
})

test('whatever is sent, there is one answer of bounded length with the same tag', async () => {
  await fc.assert(fc.asyncProperty(fc.array(messages, { minLength: 1, maxLength: 30 }), fc.boolean(), async (sent, together) => {
    const fuzzed = new NinePServer(new MemoryFileTree({ capacity: 2 ** 20, maxFiles: 100 }), { messageSize: 8192, limits: { fids: 16, openFiles: 8, locks: 8 } })
    await new Client(fuzzed).start()
    const check = async (message: Uint8Array): Promise<void> => {
      const answer = await fuzzed.handle(message)
      expect(answer.length).toBeLessThanOrEqual(8192)
      expect(new DataView(answer.buffer, answer.byteOffset).getUint32(0, true)).toBe(answer.length)
      if (message.length >= 7) expect([answer[5], answer[6]]).toEqual([message[5], message[6]])
    }
    if (together) await Promise.all(sent.map(check))
    else for (const message of sent) await check(message)
    expect(fuzzed.fids).toBeLessThanOrEqual(16)
  }), { numRuns: 300 })
})
