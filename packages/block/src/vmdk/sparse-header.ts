import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import {
  COMPRESSION_DEFLATE, COMPRESSION_NONE, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_NEW_LINES, FLAG_REDUNDANT, FLAG_ZEROED_GRAIN, GD_AT_END, GTES_PER_GT,
  HEADER, HEADER_LENGTH, MAGIC_COWD, MAGIC_SPARSE, MARKER, MARKER_EOS, MARKER_FOOTER, MAX_DESCRIPTOR, MAX_GRAIN, NEW_LINES,
} from './spec.ts'

/** Header of a hosted sparse extent; positions and lengths in bytes. */
export interface SparseHeader {
  readonly version: number
  readonly flags: number
  readonly capacity: number
  readonly grainSize: number
  readonly descriptorOffset: number
  /** 0: it has none. */
  readonly descriptorSize: number
  /** Entries of a grain table. */
  readonly tableEntries: number
  /** Of the redundant grain directory; undefined where there is none. */
  readonly rgdOffset: number | undefined
  readonly gdOffset: number
  readonly overHead: number
  readonly uncleanShutdown: boolean
}

const bad = (message: string): CodedError => new CodedError('bad-image', `VMDK sparse extent: ${message}`)

export const hasMagic = (start: Uint8Array, magic: string): boolean => String.fromCharCode(...start.subarray(0, 4)) === magic
export const has = ({ flags }: Pick<SparseHeader, 'flags'>, flag: number): boolean => (flags & flag) !== 0

/** The header, or the footer that has its place where the header says so. Codes `bad-image` and `unsupported`. */
export async function readSparseHeader(store: ByteStore): Promise<SparseHeader> {
  const bytes = new Uint8Array(HEADER_LENGTH)
  await store.read(0, bytes)
  if (hasMagic(bytes, MAGIC_COWD)) throw new CodedError('unsupported', 'VMDK: extents of ESX Server (COWD)')
  if (new DataView(bytes.buffer).getBigUint64(HEADER.gdOffset, true) === GD_AT_END) return parse(await readFooter(store), store.size)
  return parse(bytes, store.size)
}

/** The last three sectors of a finished stream: marker, footer, end. */
async function readFooter(store: ByteStore): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(3 * SECTOR)
  if (store.size < 4 * SECTOR || store.size % SECTOR !== 0) throw bad('the stream is not whole')
  await store.read(store.size - bytes.length, bytes)
  const view = new DataView(bytes.buffer)
  const marker = (at: number, type: number): boolean => view.getUint32(at + MARKER.size, true) === 0 && view.getUint32(at + MARKER.type, true) === type
  if (!marker(0, MARKER_FOOTER) || !marker(2 * SECTOR, MARKER_EOS)) throw bad('the stream is not whole')
  return bytes.slice(SECTOR, 2 * SECTOR)
}

function parse(bytes: Uint8Array<ArrayBuffer>, fileSize: number): SparseHeader {
  const view = new DataView(bytes.buffer)
  const u32 = (at: number): number => view.getUint32(at, true)
  const sectors = (at: number, what: string, limit: number): number => {
    const value = view.getBigUint64(at, true)
    if (value * 512n > BigInt(limit)) throw bad(`${what} ${value}`)
    return Number(value) * SECTOR
  }
  if (!hasMagic(bytes, MAGIC_SPARSE)) throw bad('no magic number')
  const version = u32(HEADER.version)
  if (version < 1 || version > 3) throw new CodedError('unsupported', `VMDK: sparse extents of version ${version}`)
  const flags = u32(HEADER.flags)
  if (has({ flags }, FLAG_NEW_LINES) && String.fromCharCode(...bytes.subarray(HEADER.newLines, HEADER.newLines + 4)) !== NEW_LINES) {
    throw bad('its line ends were changed, as by a transfer of text')
  }
  const algorithm = view.getUint16(HEADER.compressAlgorithm, true)
  if (algorithm !== (has({ flags }, FLAG_COMPRESSED) ? COMPRESSION_DEFLATE : COMPRESSION_NONE)) {
    throw new CodedError('unsupported', `VMDK: compression ${algorithm} with flags ${flags.toString(16)}`)
  }
  const grainSectors = view.getBigUint64(HEADER.grainSize, true)
  if (grainSectors < 1n || grainSectors > BigInt(MAX_GRAIN) || (grainSectors & (grainSectors - 1n)) !== 0n) throw bad(`grains of ${grainSectors} sectors`)
  const tableEntries = u32(HEADER.numGTEsPerGT)
  if (tableEntries !== GTES_PER_GT) throw new CodedError('unsupported', `VMDK: grain tables of ${tableEntries} entries`)
  const header = {
    version, flags, tableEntries,
    capacity: sectors(HEADER.capacity, 'capacity', MAX_SIZE),
    grainSize: Number(grainSectors) * SECTOR,
    descriptorOffset: sectors(HEADER.descriptorOffset, 'descriptor at sector', fileSize),
    descriptorSize: sectors(HEADER.descriptorSize, 'sectors of the descriptor', MAX_DESCRIPTOR),
    rgdOffset: has({ flags }, FLAG_REDUNDANT) ? sectors(HEADER.rgdOffset, 'redundant grain directory at sector', fileSize) : undefined,
    gdOffset: sectors(HEADER.gdOffset, 'grain directory at sector', fileSize),
    overHead: sectors(HEADER.overHead, 'overhead', MAX_SIZE),
    uncleanShutdown: bytes[HEADER.uncleanShutdown] === 1,
  }
  const directory = directoryLength(header)
  for (const offset of [header.gdOffset, header.rgdOffset ?? header.gdOffset]) {
    if (offset < HEADER_LENGTH || offset + directory > fileSize) throw bad(`a grain directory of ${directory} bytes at ${offset}: not inside the file`)
  }
  return header
}

/** Bytes of a grain directory. */
export function directoryLength({ capacity, grainSize, tableEntries }: Pick<SparseHeader, 'capacity' | 'grainSize' | 'tableEntries'>): number {
  return Math.ceil(capacity / (grainSize * tableEntries)) * 4
}

/** With `footer` as it stands at the end of a stream, else as at the beginning, where streams do not know yet. */
export function buildSparseHeader(header: SparseHeader, footer = false): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH)
  const view = new DataView(bytes.buffer)
  const sectors = (at: number, length: number): void => view.setBigUint64(at, BigInt(length / SECTOR), true)
  bytes.set(new TextEncoder().encode(MAGIC_SPARSE))
  view.setUint32(HEADER.version, header.version, true)
  view.setUint32(HEADER.flags, header.flags, true)
  sectors(HEADER.capacity, header.capacity)
  sectors(HEADER.grainSize, header.grainSize)
  sectors(HEADER.descriptorOffset, header.descriptorOffset)
  sectors(HEADER.descriptorSize, header.descriptorSize)
  view.setUint32(HEADER.numGTEsPerGT, header.tableEntries, true)
  sectors(HEADER.rgdOffset, header.rgdOffset ?? 0)
  if (has(header, FLAG_MARKERS) && !footer) view.setBigUint64(HEADER.gdOffset, GD_AT_END, true)
  else sectors(HEADER.gdOffset, header.gdOffset)
  sectors(HEADER.overHead, header.overHead)
  bytes.set(new TextEncoder().encode(NEW_LINES), HEADER.newLines)
  view.setUint16(HEADER.compressAlgorithm, has(header, FLAG_COMPRESSED) ? COMPRESSION_DEFLATE : COMPRESSION_NONE, true)
  return bytes
}

export const zeroedGrains = (header: SparseHeader): boolean => has(header, FLAG_ZEROED_GRAIN)
