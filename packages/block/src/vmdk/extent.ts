import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageBackend, ImageOpenOptions } from '../format.ts'
import type { Backing } from '../mapped/backing.ts'
import { FlatDisk } from '../mapped/flat-disk.ts'
import { MappedDisk } from '../mapped/mapped-disk.ts'
import { PageCache } from '../mapped/page-cache.ts'
import type { ExtentLine } from './descriptor.ts'
import { directoryLength, has, readSparseHeader, type SparseHeader } from './sparse-header.ts'
import { SparseMap } from './sparse-map.ts'
import { FLAG_COMPRESSED, FLAG_MARKERS } from './spec.ts'
import { StreamDisk } from './stream-disk.ts'
import { StreamWriter } from './stream-writer.ts'

/** An extent of an open disk. */
export interface Extent {
  readonly disk: Pick<ImageBackend, 'size' | 'readOnly' | 'read' | 'write' | 'writeZeroes' | 'discard' | 'flush' | 'status' | 'close'>
  readonly fileName: string
  /** As in the descriptor; empty where the extent is in the descriptor's own file. */
  readonly type: string
  /** The rest is there for sparse extents only. */
  readonly map?: SparseMap
  readonly grainSize?: number
  readonly compressed?: boolean
  readonly dirty?: boolean
}

export interface ExtentParts {
  readonly line: ExtentLine
  readonly options: ImageOpenOptions
  /** Where the descriptor is in the extent itself. */
  readonly own?: { readonly store: ByteStore; readonly header: SparseHeader }
  /** Of a difference to another disk. */
  readonly backing?: Backing
}

/** Codes `bad-image` and `unsupported`. */
export async function openExtent({ line, options, own, backing }: ExtentParts): Promise<Extent> {
  if (own) return { ...await sparse(own.store, own.header, { line, options, ...(backing && { backing }) }), type: '' }
  if (!options.openFile) throw new CodedError('unsupported', `VMDK: the disk is in several files, and '${line.fileName}' cannot be opened`)
  const store = await options.openFile(line.fileName)
  try {
    if (line.type === 'SPARSE') return await sparse(store, await readSparseHeader(store), { line, options, ...(backing && { backing }) })
    if (backing) throw new CodedError('unsupported', 'VMDK: a flat extent of a difference to another disk')
    if (store.size < line.offset + line.size) throw new CodedError('bad-image', `VMDK: '${line.fileName}' is too short for its extent`)
    const disk = new FlatDisk({ store, base: line.offset, size: line.size, readOnly: store.readOnly })
    return { disk, fileName: line.fileName, type: line.type }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function sparse(store: ByteStore, header: SparseHeader, { line, options, backing }: ExtentParts): Promise<Extent> {
  const { size, fileName, type } = line
  if (header.capacity < size) throw new CodedError('bad-image', `VMDK: '${fileName}' holds ${header.capacity} bytes, not ${size}`)
  const common = { fileName, type, grainSize: header.grainSize, dirty: header.uncleanShutdown }
  if (!has(header, FLAG_COMPRESSED)) {
    const pages = new PageCache(store)
    const map = new SparseMap(store, pages, header)
    return { ...common, map, disk: new MappedDisk({ store, map, pages, size, readOnly: store.readOnly, ...(backing && { backing }) }) }
  }
  if (!has(header, FLAG_MARKERS)) throw new CodedError('unsupported', 'VMDK: compressed grains without markers')
  const parts = { store, header, codecs: options.codecs ?? {}, size }
  if (!store.readOnly && !backing && await isEmpty(store, header)) return { ...common, compressed: true, disk: new StreamWriter(parts) }
  const disk = new StreamDisk({ ...parts, ...(backing && { backing }) })
  return { ...common, compressed: true, disk, map: disk.map }
}

/** Whether the extent has no grain table yet: it can be written then. */
async function isEmpty(store: ByteStore, header: SparseHeader): Promise<boolean> {
  const bytes = new Uint8Array(4096)
  const end = header.gdOffset + directoryLength(header)
  for (let at = header.gdOffset; at < end; at += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, end - at))
    await store.read(at, part)
    if (part.some((byte) => byte !== 0)) return false
  }
  return true
}
