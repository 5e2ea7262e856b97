import { describe, expect, it } from 'vitest'
import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import { CACHE_MODES, withCacheMode } from '../../src/cache/cache-mode.ts'
import type { CacheMode } from '../../src/cache/cache-mode.ts'
import { RawImage } from '../../src/raw/raw.ts'
import { MemoryStore } from '../../src/stores/memory-store.ts'
import { memoryDisk } from '../nbd/support.ts'

class CountingStore extends MemoryStore {
  flushes = 0
  override async flush(): Promise<void> {
    this.flushes++
  }
}

for (const mode of Object.keys(CACHE_MODES) as CacheMode[]) {
  describeSuite(blockBackendSuite, () => ({ backend: withCacheMode(memoryDisk(1 << 20), mode) }), { describe, it })
}

describe('cache modes', () => {
  it.each([['writeback', 0, 1], ['none', 0, 1], ['writethrough', 3, 4], ['directsync', 3, 4], ['unsafe', 0, 0]] as const)(
    '%s: three writes cause %i flushes, and with a flush behind them %i', async (mode, before, after) => {
      const store = new CountingStore(new Uint8Array(65536))
      const disk = withCacheMode(new RawImage(store), mode)
      await disk.write(0, new Uint8Array(512))
      await disk.writeZeroes(512, 512, true)
      await disk.discard(1024, 512)
      expect(store.flushes).toBe(before)
      await disk.flush()
      expect(store.flushes).toBe(after)
    })
})
