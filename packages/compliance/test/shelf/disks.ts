import type { BlockBackend, BlockExtent, ByteStore } from '@entresol/interfaces'

const coded = (code: string): Error => Object.assign(new Error(code), { code })

export const DISK_BUGS = [
  'odd-size', 'whole-sectors-shift', 'no-last-sector', 'grows', 'uncoded', 'accepts-unaligned', 'writable-anyway', 'one-at-a-time-state', 'keeps-buffer',
  'discards-too-much', 'works-after-close', 'zeroes-round-down', 'unmap-is-lazy', 'zeroes-nothing', 'discard-garbage', 'discard-is-for-good', 'status-too-long',
  'status-empty', 'status-half-sectors', 'all-is-zero', 'zeroes-anywhere', 'flush-forgets',
] as const

/** A disk in memory, or one with a bug. */
export class ShelfDisk implements BlockBackend {
  size: number
  readOnly: boolean
  private bytes: Uint8Array
  private parts: { offset: number; from: Uint8Array }[] = []
  private closed = false
  private pendingOffset = 0
  private discarded = 0
  private flushes = 0
  private readonly bug: string | undefined
  constructor(bug?: string, readOnly = false) {
    this.bug = bug
    this.readOnly = readOnly
    this.size = bug === 'odd-size' ? 131000 : 131072
    this.bytes = new Uint8Array(262144)
    if (readOnly) this.bytes.fill(0x42)
  }
  private check(offset: number, length: number): void {
    if (this.closed && this.bug !== 'works-after-close') throw coded('closed')
    const limit = this.bug === 'no-last-sector' ? this.size - 512 : this.bug === 'grows' ? 262144 : this.size
    const aligned = offset % 512 === 0 && length % 512 === 0
    if (!(offset >= 0) || offset + length > limit || (!aligned && this.bug !== 'accepts-unaligned')) {
      throw this.bug === 'uncoded' ? new RangeError('bad offset') : coded('bad-range')
    }
  }
  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(offset, into.length)
    this.pendingOffset = offset
    await Promise.resolve()
    if (this.bug === 'one-at-a-time-state') offset = this.pendingOffset
    for (const part of this.parts) this.bytes.set(part.from, part.offset)
    if (this.bug === 'whole-sectors-shift' && offset === 8704) offset -= 512
    into.set(this.bytes.subarray(offset, offset + into.length))
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    if (this.readOnly && this.bug !== 'writable-anyway') throw coded('read-only')
    this.check(offset, from.length)
    const { flushes } = this
    await Promise.resolve()
    if (this.bug === 'flush-forgets' && this.flushes !== flushes) return
    if (this.bug === 'discard-is-for-good' && offset < this.discarded) return
    if (this.bug === 'keeps-buffer') this.parts.push({ offset, from })
    else this.bytes.set(from, offset)
  }
  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    if (this.readOnly) throw coded('read-only')
    if (this.bug !== 'zeroes-anywhere') this.check(offset, length)
    if (this.bug === 'zeroes-nothing' || (unmap && this.bug === 'unmap-is-lazy')) return
    if (this.bug === 'zeroes-round-down') offset -= offset % 4096
    this.bytes.fill(0, offset, offset + length)
  }
  async status(offset: number, length: number): Promise<BlockExtent> {
    this.check(offset, length)
    if (this.bug === 'status-too-long') length += 512
    if (this.bug === 'status-empty') length = 0
    if (this.bug === 'status-half-sectors') length = 256
    return { length, allocated: true, zero: this.bug === 'all-is-zero' }
  }
  async flush(): Promise<void> {
    this.check(0, 0)
    this.flushes++
  }
  async discard(offset: number, length: number): Promise<void> {
    if (this.readOnly && this.bug !== 'writable-anyway') throw coded('read-only')
    this.check(offset, length)
    if (this.bug === 'discards-too-much') length = 4096
    this.bytes.fill(this.bug === 'discard-garbage' ? 0xa5 : 0, offset, offset + length)
    this.discarded = offset + length
  }
  async close(): Promise<void> {
    this.closed = true
  }
}

export const STORE_BUGS = [
  'whole-sectors', 'does-not-grow', 'grows-by-pages', 'reads-grow', 'garbage-behind-end', 'short-reads', 'resurrects', 'truncate-only-grows', 'hole-shrinks',
  'hole-grows', 'hole-rounds-out', 'hole-rounds-in', 'extent-over-end', 'extent-stuck', 'data-is-hole', 'accepts-negative', 'uncoded', 'writable-anyway',
  'last-size-wins', 'keeps-buffer', 'works-after-close',
] as const

const LIMIT = 2 ** 22

/** A store in memory, or one with a bug. */
export class ShelfStore implements ByteStore {
  size = 0
  readonly readOnly: boolean
  private readonly bytes = new Uint8Array(LIMIT)
  private closed = false
  private kept: { offset: number; from: Uint8Array }[] = []
  private readonly bug: string | undefined
  constructor(bug?: string, readOnly = false) {
    this.bug = bug
    this.readOnly = readOnly
    if (readOnly) {
      this.size = 70000
      this.bytes.fill(0x42, 0, 70000)
    }
  }
  private check(offset: number, length: number, writes: boolean): void {
    if (this.closed && this.bug !== 'works-after-close') throw coded('closed')
    if (writes && this.readOnly && this.bug !== 'writable-anyway') throw coded('read-only')
    const bad = !Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset + length > 2 ** 52
    if (bad || ((offset < 0 || length < 0) && this.bug !== 'accepts-negative')) throw this.bug === 'uncoded' ? new TypeError('bad') : coded('bad-range')
  }
  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(offset, into.length, false)
    for (const { offset: at, from } of this.kept) this.bytes.set(from, at)
    if (this.bug === 'reads-grow') this.size = Math.max(this.size, offset + into.length)
    if (this.bug !== 'short-reads') into.fill(this.bug === 'garbage-behind-end' ? 1 : 0)
    into.set(this.bytes.subarray(offset, Math.min(this.size, offset + into.length)))
  }
  async write(offset: number, from: Uint8Array): Promise<void> {
    this.check(offset, from.length, true)
    const at = this.bug === 'whole-sectors' ? offset - offset % 512 : offset
    const end = this.bug === 'grows-by-pages' ? Math.ceil((offset + from.length) / 4096) * 4096 : offset + from.length
    if (this.bug === 'last-size-wins') this.size = end
    else if (this.bug !== 'does-not-grow') this.size = Math.max(this.size, end)
    if (this.bug === 'keeps-buffer') this.kept.push({ offset, from })
    else this.bytes.set(from, at)
  }
  async flush(): Promise<void> {
    this.check(0, 0, false)
  }
  async truncate(size: number): Promise<void> {
    this.check(0, size, true)
    if (this.bug !== 'resurrects') this.bytes.fill(0, Math.min(size, this.size))
    this.size = this.bug === 'truncate-only-grows' ? Math.max(size, this.size) : size
  }
  async punchHole(offset: number, length: number): Promise<void> {
    this.check(offset, length, true)
    let end = offset + length
    if (this.bug === 'hole-grows') this.size = Math.max(this.size, end)
    if (this.bug === 'hole-shrinks' && end >= this.size) this.size = offset
    if (this.bug === 'hole-rounds-out') offset -= offset % 4096
    if (this.bug === 'hole-rounds-in') end -= end % 4096
    if (end > offset) this.bytes.fill(0, offset, Math.min(this.size, end))
  }
  async extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    this.check(offset, 0, false)
    if (this.bug === 'extent-stuck') return { length: 0, hole: false }
    return { length: Math.max(0, this.size - offset) + (this.bug === 'extent-over-end' ? 1 : 0), hole: this.bug === 'data-is-hole' }
  }
  async close(): Promise<void> {
    this.closed = true
  }
}
