import { CodedError } from '@entresol/kit'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import { geometryOf, sectorsOf, type Geometry } from './geometry.ts'
import {
  DISK_DIFFERENCING, DISK_DYNAMIC, DISK_FIXED, EPOCH, FEATURES, FOOTER, FOOTER_COOKIE, FOOTER_LENGTH, MAX_GEOMETRY, VERSION_1_0,
} from './spec.ts'

export interface Footer {
  readonly diskType: number
  /** Of the dynamic disk header in the file, bytes. */
  readonly dataOffset: number
  /** Bytes of the disk. */
  readonly size: number
  readonly uniqueId: Uint8Array
  /** All of it as it stands in the file. */
  readonly bytes: Uint8Array
}

/** The disk has the size its creator says; those of all others go by the geometry, as Virtual PC does. */
const TRUST_SIZE: readonly string[] = ['win ', 'd2v ', 'qem2', 'tap\0', 'CTXS', 'ents']

const bad = (message: string): CodedError => new CodedError('bad-image', `VHD footer: ${message}`)
const text = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length))

/** One's complement of the sum of all bytes but those of the checksum at `at`. */
export function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0
  for (let index = 0; index < bytes.length; index++) if (index < at || index >= at + 4) sum += bytes[index]!
  return ~sum >>> 0
}

/** Whether these 512 bytes are a footer, undamaged. */
export function isFooter(bytes: Uint8Array): boolean {
  if (bytes.length < FOOTER_LENGTH || text(bytes, 0, 8) !== FOOTER_COOKIE) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, FOOTER_LENGTH)
  return view.getUint32(FOOTER.checksum) === checksum(bytes.subarray(0, FOOTER_LENGTH), FOOTER.checksum)
}

/** `bytes` is a footer. Codes `bad-image` and `unsupported`. */
export function parseFooter(bytes: Uint8Array): Footer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FOOTER_LENGTH)
  const version = view.getUint32(FOOTER.fileFormatVersion)
  if (version >>> 16 !== VERSION_1_0 >>> 16) throw new CodedError('unsupported', `VHD: version ${version >>> 16}.${version & 0xffff}, only 1.0 is known`)
  const diskType = view.getUint32(FOOTER.diskType)
  if (![DISK_FIXED, DISK_DYNAMIC, DISK_DIFFERENCING].includes(diskType)) throw new CodedError('unsupported', `VHD: disk type ${diskType}`)
  const geometry: Geometry = [view.getUint16(FOOTER.diskGeometry), view.getUint8(FOOTER.diskGeometry + 2), view.getUint8(FOOTER.diskGeometry + 3)]
  const currentSize = view.getBigUint64(FOOTER.currentSize)
  const trusted = TRUST_SIZE.includes(text(bytes, FOOTER.creatorApplication, 4)) || sectorsOf(geometry) === sectorsOf(MAX_GEOMETRY)
  const size = trusted ? Number(currentSize) : sectorsOf(geometry) * SECTOR
  if (size > MAX_SIZE || size % SECTOR !== 0) throw bad(`size ${currentSize}`)
  const dataOffset = view.getBigUint64(FOOTER.dataOffset)
  if (diskType !== DISK_FIXED && (dataOffset > BigInt(MAX_SIZE) || dataOffset % 512n !== 0n)) throw bad(`dynamic disk header at ${dataOffset}`)
  const uniqueId = bytes.slice(FOOTER.uniqueId, FOOTER.uniqueId + 16)
  return { diskType, dataOffset: Number(dataOffset), size, uniqueId, bytes: bytes.slice(0, FOOTER_LENGTH) }
}

export interface NewFooter {
  readonly diskType: number
  /** Bytes. */
  readonly size: number
  readonly uniqueId: Uint8Array
  /** Seconds since 1970. */
  readonly now: number
}

export function buildFooter({ diskType, size, uniqueId, now }: NewFooter): Uint8Array {
  const bytes = new Uint8Array(FOOTER_LENGTH)
  const view = new DataView(bytes.buffer)
  // Of a size that no geometry has, the largest: then nobody goes by the geometry.
  const geometry = geometryOf(size / SECTOR)
  const [cylinders, heads, sectors] = sectorsOf(geometry) === size / SECTOR ? geometry : MAX_GEOMETRY
  bytes.set(new TextEncoder().encode(FOOTER_COOKIE))
  view.setUint32(FOOTER.features, FEATURES)
  view.setUint32(FOOTER.fileFormatVersion, VERSION_1_0)
  view.setBigUint64(FOOTER.dataOffset, diskType === DISK_FIXED ? 2n ** 64n - 1n : BigInt(FOOTER_LENGTH))
  view.setUint32(FOOTER.timeStamp, Math.max(0, Math.floor(now) - EPOCH))
  bytes.set(new TextEncoder().encode('ents'), FOOTER.creatorApplication)
  view.setUint32(FOOTER.creatorVersion, VERSION_1_0)
  bytes.set(new TextEncoder().encode('Wi2k'), FOOTER.creatorHostOs)
  view.setBigUint64(FOOTER.originalSize, BigInt(size))
  view.setBigUint64(FOOTER.currentSize, BigInt(size))
  view.setUint16(FOOTER.diskGeometry, cylinders)
  view.setUint8(FOOTER.diskGeometry + 2, heads)
  view.setUint8(FOOTER.diskGeometry + 3, sectors)
  view.setUint32(FOOTER.diskType, diskType)
  bytes.set(uniqueId, FOOTER.uniqueId)
  view.setUint32(FOOTER.checksum, checksum(bytes, FOOTER.checksum))
  return bytes
}
