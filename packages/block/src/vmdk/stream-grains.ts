import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { Codecs } from '../support/codecs.ts'
import { SECTOR } from '../support/range.ts'
import { MARKER } from './spec.ts'

/** Grains kept after they were decompressed. */
const KEPT = 16

/** Reads compressed grains of an extent. */
export class StreamGrains {
  readonly #store: ByteStore
  readonly #codecs: Codecs
  readonly #grainSize: number
  readonly #kept = new Map<number, Promise<Uint8Array>>()

  constructor(store: ByteStore, codecs: Codecs, grainSize: number) {
    this.#store = store
    this.#codecs = codecs
    this.#grainSize = grainSize
  }

  /** The grain that begins at sector `sector` of the extent and lies at `at` in the file, with zeroes where it is shorter than others. */
  get(sector: number, at: number): Promise<Uint8Array> {
    const known = this.#kept.get(at)
    if (known) return known
    if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    const loading = this.#load(sector, at)
    this.#kept.set(at, loading)
    loading.catch(() => this.#kept.delete(at))
    return loading
  }

  async #load(sector: number, at: number): Promise<Uint8Array> {
    const { zlib } = this.#codecs
    if (!zlib) throw new CodedError('unsupported', 'VMDK: compressed grains, and nothing to decompress them with')
    const marker = new Uint8Array(MARKER.data)
    await this.#store.read(at, marker)
    const view = new DataView(marker.buffer)
    const size = view.getUint32(MARKER.size, true)
    if (view.getBigUint64(MARKER.value, true) !== BigInt(sector)) throw new CodedError('bad-image', `VMDK: the grain at ${at} in the file is another`)
    // Compressed data is hardly ever longer than what it is of.
    if (size === 0 || size > 2 * this.#grainSize + SECTOR || at + MARKER.data + size > this.#store.size) {
      throw new CodedError('bad-image', `VMDK: ${size} bytes of a compressed grain at ${at} in the file`)
    }
    const data = new Uint8Array(size)
    await this.#store.read(at + MARKER.data, data)
    const grain = await zlib.decompress(data, this.#grainSize)
    if (grain.length === this.#grainSize) return grain
    const whole = new Uint8Array(this.#grainSize)
    whole.set(grain)
    return whole
  }
}
