import { byteStoreSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { OpfsStore, openImage, opfsFiles, formatNamed } from '../../src/index.ts'
import type { PrivateFolder, SyncAccessHandle } from '../../src/index.ts'

/** What the File System Standard asks of a handle, with a quota; it moves few bytes at a time. */
class FakeHandle implements SyncAccessHandle {
  readonly #quota: number
  #bytes = new Uint8Array(0)
  onClose: () => void = () => undefined
  constructor(quota = Infinity) {
    this.#quota = quota
  }
  read(into: Uint8Array, { at }: { at: number }): number {
    const part = this.#bytes.subarray(at, at + Math.min(into.length, 100_000))
    into.set(part)
    return part.length
  }
  write(from: Uint8Array, { at }: { at: number }): number {
    const part = from.subarray(0, 100_000)
    if (at + part.length > this.#bytes.length) this.truncate(at + part.length)
    this.#bytes.set(part, at)
    return part.length
  }
  truncate(size: number): void {
    if (size > this.#quota) throw new DOMException('over the quota', 'QuotaExceededError')
    const bytes = new Uint8Array(size)
    bytes.set(this.#bytes.subarray(0, size))
    this.#bytes = bytes
  }
  getSize(): number {
    return this.#bytes.length
  }
  flush(): void {}
  close(): void {
    this.onClose()
  }
}

function fakeFolder(): PrivateFolder {
  const files = new Map<string, FakeHandle>()
  const open = new Set<string>()
  return {
    async getFileHandle(name, { create }) {
      if (!files.has(name) && !create) throw new DOMException('not there', 'NotFoundError')
      const handle = files.get(name) ?? new FakeHandle()
      files.set(name, handle)
      return {
        async createSyncAccessHandle() {
          if (open.has(name)) throw new DOMException('taken', 'NoModificationAllowedError')
          open.add(name)
          handle.onClose = () => open.delete(name)
          return handle
        },
      }
    },
  }
}

describe('OpfsStore', () => {
  describeSuite(byteStoreSuite, () => ({ store: new OpfsStore(new FakeHandle()) }), { describe, it })

  it('says when the browser gives no more space', async () => {
    const store = new OpfsStore(new FakeHandle(1000))
    await store.write(0, new Uint8Array(1000))
    await expect(store.write(1000, new Uint8Array(1))).rejects.toMatchObject({ code: 'no-space' })
    expect(store.size).toBe(1000)
  })

  it('holds images, which another tab cannot open meanwhile', async () => {
    const files = opfsFiles(fakeFolder())
    const store = await files.open('disk.qcow2', { readOnly: false, create: true })
    await formatNamed('qcow2').create!(store, { size: 2 ** 20 })
    await expect(files.open('disk.qcow2', { readOnly: false })).rejects.toMatchObject({ code: 'locked' })
    await store.close()
    const image = await openImage('disk.qcow2', { files })
    await image.write(512, new Uint8Array(512).fill(3))
    await image.close()
    const again = await openImage('disk.qcow2', { files, readOnly: true })
    const bytes = new Uint8Array(1024)
    await again.read(0, bytes)
    expect([bytes[511], bytes[512]]).toEqual([0, 3])
    await expect(files.open('other', { readOnly: true })).rejects.toMatchObject({ code: 'file-error' })
  })
})
