import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { CheckResult, ImageBackend, ImageFormat, ImageInfo } from '../format.ts'
import { MappedDisk } from '../mapped/mapped-disk.ts'
import { PageCache } from '../mapped/page-cache.ts'
import { parseOptions, parseSwitch } from '../support/options.ts'
import { checkVdi } from './check.ts'
import { readHeader, writeNew, type VdiHeader } from './header.ts'
import { SIGNATURE, VDI } from './spec.ts'
import { VdiMap } from './vdi-map.ts'

/** A VirtualBox disk image, dynamic or static. */
export class VdiImage extends MappedDisk implements ImageBackend {
  readonly format = 'vdi'
  readonly #header: VdiHeader
  readonly #map: VdiMap
  readonly #pages: PageCache
  readonly #store: ByteStore

  /** Codes `bad-image` and `unsupported`. */
  static async open(store: ByteStore): Promise<VdiImage> {
    return new VdiImage(store, await readHeader(store))
  }

  private constructor(store: ByteStore, header: VdiHeader) {
    const pages = new PageCache(store)
    const map = new VdiMap(store, pages, header)
    super({ store, map, pages, size: header.size, readOnly: store.readOnly })
    this.#header = header
    this.#map = map
    this.#pages = pages
    this.#store = store
  }

  async info(): Promise<ImageInfo> {
    return { clusterSize: this.#header.blockSize }
  }

  /** Mends the count of blocks in the header, nothing else. */
  check(repair?: 'leaks' | 'all'): Promise<CheckResult> {
    return this.settled(() => checkVdi(this.#header, this.#map, this.#pages, this.#store, repair === 'all'))
  }
}

export const vdi: ImageFormat = {
  name: 'vdi',
  probe: (start) => (start.length >= 512 && new DataView(start.buffer, start.byteOffset).getUint32(VDI.signature, true) === SIGNATURE ? 100 : 0),
  open: (store) => VdiImage.open(store),
  async create(store, { size, backing, options, random }) {
    if (backing) throw new CodedError('unsupported', 'VDI: differences to another image are not written')
    const isStatic = parseSwitch('static', parseOptions(options, this.createOptions).static) ?? false
    await writeNew(store, size, isStatic, random ?? (() => undefined))
  },
  createOptions: [{ name: 'static', help: 'all blocks have their place from the beginning (on/off)' }],
}
