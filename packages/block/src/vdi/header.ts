import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { isZero, MAX_SIZE, SECTOR } from '../support/range.ts'
import {
  BLOCK_FREE, DEFAULT_BLOCK, HEADER_LENGTH, HEADER_SIZE, IMAGE_DYNAMIC, IMAGE_STATIC, MAX_BLOCK, MAX_BLOCKS, SIGNATURE, TEXT, VDI, VERSION_1_1,
} from './spec.ts'

export interface VdiHeader {
  /** Bytes of the disk, a multiple of 512. */
  readonly size: number
  readonly blockSize: number
  /** Entries of the block map. */
  readonly blocks: number
  /** Where the map and the blocks begin in the file, bytes. */
  readonly offsetBlocks: number
  readonly offsetData: number
  readonly isStatic: boolean
}

const bad = (message: string): CodedError => new CodedError('bad-image', `VDI header: ${message}`)
const unsupported = (message: string): CodedError => new CodedError('unsupported', `VDI: ${message}`)

/** Codes `bad-image` and `unsupported`. */
export async function readHeader(store: ByteStore): Promise<VdiHeader> {
  const bytes = new Uint8Array(HEADER_LENGTH)
  await store.read(0, bytes)
  const view = new DataView(bytes.buffer)
  const u32 = (at: number): number => view.getUint32(at, true)
  if (u32(VDI.signature) !== SIGNATURE) throw bad('no signature')
  if (u32(VDI.version) !== VERSION_1_1) throw unsupported(`version ${u32(VDI.version) >>> 16}.${u32(VDI.version) & 0xffff}, only 1.1 is known`)
  const type = u32(VDI.imageType)
  if (type !== IMAGE_DYNAMIC && type !== IMAGE_STATIC) throw unsupported(`image type ${type}: neither dynamic (1) nor static (2)`)
  if (!isZero(bytes.subarray(VDI.uuidLink, VDI.uuidParent + 16))) throw unsupported('the image is a difference to another')
  if (u32(VDI.blockExtra) !== 0) throw unsupported(`${u32(VDI.blockExtra)} extra bytes a block`)
  if (u32(VDI.sectorSize) !== SECTOR) throw unsupported(`sectors of ${u32(VDI.sectorSize)} bytes`)

  const blockSize = u32(VDI.blockSize)
  if (blockSize < SECTOR || blockSize > MAX_BLOCK || (blockSize & (blockSize - 1)) !== 0) throw bad(`block size ${blockSize}`)
  const blocks = u32(VDI.blocksInImage)
  if (blocks > MAX_BLOCKS) throw bad(`${blocks} blocks, more than ${MAX_BLOCKS}`)
  const diskSize = view.getBigUint64(VDI.diskSize, true)
  // Early VirtualBox wrote sizes that were no whole sectors; the rest of the last one is there.
  const size = diskSize > BigInt(MAX_SIZE) ? MAX_SIZE : Math.ceil(Number(diskSize) / SECTOR) * SECTOR
  if (diskSize > BigInt(blocks) * BigInt(blockSize)) throw bad(`${blocks} blocks of ${blockSize} bytes do not hold ${diskSize} bytes`)
  const offsetBlocks = u32(VDI.offsetBlocks)
  const offsetData = u32(VDI.offsetData)
  if (offsetBlocks % SECTOR !== 0 || offsetBlocks < HEADER_LENGTH) throw bad(`block map at ${offsetBlocks}`)
  if (offsetData % SECTOR !== 0 || offsetData < offsetBlocks + blocks * 4) throw bad(`data at ${offsetData}, inside the block map`)
  if (store.size < offsetBlocks + blocks * 4) throw bad('the file ends inside the block map')
  return { size, blockSize, blocks, offsetBlocks, offsetData, isStatic: type === IMAGE_STATIC }
}

/** Header and block map of a new image. `random` fills the identifiers. */
export async function writeNew(store: ByteStore, size: number, isStatic: boolean, random: (into: Uint8Array) => void): Promise<void> {
  const blocks = Math.ceil(size / DEFAULT_BLOCK)
  if (blocks > MAX_BLOCKS) throw new CodedError('bad-option', `size ${size}: the largest VDI is ${MAX_BLOCKS * DEFAULT_BLOCK} bytes`)
  const mapLength = Math.ceil((blocks * 4) / SECTOR) * SECTOR
  const offsetData = HEADER_LENGTH + mapLength
  const bytes = new Uint8Array(HEADER_LENGTH)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(TEXT), VDI.text)
  const fields: readonly (readonly [number, number])[] = [
    [VDI.signature, SIGNATURE], [VDI.version, VERSION_1_1], [VDI.headerSize, HEADER_SIZE], [VDI.imageType, isStatic ? IMAGE_STATIC : IMAGE_DYNAMIC],
    [VDI.offsetBlocks, HEADER_LENGTH], [VDI.offsetData, offsetData], [VDI.sectorSize, SECTOR], [VDI.blockSize, DEFAULT_BLOCK],
    [VDI.blocksInImage, blocks], [VDI.blocksAllocated, isStatic ? blocks : 0],
  ]
  for (const [at, value] of fields) view.setUint32(at, value, true)
  view.setBigUint64(VDI.diskSize, BigInt(size), true)
  random(bytes.subarray(VDI.uuidImage, VDI.uuidImage + 16))
  random(bytes.subarray(VDI.uuidLastSnapshot, VDI.uuidLastSnapshot + 16))

  await store.truncate(offsetData + (isStatic ? blocks * DEFAULT_BLOCK : 0))
  const piece = new Uint32Array(Math.min(mapLength, 2 ** 20) / 4)
  const entries = new DataView(piece.buffer)
  for (let first = 0; first < blocks; first += piece.length) {
    const count = Math.min(piece.length, blocks - first)
    for (let at = 0; at < count; at++) entries.setUint32(at * 4, isStatic ? first + at : BLOCK_FREE, true)
    await store.write(HEADER_LENGTH + first * 4, new Uint8Array(piece.buffer, 0, count * 4))
  }
  await store.write(0, bytes)
  await store.flush()
}
