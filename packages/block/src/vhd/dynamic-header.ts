import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import { checksum, type Footer } from './footer.ts'
import {
  DEFAULT_BLOCK, HEADER, HEADER_COOKIE, HEADER_LENGTH, LOCATOR, LOCATORS, MAX_BLOCK, MAX_LOCATOR, PARENT_NAME_LENGTH, PLATFORM_W2KU, PLATFORM_W2RU,
  VERSION_1_0,
} from './spec.ts'

export interface DynamicHeader {
  /** Where the block allocation table begins in the file, bytes. */
  readonly tableOffset: number
  /** Entries of the table. */
  readonly entries: number
  /** Bytes of the disk in a block, without its bitmap. */
  readonly blockSize: number
  readonly parentId: Uint8Array
  /** Of a differencing disk: the parent's path with slashes, relative to this image's folder if it can be. */
  readonly parentName: string
  /** Where the last parent locator ends in the file, bytes; 0 without one. */
  readonly locatorsEnd: number
}

/** A parent image, as a differencing disk names it. */
export interface Parent {
  readonly name: string
  readonly uniqueId: Uint8Array
  /** As it stands in the parent's footer. */
  readonly timeStamp: number
}

const bad = (message: string): CodedError => new CodedError('bad-image', `VHD dynamic header: ${message}`)

/** Code `bad-image`. */
export async function readDynamicHeader(store: ByteStore, footer: Footer): Promise<DynamicHeader> {
  const bytes = new Uint8Array(HEADER_LENGTH)
  await store.read(footer.dataOffset, bytes)
  const view = new DataView(bytes.buffer)
  if (String.fromCharCode(...bytes.subarray(0, 8)) !== HEADER_COOKIE) throw bad(`not at ${footer.dataOffset}`)
  if (view.getUint32(HEADER.checksum) !== checksum(bytes, HEADER.checksum)) throw bad('wrong checksum')
  const entries = view.getUint32(HEADER.maxTableEntries)
  const blockSize = view.getUint32(HEADER.blockSize)
  if (blockSize < SECTOR || blockSize > MAX_BLOCK || (blockSize & (blockSize - 1)) !== 0) throw bad(`block size ${blockSize}`)
  if (entries * blockSize < footer.size) throw bad(`${entries} blocks of ${blockSize} bytes do not hold ${footer.size} bytes`)
  const tableOffset = view.getBigUint64(HEADER.tableOffset)
  if (tableOffset % 512n !== 0n || tableOffset > BigInt(MAX_SIZE) || Number(tableOffset) + entries * 4 > store.size) {
    throw bad(`${entries} table entries at ${tableOffset}: not inside the file`)
  }
  // Looks at the locators first: they are read after.
  const end = locatorsEnd(view, store.size)
  return {
    tableOffset: Number(tableOffset), entries, blockSize, parentId: bytes.slice(HEADER.parentUniqueId, HEADER.parentUniqueId + 16),
    parentName: await parentName(store, bytes), locatorsEnd: end,
  }
}

/** The first that is there: a locator with a relative path, one with a path from the root, the parent's plain name; without the leading './'. */
async function parentName(store: ByteStore, header: Uint8Array): Promise<string> {
  const relative = await locatedPath(store, header, PLATFORM_W2RU)
  const absolute = await locatedPath(store, header, PLATFORM_W2KU)
  const plain = decode(header.subarray(HEADER.parentUnicodeName, HEADER.parentUnicodeName + PARENT_NAME_LENGTH), 'utf-16be').replaceAll('\\', '/')
  return (relative ?? (absolute?.startsWith('/') === true || plain === '' ? absolute ?? '' : plain)).replace(/^(\.\/)+/, '')
}

function locatorsEnd(view: DataView, fileSize: number): number {
  let end = 0
  for (let index = 0; index < LOCATORS; index++) {
    const at = HEADER.parentLocators + index * LOCATOR.length
    if (view.getUint32(at + LOCATOR.platformCode) === 0) continue
    const offset = view.getBigUint64(at + LOCATOR.platformDataOffset)
    const length = view.getUint32(at + LOCATOR.platformDataLength)
    if (length > MAX_LOCATOR || offset > BigInt(fileSize - length)) throw bad(`parent locator of ${length} bytes at ${offset}`)
    end = Math.max(end, Math.ceil((Number(offset) + length) / SECTOR) * SECTOR)
  }
  return end
}

async function locatedPath(store: ByteStore, header: Uint8Array, platform: number): Promise<string | undefined> {
  const view = new DataView(header.buffer)
  for (let index = 0; index < LOCATORS; index++) {
    const at = HEADER.parentLocators + index * LOCATOR.length
    if (view.getUint32(at + LOCATOR.platformCode) !== platform) continue
    const path = new Uint8Array(view.getUint32(at + LOCATOR.platformDataLength))
    await store.read(Number(view.getBigUint64(at + LOCATOR.platformDataOffset)), path)
    return decode(path, 'utf-16le').replaceAll('\\', '/')
  }
  return undefined
}

/** Text to the first NUL. */
const decode = (bytes: Uint8Array, encoding: 'utf-16be' | 'utf-16le'): string => new TextDecoder(encoding).decode(bytes).split('\0')[0]!

function encode(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), littleEndian)
  return bytes
}

/** Header of a new disk, and the data of the parent locator that comes where it says. */
export function buildDynamicHeader(
  size: number, tableOffset: number, parent: Parent | undefined, locatorOffset: number,
): { readonly header: Uint8Array; readonly locator: Uint8Array } {
  const header = new Uint8Array(HEADER_LENGTH)
  const view = new DataView(header.buffer)
  header.set(new TextEncoder().encode(HEADER_COOKIE))
  view.setBigUint64(HEADER.dataOffset, 2n ** 64n - 1n)
  view.setBigUint64(HEADER.tableOffset, BigInt(tableOffset))
  view.setUint32(HEADER.headerVersion, VERSION_1_0)
  view.setUint32(HEADER.maxTableEntries, Math.ceil(size / DEFAULT_BLOCK))
  view.setUint32(HEADER.blockSize, DEFAULT_BLOCK)
  let locator: Uint8Array = new Uint8Array(0)
  if (parent !== undefined) {
    const path = parent.name.replaceAll('/', '\\')
    const absolute = parent.name.startsWith('/')
    locator = encode(absolute || path.startsWith('.') ? path : `.\\${path}`, true)
    if (locator.length > MAX_LOCATOR) throw new CodedError('bad-option', 'VHD: the name of the backing image is too long')
    header.set(parent.uniqueId, HEADER.parentUniqueId)
    view.setUint32(HEADER.parentTimeStamp, parent.timeStamp)
    header.set(encode(parent.name.slice(parent.name.lastIndexOf('/') + 1).slice(0, PARENT_NAME_LENGTH / 2 - 1), false), HEADER.parentUnicodeName)
    view.setUint32(HEADER.parentLocators + LOCATOR.platformCode, absolute ? PLATFORM_W2KU : PLATFORM_W2RU)
    view.setUint32(HEADER.parentLocators + LOCATOR.platformDataSpace, Math.ceil(locator.length / SECTOR) * SECTOR)
    view.setUint32(HEADER.parentLocators + LOCATOR.platformDataLength, locator.length)
    view.setBigUint64(HEADER.parentLocators + LOCATOR.platformDataOffset, BigInt(locatorOffset))
  }
  view.setUint32(HEADER.checksum, checksum(header, HEADER.checksum))
  return { header, locator }
}
