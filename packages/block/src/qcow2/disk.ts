import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageExtent } from '../format.ts'
import { Pending } from '../support/pending.ts'
import type { Compressed } from './compressed.ts'
import { compressedClusters } from './compressed.ts'
import type { Core } from './core.ts'
import { plain } from './mapping.ts'
import type { Mapping, Run } from './mapping.ts'
import type { Metadata } from './metadata.ts'
import type { Refcounts } from './refcounts.ts'
import type { Slice } from './slice-cache.ts'

/** Accesses to the file one request has under way at a time. */
const AT_ONCE = 16
/** Steps of one answer about the status of a stretch; the rest is asked for again. */
const STATUS_STEPS = 4096

/** Reads and writes the disk. Callers hold the lock on the stretch: shared for `read`, `status` and `writeInPlace`, exclusive for the others. */
export class Disk {
  readonly #core: Core
  readonly #data: ByteStore
  readonly #refcounts: Refcounts
  readonly #mapping: Mapping
  readonly #metadata: Metadata
  readonly #compressed: Compressed
  /** Absent: nothing below; undefined stretches are zeroes, or an error where the image names a backing image. */
  readonly #backing: BlockBackend | undefined

  constructor(parts: {
    core: Core; data: ByteStore; refcounts: Refcounts; mapping: Mapping; metadata: Metadata; compressed: Compressed; backing: BlockBackend | undefined
  }) {
    this.#core = parts.core
    this.#data = parts.data
    this.#refcounts = parts.refcounts
    this.#mapping = parts.mapping
    this.#metadata = parts.metadata
    this.#compressed = parts.compressed
    this.#backing = parts.backing
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const pending = new Pending(AT_ONCE)
    try {
      for (let at = 0; at < into.length;) {
        let slice = this.#mapping.peek(offset + at)
        if (slice === undefined) slice = await this.#mapping.load(offset + at)
        const run = this.#mapping.run(slice, offset + at, into.length - at)
        const full = this.#readRun(run, offset + at, into.subarray(at, at + run.length), pending)
        if (full) await full
        at += run.length
      }
    } finally {
      await pending.done()
    }
  }

  #readRun(run: Run, offset: number, into: Uint8Array, pending: Pending): Promise<void> | undefined {
    switch (run.kind) {
      case 'data': return pending.add(this.#data.read(run.host, into))
      case 'compressed': return pending.add(this.#compressed.read(run, offset % this.#core.clusterSize, into))
      case 'backing': return this.#isZeroBelow(offset) ? void into.fill(0) : pending.add(this.#readBacking(offset, into))
      case 'zero': return void into.fill(0)
    }
  }

  /** Whether what is not allocated reads as zeroes from `offset` on. */
  #isZeroBelow(offset: number): boolean {
    return this.#core.header.backing === undefined || (this.#backing !== undefined && offset >= this.#backing.size)
  }

  async #readBacking(offset: number, into: Uint8Array): Promise<void> {
    const backing = this.#backing
    if (!backing) throw new CodedError('no-backing', `qcow2: the backing image, ${this.#core.header.backing?.name}, is not open`)
    const length = Math.min(into.length, backing.size - offset)
    await backing.read(offset, into.subarray(0, length))
    into.fill(0, length)
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    let found: (ImageExtent & { length: number }) | undefined
    for (let at = 0, steps = 0; at < length && steps < STATUS_STEPS; steps++) {
      let slice = this.#mapping.peek(offset + at)
      if (slice === undefined) slice = await this.#mapping.load(offset + at)
      const run = this.#mapping.run(slice, offset + at, length - at)
      const next = this.#extent(run, offset + at)
      if (!found) found = next
      else if (continues(found, next)) found.length += next.length
      else break
      at += next.length
      if (next.length < run.length) break
    }
    return found!
  }

  #extent(run: Run, offset: number): ImageExtent & { length: number } {
    const { length } = run
    switch (run.kind) {
      case 'data': return { length, allocated: true, zero: false, present: true, fileOffset: run.host }
      case 'compressed': return { length, allocated: true, zero: false, present: true, compressed: true }
      case 'zero': return { length, allocated: run.allocated, zero: true, present: true }
      case 'backing': {
        if (this.#isZeroBelow(offset)) return { length, allocated: false, zero: true, present: false }
        return { length: Math.min(length, (this.#backing?.size ?? Infinity) - offset), allocated: false, zero: false, present: false }
      }
    }
  }

  /** Writes what lies in clusters that nobody else uses, from the beginning on; returns how many bytes that was. */
  async writeInPlace(offset: number, from: Uint8Array): Promise<number> {
    this.#core.checkWritable()
    let at = 0
    const pending = new Pending(AT_ONCE)
    try {
      while (at < from.length) {
        let slice = this.#mapping.peek(offset + at)
        if (slice === undefined) slice = await this.#mapping.load(offset + at)
        const run = this.#mapping.run(slice, offset + at, from.length - at)
        if (!inPlace(run)) break
        await this.#checkData(run.host, run.length)
        const full = pending.add(this.#data.write(run.host, from.subarray(at, at + run.length)))
        if (full) await full
        at += run.length
      }
    } finally {
      await pending.done()
    }
    return at
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    for (let at = 0; at < from.length;) {
      at += await this.writeInPlace(offset + at, from.subarray(at))
      if (at < from.length) at += await this.#writeNew(offset + at, from.subarray(at))
    }
  }

  /** Data never goes where the image keeps its own tables, whatever those say. */
  async #checkData(host: number, length: number): Promise<void> {
    if (this.#data === this.#core.store && this.#core.isReserved(host, length)) throw await this.#core.corrupt(`data at offset ${host} overlaps tables`)
  }

  /** Writes from the beginning of `from` into new clusters, as far as they lie in a row; returns how many bytes. */
  async #writeNew(offset: number, from: Uint8Array): Promise<number> {
    const { clusterSize } = this.#core
    await this.#metadata.prepare()
    await this.#mapping.own(offset, () => this.#metadata.gate)
    const first = offset - offset % clusterSize
    const wanted = this.#clustersToReplace(await this.#mapping.load(offset), offset, from.length)
    const space = await this.#allocate(first, wanted)
    const end = Math.min(offset + from.length, first + space.clusters * clusterSize)
    const data = from.subarray(0, end - offset)
    try {
      const [head, tail] = await Promise.all([this.#old(first, offset, space.fresh), this.#old(end, this.#core.roundUp(end), space.fresh)])
      await this.#data.write(space.offset + (head ? 0 : offset - first), head || tail ? joined(head, data, tail) : data)
    } catch (error) {
      if (this.#data === this.#core.store) await this.#refcounts.change(space.offset, space.clusters, -1)
      throw error
    }
    for (let at = 0; at < space.clusters; at++) {
      await this.#change(first + at * clusterSize, (slice, cluster) => {
        this.#giveUp(slice, cluster)
        this.#mapping.put(slice, cluster, ...plain(space.offset + at * clusterSize), 'data')
      })
    }
    return data.length
  }

  /** Space for the whole disk, of which nothing is allocated yet. */
  async preallocate(size: number): Promise<void> {
    const { clusterSize } = this.#core
    for (let at = 0; at < size;) {
      await this.#metadata.prepare()
      await this.#mapping.own(at, () => this.#metadata.gate)
      const end = Math.min(size, at + this.#mapping.sliceSpan - at % this.#mapping.sliceSpan)
      const space = await this.#allocate(at, Math.ceil((end - at) / clusterSize))
      if (!space.fresh && this.#data === this.#core.store) await this.#data.punchHole(space.offset, space.clusters * clusterSize)
      const first = at
      await this.#change(first, (slice) => {
        for (let index = 0; index < space.clusters; index++) {
          this.#mapping.put(slice, first + index * clusterSize, ...plain(space.offset + index * clusterSize), 'data')
        }
      })
      at += space.clusters * clusterSize
    }
  }

  /** Data in an external file lies where it lies on the disk; no counts are kept. */
  #allocate(first: number, clusters: number): Promise<{ offset: number; clusters: number; fresh: boolean }> {
    if (this.#data !== this.#core.store) return Promise.resolve({ offset: first, clusters, fresh: false })
    return this.#refcounts.allocate(clusters)
  }

  /** Clusters from the one at `offset` on that cannot be written in place, within one slice. */
  #clustersToReplace(slice: Slice | null, offset: number, length: number): number {
    const { clusterSize } = this.#core
    const within = offset % clusterSize
    const limit = Math.min(Math.ceil((within + length) / clusterSize), (this.#mapping.sliceSpan - (offset - within) % this.#mapping.sliceSpan) / clusterSize)
    for (let count = 1; count < limit; count++) if (inPlace(this.#mapping.run(slice, offset - within + count * clusterSize, clusterSize))) return count
    return limit
  }

  /** What the disk holds from `start` to `end`, within a cluster; undefined: nothing needs to be written for it. */
  async #old(start: number, end: number, fresh: boolean): Promise<Uint8Array | undefined> {
    if (start === end) return undefined
    const onDisk = Math.max(start, Math.min(end, this.#core.header.size))
    let zero = true
    for (let at = start; zero && at < onDisk;) {
      const extent = await this.status(at, onDisk - at)
      zero = extent.zero
      at += extent.length
    }
    if (zero && fresh) return undefined
    const bytes = new Uint8Array(end - start)
    if (!zero) await this.read(start, bytes.subarray(0, onDisk - start))
    return bytes
  }

  /** Changes the L2 entry of a cluster, at once and while the order of writes allows it. Its table is ours. */
  async #change(cluster: number, action: (slice: Slice, cluster: number) => void): Promise<void> {
    for (;;) {
      const { gate } = this.#metadata
      const slice = this.#mapping.peek(cluster)
      if (gate) await gate
      else if (slice) return action(slice, cluster)
      else await this.#mapping.load(cluster)
    }
  }

  /** Ends the disk's use of the space of a cluster. */
  #giveUp(slice: Slice, cluster: number): void {
    if (this.#data !== this.#core.store) return
    const run = this.#mapping.run(slice, cluster, this.#core.clusterSize)
    if (!run.allocated) return
    if (run.kind === 'compressed') {
      const { offset, clusters } = compressedClusters(run, this.#core.clusterSize)
      this.#core.giveUp(offset, clusters)
    } else this.#core.giveUp(run.host, 1)
  }

  /** Stores compressed bytes as the cluster at `cluster`. */
  async writeCompressed(cluster: number, bytes: Uint8Array): Promise<void> {
    await this.#metadata.prepare()
    await this.#mapping.own(cluster, () => this.#metadata.gate)
    const host = await this.#compressed.allocate(bytes.length)
    // If this fails, the space leaks: others may have been packed behind it.
    await this.#core.store.write(host, bytes)
    await this.#change(cluster, (slice) => {
      this.#giveUp(slice, cluster)
      this.#mapping.put(slice, cluster, ...this.#compressed.entry(host, bytes.length), 'compressed')
    })
  }

  /**
   * Makes whole clusters read as zeroes ('keep' holds on to the space they have), or as nothing in particular ('discard': not if that cost a write), or
   * as the backing image ('empty'). Version 2 knows no zeroes above a backing image: `write` is called to write them.
   */
  async clear(start: number, end: number, how: 'keep' | 'unmap' | 'discard' | 'empty', write: (offset: number, length: number) => Promise<void>): Promise<void> {
    const { header } = this.#core
    const { sliceSpan } = this.#mapping
    for (let at = start; at < end;) {
      let slice = this.#mapping.peek(at)
      if (slice === undefined) slice = await this.#mapping.load(at)
      const zeroBelow = this.#isZeroBelow(at)
      let stop = Math.min(end, at + sliceSpan - at % sliceSpan)
      if (slice === null && (zeroBelow || how === 'empty')) stop = at + this.#mapping.run(slice, at, end - at).length
      else if (this.#data !== this.#core.store) stop = await this.#clearExternal(slice, at, stop)
      else if (header.version === 2 && !zeroBelow && how !== 'empty') {
        if (how !== 'discard') await write(at, stop - at)
      } else {
        await this.#clearSlice(at, stop, how)
      }
      at = stop
    }
  }

  async #clearSlice(start: number, end: number, how: 'keep' | 'unmap' | 'discard' | 'empty'): Promise<void> {
    const { clusterSize, header } = this.#core
    await this.#metadata.prepare()
    await this.#mapping.own(start, () => this.#metadata.gate)
    await this.#change(start, (slice) => {
      for (let at = start; at < end; at += clusterSize) {
        const run = this.#mapping.run(slice, at, clusterSize)
        if (how === 'keep' && run.kind === 'zero' && !header.extendedL2) continue
        if (how === 'keep' && run.kind === 'data' && run.copied && header.version === 3 && !header.extendedL2) {
          this.#mapping.put(slice, at, ...plain(run.host), 'zero')
          continue
        }
        this.#giveUp(slice, at)
        this.#mapping.put(slice, at, 0, 0, how === 'empty' || this.#isZeroBelow(at) ? 'backing' : 'zero')
      }
    })
  }

  /** One stretch of zeroes where data lies in a file of its own; returns where it ends. */
  async #clearExternal(slice: Slice | null, at: number, end: number): Promise<number> {
    const run = this.#mapping.run(slice, at, end - at)
    if (run.kind === 'data') {
      await this.#data.punchHole(run.host, run.length)
    } else if (run.kind === 'backing' && !this.#isZeroBelow(at)) {
      await this.#metadata.prepare()
      await this.#mapping.own(at, () => this.#metadata.gate)
      const { clusterSize } = this.#core
      if (this.#core.header.rawExternalData) await this.#data.punchHole(at, run.length)
      await this.#change(at, (table) => {
        for (let cluster = at; cluster < at + run.length; cluster += clusterSize) this.#mapping.put(table, cluster - cluster % clusterSize, 0, 0, 'zero')
      })
    }
    return at + run.length
  }
}

/** Written in place: nobody else uses the space, and it holds the disk's bytes as they are. */
const inPlace = (run: Run): boolean => run.kind === 'data' && run.copied

/** Whether `next` goes on as `found` does, also in the file. */
function continues(found: ImageExtent, next: ImageExtent): boolean {
  if (found.zero !== next.zero || found.allocated !== next.allocated || found.present !== next.present || found.compressed !== next.compressed) return false
  return found.fileOffset === undefined ? next.fileOffset === undefined : found.fileOffset + found.length === next.fileOffset
}

function joined(head: Uint8Array | undefined, data: Uint8Array, tail: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array((head?.length ?? 0) + data.length + (tail?.length ?? 0))
  if (head) bytes.set(head)
  bytes.set(data, head?.length ?? 0)
  if (tail) bytes.set(tail, bytes.length - tail.length)
  return bytes
}
