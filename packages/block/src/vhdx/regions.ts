import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { crc32c } from './crc32c.ts'
import { hasSignature, hex, setSignature, unhex } from './fields.ts'
import {
  MAX_REGIONS, MIB, REGION, REGION_BAT, REGION_METADATA, REGION_SIGNATURE, REGION_TABLE, REGION_TABLE_LENGTH, REGION_TABLE_OFFSETS,
} from './spec.ts'

/** A stretch of the file, bytes. */
export interface Region {
  readonly offset: number
  readonly length: number
}

export interface Regions {
  readonly bat: Region
  readonly metadata: Region
}

export const overlap = (a: Region, b: Region): boolean => a.offset < b.offset + b.length && b.offset < a.offset + a.length

const bad = (message: string): CodedError => new CodedError('bad-image', `VHDX region table: ${message}`)

/** Codes `bad-image` and `unsupported`. */
export async function readRegions(store: ByteStore, log: Region): Promise<Regions> {
  const bytes = await readTable(store)
  const view = new DataView(bytes.buffer)
  const count = view.getUint32(REGION_TABLE.entryCount, true)
  if (count > MAX_REGIONS) throw bad(`${count} entries`)
  const known = new Map<string, Region>()
  const taken = [log]
  for (let index = 0; index < count; index++) {
    const at = REGION_TABLE.entries + index * REGION.size
    const guid = hex(bytes.subarray(at, at + 16))
    const offset = view.getBigUint64(at + REGION.fileOffset, true)
    const region = { offset: Number(offset), length: view.getUint32(at + REGION.length, true) }
    if (offset % BigInt(MIB) !== 0n || region.offset < MIB || region.length % MIB !== 0 || region.offset + region.length > store.size) {
      throw bad(`a region of ${region.length} bytes at ${offset}`)
    }
    if (taken.some((other) => overlap(other, region))) throw bad(`the region at ${offset} overlaps another`)
    taken.push(region)
    if (guid === REGION_BAT || guid === REGION_METADATA) {
      if (known.has(guid)) throw bad('a region is there twice')
      known.set(guid, region)
    } else if ((view.getUint32(at + REGION.required, true) & 1) !== 0) {
      throw new CodedError('unsupported', `VHDX: needs a region of an unknown kind, ${guid}`)
    }
  }
  const bat = known.get(REGION_BAT)
  const metadata = known.get(REGION_METADATA)
  if (!bat || !metadata) throw bad('no block allocation table, or no metadata')
  return { bat, metadata }
}

/** The first of the two that is undamaged. */
async function readTable(store: ByteStore): Promise<Uint8Array<ArrayBuffer>> {
  for (const offset of REGION_TABLE_OFFSETS) {
    const bytes = new Uint8Array(REGION_TABLE_LENGTH)
    await store.read(offset, bytes)
    if (!hasSignature(bytes, 0, REGION_SIGNATURE)) continue
    if (new DataView(bytes.buffer).getUint32(REGION_TABLE.checksum, true) === crc32c(bytes, REGION_TABLE.checksum)) return bytes
  }
  throw bad('both copies are damaged')
}

export async function writeNewRegions(store: ByteStore, { bat, metadata }: Regions): Promise<void> {
  const bytes = new Uint8Array(REGION_TABLE_LENGTH)
  const view = new DataView(bytes.buffer)
  setSignature(bytes, 0, REGION_SIGNATURE)
  view.setUint32(REGION_TABLE.entryCount, 2, true)
  for (const [index, [guid, region]] of ([[REGION_BAT, bat], [REGION_METADATA, metadata]] as const).entries()) {
    const at = REGION_TABLE.entries + index * REGION.size
    bytes.set(unhex(guid), at)
    view.setBigUint64(at + REGION.fileOffset, BigInt(region.offset), true)
    view.setUint32(at + REGION.length, region.length, true)
    view.setUint32(at + REGION.required, 1, true)
  }
  view.setUint32(REGION_TABLE.checksum, crc32c(bytes, REGION_TABLE.checksum), true)
  for (const offset of REGION_TABLE_OFFSETS) await store.write(offset, bytes)
}
