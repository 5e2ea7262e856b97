import type { DescriptorChain, Gpa, VirtioHost, Virtqueue } from '@entresol/interfaces'

/** A buffer without memory behind it. */
export class FakeChain implements DescriptorChain {
  readonly readable: Uint8Array
  readonly writable: Uint8Array
  /** Addresses that `eachReadable` and `eachWritable` tell. */
  readonly pieces: readonly { gpa: number; length: number }[]
  written: number | undefined
  dead = false

  constructor(readable: Uint8Array = new Uint8Array(0), writable = 0, pieces: readonly { gpa: number; length: number }[] = []) {
    this.readable = readable
    this.writable = new Uint8Array(writable)
    this.pieces = pieces
  }

  get readableLength(): number {
    return this.readable.length
  }

  get writableLength(): number {
    return Math.max(this.writable.length, this.readable.length === 0 ? this.pieces.reduce((sum, piece) => sum + piece.length, 0) : 0)
  }

  read(offset: number, into: Uint8Array): number {
    const part = this.dead ? this.readable.subarray(0, 0) : this.readable.subarray(offset, offset + into.length)
    into.set(part)
    return part.length
  }

  write(offset: number, from: Uint8Array): number {
    const part = this.dead ? from.subarray(0, 0) : from.subarray(0, Math.max(0, this.writable.length - offset))
    if (part.length > 0) this.writable.set(part, offset)
    return part.length
  }

  readU8(offset: number): number {
    return this.readable[offset] ?? 0
  }

  readU16(offset: number): number {
    return this.readU8(offset) + this.readU8(offset + 1) * 2 ** 8
  }

  readU32(offset: number): number {
    return this.readU16(offset) + this.readU16(offset + 2) * 2 ** 16
  }

  writeU8(offset: number, value: number): void {
    if (offset < this.writable.length) this.writable[offset] = value
  }

  writeU16(offset: number, value: number): void {
    if (offset + 2 <= this.writable.length) this.write(offset, Uint8Array.of(value, value >>> 8))
  }

  writeU32(offset: number, value: number): void {
    if (offset + 4 <= this.writable.length) this.write(offset, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24))
  }

  eachReadable(visit: (gpa: Gpa, length: number) => void): void {
    if (this.readable.length > 0) for (const { gpa, length } of this.pieces) visit(gpa as Gpa, length)
  }

  eachWritable(visit: (gpa: Gpa, length: number) => void): void {
    if (this.readable.length === 0) for (const { gpa, length } of this.pieces) visit(gpa as Gpa, length)
  }

  /** What the device wrote. */
  get answer(): Uint8Array {
    if (this.written === undefined) throw new Error('the buffer was not given back')
    return this.writable.subarray(0, this.written)
  }
}

/** A virtqueue whose driver is the test. */
export class FakeQueue implements Virtqueue {
  readonly index: number
  readonly size = 256
  readonly available: FakeChain[] = []
  readonly used: FakeChain[] = []
  published = 0
  notifications = true
  readonly #held: Set<FakeChain> = new Set()

  constructor(index: number) {
    this.index = index
  }

  get empty(): boolean {
    return this.available.length === 0
  }

  pop(): FakeChain | undefined {
    const chain = this.available.shift()
    if (chain !== undefined) this.#held.add(chain)
    return chain
  }

  push(chain: DescriptorChain, written: number): void {
    const fake = chain as FakeChain
    if (fake.dead) return
    if (!this.#held.delete(fake)) throw new Error('pushed what was not popped')
    if (written > fake.writableLength) throw new Error(`${written} bytes written to ${fake.writableLength}`)
    fake.written = written
    this.used.push(fake)
  }

  publish(): void {
    this.published = this.used.length
  }

  setNotifications(on: boolean): void {
    this.notifications = on
  }

  /** The queue is reset. */
  kill(): void {
    for (const chain of [...this.#held, ...this.available]) chain.dead = true
    this.#held.clear()
    this.available.length = 0
  }
}

export class FakeHost implements VirtioHost {
  configChanges = 0
  readonly failures: string[] = []

  configChanged(): void {
    this.configChanges++
  }

  fail(reason: string): void {
    this.failures.push(reason)
  }
}
