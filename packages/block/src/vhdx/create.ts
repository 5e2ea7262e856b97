import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageCreateOptions, ImageOption } from '../format.ts'
import { parseOptions, parseSize, parseSwitch } from '../support/options.ts'
import { guidText, setSignature, utf16 } from './fields.ts'
import { Header, writeNewHeaders } from './header.ts'
import { writeNewMetadata } from './metadata.ts'
import { writeNewRegions } from './regions.ts'
import {
  CREATOR_OFFSET, FILE_SIGNATURE, MAX_BLOCK, MAX_DISK, MAX_LOG, MIB, MIN_BLOCK, PAYLOAD_FULLY_PRESENT, PAYLOAD_NOT_PRESENT, PAYLOAD_ZERO,
} from './spec.ts'
import { batEntries, chunkRatio } from './vhdx-map.ts'

export const createOptions: readonly ImageOption[] = [
  { name: 'subformat', help: 'dynamic (default) or fixed' },
  { name: 'block_size', help: '1M to 256M, a power of two; 0 (default): by the size of the disk' },
  { name: 'log_size', help: 'a multiple of 1M, 1M by default' },
  { name: 'block_state_zero', help: 'blocks without a place read as zeroes for every reader, not as anything (on/off, default on)' },
]

const GIB = 2 ** 30
const bad = (message: string): CodedError => new CodedError('bad-option', `VHDX: ${message}`)

function blockSizeOf(given: number, size: number): number {
  if (given === 0) return (size > 32 * 1024 * GIB ? 64 : size > 100 * GIB ? 32 : size > GIB ? 16 : 8) * MIB
  if (given < MIN_BLOCK || given > MAX_BLOCK || (given & (given - 1)) !== 0) throw bad(`block_size: ${given} bytes`)
  return given
}

/** Layout: headers, log, block allocation table, metadata, blocks. */
export async function createVhdx(store: ByteStore, given: ImageCreateOptions): Promise<void> {
  const options = parseOptions(given.options, createOptions)
  const { size } = given
  if (size > MAX_DISK) throw bad(`size ${size}: the largest is ${MAX_DISK} bytes`)
  const subformat = options.subformat ?? 'dynamic'
  if (subformat !== 'dynamic' && subformat !== 'fixed') throw bad(`subformat: '${subformat}' is neither dynamic nor fixed`)
  const fixed = subformat === 'fixed'
  if (fixed && given.backing) throw new CodedError('unsupported', 'VHDX: a fixed disk is no difference to another image')
  const blockSize = blockSizeOf(parseSize('block_size', options.block_size) ?? 0, size)
  const logLength = Math.max(1, Math.ceil((parseSize('log_size', options.log_size) ?? MIB) / MIB)) * MIB
  if (logLength > MAX_LOG) throw bad(`log_size: ${logLength} bytes, more than ${MAX_LOG}`)
  const zero = parseSwitch('block_state_zero', options.block_state_zero) ?? true
  const parent = given.backing && await parentOf(given, given.backing.name)
  const random = given.random ?? (() => undefined)

  const blocks = Math.ceil(size / blockSize)
  const bat = { offset: MIB + logLength, length: Math.max(1, Math.ceil((batEntries(blocks, blockSize, parent !== undefined) * 8) / MIB)) * MIB }
  const metadata = { offset: bat.offset + bat.length, length: MIB }
  const data = metadata.offset + metadata.length
  const diskId = new Uint8Array(16)
  random(diskId)

  await store.truncate(data + (fixed ? blocks * blockSize : 0))
  const state = parent || !zero ? PAYLOAD_NOT_PRESENT : PAYLOAD_ZERO
  if (fixed || state !== PAYLOAD_NOT_PRESENT) {
    await writeTable(store, bat.offset, blocks, blockSize, (index) => fixed
      ? (BigInt((data + index * blockSize) / MIB) << 20n) | BigInt(PAYLOAD_FULLY_PRESENT)
      : BigInt(state))
  }
  await writeNewMetadata(store, metadata, { size, blockSize, fixed, diskId, ...(parent && { parent }) })
  await writeNewRegions(store, { bat, metadata })
  await writeNewHeaders(store, MIB, logLength, random)
  const identifier = new Uint8Array(65536)
  setSignature(identifier, 0, FILE_SIGNATURE)
  identifier.set(utf16('Entresol'), CREATOR_OFFSET)
  await store.write(0, identifier)
  await store.flush()
}

async function writeTable(store: ByteStore, offset: number, blocks: number, blockSize: number, entry: (index: number) => bigint): Promise<void> {
  const ratio = chunkRatio(blockSize)
  for (let first = 0; first < blocks; first += ratio) {
    const count = Math.min(ratio, blocks - first)
    const bytes = new BigUint64Array(count)
    for (let at = 0; at < count; at++) bytes[at] = entry(first + at)
    // Between the blocks of two chunks stands the entry of a sector bitmap.
    await store.write(offset + (first + first / ratio) * 8, new Uint8Array(bytes.buffer))
  }
}

/** Parent locator [2.6.2.6.3]. */
async function parentOf({ openFile }: ImageCreateOptions, name: string): Promise<ReadonlyMap<string, string>> {
  if (!openFile) throw new CodedError('unsupported', 'VHDX: the backing image cannot be looked at')
  const store = await openFile(name)
  try {
    const path = name.replaceAll('/', '\\')
    const linkage = guidText((await Header.read(store)).dataWriteGuid)
    const place = name.startsWith('/') ? ['absolute_win32_path', path] as const : ['relative_path', name.startsWith('.') ? path : `.\\${path}`] as const
    return new Map([['parent_linkage', linkage], place])
  } finally {
    await store.close()
  }
}
