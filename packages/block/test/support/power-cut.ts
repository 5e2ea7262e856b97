import type { ByteStore } from '@entresol/interfaces'
import { MemoryStore } from '../../src/index.ts'
import { seeded } from './random.ts'

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'punch'; readonly offset: number; readonly length: number }

type Logged = Change & { readonly issued: number; completed: number }

const pause = (): Promise<void> => new Promise((resolve) => {
  setImmediate(resolve)
})

/**
 * A store that remembers what was done to it, and what it would hold after a power cut: everything complete before the beginning of the last complete
 * flush, and of what was begun later any part, sector by sector.
 */
export class LoggedStore implements ByteStore {
  readonly readOnly = false
  readonly #memory = new MemoryStore()
  readonly #log: Logged[] = []
  readonly #flushes: { readonly issued: number; readonly completed: number }[] = []
  readonly #random: (below: number) => number
  time = 0

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  get size(): number {
    return this.#memory.size
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.#random(8) === 0) await pause()
    await this.#memory.read(offset, into)
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#change({ kind: 'write', offset, bytes: from.slice() })
  }

  async truncate(size: number): Promise<void> {
    await this.#change({ kind: 'truncate', size })
  }

  async punchHole(offset: number, length: number): Promise<void> {
    await this.#change({ kind: 'punch', offset, length })
  }

  async flush(): Promise<void> {
    const issued = this.time++
    await pause()
    this.#flushes.push({ issued, completed: this.time++ })
  }

  extent(offset: number): Promise<{ readonly length: number; readonly hole: boolean }> {
    return this.#memory.extent(offset)
  }

  async close(): Promise<void> {}

  async #change(change: Change): Promise<void> {
    const logged: Logged = { ...change, issued: this.time++, completed: Infinity }
    this.#log.push(logged)
    await apply(this.#memory, change)
    if (this.#random(2) === 0) await pause()
    logged.completed = this.time++
  }

  /** Just after the image's header was written, but not flushed: what it names may be missing. */
  get headerTimes(): number[] {
    return this.#log.filter((change) => change.kind === 'write' && change.offset === 0).map(({ issued }) => issued + 1)
  }

  /** What a power cut at `time` may leave; another `seed`, another outcome. `keep` of 100 changes that need not be there are. */
  async after(time: number, seed: number, keep: number): Promise<MemoryStore> {
    const random = seeded(seed)
    const barrier = Math.max(-1, ...this.#flushes.filter(({ completed }) => completed < time).map(({ issued }) => issued))
    const left = new MemoryStore()
    for (const change of this.#log) {
      if (change.issued >= time) break
      if (change.completed < barrier) await apply(left, change)
      else if (change.kind !== 'write') {
        if (random(100) < keep) await apply(left, change)
      } else {
        const torn = random(4) === 0
        const whole = random(100) < keep
        for (let at = 0; at < change.bytes.length;) {
          const length = Math.min(512 - (change.offset + at) % 512, change.bytes.length - at)
          if (torn ? random(2) === 0 : whole) await left.write(change.offset + at, change.bytes.subarray(at, at + length))
          at += length
        }
      }
    }
    return left
  }
}

async function apply(store: ByteStore, change: Change): Promise<void> {
  if (change.kind === 'write') await store.write(change.offset, change.bytes)
  else if (change.kind === 'truncate') await store.truncate(change.size)
  else await store.punchHole(change.offset, change.length)
}

/** What each sector of a disk may hold after a power cut: the stamps of writes, 0 for zeroes. */
export class SectorModel {
  /** Flushed last. */
  #durable: Map<number, ReadonlySet<number>> = new Map()
  /** Begun since. */
  #later = new Map<number, { readonly stamp: number; completed: boolean }[]>()
  #stamp = 0

  nextStamp(): number {
    return ++this.#stamp
  }

  /** A write of `stamp` begins; call the result when it is complete. `stamp` 0: zeroes. */
  begin(offset: number, length: number, stamp: number): () => void {
    const entry = { stamp, completed: false }
    for (let sector = offset / 512; sector < (offset + length) / 512; sector++) {
      const list = this.#later.get(sector)
      if (list) list.push(entry)
      else this.#later.set(sector, [entry])
    }
    return () => {
      entry.completed = true
    }
  }

  /** A flush begins; call the result when it is complete. */
  flush(): () => void {
    const covered = new Map([...this.#later].map(([sector, list]) => [sector, list.slice(0, list.findIndex(({ completed }) => !completed) >>> 0)]))
    return () => {
      for (const [sector, list] of covered) {
        const last = list.at(-1)
        if (!last) continue
        this.#durable.set(sector, new Set([last.stamp]))
        this.#later.set(sector, this.#later.get(sector)!.filter((entry) => !list.includes(entry)))
      }
    }
  }

  /** What is there once nothing is under way. */
  settled(): (sector: number) => number {
    const stamps = new Map([...this.#durable].map(([sector, set]) => [sector, [...set][0]!]))
    for (const [sector, list] of this.#later) if (list.length > 0) stamps.set(sector, list.at(-1)!.stamp)
    return (sector) => stamps.get(sector) ?? 0
  }

  /** What may be there now. */
  allowed(): (sector: number) => ReadonlySet<number> {
    const durable = new Map(this.#durable)
    const later = new Map([...this.#later].map(([sector, list]) => [sector, list.map(({ stamp }) => stamp)]))
    return (sector) => new Set([...durable.get(sector) ?? [0], ...later.get(sector) ?? []])
  }
}

/** Sectors of one write: its stamp, and the sector's number, so that a sector at the wrong place shows. */
export function stamped(offset: number, length: number, stamp: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < length; at += 512) {
    view.setUint32(at, stamp)
    view.setUint32(at + 4, (offset + at) / 512)
    view.setUint32(at + 508, stamp)
  }
  return bytes
}

/** Stamp of a sector read back; -1, if it is neither of one write nor zero. */
export function stampOf(sector: Uint8Array, number: number): number {
  const view = new DataView(sector.buffer, sector.byteOffset, 512)
  const stamp = view.getUint32(0)
  if (stamp === 0) return sector.every((byte) => byte === 0) ? 0 : -1
  return view.getUint32(4) === number && view.getUint32(508) === stamp ? stamp : -1
}
