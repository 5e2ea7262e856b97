import { CACHE_MODES, openImage, openOverlay, ThrottledBackend, withCacheMode } from '@entresol/block'
import { nodeCodecs, nodeRemoteFiles } from '@entresol/block/node'
import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { DriveOptions } from '../options/index.ts'
import { timerClock } from '../timer-clock.ts'
import { DetectZeroes, GuessedRaw, IgnoreDiscard } from './filters.ts'

/** Prints a line about something that went on without its user's doing. */
export type Warn = (line: string) => void

/** The option's own words, without its value. */
const optionName = (drive: DriveOptions): string => drive.option.split(' ', 1)[0]!

/** The disk a drive describes. `device`: it does write-through itself. Throws CodedError with one line that starts with the option. */
export async function openDrive(drive: DriveOptions & { readonly file: string }, warn: Warn, device: { readonly writeThrough: boolean }): Promise<BlockBackend> {
  try {
    let disk: BlockBackend = await open(drive, warn)
    if (drive.snapshot) disk = await openOverlay(disk)
    if (disk.size === 0) {
      await disk.close()
      throw new CodedError('bad-image', `${drive.file}: is empty`)
    }
    if (drive.throttling) disk = new ThrottledBackend(disk, drive.throttling, timerClock)
    if (drive.detectZeroes !== 'off') disk = new DetectZeroes(disk, drive.detectZeroes === 'unmap' && drive.discard)
    if (!drive.discard) disk = new IgnoreDiscard(disk)
    return drive.cache === 'unsafe' || !device.writeThrough ? withCacheMode(disk, drive.cache) : disk
  } catch (error) {
    throw error instanceof CodedError ? new CodedError(error.code, `${optionName(drive)}: ${error.message}`, { cause: error }) : error
  }
}

async function open(drive: DriveOptions & { readonly file: string }, warn: Warn): Promise<BlockBackend> {
  const { file, format } = drive
  const image = await openImage(file, {
    files: nodeRemoteFiles, codecs: nodeCodecs, readOnly: drive.readOnly || drive.snapshot,
    direct: CACHE_MODES[drive.cache].direct, ...(format === undefined ? {} : { format })
  })
  if (format !== undefined || image.format !== 'raw') return image
  return new GuessedRaw(image, (other) => warn(`${optionName(drive)}: ${file}: the guest may not turn it into ${other}; say format=raw if it is to`))
}
