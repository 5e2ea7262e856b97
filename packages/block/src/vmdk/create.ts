import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageCreateOptions, ImageOption } from '../format.ts'
import { parseOptions, parseSwitch } from '../support/options.ts'
import { SECTOR } from '../support/range.ts'
import { buildDescriptor, parseDescriptor, type ExtentLine } from './descriptor.ts'
import { buildSparseHeader, directoryLength, hasMagic, readSparseHeader, type SparseHeader } from './sparse-header.ts'
import {
  DEFAULT_GRAIN, DESCRIPTOR_OFFSET, DESCRIPTOR_SECTORS, FLAG_COMPRESSED, FLAG_MARKERS, FLAG_NEW_LINES, FLAG_REDUNDANT, FLAG_ZEROED_GRAIN, GTES_PER_GT,
  MAGIC_SPARSE, MAX_DESCRIPTOR, NO_PARENT, SPLIT,
} from './spec.ts'
import { StreamWriter } from './stream-writer.ts'

const SUBFORMATS = ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized']
const ADAPTERS = ['ide', 'lsilogic', 'buslogic', 'legacyESX']

export const createOptions: readonly ImageOption[] = [
  { name: 'subformat', help: `${SUBFORMATS.join(', ')}; monolithicSparse by default` },
  { name: 'adapter_type', help: `what the guest sees it on: ${ADAPTERS.join(', ')}; ide by default` },
  { name: 'hwversion', help: 'version of the virtual hardware; 4 by default' },
  { name: 'compat6', help: 'version 6 of the virtual hardware (on/off)' },
  { name: 'toolsversion', help: 'version of the guest tools' },
  { name: 'zeroed_grain', help: 'grains of zeroes take no space (on/off)' },
]

const GRAIN = DEFAULT_GRAIN * SECTOR
const bad = (message: string): CodedError => new CodedError('bad-option', `VMDK: ${message}`)
const roundUp = (length: number, unit: number): number => Math.ceil(length / unit) * unit

export async function createVmdk(store: ByteStore, given: ImageCreateOptions): Promise<void> {
  const options = parseOptions(given.options, createOptions)
  const subformat = options.subformat ?? 'monolithicSparse'
  const adapterType = options.adapter_type ?? 'ide'
  if (!SUBFORMATS.includes(subformat)) throw bad(`subformat: '${subformat}' is none of ${SUBFORMATS.join(', ')}`)
  if (!ADAPTERS.includes(adapterType)) throw bad(`adapter_type: '${adapterType}' is none of ${ADAPTERS.join(', ')}`)
  const hardware = options.hwversion ?? (parseSwitch('compat6', options.compat6) === true ? '6' : '4')
  const versions = [hardware, options.toolsversion ?? '2147483647'] as const
  if (!versions.every((version) => /^\d{1,10}$/.test(version))) throw bad('hwversion, toolsversion: not a number')
  const zeroedGrain = parseSwitch('zeroed_grain', options.zeroed_grain) ?? false
  const isSparse = subformat.endsWith('Sparse')
  if (given.backing && !isSparse) throw new CodedError('unsupported', `VMDK: a ${subformat} image is no difference to another`)
  if (given.size === 0) throw bad('a disk of no size')

  const cid = new Uint32Array(1)
  given.random?.(new Uint8Array(cid.buffer))
  const extents = layOut(subformat, given)
  const descriptor = buildDescriptor({
    cid: cid[0]! % NO_PARENT, parentCid: given.backing ? await parentCid(given, given.backing.name) : NO_PARENT, createType: subformat, extents, adapterType,
    hardwareVersion: versions[0], toolsVersion: versions[1], ...(given.backing && { parentFileNameHint: given.backing.name }),
  })
  if (subformat === 'streamOptimized') await writeStream(store, given.size, descriptor)
  else if (subformat === 'monolithicSparse') await writeSparse(store, given.size, zeroedGrain, descriptor)
  else {
    for (const { size, fileName } of extents) {
      const file = await given.createFile!(fileName)
      try {
        if (isSparse) await writeSparse(file, size, zeroedGrain)
        else await file.truncate(size)
        await file.flush()
      } finally {
        await file.close()
      }
    }
    await store.write(0, descriptor)
  }
  await store.flush()
}

/** The extents of a disk and how their files are named. */
function layOut(subformat: string, { size, fileName = 'disk.vmdk', createFile }: ImageCreateOptions): ExtentLine[] {
  if (/["\n\r]/.test(fileName)) throw bad('the image has a name that no descriptor can have')
  if (subformat === 'monolithicSparse' || subformat === 'streamOptimized') return [{ size, type: 'SPARSE', fileName, offset: 0 }]
  if (!createFile) throw new CodedError('unsupported', `VMDK: a ${subformat} image is several files, and only one can be made`)
  const name = fileName.replace(/\.vmdk$/i, '')
  if (subformat === 'monolithicFlat') return [{ size, type: 'FLAT', fileName: `${name}-flat.vmdk`, offset: 0 }]
  const type = subformat === 'twoGbMaxExtentSparse' ? 'SPARSE' : 'FLAT'
  const split = SPLIT * SECTOR
  return Array.from({ length: Math.ceil(size / split) }, (_, index) => ({
    size: Math.min(split, size - index * split), type, offset: 0,
    fileName: `${name}-${type === 'SPARSE' ? 's' : 'f'}${String(index + 1).padStart(3, '0')}.vmdk`,
  }))
}

/** A sparse extent with all of its grain tables, twice: they are holes in the file until they are written to. */
async function writeSparse(store: ByteStore, size: number, zeroedGrain: boolean, descriptor?: Uint8Array): Promise<void> {
  const common = headerFor(size)
  const directory = roundUp(directoryLength(common), SECTOR)
  const tables = (directoryLength(common) / 4) * GTES_PER_GT * 4
  const rgdOffset = (DESCRIPTOR_OFFSET + DESCRIPTOR_SECTORS) * SECTOR
  const gdOffset = rgdOffset + directory + tables
  const overHead = roundUp(gdOffset + directory + tables, GRAIN)
  if (size > 2 ** 41) throw bad(`size ${size}: a sparse extent ends at 2 TiB`)
  await store.truncate(overHead)
  for (const offset of [rgdOffset, gdOffset]) {
    const entries = new DataView(new ArrayBuffer(directory))
    for (let index = 0; index < directoryLength(common) / 4; index++) {
      entries.setUint32(index * 4, (offset + directory) / SECTOR + (index * GTES_PER_GT * 4) / SECTOR, true)
    }
    await store.write(offset, new Uint8Array(entries.buffer))
  }
  if (descriptor) await writeDescriptor(store, descriptor)
  const header: SparseHeader = {
    ...common, version: zeroedGrain ? 2 : 1, flags: FLAG_NEW_LINES | FLAG_REDUNDANT | (zeroedGrain ? FLAG_ZEROED_GRAIN : 0), rgdOffset, gdOffset, overHead,
    ...(!descriptor && { descriptorOffset: 0, descriptorSize: 0 }),
  }
  await store.write(0, buildSparseHeader(header))
}

/** An empty stream: header, descriptor, and the end at once. */
async function writeStream(store: ByteStore, size: number, descriptor: Uint8Array): Promise<void> {
  const header: SparseHeader = {
    ...headerFor(size), version: 3, flags: FLAG_NEW_LINES | FLAG_COMPRESSED | FLAG_MARKERS, rgdOffset: undefined, gdOffset: 0, overHead: GRAIN,
  }
  await writeDescriptor(store, descriptor)
  await store.write(0, buildSparseHeader(header))
  await new StreamWriter({ store, header, codecs: {}, size }).finish()
}

const headerFor = (size: number): Omit<SparseHeader, 'version' | 'flags' | 'rgdOffset' | 'gdOffset' | 'overHead'> => ({
  capacity: size, grainSize: GRAIN, descriptorOffset: DESCRIPTOR_OFFSET * SECTOR, descriptorSize: DESCRIPTOR_SECTORS * SECTOR, tableEntries: GTES_PER_GT,
  uncleanShutdown: false,
})

async function writeDescriptor(store: ByteStore, descriptor: Uint8Array): Promise<void> {
  if (descriptor.length > DESCRIPTOR_SECTORS * SECTOR) throw bad('the names in the descriptor are too long')
  await store.write(DESCRIPTOR_OFFSET * SECTOR, descriptor)
}

/** Content identifier of the image that is to be a parent. */
async function parentCid({ openFile }: ImageCreateOptions, name: string): Promise<number> {
  if (!openFile) throw new CodedError('unsupported', 'VMDK: the backing image cannot be looked at')
  if (/["\n\r]/.test(name)) throw bad('the backing image has a name that no descriptor can have')
  const store = await openFile(name)
  try {
    const start = new Uint8Array(512)
    await store.read(0, start)
    const header = hasMagic(start, MAGIC_SPARSE) ? await readSparseHeader(store) : undefined
    const bytes = new Uint8Array(header?.descriptorSize ?? Math.min(store.size, MAX_DESCRIPTOR))
    await store.read(header?.descriptorOffset ?? 0, bytes)
    return parseDescriptor(bytes).cid
  } finally {
    await store.close()
  }
}
