import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { CheckResult, ImageBackend, ImageFormat, ImageInfo, ImageOpenOptions } from '../format.ts'
import type { Backing } from '../mapped/backing.ts'
import { MappedDisk } from '../mapped/mapped-disk.ts'
import { PageCache } from '../mapped/page-cache.ts'
import { isZero } from '../support/range.ts'
import { checkVhdx } from './check.ts'
import { crc32c } from './crc32c.ts'
import { createOptions, createVhdx } from './create.ts'
import { guidText, hasSignature } from './fields.ts'
import { Header } from './header.ts'
import { readLog, replay } from './log.ts'
import { LogWriter } from './log-writer.ts'
import { readMetadata, type Metadata } from './metadata.ts'
import { readRegions, type Region } from './regions.ts'
import { ReplayedStore } from './replayed-store.ts'
import { FILE_SIGNATURE } from './spec.ts'
import { batEntries, VhdxMap } from './vhdx-map.ts'

interface Parts {
  readonly store: ByteStore
  readonly header: Header
  readonly log: Region
  readonly bat: Region
  readonly metadataRegion: Region
  readonly metadata: Metadata
  /** Of a differencing disk. */
  readonly backing?: Backing
  readonly newGuid: () => Uint8Array
}

const NO_GUID = new Uint8Array(16)

/** A VHDX image: fixed, dynamic or differencing. */
export class VhdxImage extends MappedDisk implements ImageBackend {
  readonly format = 'vhdx'
  readonly backing?: NonNullable<ImageBackend['backing']>
  readonly #parts: Parts
  readonly #map: VhdxMap
  /** Once the image has been written to. */
  #log: LogWriter | undefined

  constructor(parts: Parts) {
    const { store, metadata: { blockSize, size }, log, bat, metadataRegion, backing } = parts
    const pages = new PageCache(store, (changed) => this.#log!.write(changed))
    const map = new VhdxMap({ store, pages, bat, taken: [log, bat, metadataRegion], blockSize, differencing: backing !== undefined })
    super({
      store, map, pages, size, readOnly: store.readOnly, ...(backing && { backing }), beforeFirstChange: () => this.beginWriting(),
      beforeClose: async () => { if (this.#log) await endLog(parts.header) },
    })
    this.#parts = parts
    this.#map = map
    if (backing) this.backing = { name: parentName(parts.metadata), format: 'vhdx', ...(backing.image && { image: backing.image }) }
  }

  /** What differencing disks know this one by. */
  get contentId(): string {
    return guidText(this.#parts.header.dataWriteGuid)
  }

  async info(): Promise<ImageInfo> {
    return { clusterSize: this.#parts.metadata.blockSize }
  }

  /** Finds what the tables cannot mean; it mends nothing: a log is replayed when an image is opened. */
  check(): Promise<CheckResult> {
    return this.settled(() => checkVhdx(this.#map, this.size, this.#parts.store))
  }

  /** New identifiers, then a log that holds nothing, then the header says that it is in use [2.2.2.1]. */
  private async beginWriting(): Promise<void> {
    const { store, header, log, newGuid } = this.#parts
    await header.update({ fileWriteGuid: newGuid(), dataWriteGuid: newGuid() })
    const logGuid = newGuid()
    const writer = new LogWriter(store, log, logGuid)
    await writer.begin()
    await header.update({ logGuid })
    await header.update({ logGuid })
    this.#log = writer
  }
}

/** Both headers say that the log holds nothing. */
async function endLog(header: Header): Promise<void> {
  await header.update({ logGuid: NO_GUID })
  await header.update({ logGuid: NO_GUID })
}

/** Relative to this image's folder if the image says so, with slashes. */
function parentName({ parent }: Metadata): string {
  const name = parent?.get('relative_path') ?? parent?.get('absolute_win32_path') ?? parent?.get('volume_path') ?? ''
  return name.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
}

/** Identifiers that differ from each other and from all before in this file, where no random ones are to be had. */
function derivedGuids(header: Header): () => Uint8Array {
  const seed = new Uint8Array(64)
  seed.set(header.fileWriteGuid, 8)
  seed.set(header.dataWriteGuid, 24)
  seed.set(header.logGuid, 40)
  return () => {
    const guid = new Uint32Array(4)
    for (let at = 0; at < guid.length; at++) {
      seed[0]!++
      guid[at] = crc32c(seed, 4)
    }
    return new Uint8Array(guid.buffer)
  }
}

async function openVhdx(given: ByteStore, options: ImageOpenOptions): Promise<ImageBackend> {
  const signature = new Uint8Array(FILE_SIGNATURE.length)
  await given.read(0, signature)
  if (!hasSignature(signature, 0, FILE_SIGNATURE)) throw new CodedError('bad-image', 'VHDX: no signature')
  const header = await Header.read(given)
  const derived = derivedGuids(header)
  const newGuid = (): Uint8Array => {
    const guid = derived()
    options.random?.(guid)
    return guid
  }
  const log = { offset: header.logOffset, length: header.logLength }
  const store = await settleLog(given, header, log, newGuid)
  const { bat, metadata: metadataRegion } = await readRegions(store, log)
  const metadata = await readMetadata(store, metadataRegion)
  const differencing = metadata.parent !== undefined
  if (batEntries(Math.ceil(metadata.size / metadata.blockSize), metadata.blockSize, differencing) * 8 > bat.length) {
    throw new CodedError('bad-image', 'VHDX: the block allocation table is too short for the disk')
  }
  const parts = { store, header, log, bat, metadataRegion, metadata, newGuid }
  return new VhdxImage(differencing ? { ...parts, backing: await openParent(metadata, options) } : parts)
}

/** The file with everything done to it that its log says: in the file if it may be written. */
async function settleLog(store: ByteStore, header: Header, log: Region, newGuid: () => Uint8Array): Promise<ByteStore> {
  if (isZero(header.logGuid)) return store
  const entries = await readLog(store, log, header.logGuid)
  if (store.readOnly) return new ReplayedStore(store, entries)
  await header.update({ fileWriteGuid: newGuid() })
  await replay(store, entries)
  await endLog(header)
  return store
}

async function openParent(metadata: Metadata, { openBacking }: ImageOpenOptions): Promise<Backing> {
  const image = await openBacking?.(parentName(metadata), 'vhdx')
  if (image instanceof VhdxImage) {
    const known = [metadata.parent?.get('parent_linkage'), metadata.parent?.get('parent_linkage2')].map((id) => id?.toUpperCase())
    if (!known.includes(image.contentId)) {
      throw new CodedError('bad-image', `VHDX: '${parentName(metadata)}' is not the disk this one is a difference to, or has changed since`)
    }
  }
  return { base: 0, ...(image && { image }) }
}

/** Hyper-V's second format. */
export const vhdx: ImageFormat = {
  name: 'vhdx',
  probe: (start) => (hasSignature(start, 0, FILE_SIGNATURE) ? 100 : 0),
  open: openVhdx,
  create: createVhdx,
  createOptions,
}
