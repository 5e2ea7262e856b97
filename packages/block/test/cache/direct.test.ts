import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { byteStoreSuite, describeSuite } from '@entresol/compliance'
import { FileStore } from '../../src/node/index.ts'

// Beside the sources: a temporary folder may be in memory, which has no way around itself.
const folder = mkdtempSync(join(import.meta.dirname, '.direct.tmp.'))
let count = 0
const fresh = (): string => join(folder, String(count++))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const open = (path: string, readOnly = false, create = false): Promise<FileStore> => FileStore.open(path, { readOnly, create, direct: true })

describeSuite(byteStoreSuite, async () => ({ store: await open(fresh(), false, true) }), { describe, it })
describeSuite(byteStoreSuite, async () => {
  const path = fresh()
  writeFileSync(path, new Uint8Array(70_000).fill(5))
  return { store: await open(path, true) }
}, { describe, it })

describe('a file around the page cache', () => {
  it('whole pages and other bytes mix, however long', { timeout: 60_000 }, async context => {
    const probe = await open(fresh(), false, true)
    const { direct } = probe
    await probe.close()
    if (!direct) context.skip('this file system or host has no O_DIRECT')
    const unit = fc.constantFrom(1, 512, 4096, 4096, 4096)
    const range = fc.tuple(unit, fc.nat(900), fc.integer({ min: 1, max: 700 })).map(([size, from, length]) => [size * from, size * length] as const)
    await fc.assert(fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 12 }), async ranges => {
      const path = fresh()
      const store = await open(path, false, true)
      const expected = new Uint8Array(8 << 20)
      let size = 0
      for (const [index, [offset, length]] of ranges.entries()) {
        const bytes = new Uint8Array(length).fill(index + 1)
        await store.write(offset, bytes)
        expected.set(bytes, offset)
        size = Math.max(size, offset + length)
        const back = new Uint8Array(length + 4096)
        await store.read(offset, back)
        expect(Buffer.compare(back, expected.subarray(offset, offset + back.length))).toBe(0)
      }
      await store.close()
      expect(Buffer.compare(readFileSync(path), expected.subarray(0, size))).toBe(0)
    }), { numRuns: 6 })
  })
})
