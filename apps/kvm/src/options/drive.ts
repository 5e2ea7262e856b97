import { CACHE_MODES, type CacheMode } from '@entresol/block'
import type { DriveOptions } from './configuration.ts'
import type { DraftDrive } from './draft.ts'
import { Properties } from './properties.ts'
import { parseThrottling, THROTTLING_KEYS } from './throttling.ts'
import { badOption, oneOf } from './words.ts'

export const FORMATS = ['raw', 'qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'] as const
const INTERFACES = ['ide', 'virtio', 'none'] as const
const MISSING_INTERFACES = ['scsi', 'sd', 'mtd', 'floppy', 'pflash', 'xen']
const KEYS = [
  'file', 'if', 'format', 'media', 'index', 'bus', 'unit', 'readonly', 'read-only', 'snapshot', 'id', 'serial', 'cache', 'cache.writeback', 'cache.no-flush',
  'cache.direct', 'aio', 'discard', 'detect-zeroes', 'werror', 'rerror', 'copy-on-read', ...THROTTLING_KEYS
] as const
const IDE_DRIVES = 4

/** The cache mode of -drive and -blockdev: one word, or its three halves. */
function cacheMode(p: Properties): CacheMode {
  const mode = CACHE_MODES[p.word('cache', Object.keys(CACHE_MODES) as CacheMode[]) ?? 'writeback']
  if (p.flag('cache.no-flush') ?? mode.ignoreFlush) return 'unsafe'
  const direct = p.flag('cache.direct') ?? mode.direct
  const writeBack = p.flag('cache.writeback')
  if (writeBack === undefined ? mode.writeThrough : !writeBack) return direct ? 'directsync' : 'writethrough'
  return direct ? 'none' : 'writeback'
}

/** What -drive and -blockdev say alike. */
export function imageOptions(p: Properties): Pick<DriveOptions, 'cache' | 'discard' | 'detectZeroes' | 'throttling'> {
  const discard = p.word('discard', ['unmap', 'on', 'ignore', 'off']) ?? 'ignore'
  return {
    cache: cacheMode(p), discard: discard === 'unmap' || discard === 'on', detectZeroes: p.word('detect-zeroes', ['off', 'on', 'unmap']) ?? 'off',
    throttling: parseThrottling(p)
  }
}

/** -drive file=…,if=…,format=…,media=…,index=… */
export function parseDrive(option: string, text: string): DraftDrive {
  const p = new Properties(option, text, KEYS)
  const media = p.word('media', ['disk', 'cdrom']) ?? 'disk'
  const file = p.text('file')
  const where = p.text('if') ?? 'ide'
  if (MISSING_INTERFACES.includes(where)) throw badOption(option, `interface '${where}' is not supported; valid: ${INTERFACES.join(', ')}`)
  const into = oneOf(option, 'interface', where, INTERFACES)
  if (file === undefined && media === 'disk') throw badOption(option, 'a disk needs file=')
  if (media === 'cdrom' && into === 'virtio') throw badOption(option, 'a CD-ROM cannot be if=virtio; leave if= out')
  // Accepted for the sake of command lines that have them: there is one way to do I/O, and errors always reach the guest.
  p.word('aio', ['threads', 'native', 'io_uring'])
  for (const key of ['werror', 'rerror']) p.word(key, ['report', 'enospc'])
  if (p.flag('copy-on-read') === true) throw badOption(option, 'copy-on-read is not supported')
  const unit = p.integer('unit', 0, 1)
  const bus = p.integer('bus', 0, 1)
  const place = bus === undefined && unit === undefined ? undefined : (bus ?? 0) * 2 + (unit ?? 0)
  return {
    file, interface: into, format: p.word('format', FORMATS), media, index: p.integer('index', 0, into === 'ide' ? IDE_DRIVES - 1 : 1023) ?? place,
    readOnly: media === 'cdrom' || (p.flag('readonly') ?? p.flag('read-only') ?? false), snapshot: p.flag('snapshot') ?? false, id: p.text('id'),
    serial: p.text('serial'), option: `${option} ${text}`, ...imageOptions(p)
  }
}

export function shortDrive(option: string, file: string, media: 'disk' | 'cdrom', index: number | undefined): DraftDrive {
  if (file === '') throw badOption(option, 'needs a file')
  return {
    file, interface: 'ide', format: undefined, media, index, readOnly: media === 'cdrom', snapshot: false, id: undefined, serial: undefined,
    cache: 'writeback', discard: false, detectZeroes: 'off', throttling: undefined, option: `${option} ${file}`
  }
}

/** QEMU's names of drives without an id. */
function nameOf(drive: DraftDrive, index: number): string {
  switch (drive.interface) {
    case 'ide': return `ide${index >> 1}-${drive.media === 'cdrom' ? 'cd' : 'hd'}${index & 1}`
    default: return `${drive.interface}${index}`
  }
}

/** Gives drives without an index the first free place, and those without a name one; two on one place, or more than there are, is a mistake. */
export function placeDrives(drives: readonly DraftDrive[]): DriveOptions[] {
  const taken = new Map<string, DraftDrive>()
  const placed = new Map<DraftDrive, number>()
  const put = (drive: DraftDrive, index: number): void => {
    const place = `${drive.interface}${index}`
    const other = taken.get(place)
    if (other) throw badOption(drive.option, `${drive.interface === 'ide' ? 'IDE' : drive.interface} drive ${index} is already taken by ${other.option}`)
    taken.set(place, drive)
    placed.set(drive, index)
  }
  for (const drive of drives) if (drive.index !== undefined) put(drive, drive.index)
  for (const drive of drives) {
    if (drive.index !== undefined) continue
    let index = 0
    while (taken.has(`${drive.interface}${index}`)) index++
    if (drive.interface === 'ide' && index >= IDE_DRIVES) throw badOption(drive.option, `no IDE drive is left; there are ${IDE_DRIVES}; write if=virtio for more`)
    put(drive, index)
  }
  const named = new Map<string, DraftDrive>()
  return drives.map(drive => {
    const index = placed.get(drive)!
    const id = drive.id ?? nameOf(drive, index)
    const other = named.get(id)
    if (other) throw badOption(drive.option, `the name '${id}' is already taken by ${other.option}`)
    named.set(id, drive)
    return { ...drive, index, id }
  })
}
