import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CodedError } from '@entresol/kit'

export interface FirmwareFiles {
  readonly bios: string
  /** Option ROM of the display; a BIOS without it shows nothing. */
  readonly vgaBios: string | undefined
}

/** SeaBIOS and the option ROM for the display of the pc board, as Debian's package seabios names them. */
const BIOS = 'bios-256k.bin'
const VGA_BIOS = 'vgabios-stdvga.bin'
const INSTALLED = ['/usr/share/seabios', '/usr/share/qemu']
/** Where the guests of a clone of the repository are kept, and in it what the package unpacks to. */
const CACHES = [process.env['ENTRESOL_CACHE'], fileURLToPath(new URL('../../../.cache/guests', import.meta.url)), '.cache/guests']
const UNPACKED = 'packages/amd64/seabios/usr/share/seabios'

const isFile = (path: string): Promise<boolean> => stat(path).then((s) => s.isFile(), () => false)

const FOLDERS: readonly string[] = [...INSTALLED, ...CACHES.flatMap((cache) => cache ? [join(cache, UNPACKED)] : [])]

async function first(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name)
    if (await isFile(path)) return path
  }
  return undefined
}

/** The firmware for a machine without -kernel: what -bios says, or SeaBIOS where it usually is. Throws `no-firmware`. */
export async function findFirmware(given: string | undefined, folders: readonly string[] = FOLDERS): Promise<FirmwareFiles> {
  const bios = given ?? await first(folders, BIOS)
  if (bios === undefined) {
    throw new CodedError('no-firmware', 'no SeaBIOS found to boot with: install the package seabios, or give a BIOS image with -bios or a kernel with -kernel')
  }
  return { bios, vgaBios: await first(given === undefined ? folders : [dirname(given), ...folders], VGA_BIOS) }
}
