import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { hasSignature, hex, setSignature, unhex, utf16 } from './fields.ts'
import type { Region } from './regions.ts'
import {
  FLAG_REQUIRED, FLAG_VIRTUAL_DISK, HAS_PARENT, ITEM_DISK_ID, ITEM_DISK_SIZE, ITEM_FILE_PARAMETERS, ITEM_LOGICAL_SECTOR, ITEM_PARENT_LOCATOR,
  ITEM_PHYSICAL_SECTOR, LEAVE_BLOCKS_ALLOCATED, LOCATOR, LOCATOR_VHDX, MAX_BLOCK, MAX_DISK, MAX_METADATA, METADATA, METADATA_SIGNATURE, METADATA_TABLE,
  METADATA_TABLE_LENGTH, MIB, MIN_BLOCK,
} from './spec.ts'

export interface Metadata {
  /** Bytes of the disk. */
  readonly size: number
  readonly blockSize: number
  /** Keys and values of the parent locator, of a disk that is a difference to another. */
  readonly parent?: ReadonlyMap<string, string>
}

const bad = (message: string): CodedError => new CodedError('bad-image', `VHDX metadata: ${message}`)

/** Codes `bad-image` and `unsupported`. */
export async function readMetadata(store: ByteStore, region: Region): Promise<Metadata> {
  const items = await readItems(store, region)
  const item = (id: string, length: number): DataView => {
    const bytes = items.get(id)
    if (bytes === undefined || bytes.length !== length) throw bad(`item ${id} is missing, or not of ${length} bytes`)
    return new DataView(bytes.buffer)
  }
  const parameters = item(ITEM_FILE_PARAMETERS, 8)
  const blockSize = parameters.getUint32(0, true)
  if (blockSize < MIN_BLOCK || blockSize > MAX_BLOCK || (blockSize & (blockSize - 1)) !== 0) throw bad(`block size ${blockSize}`)
  const sector = item(ITEM_LOGICAL_SECTOR, 4).getUint32(0, true)
  if (sector !== 512) throw new CodedError('unsupported', `VHDX: logical sectors of ${sector} bytes`)
  const size = item(ITEM_DISK_SIZE, 8).getBigUint64(0, true)
  if (size > BigInt(MAX_DISK) || size % 512n !== 0n) throw bad(`a disk of ${size} bytes`)
  item(ITEM_DISK_ID, 16)
  item(ITEM_PHYSICAL_SECTOR, 4)
  if ((parameters.getUint32(4, true) & HAS_PARENT) === 0) return { size: Number(size), blockSize }
  const locator = items.get(ITEM_PARENT_LOCATOR)
  if (!locator) throw bad('a difference to another disk, but not to which')
  return { size: Number(size), blockSize, parent: parseLocator(locator) }
}

async function readItems(store: ByteStore, region: Region): Promise<Map<string, Uint8Array>> {
  if (region.length < METADATA_TABLE_LENGTH) throw bad('the region is too short for its table')
  const table = new Uint8Array(METADATA_TABLE_LENGTH)
  await store.read(region.offset, table)
  const view = new DataView(table.buffer)
  if (!hasSignature(table, 0, METADATA_SIGNATURE)) throw bad('no signature')
  const count = view.getUint16(METADATA_TABLE.entryCount, true)
  if (count > MAX_METADATA) throw bad(`${count} entries`)
  const known = [ITEM_FILE_PARAMETERS, ITEM_DISK_SIZE, ITEM_DISK_ID, ITEM_LOGICAL_SECTOR, ITEM_PHYSICAL_SECTOR, ITEM_PARENT_LOCATOR]
  const items = new Map<string, Uint8Array>()
  for (let index = 0; index < count; index++) {
    const at = METADATA_TABLE.entries + index * METADATA.size
    const id = hex(table.subarray(at, at + 16))
    const offset = view.getUint32(at + METADATA.offset, true)
    const length = view.getUint32(at + METADATA.length, true)
    if (!known.includes(id)) {
      if ((view.getUint32(at + METADATA.flags, true) & FLAG_REQUIRED) === 0) continue
      throw new CodedError('unsupported', `VHDX: needs an unknown item of metadata, ${id}`)
    }
    if (items.has(id)) throw bad(`item ${id} is there twice`)
    if (length > MIB || offset < METADATA_TABLE_LENGTH || offset + length > region.length) throw bad(`item ${id} of ${length} bytes at ${offset}`)
    const bytes = new Uint8Array(length)
    await store.read(region.offset + offset, bytes)
    items.set(id, bytes)
  }
  return items
}

/** Parent locator [2.6.2.6]. */
function parseLocator(bytes: Uint8Array): Map<string, string> {
  if (bytes.length < LOCATOR.entries || hex(bytes.subarray(0, 16)) !== LOCATOR_VHDX) throw new CodedError('unsupported', 'VHDX: the parent is no VHDX')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = view.getUint16(LOCATOR.keyValueCount, true)
  if (LOCATOR.entries + count * LOCATOR.entrySize > bytes.length) throw bad(`a parent locator of ${count} entries in ${bytes.length} bytes`)
  const text = (offset: number, length: number): string => {
    if (offset + length > bytes.length) throw bad('the parent locator points behind its end')
    return new TextDecoder('utf-16le').decode(bytes.subarray(offset, offset + length))
  }
  const found = new Map<string, string>()
  for (let index = 0; index < count; index++) {
    const at = LOCATOR.entries + index * LOCATOR.entrySize
    const key = text(view.getUint32(at, true), view.getUint16(at + 8, true))
    found.set(key, text(view.getUint32(at + 4, true), view.getUint16(at + 10, true)))
  }
  return found
}

function buildLocator(pairs: ReadonlyMap<string, string>): Uint8Array {
  const texts = [...pairs].flat().map(utf16)
  const start = LOCATOR.entries + pairs.size * LOCATOR.entrySize
  const bytes = new Uint8Array(start + texts.reduce((sum, { length }) => sum + length, 0))
  const view = new DataView(bytes.buffer)
  bytes.set(unhex(LOCATOR_VHDX))
  view.setUint16(LOCATOR.keyValueCount, pairs.size, true)
  let end = start
  for (const [index, value] of texts.entries()) {
    const entry = LOCATOR.entries + (index >> 1) * LOCATOR.entrySize
    view.setUint32(entry + (index & 1) * 4, end, true)
    view.setUint16(entry + 8 + (index & 1) * 2, value.length, true)
    bytes.set(value, end)
    end += value.length
  }
  return bytes
}

export interface NewMetadata extends Metadata {
  /** All blocks stay allocated: a fixed disk. */
  readonly fixed: boolean
  readonly diskId: Uint8Array
}

export async function writeNewMetadata(store: ByteStore, region: Region, { size, blockSize, fixed, diskId, parent }: NewMetadata): Promise<void> {
  const word = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
  const disk = FLAG_REQUIRED | FLAG_VIRTUAL_DISK
  const items: (readonly [id: string, flags: number, bytes: Uint8Array])[] = [
    [ITEM_FILE_PARAMETERS, FLAG_REQUIRED, word(blockSize, (fixed ? LEAVE_BLOCKS_ALLOCATED : 0) | (parent ? HAS_PARENT : 0))],
    [ITEM_DISK_SIZE, disk, word(size % 2 ** 32, Math.floor(size / 2 ** 32))],
    [ITEM_DISK_ID, disk, diskId],
    [ITEM_LOGICAL_SECTOR, disk, word(512)],
    [ITEM_PHYSICAL_SECTOR, disk, word(512)],
  ]
  if (parent) items.push([ITEM_PARENT_LOCATOR, FLAG_REQUIRED, buildLocator(parent)])
  const table = new Uint8Array(METADATA_TABLE_LENGTH)
  const view = new DataView(table.buffer)
  setSignature(table, 0, METADATA_SIGNATURE)
  view.setUint16(METADATA_TABLE.entryCount, items.length, true)
  let offset = METADATA_TABLE_LENGTH
  for (const [index, [id, flags, bytes]] of items.entries()) {
    const at = METADATA_TABLE.entries + index * METADATA.size
    table.set(unhex(id), at)
    view.setUint32(at + METADATA.offset, offset, true)
    view.setUint32(at + METADATA.length, bytes.length, true)
    view.setUint32(at + METADATA.flags, flags, true)
    await store.write(region.offset + offset, bytes)
    offset += bytes.length
  }
  await store.write(region.offset, table)
}
