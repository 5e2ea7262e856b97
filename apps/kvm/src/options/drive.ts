import type { DriveOptions } from './configuration.ts'
import type { DraftDrive } from './draft.ts'
import { integer, keyValues, onOff } from './values.ts'
import { badOption, oneOf } from './words.ts'

const KEYS = ['file', 'if', 'format', 'media', 'index', 'readonly', 'snapshot', 'id', 'cache'] as const
const IDE_DRIVES = 4
const CACHE_MODES = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe'] as const

/** -drive file=…,if=…,format=…,media=…,index=… */
export function parseDrive(option: string, text: string): DraftDrive {
  const values = new Map(keyValues(option, text, KEYS))
  const get = (key: typeof KEYS[number]): string | undefined => values.get(key)
  const media = oneOf(option, 'media', get('media') ?? 'disk', ['disk', 'cdrom'])
  const cache = get('cache')
  if (cache !== undefined) oneOf(option, 'cache mode', cache, CACHE_MODES)
  const file = get('file') || undefined
  if (file === undefined && media === 'disk') throw badOption(option, 'a disk needs file=')
  const index = get('index')
  return {
    file, interface: oneOf(option, 'interface', get('if') ?? 'ide', ['ide', 'none']),
    format: oneOf(option, 'format', get('format') ?? 'raw', ['raw']), media,
    index: index === undefined ? undefined : integer(option, 'index', index, 0, IDE_DRIVES - 1),
    readOnly: media === 'cdrom' || onOff(option, 'readonly', get('readonly') ?? 'off'),
    snapshot: onOff(option, 'snapshot', get('snapshot') ?? 'off'), id: get('id'), option: `${option} ${text}`
  }
}

export function shortDrive(option: string, file: string, media: 'disk' | 'cdrom', index: number | undefined): DraftDrive {
  if (file === '') throw badOption(option, 'needs a file')
  return { file, interface: 'ide', format: 'raw', media, index, readOnly: media === 'cdrom', snapshot: false, id: undefined, option: `${option} ${file}` }
}

/** Gives drives without an index the first free place; two on one place, or more than there are, is a mistake. */
export function assignIndices(drives: readonly DraftDrive[]): DriveOptions[] {
  const ide = drives.filter(drive => drive.interface === 'ide')
  const taken = new Map<number, DraftDrive>()
  for (const drive of ide) {
    if (drive.index === undefined) continue
    const other = taken.get(drive.index)
    if (other) throw badOption(drive.option, `IDE drive ${drive.index} is already taken by ${other.option}`)
    taken.set(drive.index, drive)
  }
  let unattached = 0
  return drives.map(drive => {
    if (drive.interface === 'none') return { ...drive, index: unattached++ }
    if (drive.index !== undefined) return { ...drive, index: drive.index }
    const free = [0, 1, 2, 3].find(index => !taken.has(index))
    if (free === undefined) throw badOption(drive.option, `no IDE drive is left; there are ${IDE_DRIVES}`)
    taken.set(free, drive)
    return { ...drive, index: free }
  })
}
