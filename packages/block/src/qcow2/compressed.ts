import { CodedError } from '@entresol/kit'
import type { Codec, Codecs } from '../support/codecs.ts'
import type { Core } from './core.ts'
import type { Run } from './mapping.ts'
import type { Refcounts } from './refcounts.ts'
import { COMPRESSED_HI } from './spec.ts'

/** Memory for clusters just decompressed: a guest reads them in small pieces, one after the other. */
const CACHE = 2 ** 21

/** Compressed clusters: packed one behind the other without regard to clusters of the file, each of which they use once. */
export class Compressed {
  readonly #core: Core
  readonly #refcounts: Refcounts
  readonly #codecs: Codecs | undefined
  /** Decompressed, by host offset, in the order of their last use. */
  readonly #cache = new Map<number, Promise<Uint8Array>>()
  readonly #limit: number
  /** Where the next one goes: behind the last, in a cluster used by others of this session; 0: nowhere yet. */
  #next = 0
  #packing: Promise<unknown> = Promise.resolve()

  constructor(core: Core, refcounts: Refcounts, codecs: Codecs | undefined) {
    this.#core = core
    this.#refcounts = refcounts
    this.#codecs = codecs
    this.#limit = Math.max(4, CACHE / core.clusterSize)
  }

  #codec(): Codec {
    const { compressionType } = this.#core.header
    const codec = compressionType === 'zlib' ? this.#codecs?.deflate : this.#codecs?.zstd
    if (!codec) throw new CodedError('unsupported', `qcow2: nothing here reads ${compressionType} clusters`)
    return codec
  }

  /** Fills `into` from byte `within` of a compressed cluster. Codes `bad-image`, `unsupported`. */
  async read(run: Run, within: number, into: Uint8Array): Promise<void> {
    const known = this.#cache.get(run.host)
    const cluster = known ?? this.#decompress(run)
    this.#cache.delete(run.host)
    this.#cache.set(run.host, cluster)
    if (this.#cache.size > this.#limit) this.#cache.delete(this.#cache.keys().next().value!)
    into.set((await cluster).subarray(within, within + into.length))
  }

  async #decompress(run: Run): Promise<Uint8Array> {
    try {
      const bytes = new Uint8Array(run.compressedLength)
      await this.#core.store.read(run.host, bytes)
      const cluster = await this.#codec().decompress(bytes, this.#core.clusterSize)
      if (cluster.length < this.#core.clusterSize) throw new CodedError('bad-image', 'qcow2: a compressed cluster is too short')
      return cluster
    } catch (error) {
      this.#cache.delete(run.host)
      throw error
    }
  }

  /** A cluster's bytes compressed; undefined where that saves nothing. */
  async compress(cluster: Uint8Array): Promise<Uint8Array | undefined> {
    const codec = this.#codec()
    if (!codec.compress) throw new CodedError('unsupported', `qcow2: nothing here writes ${this.#core.header.compressionType} clusters`)
    const bytes = await codec.compress(cluster)
    return bytes.length < this.#core.clusterSize ? bytes : undefined
  }

  /** Finds space for `length` bytes, less than a cluster, and counts its users. */
  allocate(length: number): Promise<number> {
    return this.#exclusive(() => this.#pack(length))
  }

  async #pack(length: number): Promise<number> {
    const { clusterSize } = this.#core
    const start = this.#next
    const room = start % clusterSize === 0 ? 0 : clusterSize - start % clusterSize
    const shared = room > 0 && await this.#refcounts.get(Math.floor(start / clusterSize)) < this.#refcounts.max
    if (shared && length <= room) {
      await this.#refcounts.change(start - start % clusterSize, 1, 1)
      this.#next = start + length
      return start
    }
    const { offset } = await this.#refcounts.allocate(1)
    if (shared && offset === start + room) {
      await this.#refcounts.change(start - start % clusterSize, 1, 1)
      this.#next = start + length
      return start
    }
    this.#next = offset + length
    return offset
  }

  /** Forgets everything about clusters that may be freed now. */
  forget(): Promise<void> {
    return this.#exclusive(async () => {
      this.#cache.clear()
      this.#next = 0
    })
  }

  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#packing.then(action)
    this.#packing = done.catch(() => undefined)
    return done
  }

  /** The L2 entry of `length` compressed bytes at `host`: how many sectors it reaches into, above the offset. */
  entry(host: number, length: number): readonly [hi: number, lo: number] {
    const offsetBits = 62 - (this.#core.header.clusterBits - 8)
    const sectors = Math.floor((host + length - 1) / 512) - Math.floor(host / 512)
    const descriptor = BigInt(sectors) << BigInt(offsetBits) | BigInt(host)
    return [(Number(descriptor >> 32n) | COMPRESSED_HI) >>> 0, Number(descriptor & 0xffffffffn)]
  }
}

/** Clusters of the file that compressed data lies in. */
export function compressedClusters(run: Pick<Run, 'host' | 'compressedLength'>, clusterSize: number): { offset: number; clusters: number } {
  const offset = run.host - run.host % clusterSize
  return { offset, clusters: Math.ceil((run.host + run.compressedLength - offset) / clusterSize) }
}
