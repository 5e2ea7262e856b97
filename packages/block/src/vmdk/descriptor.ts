import { CodedError } from '@entresol/kit'
import { MAX_SIZE, SECTOR } from '../support/range.ts'
import { MAX_DESCRIPTOR, MAX_EXTENTS } from './spec.ts'

export type ExtentType = 'SPARSE' | 'FLAT' | 'VMFS'

/** A line of the extent description. */
export interface ExtentLine {
  /** Of the disk, bytes. */
  readonly size: number
  readonly type: ExtentType
  /** In the descriptor's own folder. */
  readonly fileName: string
  /** Where a flat extent begins in its file, bytes. */
  readonly offset: number
}

export interface Descriptor {
  /** Content identifier: changes with the content. */
  readonly cid: number
  readonly parentCid: number
  readonly createType: string
  readonly parentFileNameHint?: string
  readonly extents: readonly ExtentLine[]
  /** Where the digits of the content identifier stand in the text, bytes. */
  readonly cidAt: number
  readonly cidDigits: number
}

const CREATE_TYPES = [
  'monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized', '2GbMaxExtentSparse', '2GbMaxExtentFlat',
  'vmfs', 'vmfsThin', 'vmfsPreallocated', 'vmfsEagerZeroedThick',
]

const bad = (message: string): CodedError => new CodedError('bad-image', `VMDK descriptor: ${message}`)
const unsupported = (message: string): CodedError => new CodedError('unsupported', `VMDK: ${message}`)
/** What the file calls something, fit for a message. */
const quote = (text: string): string => JSON.stringify(text.slice(0, 80))

/** Whether these bytes begin like a descriptor. */
export const isDescriptor = (start: Uint8Array): boolean => /^\s*# *disk descriptor ?file\s/i.test(latin1(start.subarray(0, 256)))

/** One character a byte, so that positions in the text are positions in the file. */
function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

const utf8 = (text: string): string => new TextDecoder().decode(Uint8Array.from(text, (character) => character.charCodeAt(0)))

/** Reads a descriptor to its end or its first NUL. Codes `bad-image` and `unsupported`. */
export function parseDescriptor(bytes: Uint8Array): Descriptor {
  if (bytes.length > MAX_DESCRIPTOR) throw bad(`${bytes.length} bytes long, more than ${MAX_DESCRIPTOR}`)
  if (!isDescriptor(bytes)) throw bad("it does not begin with '# Disk DescriptorFile'")
  const end = bytes.indexOf(0)
  const text = latin1(end === -1 ? bytes : bytes.subarray(0, end))
  const header = new Map<string, string>()
  const extents: ExtentLine[] = []
  let cidAt = 0
  let at = 0
  for (const whole of text.split('\n')) {
    const line = whole.trim()
    const pair = /^([\w.]+) *= *(?:"([^"]*)"|(\S*))$/.exec(line)
    if (/^(RW|RDONLY|NOACCESS)\s/.test(line)) {
      if (extents.push(parseExtent(line)) > MAX_EXTENTS) throw bad(`more than ${MAX_EXTENTS} extents`)
    } else if (pair) {
      const [, key, quoted, plain] = pair
      if (header.has(key!.toLowerCase())) throw bad(`${key} is there twice`)
      header.set(key!.toLowerCase(), quoted ?? plain!)
      if (key === 'CID') cidAt = at + whole.lastIndexOf(plain ?? quoted!)
    } else if (line !== '' && !line.startsWith('#')) {
      throw bad(`neither a value nor an extent: ${quote(line)}`)
    }
    at += whole.length + 1
  }
  return { ...parseHeader(header), extents: checkExtents(extents), cidAt, cidDigits: header.get('cid')!.length }
}

function parseHeader(header: ReadonlyMap<string, string>): Omit<Descriptor, 'extents' | 'cidAt' | 'cidDigits'> {
  const value = (key: string): string => {
    const found = header.get(key.toLowerCase())
    if (found === undefined) throw bad(`no ${key}`)
    return found
  }
  const identifier = (key: string): number => {
    if (!/^[0-9a-f]{1,8}$/i.test(value(key))) throw bad(`${key}=${quote(value(key))}`)
    return Number.parseInt(value(key), 16)
  }
  if (!['1', '2', '3'].includes(value('version'))) throw unsupported(`version ${quote(value('version'))} of the descriptor`)
  const createType = value('createType')
  if (!CREATE_TYPES.includes(createType)) throw unsupported(`disks of type ${quote(createType)}`)
  const hint = header.get('parentfilenamehint')
  return { cid: identifier('CID'), parentCid: identifier('parentCID'), createType, ...(hint !== undefined && { parentFileNameHint: utf8(hint) }) }
}

function parseExtent(line: string): ExtentLine {
  const match = /^(\w+)\s+(\d{1,16})\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d{1,16}))?(?:\s.*)?)?$/.exec(line)
  if (!match) throw bad(`an extent like no other: ${quote(line)}`)
  const [, access, sectors, type, name, offset] = match
  if (access !== 'RW') throw unsupported(`${access} extents`)
  if (type !== 'SPARSE' && type !== 'FLAT' && type !== 'VMFS') throw unsupported(`extents of type ${type}`)
  if (name === undefined || name === '') throw bad(`an extent without a file: ${quote(line)}`)
  // A disk brings its extents along; what names a file elsewhere is after what is there.
  if (/[/\\:]/.test(name)) throw unsupported(`an extent outside of the folder of the disk, ${quote(name)}`)
  const size = Number(sectors) * SECTOR
  const start = Number(offset ?? 0) * SECTOR
  if (size === 0 || size > MAX_SIZE || start > MAX_SIZE || (type === 'SPARSE' && start !== 0)) throw bad(`an extent that cannot be: ${quote(line)}`)
  return { size, type, fileName: utf8(name), offset: start }
}

function checkExtents(extents: readonly ExtentLine[]): readonly ExtentLine[] {
  if (extents.length === 0) throw bad('no extents')
  if (extents.reduce((sum, { size }) => sum + size, 0) > MAX_SIZE) throw bad('the extents are too large together')
  return extents
}

export interface NewDescriptor {
  readonly cid: number
  readonly parentCid: number
  readonly createType: string
  readonly parentFileNameHint?: string
  readonly extents: readonly ExtentLine[]
  readonly adapterType: string
  readonly hardwareVersion: string
  readonly toolsVersion: string
}

const hex8 = (value: number): string => value.toString(16).padStart(8, '0')

export function buildDescriptor(given: NewDescriptor): Uint8Array {
  const sectors = given.extents.reduce((sum, { size }) => sum + size, 0) / SECTOR
  const heads = given.adapterType === 'ide' ? 16 : 255
  return new TextEncoder().encode([
    '# Disk DescriptorFile',
    'version=1',
    `CID=${hex8(given.cid)}`,
    `parentCID=${hex8(given.parentCid)}`,
    `createType="${given.createType}"`,
    ...(given.parentFileNameHint === undefined ? [] : [`parentFileNameHint="${given.parentFileNameHint}"`]),
    '',
    '# Extent description',
    ...given.extents.map(({ size, type, fileName }) => `RW ${size / SECTOR} ${type} "${fileName}"${type === 'SPARSE' ? '' : ' 0'}`),
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    `ddb.virtualHWVersion = "${given.hardwareVersion}"`,
    `ddb.geometry.cylinders = "${Math.floor(sectors / (63 * heads))}"`,
    `ddb.geometry.heads = "${heads}"`,
    'ddb.geometry.sectors = "63"',
    `ddb.adapterType = "${given.adapterType}"`,
    `ddb.toolsVersion = "${given.toolsVersion}"`,
    '',
  ].join('\n'))
}
