import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { ImageCreateOptions, ImageOption } from '../format.ts'
import { parseOptions, parseSwitch } from '../support/options.ts'
import { SECTOR } from '../support/range.ts'
import { buildDynamicHeader, type Parent } from './dynamic-header.ts'
import { buildFooter, isFooter } from './footer.ts'
import { roundToGeometry } from './geometry.ts'
import { BLOCK_UNUSED, DEFAULT_BLOCK, DISK_DIFFERENCING, DISK_DYNAMIC, DISK_FIXED, FOOTER, FOOTER_LENGTH, HEADER_LENGTH, MAX_SECTORS } from './spec.ts'

export const createOptions: readonly ImageOption[] = [
  { name: 'subformat', help: 'dynamic (default) or fixed' },
  { name: 'force_size', help: 'exactly the size given, not the next one that has cylinders, heads and sectors (on/off)' },
]

/** A difference to another image has that image's size. */
export async function createVhd(store: ByteStore, given: ImageCreateOptions): Promise<void> {
  const options = parseOptions(given.options, createOptions)
  const subformat = options.subformat ?? 'dynamic'
  if (subformat !== 'dynamic' && subformat !== 'fixed') throw new CodedError('bad-option', `subformat: '${subformat}' is neither dynamic nor fixed`)
  const forceSize = given.backing !== undefined || (parseSwitch('force_size', options.force_size) ?? false)
  const sectors = forceSize ? given.size / SECTOR : roundToGeometry(given.size / SECTOR)
  if (sectors > MAX_SECTORS) throw new CodedError('bad-option', `size ${given.size}: the largest VHD is ${MAX_SECTORS * SECTOR} bytes`)
  const uniqueId = new Uint8Array(16)
  given.random?.(uniqueId)
  const common = { size: sectors * SECTOR, uniqueId, now: given.now ?? 0 }
  if (subformat === 'fixed') {
    if (given.backing) throw new CodedError('unsupported', 'VHD: a fixed disk is no difference to another image')
    await store.truncate(common.size)
    await store.write(common.size, buildFooter({ ...common, diskType: DISK_FIXED }))
    return store.flush()
  }
  const parent = given.backing && await readParent(given, given.backing.name)
  await writeDynamic(store, buildFooter({ ...common, diskType: parent ? DISK_DIFFERENCING : DISK_DYNAMIC }), common.size, parent)
}

async function writeDynamic(store: ByteStore, footer: Uint8Array, size: number, parent: Parent | undefined): Promise<void> {
  const tableOffset = FOOTER_LENGTH + HEADER_LENGTH
  const tableLength = Math.ceil(Math.ceil(size / DEFAULT_BLOCK) * 4 / SECTOR) * SECTOR
  const { header, locator } = buildDynamicHeader(size, tableOffset, parent, tableOffset + tableLength)
  const end = tableOffset + tableLength + Math.ceil(locator.length / SECTOR) * SECTOR
  await store.write(FOOTER_LENGTH, header)
  const table = new Uint32Array(tableLength / 4).fill(BLOCK_UNUSED)
  await store.write(tableOffset, new Uint8Array(table.buffer))
  await store.write(tableOffset + tableLength, locator)
  await store.write(end, footer)
  await store.write(0, footer)
  await store.flush()
}

async function readParent({ openFile }: ImageCreateOptions, name: string): Promise<Parent> {
  if (!openFile) throw new CodedError('unsupported', 'VHD: the backing image cannot be looked at')
  const store = await openFile(name)
  try {
    const bytes = new Uint8Array(FOOTER_LENGTH)
    await store.read(Math.max(0, store.size - FOOTER_LENGTH), bytes)
    if (!isFooter(bytes)) await store.read(0, bytes)
    if (!isFooter(bytes)) throw new CodedError('unsupported', `VHD: '${name}' is no VHD, and only one can be the backing image of another`)
    return {
      name, uniqueId: bytes.slice(FOOTER.uniqueId, FOOTER.uniqueId + 16), timeStamp: new DataView(bytes.buffer).getUint32(FOOTER.timeStamp),
    }
  } finally {
    await store.close()
  }
}
