import { byteStoreSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, MemoryStore, isZero } from '../../src/index.ts'

describe('MemoryStore', () => {
  describeSuite(byteStoreSuite, () => ({ store: new MemoryStore() }), { describe, it })
  describeSuite(byteStoreSuite, () => ({ store: new MemoryStore(new Uint8Array(70_000).fill(7), true) }), { describe, it })

  it('takes memory only for pages that hold something', async () => {
    const store = new MemoryStore()
    await store.truncate(2 ** 40)
    await store.write(2 ** 39, new Uint8Array(10).fill(1))
    await store.write(2 ** 38, new Uint8Array(2 ** 20))
    expect(store.allocated).toBe(65536)
    expect(await store.extent(0)).toEqual({ length: 2 ** 39, hole: true })
    await store.punchHole(0, 2 ** 40)
    expect(store.allocated).toBe(0)
  })

  it('is read-only without being told twice', async () => {
    const content = new Uint8Array([1, 2, 3])
    const store = new MemoryStore(content, true)
    content.fill(0)
    const bytes = new Uint8Array(3)
    await store.read(0, bytes)
    expect([...bytes]).toEqual([1, 2, 3])
  })
})

describe('MemoryFiles', () => {
  it('keeps a file for the next who opens it, and closes each opening by itself', async () => {
    const files = new MemoryFiles()
    const first = await files.open('a', { readOnly: false, create: true })
    await first.write(0, new Uint8Array([9]))
    await first.close()
    await expect(first.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'closed' })
    const second = await files.open('a', { readOnly: true })
    expect(second.size).toBe(1)
    await expect(second.write(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'read-only' })
    await expect(files.open('b', { readOnly: true })).rejects.toMatchObject({ code: 'file-error' })
  })

  it.each([
    ['disk.qcow2', 'base.raw', 'base.raw'],
    ['a/b/disk.qcow2', '../base.raw', 'a/b/../base.raw'],
    ['a/disk.qcow2', '/base.raw', '/base.raw'],
    ['a/disk.qcow2', 'nbd://host/x', 'nbd://host/x'],
  ])('%s calls %s: %s', (from, name, path) => {
    expect(new MemoryFiles().resolve(from, name)).toBe(path)
  })
})

describe('isZero', () => {
  it('finds a byte anywhere, however the bytes are aligned', () => {
    for (const length of [0, 1, 63, 64, 65, 4096]) {
      for (const shift of [0, 1, 7, 8]) {
        const bytes = new Uint8Array(length + shift).fill(0, shift).subarray(shift)
        expect(isZero(bytes)).toBe(true)
        for (const at of [0, length >> 1, length - 1]) {
          if (at < 0 || length === 0) continue
          bytes[at] = 1
          expect(isZero(bytes)).toBe(false)
          bytes[at] = 0
        }
      }
    }
  })
})
