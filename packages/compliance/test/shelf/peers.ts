import type { BlockBackend, BlockExtent, Clock, InterruptSource, Timer } from '@entresol/interfaces'

const coded = (code: string): Error => Object.assign(new Error(code), { code })

export const DISK_BUGS = [
  'odd-size', 'whole-sectors-shift', 'no-last-sector', 'grows', 'uncoded', 'accepts-unaligned', 'writable-anyway', 'one-at-a-time-state', 'keeps-buffer',
  'discards-too-much', 'works-after-close',
] as const

/** A disk in memory, or one with a bug. */
export class ShelfDisk implements BlockBackend {
  size: number
  readOnly: boolean
  private bytes: Uint8Array
  private parts: { offset: number; from: Uint8Array }[] = []
  private closed = false
  private pendingOffset = 0
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
    await Promise.resolve()
    if (this.bug === 'keeps-buffer') this.parts.push({ offset, from })
    else this.bytes.set(from, offset)
  }
  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.write(offset, new Uint8Array(length))
  }
  async status(_offset: number, length: number): Promise<BlockExtent> {
    return { length, allocated: true, zero: false }
  }
  async flush(): Promise<void> {}
  async discard(offset: number, length: number): Promise<void> {
    if (this.readOnly && this.bug !== 'writable-anyway') throw coded('read-only')
    this.check(offset, length)
    if (this.bug === 'discards-too-much') length = 4096
    this.bytes.fill(0, offset, offset + length)
  }
  async close(): Promise<void> {
    this.closed = true
  }
}

export const CLOCK_BUGS = ['backwards', 'stands-still', 'early', 'twice', 'deaf-to-cancel', 'unordered', 'ignores-past', 'nan-wall'] as const

export class ShelfClock implements Clock {
  private time = 1000
  private timers: { deadline: number; callback: () => void }[] = []
  private readonly bug: string | undefined
  constructor(bug?: string) {
    this.bug = bug
  }
  now(): number {
    return this.time
  }
  wallClock(): number {
    return this.bug === 'nan-wall' ? Number.NaN : 1e12
  }
  schedule(deadline: number, callback: () => void): Timer {
    const timer = { deadline, callback }
    if (this.bug === 'ignores-past' && deadline <= this.time) return { cancel() {} }
    this.timers.push(timer)
    const cancel = (): void => {
      if (this.bug !== 'deaf-to-cancel') this.timers = this.timers.filter((other) => other !== timer)
    }
    return { cancel }
  }
  pass(ns: number): void {
    const end = this.time + ns
    if (this.bug === 'backwards') this.time -= 1
    else if (this.bug !== 'stands-still') {
      for (;;) {
        if (this.bug !== 'unordered') this.timers.sort((a, b) => a.deadline - b.deadline)
        const index = this.timers.findIndex((timer) => timer.deadline <= end + (this.bug === 'early' ? 1e7 : 0))
        if (index < 0) break
        const [timer] = this.timers.splice(index, 1)
        if (this.bug !== 'early') this.time = Math.max(this.time, timer!.deadline)
        timer!.callback()
        if (this.bug === 'twice') timer!.callback()
      }
      this.time = end
    }
  }
}

export const SOURCE_BUGS = ['always-pending', 'pending-takes', 'never-acknowledged', 'wrong-vector', 'loses-second', 'no-priority', 'stuck'] as const

/** An interrupt controller with one input. */
export class ShelfSource implements InterruptSource {
  requested = false
  inService = false
  private readonly bug: string | undefined
  constructor(bug?: string) {
    this.bug = bug
  }
  request(): void {
    if (this.bug === 'loses-second' && this.inService) return
    this.requested = true
  }
  endOfInterrupt(): void {
    if (this.bug !== 'stuck') this.inService = false
  }
  pending(): boolean {
    if (this.bug === 'always-pending') return true
    const pending = this.requested && (!this.inService || this.bug === 'no-priority')
    if (this.bug === 'pending-takes') this.requested = false
    return pending
  }
  acknowledge(): number {
    if (!this.requested || this.inService) return -1
    if (this.bug !== 'never-acknowledged') this.requested = false
    this.inService = this.bug !== 'never-acknowledged'
    return this.bug === 'wrong-vector' ? 0x21 : 0x20
  }
}
