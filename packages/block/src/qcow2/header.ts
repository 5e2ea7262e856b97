import { CodedError } from '@entresol/kit'
import type { BackingReference } from '../format.ts'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import {
  AUTOCLEAR, COMPATIBLE, COMPRESSION, EXTENSION, HEADER, HEADER_LENGTH_V2, HEADER_LENGTH_V3, INCOMPATIBLE, L1_ENTRY, MAGIC,
  MAX_BACKING_NAME, MAX_CLUSTER_BITS, MAX_L1_BYTES, MAX_REFCOUNT_ORDER, MAX_REFCOUNT_TABLE_BYTES, MAX_SNAPSHOTS, MIN_CLUSTER_BITS,
} from './spec.ts'

/** What the first cluster of an image says. Only `serialise` and the sector updates of `headerSector` write it back. */
export interface Header {
  readonly version: 2 | 3
  readonly clusterBits: number
  size: number
  l1Size: number
  l1TableOffset: number
  refcountTableOffset: number
  refcountTableClusters: number
  nbSnapshots: number
  snapshotsOffset: number
  dirty: boolean
  corrupt: boolean
  readonly externalData: boolean
  readonly extendedL2: boolean
  lazyRefcounts: boolean
  bitmaps: boolean
  readonly rawExternalData: boolean
  readonly refcountOrder: number
  readonly headerLength: number
  readonly compressionType: 'zlib' | 'zstd'
  backing: BackingReference | undefined
  readonly dataFile: string | undefined
  /** Extensions kept as they are: feature names of other writers, bitmaps, unknown ones. */
  readonly extensions: readonly { readonly type: number; readonly data: Uint8Array }[]
}

const bad = (message: string): CodedError => new CodedError('bad-image', `qcow2: ${message}`)
const unsupported = (message: string): CodedError => new CodedError('unsupported', `qcow2: ${message}`)

/** Reads the header from the first cluster (or all of the file, where that is less). Codes `bad-image`, `unsupported`. */
export function parseHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < HEADER_LENGTH_V2 || view.getUint32(HEADER.magic) !== MAGIC) throw bad('no qcow2 header')
  const version = view.getUint32(HEADER.version)
  if (version !== 2 && version !== 3) throw unsupported(`version ${version}`)
  if (version === 3 && bytes.length < HEADER_LENGTH_V3) throw bad('the header is cut off')
  const clusterBits = view.getUint32(HEADER.clusterBits)
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) throw bad(`cluster size 2^${clusterBits}`)
  const clusterSize = 2 ** clusterBits
  const number = (at: number): number => Number(view.getBigUint64(at))
  const bits = (at: number): bigint => (version === 3 ? view.getBigUint64(at) : 0n)
  const headerLength = version === 3 ? view.getUint32(HEADER.headerLength) : HEADER_LENGTH_V2
  if (headerLength < (version === 3 ? HEADER_LENGTH_V3 : HEADER_LENGTH_V2) || headerLength > clusterSize) throw bad(`header of ${headerLength} bytes`)
  const compressionType = version === 3 && headerLength > HEADER.compressionType ? bytes[HEADER.compressionType]! : 0

  const found = parseExtensions(bytes.subarray(0, clusterSize), headerLength)
  const incompatible = bits(HEADER.incompatibleFeatures)
  refuseUnknown(incompatible, found.extensions)
  const has = (set: bigint, bit: number): boolean => (set >> BigInt(bit) & 1n) === 1n
  if (compressionType >= COMPRESSION.length) throw unsupported(`compression type ${compressionType}`)
  if ((compressionType !== 0) !== has(incompatible, INCOMPATIBLE.compressionType)) throw bad('compression type and its feature bit disagree')
  const crypt = view.getUint32(HEADER.cryptMethod)
  if (crypt !== 0) throw unsupported(`encrypted (method ${crypt})`)

  const header: Header = {
    version, clusterBits, headerLength,
    size: number(HEADER.size),
    l1Size: view.getUint32(HEADER.l1Size),
    l1TableOffset: number(HEADER.l1TableOffset),
    refcountTableOffset: number(HEADER.refcountTableOffset),
    refcountTableClusters: view.getUint32(HEADER.refcountTableClusters),
    nbSnapshots: view.getUint32(HEADER.nbSnapshots),
    snapshotsOffset: number(HEADER.snapshotsOffset),
    dirty: has(incompatible, INCOMPATIBLE.dirty),
    corrupt: has(incompatible, INCOMPATIBLE.corrupt),
    externalData: has(incompatible, INCOMPATIBLE.externalData),
    extendedL2: has(incompatible, INCOMPATIBLE.extendedL2),
    lazyRefcounts: has(bits(HEADER.compatibleFeatures), COMPATIBLE.lazyRefcounts),
    bitmaps: has(bits(HEADER.autoclearFeatures), AUTOCLEAR.bitmaps),
    rawExternalData: has(bits(HEADER.autoclearFeatures), AUTOCLEAR.rawExternalData),
    refcountOrder: version === 3 ? view.getUint32(HEADER.refcountOrder) : 4,
    compressionType: COMPRESSION[compressionType]!,
    backing: undefined,
    dataFile: found.dataFile,
    extensions: found.extensions,
  }
  checkNumbers(header, clusterSize)
  header.backing = backingOf(bytes, number(HEADER.backingFileOffset), view.getUint32(HEADER.backingFileSize), clusterSize, found.backingFormat)
  return header
}

function checkNumbers(header: Header, clusterSize: number): void {
  if (header.refcountOrder > MAX_REFCOUNT_ORDER) throw bad(`refcounts of 2^${header.refcountOrder} bits`)
  if (header.size > MAX_SIZE) throw bad(`disk of ${header.size} bytes`)
  if (header.extendedL2 && header.clusterBits < 14) throw bad('extended L2 entries with clusters smaller than 16 KiB')
  const table = (name: string, offset: number): void => {
    if (offset % clusterSize !== 0 || offset > MAX_SIZE) throw bad(`${name} at offset ${offset}`)
  }
  table('L1 table', header.l1TableOffset)
  table('refcount table', header.refcountTableOffset)
  if (header.nbSnapshots > 0) table('snapshot table', header.snapshotsOffset)
  if (header.l1Size * L1_ENTRY > MAX_L1_BYTES) throw unsupported(`L1 table of ${header.l1Size} entries`)
  if (header.refcountTableClusters * clusterSize > MAX_REFCOUNT_TABLE_BYTES) throw unsupported(`refcount table of ${header.refcountTableClusters} clusters`)
  if (header.nbSnapshots > MAX_SNAPSHOTS) throw unsupported(`${header.nbSnapshots} snapshots`)
  if (header.size > 0 && header.l1TableOffset === 0) throw bad('no L1 table')
  if (header.l1Size < l1EntriesFor(header, header.size)) throw bad('the L1 table is too short for the disk')
}

/** Entries an L1 table needs for a disk of `size` bytes. */
export function l1EntriesFor(header: Pick<Header, 'clusterBits' | 'extendedL2'>, size: number): number {
  return Math.ceil(size / 2 ** (2 * header.clusterBits - (header.extendedL2 ? 4 : 3)))
}

function parseExtensions(bytes: Uint8Array, start: number): { extensions: Header['extensions']; backingFormat?: string; dataFile?: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = (data: Uint8Array): string => new TextDecoder().decode(data)
  const extensions: { type: number; data: Uint8Array }[] = []
  let backingFormat: string | undefined
  let dataFile: string | undefined
  // A version 2 header may be followed by nothing at all; its backing name then stands where extensions would.
  const nameOffset = Number(view.getBigUint64(HEADER.backingFileOffset))
  const end = nameOffset > 0 ? Math.min(bytes.length, nameOffset) : bytes.length
  for (let at = start; at + 8 <= end;) {
    const type = view.getUint32(at)
    if (type === EXTENSION.end) break
    const length = view.getUint32(at + 4)
    if (at + 8 + length > end) throw bad('a header extension is cut off')
    const data = bytes.slice(at + 8, at + 8 + length)
    if (type === EXTENSION.backingFormat) backingFormat = text(data)
    else if (type === EXTENSION.externalData) dataFile = text(data)
    else extensions.push({ type, data })
    at += 8 + Math.ceil(length / 8) * 8
  }
  return { extensions, ...(backingFormat !== undefined && { backingFormat }), ...(dataFile !== undefined && { dataFile }) }
}

/** Names the incompatible features we do not know, by the image's own table of names where it has one. */
function refuseUnknown(incompatible: bigint, extensions: Header['extensions']): void {
  const names = extensions.find(({ type }) => type === EXTENSION.featureNames)?.data ?? new Uint8Array(0)
  const unknown: string[] = []
  for (let bit = Object.keys(INCOMPATIBLE).length; bit < 64; bit++) {
    if ((incompatible >> BigInt(bit) & 1n) === 0n) continue
    let name = `incompatible feature bit ${bit}`
    for (let at = 0; at + 48 <= names.length; at += 48) {
      if (names[at] === 0 && names[at + 1] === bit) name = new TextDecoder().decode(names.subarray(at + 2, at + 48)).replace(/\0.*$/s, '')
    }
    unknown.push(name)
  }
  if (unknown.length > 0) throw unsupported(`unknown features: ${unknown.join(', ')}`)
}

function backingOf(bytes: Uint8Array, offset: number, length: number, clusterSize: number, format: string | undefined): BackingReference | undefined {
  if (offset === 0 || length === 0) return undefined
  if (length > MAX_BACKING_NAME || offset + length > clusterSize) throw bad('the name of the backing file does not fit')
  if (offset + length > bytes.length) throw bad('the name of the backing file is cut off')
  return { name: new TextDecoder().decode(bytes.subarray(offset, offset + length)), ...(format !== undefined && { format }) }
}

/** Names of the features we know, as the feature name table has them: kind, bit, name in 46 bytes. */
const FEATURE_NAMES: readonly (readonly [kind: number, bit: number, name: string])[] = [
  [0, INCOMPATIBLE.dirty, 'dirty bit'], [0, INCOMPATIBLE.corrupt, 'corrupt bit'], [0, INCOMPATIBLE.externalData, 'external data file'],
  [0, INCOMPATIBLE.compressionType, 'compression type'], [0, INCOMPATIBLE.extendedL2, 'extended L2 entries'],
  [1, COMPATIBLE.lazyRefcounts, 'lazy refcounts'],
  [2, AUTOCLEAR.bitmaps, 'bitmaps'], [2, AUTOCLEAR.rawExternalData, 'raw external data'],
]

function featureNames(): Uint8Array {
  const table = new Uint8Array(FEATURE_NAMES.length * 48)
  FEATURE_NAMES.forEach(([kind, bit, name], index) => {
    table[index * 48] = kind
    table[index * 48 + 1] = bit
    table.set(new TextEncoder().encode(name), index * 48 + 2)
  })
  return table
}

/** Fixed fields of the header, which all lie in the first sector and so change at once. */
export function serialiseFields(header: Header, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength)
  const wide = (at: number, value: number): void => view.setBigUint64(at, BigInt(value))
  view.setUint32(HEADER.magic, MAGIC)
  view.setUint32(HEADER.version, header.version)
  view.setUint32(HEADER.clusterBits, header.clusterBits)
  wide(HEADER.size, header.size)
  view.setUint32(HEADER.l1Size, header.l1Size)
  wide(HEADER.l1TableOffset, header.l1TableOffset)
  wide(HEADER.refcountTableOffset, header.refcountTableOffset)
  view.setUint32(HEADER.refcountTableClusters, header.refcountTableClusters)
  view.setUint32(HEADER.nbSnapshots, header.nbSnapshots)
  wide(HEADER.snapshotsOffset, header.snapshotsOffset)
  if (header.version === 2) return
  const set = (...bits: (false | number)[]): number => bits.reduce<number>((all, bit) => (bit === false ? all : all | 1 << bit), 0)
  wide(HEADER.incompatibleFeatures, set(
    header.dirty && INCOMPATIBLE.dirty, header.corrupt && INCOMPATIBLE.corrupt, header.externalData && INCOMPATIBLE.externalData,
    header.compressionType !== 'zlib' && INCOMPATIBLE.compressionType, header.extendedL2 && INCOMPATIBLE.extendedL2,
  ))
  wide(HEADER.compatibleFeatures, set(header.lazyRefcounts && COMPATIBLE.lazyRefcounts))
  // Autoclear bits we do not know are cleared: what they vouch for we do not keep up to date.
  wide(HEADER.autoclearFeatures, set(header.bitmaps && AUTOCLEAR.bitmaps, header.rawExternalData && AUTOCLEAR.rawExternalData))
  view.setUint32(HEADER.refcountOrder, header.refcountOrder)
  view.setUint32(HEADER.headerLength, header.headerLength)
  if (header.headerLength > HEADER.compressionType) into[HEADER.compressionType] = COMPRESSION.indexOf(header.compressionType)
}

/** The whole first cluster, but for bytes behind the backing name. Code `bad-option`, if it does not fit a cluster. */
export function serialiseHeader(header: Header): Uint8Array {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const extensions: { type: number; data: Uint8Array }[] = []
  if (header.backing?.format !== undefined) extensions.push({ type: EXTENSION.backingFormat, data: text(header.backing.format) })
  if (header.dataFile !== undefined) extensions.push({ type: EXTENSION.externalData, data: text(header.dataFile) })
  extensions.push(...header.extensions.filter(({ type }) => type !== EXTENSION.featureNames))
  const name = text(header.backing?.name ?? '')
  if (name.length > MAX_BACKING_NAME) throw new CodedError('bad-option', `the name of the backing file is longer than ${MAX_BACKING_NAME} bytes`)
  const size = (): number => header.headerLength + extensions.reduce((sum, { data }) => sum + 8 + Math.ceil(data.length / 8) * 8, 8) + name.length
  // The names are a courtesy; small clusters have no room for them.
  if (header.version === 3) {
    extensions.push({ type: EXTENSION.featureNames, data: featureNames() })
    if (size() > 2 ** header.clusterBits) extensions.pop()
  }
  if (size() > 2 ** header.clusterBits) throw new CodedError('bad-option', 'names and extensions do not fit the header cluster')
  const bytes = new Uint8Array(Math.ceil(size() / SECTOR) * SECTOR)
  serialiseFields(header, bytes)
  const view = new DataView(bytes.buffer)
  let at = header.headerLength
  for (const { type, data } of extensions) {
    view.setUint32(at, type)
    view.setUint32(at + 4, data.length)
    bytes.set(data, at + 8)
    at += 8 + Math.ceil(data.length / 8) * 8
  }
  at += 8
  if (name.length > 0) {
    view.setBigUint64(HEADER.backingFileOffset, BigInt(at))
    view.setUint32(HEADER.backingFileSize, name.length)
    bytes.set(name, at)
  }
  return bytes
}
