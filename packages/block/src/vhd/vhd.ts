import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { CheckResult, ImageBackend, ImageFormat, ImageInfo, ImageOpenOptions } from '../format.ts'
import type { Backing } from '../mapped/backing.ts'
import { FlatDisk } from '../mapped/flat-disk.ts'
import { MappedDisk } from '../mapped/mapped-disk.ts'
import { PageCache, writePages } from '../mapped/page-cache.ts'
import { checkVhd } from './check.ts'
import { createVhd, createOptions } from './create.ts'
import { readDynamicHeader, type DynamicHeader } from './dynamic-header.ts'
import { isFooter, parseFooter, type Footer } from './footer.ts'
import { DISK_DIFFERENCING, DISK_FIXED, FOOTER_LENGTH } from './spec.ts'
import { VhdMap } from './vhd-map.ts'

/** A fixed VHD: the disk, and behind it the footer. */
export class FixedVhd extends FlatDisk implements ImageBackend {
  readonly format = 'vpc'
  readonly uniqueId: Uint8Array

  constructor(store: ByteStore, footer: Footer) {
    super({ store, base: 0, size: footer.size, readOnly: store.readOnly })
    this.uniqueId = footer.uniqueId
  }

  async info(): Promise<ImageInfo> {
    return {}
  }
}

/** A dynamic or differencing VHD. */
export class DynamicVhd extends MappedDisk implements ImageBackend {
  readonly format = 'vpc'
  readonly uniqueId: Uint8Array
  readonly backing?: NonNullable<ImageBackend['backing']>
  readonly #parts: DynamicParts
  readonly #map: VhdMap

  constructor(parts: DynamicParts) {
    const { store, footer, header, backing } = parts
    const blocks = Math.ceil(footer.size / header.blockSize)
    // The table first, then the footer behind the last block: until it is there, its copy at the beginning of the file holds.
    const pages = new PageCache(store, async (changed) => {
      await writePages(store, changed)
      await this.writeFooter()
    })
    const map = new VhdMap({ store, pages, header, headerOffset: footer.dataOffset, blocks, differencing: backing !== undefined })
    super({ store, map, pages, size: footer.size, readOnly: store.readOnly, ...(backing && { backing }) })
    this.#parts = parts
    this.#map = map
    this.uniqueId = footer.uniqueId
    if (backing) this.backing = { name: header.parentName, format: 'vpc', ...(backing.image && { image: backing.image }) }
  }

  async info(): Promise<ImageInfo> {
    return { clusterSize: this.#parts.header.blockSize }
  }

  /** Mends the footer and its copy. */
  check(repair?: 'leaks' | 'all'): Promise<CheckResult> {
    const { store, footer, header } = this.#parts
    return this.settled(() => checkVhd({ store, footer, header, map: this.#map, size: this.size, repair: repair === 'all' }))
  }

  private async writeFooter(): Promise<void> {
    await this.#parts.store.write(await this.#map.end(), this.#parts.footer.bytes)
  }
}

interface DynamicParts {
  readonly store: ByteStore
  readonly footer: Footer
  readonly header: DynamicHeader
  /** Of a differencing disk. */
  readonly backing?: Backing
}

/**
 * The footer that counts. Of dynamic disks that is the copy at the beginning, since the guest's own bytes come last in the file after a crash;
 * of fixed disks the one at the end, since theirs come first. A file with both kinds could be either.
 */
export async function readFooter(store: ByteStore): Promise<Footer> {
  const at = async (offset: number): Promise<Uint8Array | undefined> => {
    const bytes = new Uint8Array(FOOTER_LENGTH)
    if (offset >= 0) await store.read(offset, bytes)
    return isFooter(bytes) ? bytes : undefined
  }
  const last = await at(store.size - FOOTER_LENGTH)
  const first = await at(0)
  const fixed = last && parseFooter(last).diskType === DISK_FIXED
  if (first && fixed) throw new CodedError('bad-image', 'VHD: a fixed disk by its footer, another by the copy at the beginning')
  const bytes = first ?? last
  if (!bytes) throw new CodedError('bad-image', 'VHD: no undamaged footer')
  const footer = parseFooter(bytes)
  if (footer.diskType === DISK_FIXED && (first || footer.size > store.size - FOOTER_LENGTH)) {
    throw new CodedError('bad-image', 'VHD: the file is too short for a fixed disk of its size')
  }
  return footer
}

async function openVhd(store: ByteStore, options: ImageOpenOptions): Promise<ImageBackend> {
  const footer = await readFooter(store)
  if (footer.diskType === DISK_FIXED) return new FixedVhd(store, footer)
  const header = await readDynamicHeader(store, footer)
  if (footer.diskType !== DISK_DIFFERENCING) return new DynamicVhd({ store, footer, header })
  const image = await options.openBacking?.(header.parentName, 'vpc')
  if (image instanceof FixedVhd || image instanceof DynamicVhd) {
    if (image.uniqueId.some((byte, index) => byte !== header.parentId[index])) {
      throw new CodedError('bad-image', `VHD: '${header.parentName}' is not the disk this one is a difference to`)
    }
  }
  return new DynamicVhd({ store, footer, header, backing: { base: 0, ...(image && { image }) } })
}

/** Virtual PC's and Hyper-V's first format; named as qemu-img names it. */
export const vpc: ImageFormat = {
  name: 'vpc',
  probe(start, end, fileName) {
    if (isFooter(start)) return 100
    // A raw disk could end so by chance or by its guest's will; without the name it is one.
    return /\.(vhd|vpc)$/i.test(fileName) && isFooter(end) ? 90 : 0
  },
  open: openVhd,
  create: createVhd,
  createOptions,
}
