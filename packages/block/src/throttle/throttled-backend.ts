import type { BlockBackend, BlockExtent, Clock } from '@entresol/interfaces'
import { LeakyBucket } from './leaky-bucket.ts'
import type { Rate } from './leaky-bucket.ts'
import type { ThrottleLimits } from './limits.ts'

type Direction = 'read' | 'write'

/** A disk that is no faster than its limits. Reads wait for reads, and writes and zeroes for writes, in order; flush and discard never wait. */
export class ThrottledBackend implements BlockBackend {
  readonly #backend: BlockBackend
  readonly #clock: Clock
  readonly #requestBytes: number
  readonly #bytes: Readonly<Record<Direction, readonly LeakyBucket[]>>
  readonly #operations: Readonly<Record<Direction, readonly LeakyBucket[]>>
  /** The last one in the queue of each direction. */
  readonly #turns: Record<Direction, Promise<void>> = { read: Promise.resolve(), write: Promise.resolve() }

  constructor(backend: BlockBackend, { limits, requestBytes }: ThrottleLimits, clock: Clock) {
    this.#backend = backend
    this.#clock = clock
    this.#requestBytes = requestBytes ?? Infinity
    const now = clock.now()
    const directions = (total: Rate | undefined, read: Rate | undefined, write: Rate | undefined): Record<Direction, LeakyBucket[]> => {
      const [both, reads, writes] = [total, read, write].map((rate) => (rate ? [new LeakyBucket(rate, now)] : []))
      return { read: [...both!, ...reads!], write: [...both!, ...writes!] }
    }
    this.#bytes = directions(limits['bps-total'], limits['bps-read'], limits['bps-write'])
    this.#operations = directions(limits['iops-total'], limits['iops-read'], limits['iops-write'])
  }

  get size(): number {
    return this.#backend.size
  }

  get readOnly(): boolean {
    return this.#backend.readOnly
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#turn('read', into.length)
    await this.#backend.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#turn('write', from.length)
    await this.#backend.write(offset, from)
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    await this.#turn('write', length)
    await this.#backend.writeZeroes(offset, length, unmap)
  }

  flush(): Promise<void> {
    return this.#backend.flush()
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#backend.discard(offset, length)
  }

  status(offset: number, length: number): Promise<BlockExtent> {
    return this.#backend.status(offset, length)
  }

  close(): Promise<void> {
    return this.#backend.close()
  }

  #turn(direction: Direction, bytes: number): Promise<void> {
    return this.#turns[direction] = this.#turns[direction].then(() => this.#pass(direction, bytes))
  }

  async #pass(direction: Direction, bytes: number): Promise<void> {
    const buckets = [...this.#bytes[direction], ...this.#operations[direction]]
    for (;;) {
      const now = this.#clock.now()
      const wait = Math.max(0, ...buckets.map((bucket) => bucket.wait(now)))
      if (wait === 0) break
      await new Promise<void>((resolve) => void this.#clock.schedule(now + wait, resolve))
    }
    for (const bucket of this.#bytes[direction]) bucket.pour(bytes)
    for (const bucket of this.#operations[direction]) bucket.pour(Math.max(1, bytes / this.#requestBytes))
  }
}
