import type { BlockBackend, ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { CheckResult, ImageBackend, ImageExtent, ImageFormat, ImageInfo, ImageOpenOptions } from '../format.ts'
import { Findings } from '../mapped/findings.ts'
import { checkAccess, checkSectors } from '../support/range.ts'
import { checkExtent } from './check.ts'
import { createOptions, createVmdk } from './create.ts'
import { isDescriptor, parseDescriptor, type Descriptor } from './descriptor.ts'
import { openExtent, type Extent } from './extent.ts'
import { hasMagic, readSparseHeader } from './sparse-header.ts'
import { MAGIC_COWD, MAGIC_SPARSE, MAX_DESCRIPTOR, NO_PARENT } from './spec.ts'

interface Parts {
  readonly store: ByteStore
  /** Where the descriptor begins in the file, bytes. */
  readonly descriptorOffset: number
  readonly descriptor: Descriptor
  readonly extents: readonly Extent[]
  readonly parent?: BlockBackend
  readonly random?: (into: Uint8Array) => void
}

/** A VMware disk: its extents one behind the other. */
export class VmdkImage implements ImageBackend {
  readonly format = 'vmdk'
  readonly size: number
  readonly readOnly: boolean
  readonly backing?: NonNullable<ImageBackend['backing']>
  closed = false
  readonly #parts: Parts
  /** Where each extent begins, bytes. */
  readonly #starts: readonly number[]
  #cid: number
  #change: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    let size = 0
    this.#starts = parts.extents.map(({ disk }) => (size += disk.size) - disk.size)
    this.size = size
    this.readOnly = parts.store.readOnly || parts.extents.some(({ disk }) => disk.readOnly)
    this.#cid = parts.descriptor.cid
    const { parentFileNameHint } = parts.descriptor
    if (parts.descriptor.parentCid !== NO_PARENT) {
      this.backing = { name: parentFileNameHint ?? '', format: 'vmdk', ...(parts.parent && { image: parts.parent }) }
    }
  }

  /** What differences to this image know it by. */
  get contentId(): number {
    return this.#cid
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    checkAccess(this, false)
    await this.#each(offset, into.length, (disk, within, at, length) => disk.read(within, into.subarray(at, at + length)))
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    await this.#begin(offset, from.length)
    await this.#each(offset, from.length, (disk, within, at, length) => disk.write(within, from.subarray(at, at + length)))
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    await this.#begin(offset, length)
    await this.#each(offset, length, (disk, within, _, part) => disk.writeZeroes(within, part, unmap))
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#begin(offset, length)
    await this.#each(offset, length, (disk, within, _, part) => disk.discard(within, part))
  }

  /** Grains of stream-optimised images are compressed whether asked to or not. */
  writeCompressed(offset: number, from: Uint8Array): Promise<void> {
    if (this.#parts.descriptor.createType === 'streamOptimized') return this.write(offset, from)
    return Promise.reject(new CodedError('unsupported', 'VMDK: only stream-optimised images are compressed'))
  }

  async flush(): Promise<void> {
    checkAccess(this, false)
    for (const { disk } of this.#parts.extents) await disk.flush()
  }

  async status(offset: number, length: number): Promise<ImageExtent> {
    checkAccess(this, false)
    checkSectors(offset, length, this.size)
    for (const [disk, within, , part] of this.#pieces(offset, length)) return disk.status(within, part)
    return { length: 0, allocated: false, zero: true }
  }

  async info(): Promise<ImageInfo> {
    const { descriptor, extents } = this.#parts
    const clusterSize = extents[0]?.grainSize
    return {
      ...(clusterSize !== undefined && { clusterSize }),
      ...(extents.some(({ dirty }) => dirty) && { dirty: true }),
      specific: {
        'cid': this.#cid,
        'parent-cid': descriptor.parentCid,
        'create-type': descriptor.createType,
        'extents': extents.map(({ disk, fileName, type, grainSize, compressed }) => ({
          ...(compressed && { compressed }), 'virtual-size': disk.size, 'filename': fileName,
          ...(grainSize !== undefined && { 'cluster-size': grainSize }), 'format': type,
        })),
      },
    }
  }

  /** Finds grains that lie nowhere or in two places; it mends nothing. */
  async check(): Promise<CheckResult> {
    await this.flush()
    const findings = new Findings()
    const counts = { imageEndOffset: this.#parts.store.size, totalClusters: 0, allocatedClusters: 0 }
    for (const { disk, map, fileName } of this.#parts.extents) {
      if (!map) continue
      const { total, allocated } = await checkExtent(map, disk.size, (message) => findings.corrupt(`${fileName}: ${message}`))
      counts.totalClusters += total
      counts.allocatedClusters += allocated
    }
    return findings.result(counts)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    const { extents, store } = this.#parts
    const ends = await Promise.allSettled(extents.map(({ disk }) => disk.close()))
    await store.close()
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** Every change starts with this: the first one gives the content another identifier. */
  async #begin(offset: number, length: number): Promise<void> {
    checkAccess(this, true)
    checkSectors(offset, length, this.size)
    try {
      await (this.#change ??= this.#changeCid())
    } catch (error) {
      this.#change = undefined
      throw error
    }
  }

  /** Writes as many digits as there were, so that nothing else in the file changes, before the content does. */
  async #changeCid(): Promise<void> {
    const { store, descriptorOffset, descriptor: { cidAt, cidDigits }, random } = this.#parts
    const word = new Uint32Array([(this.#cid + 1) >>> 0])
    random?.(new Uint8Array(word.buffer))
    const most = 16 ** cidDigits - 1
    let cid = word[0]! % most
    if (cid === this.#cid) cid = (cid + 1) % most
    await store.write(descriptorOffset + cidAt, new TextEncoder().encode(cid.toString(16).padStart(cidDigits, '0')))
    await store.flush()
    this.#cid = cid
  }

  async #each(offset: number, length: number, body: (disk: Extent['disk'], within: number, at: number, length: number) => Promise<void>): Promise<void> {
    checkSectors(offset, length, this.size)
    for (const piece of this.#pieces(offset, length)) await body(...piece)
  }

  /** The extents a range lies in: disk, offset within it, offset within the range, length. */
  * #pieces(offset: number, length: number): Generator<[disk: Extent['disk'], within: number, at: number, length: number]> {
    const { extents } = this.#parts
    let low = 0
    for (let high = extents.length; high - low > 1;) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle
    }
    for (let at = 0; at < length; low++) {
      const { disk } = extents[low]!
      const within = offset + at - this.#starts[low]!
      const part = Math.min(disk.size - within, length - at)
      yield [disk, within, at, part]
      at += part
    }
  }
}

async function openVmdk(store: ByteStore, options: ImageOpenOptions): Promise<ImageBackend> {
  const start = new Uint8Array(Math.min(512, store.size))
  await store.read(0, start)
  const embedded = hasMagic(start, MAGIC_SPARSE) || hasMagic(start, MAGIC_COWD)
  const header = embedded ? await readSparseHeader(store) : undefined
  if (header?.descriptorSize === 0) throw new CodedError('bad-image', 'VMDK: an extent of a disk, whose descriptor is another file')
  if (!header && store.size > MAX_DESCRIPTOR) throw new CodedError('bad-image', 'VMDK: neither an extent nor a descriptor')
  const descriptorOffset = header?.descriptorOffset ?? 0
  const bytes = new Uint8Array(header?.descriptorSize ?? store.size)
  await store.read(descriptorOffset, bytes)
  const descriptor = parseDescriptor(bytes)
  if (header && (descriptor.extents.length !== 1 || descriptor.extents[0]!.type !== 'SPARSE')) {
    throw new CodedError('bad-image', 'VMDK: the descriptor inside an extent is of more than that extent')
  }
  const parent = descriptor.parentCid === NO_PARENT ? undefined : await openParent(descriptor, options)
  const extents: Extent[] = []
  try {
    let base = 0
    for (const line of descriptor.extents) {
      const backing = descriptor.parentCid === NO_PARENT ? undefined : { base, ...(parent && { image: parent }) }
      extents.push(await openExtent({ line, options, ...(header && { own: { store, header } }), ...(backing && { backing }) }))
      base += line.size
    }
    const { random } = options
    return new VmdkImage({ store, descriptorOffset, descriptor, extents, ...(parent && { parent }), ...(random && { random }) })
  } catch (error) {
    if (!header) await Promise.allSettled(extents.map(({ disk }) => disk.close()))
    throw error
  }
}

async function openParent({ parentFileNameHint, parentCid }: Descriptor, { openBacking }: ImageOpenOptions): Promise<BlockBackend | undefined> {
  if (parentFileNameHint === undefined) throw new CodedError('bad-image', 'VMDK: a difference to another disk, but not to which')
  const image = await openBacking?.(parentFileNameHint, 'vmdk')
  if (image instanceof VmdkImage && image.contentId !== parentCid) {
    throw new CodedError('bad-image', `VMDK: ${JSON.stringify(parentFileNameHint)} is not the disk this one is a difference to, or has changed since`)
  }
  return image
}

/** VMware's format. */
export const vmdk: ImageFormat = {
  name: 'vmdk',
  probe: (start) => (hasMagic(start, MAGIC_SPARSE) || hasMagic(start, MAGIC_COWD) || isDescriptor(start) ? 100 : 0),
  open: openVmdk,
  create: createVmdk,
  createOptions,
}
