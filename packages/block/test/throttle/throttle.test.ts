import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import type { Clock } from '@entresol/interfaces'
import type { ThrottleLimits } from '../../src/throttle/limits.ts'
import { ThrottledBackend } from '../../src/throttle/throttled-backend.ts'
import { memoryDisk } from '../nbd/support.ts'

/** Time that passes when there is nothing else to do. */
class TestClock implements Clock {
  time = 0
  #timers: { deadline: number; callback: () => void }[] = []
  now(): number {
    return this.time
  }
  wallClock(): number {
    return this.time / 1e6
  }
  schedule(deadline: number, callback: () => void): { cancel(): void } {
    const timer = { deadline, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(each => each !== timer)) }
  }
  /** Runs until `work` is done; the seconds it took. */
  async run(work: Promise<unknown>): Promise<number> {
    let done = false
    void work.finally(() => done = true)
    for (;;) {
      await new Promise(resolve => setImmediate(resolve))
      if (done) return this.time / 1e9
      this.#timers.sort((a, b) => a.deadline - b.deadline)
      const next = this.#timers.shift()
      if (next === undefined) continue
      this.time = Math.max(this.time, next.deadline)
      next.callback()
    }
  }
}

async function seconds(limits: ThrottleLimits['limits'], work: (disk: ThrottledBackend) => Promise<unknown>[], requestBytes?: number): Promise<number> {
  const clock = new TestClock()
  return clock.run(Promise.all(work(new ThrottledBackend(memoryDisk(1 << 20), { limits, ...requestBytes !== undefined && { requestBytes } }, clock))))
}

const reads = (count: number, bytes: number) => (disk: ThrottledBackend) => Array.from({ length: count }, () => disk.read(0, new Uint8Array(bytes)))
const writes = (count: number, bytes: number) => (disk: ThrottledBackend) => Array.from({ length: count }, () => disk.write(0, new Uint8Array(bytes)))

describeSuite(blockBackendSuite, () => ({ backend: new ThrottledBackend(memoryDisk(1 << 20), { limits: { 'iops-total': { rate: 1e9 } } }, new TestClock()) }), { describe, it })

describe('I/O limits', () => {
  it('in the long run the average holds, for bytes and for operations, whatever the sizes', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 50, max: 200 }), async (sectors, count) => {
      const bytes = sectors * 512
      const byBytes = await seconds({ 'bps-total': { rate: 65536 } }, reads(count, bytes))
      // A tenth of a second's worth, and one request, may be ahead of its time.
      expect(byBytes).toBeGreaterThanOrEqual((count - 1) * bytes / 65536 - 0.11)
      expect(byBytes).toBeLessThanOrEqual(count * bytes / 65536)
      const byOperations = await seconds({ 'iops-total': { rate: 100 } }, reads(count, bytes))
      expect(byOperations).toBeGreaterThanOrEqual((count - 1) / 100 - 0.11)
      expect(byOperations).toBeLessThanOrEqual(count / 100)
    }), { numRuns: 20 })
  })

  it('a burst goes at once, what is behind it at the average', async () => {
    expect(await seconds({ 'iops-total': { rate: 10, burst: 100 } }, reads(100, 512))).toBe(0)
    expect(await seconds({ 'iops-total': { rate: 10, burst: 100 } }, reads(121, 512))).toBeCloseTo(2, 1)
  })

  it('a long burst goes at the burst’s rate, and ends', async () => {
    const limits = { 'iops-total': { rate: 10, burst: 100, burstSeconds: 5 } }
    const half = await seconds(limits, reads(250, 512))
    expect(half).toBeGreaterThan(2)
    expect(half).toBeLessThan(2.6)
    expect(await seconds(limits, reads(800, 512))).toBeGreaterThan(20)
  })

  it('reads do not wait for the limit of writes, but for the total', async () => {
    expect(await seconds({ 'iops-write': { rate: 1 } }, reads(1000, 512))).toBe(0)
    expect(await seconds({ 'iops-write': { rate: 10 } }, writes(21, 512))).toBeCloseTo(1.9, 1)
    expect(await seconds({ 'iops-total': { rate: 10 } }, disk => [...reads(11, 512)(disk), ...writes(11, 512)(disk)])).toBeCloseTo(2, 0)
  })

  it('long requests count as several operations where that is wanted', async () => {
    expect(await seconds({ 'iops-total': { rate: 10 } }, reads(6, 16384), 4096)).toBeGreaterThan(1.8)
    expect(await seconds({ 'iops-total': { rate: 10 } }, reads(6, 16384), 65536)).toBeLessThan(0.6)
  })
})
