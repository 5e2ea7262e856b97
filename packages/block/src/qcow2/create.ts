import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageCreateOptions, ImageOption } from '../format.ts'
import { parseOptions, parseSize, parseSwitch } from '../support/options.ts'
import { checkSectors } from '../support/range.ts'
import { serialiseHeader } from './header.ts'
import type { Header } from './header.ts'
import { Qcow2Image } from './image.ts'
import { setRefcount } from './refcount-entry.ts'
import { HEADER_LENGTH, HEADER_LENGTH_V2, MAX_CLUSTER_BITS, MAX_REFCOUNT_ORDER, MIN_CLUSTER_BITS } from './spec.ts'

export const createOptions: readonly ImageOption[] = [
  { name: 'compat', help: 'version: 0.10 or v2, 1.1 or v3 (default)' },
  { name: 'cluster_size', help: '512 to 2M, a power of two (default 64k; with extended_l2 at least 16k)' },
  { name: 'refcount_bits', help: '1 to 64, a power of two (default 16)' },
  { name: 'lazy_refcounts', help: 'on: counts are written late, and made anew after a crash' },
  { name: 'extended_l2', help: 'on: subclusters' },
  { name: 'compression_type', help: 'zlib (default) or zstd' },
  { name: 'data_file', help: 'name of a file that holds the data' },
  { name: 'data_file_raw', help: 'on: that file is a raw image of the disk' },
  { name: 'preallocation', help: 'off (default) or metadata' },
]

const bad = (message: string): CodedError => new CodedError('bad-option', `qcow2: ${message}`)

const VERSIONS: Readonly<Record<string, 2 | 3>> = { '0.10': 2, 'v2': 2, '1.1': 3, 'v3': 3 }

/** Makes an empty image: header, refcount table, one refcount block; everything else grows from there. */
export async function create(store: ByteStore, how: ImageCreateOptions): Promise<void> {
  checkSectors(0, how.size, how.size)
  const given = parseOptions(how.options, createOptions)
  const version = VERSIONS[given['compat'] ?? '1.1']
  if (version === undefined) throw bad(`compat '${given['compat']}'`)
  const extendedL2 = parseSwitch('extended_l2', given['extended_l2']) === true
  const clusterBits = Math.log2(parseSize('cluster_size', given['cluster_size']) ?? 65536)
  if (!Number.isInteger(clusterBits) || clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) throw bad('cluster_size: a power of two from 512 to 2M')
  if (extendedL2 && clusterBits < 14) throw bad('extended_l2: clusters of at least 16k')
  const refcountOrder = Math.log2(Number(given['refcount_bits'] ?? 16))
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > MAX_REFCOUNT_ORDER) throw bad('refcount_bits: a power of two from 1 to 64')
  const lazyRefcounts = parseSwitch('lazy_refcounts', given['lazy_refcounts']) === true
  const compressionType = given['compression_type'] ?? 'zlib'
  if (compressionType !== 'zlib' && compressionType !== 'zstd') throw bad(`compression_type '${compressionType}'`)
  const dataFile = given['data_file']
  const rawExternalData = parseSwitch('data_file_raw', given['data_file_raw']) === true
  if (rawExternalData && dataFile === undefined) throw bad('data_file_raw needs data_file')
  if (rawExternalData && how.backing) throw bad('data_file_raw and a backing image exclude each other')
  const preallocation = given['preallocation'] ?? 'off'
  if (preallocation !== 'off' && preallocation !== 'metadata') throw new CodedError('unsupported', `qcow2: preallocation ${preallocation}`)
  if (version === 2 && (extendedL2 || lazyRefcounts || refcountOrder !== 4 || compressionType !== 'zlib' || dataFile !== undefined)) {
    throw bad('compat 0.10 knows neither lazy_refcounts, refcount_bits, extended_l2, compression_type nor data_file')
  }

  const clusterSize = 2 ** clusterBits
  const header: Header = {
    version, clusterBits, size: 0, l1Size: 0, l1TableOffset: 0, refcountTableOffset: clusterSize, refcountTableClusters: 1, nbSnapshots: 0,
    snapshotsOffset: 0, dirty: false, corrupt: false, externalData: dataFile !== undefined, extendedL2, lazyRefcounts, bitmaps: false, rawExternalData,
    refcountOrder, headerLength: version === 2 ? HEADER_LENGTH_V2 : HEADER_LENGTH, compressionType, backing: undefined, dataFile, extensions: [],
  }
  const start = new Uint8Array(3 * clusterSize)
  start.set(serialiseHeader(header))
  const view = new DataView(start.buffer)
  view.setBigUint64(clusterSize, BigInt(2 * clusterSize))
  const block = new DataView(start.buffer, 2 * clusterSize)
  for (let cluster = 0; cluster < 3; cluster++) setRefcount(block, cluster, refcountOrder, 1)
  await store.truncate(0)
  await store.write(0, start)
  const image = await Qcow2Image.open(borrowed(store), { ...(how.createFile && { openFile: how.createFile }) })
  try {
    await image.resize(how.size)
    // Not before: what an image with a backing image grows by would be made to read as zeroes.
    if (how.backing) await image.changeBacking(how.backing)
    if (preallocation === 'metadata') await image.preallocate()
  } finally {
    await image.close()
  }
}

/** The store without its end: closing the image leaves it open. */
function borrowed(store: ByteStore): ByteStore {
  return {
    get size() {
      return store.size
    },
    readOnly: false,
    read: (offset, into) => store.read(offset, into),
    write: (offset, from) => store.write(offset, from),
    flush: () => store.flush(),
    truncate: (size) => store.truncate(size),
    punchHole: (offset, length) => store.punchHole(offset, length),
    extent: (offset) => store.extent(offset),
    close: () => store.flush(),
  }
}
