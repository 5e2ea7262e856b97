import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError } from '@entresol/kit'
import { fat16 } from './fat.ts'
import { bootableCd } from './iso9660.ts'
import { fileOf, unpacked } from './packages.ts'
import { run } from './run.ts'

export interface BootFiles {
  readonly kernel: Uint8Array
  readonly initrd: Uint8Array
  readonly commandLine: string
}

export const SECTOR = 512
/** The first partition starts at 1 MiB, as everybody's does; GRUB's core image lies in the gap behind the MBR. */
export const PARTITION_START = 2048
/** Partition types. */
const FAT16_LBA = 0x0e
export const LINUX_FILE_SYSTEM = 0x83

/** Modules built into the core image, so that the volume needs none. */
const MODULES = ['biosdisk', 'normal', 'configfile', 'linux', 'serial', 'terminal', 'echo', 'ls', 'cat', 'test', 'halt', 'reboot', 'search']

/** grub.cfg: one entry, on the serial port and the screen. */
export function configuration(commandLine: string): Uint8Array {
  return new TextEncoder().encode(`serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=1
set default=0
menuentry "Linux" {
  echo "Loading Linux"
  linux /vmlinuz ${commandLine}
  initrd /initrd.img
}
`)
}

/** Builds a core image with grub-mkimage out of Debian's unpacked packages. */
async function coreImage(format: 'i386-pc' | 'i386-pc-eltorito', prefix: string, modules: readonly string[]): Promise<Uint8Array> {
  const images = await unpacked({ name: 'grub-pc-bin', architecture: 'amd64', files: ['./usr/lib/grub/i386-pc/*'] })
  const tools = await unpacked({ name: 'grub-common', architecture: 'amd64', files: ['./usr/bin/grub-mkimage'] })
  // The one library of grub-mkimage that a small Debian may lack.
  const library = await unpacked({ name: 'libdevmapper1.02.1', architecture: 'amd64', files: ['*.so*'] })
  const libraries = join(await fileOf(library, /libdevmapper\.so\.1\.02\.1$/), '..')
  const folder = await mkdtemp(join(tmpdir(), 'entresol-grub-'))
  try {
    const output = join(folder, 'core.img')
    await run(join(tools, 'usr/bin/grub-mkimage'), [
      '-O', format, '-d', join(images, 'usr/lib/grub/i386-pc'), '-p', prefix, '-o', output, ...MODULES, ...modules
    ], { env: { LD_LIBRARY_PATH: libraries } })
    return await readFile(output)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * What stands before the first partition of a disk that GRUB boots: MBR with one active partition of `type` and `sectors` from PARTITION_START on,
 * and GRUB's core image, which looks for the rest of GRUB at `prefix`.
 */
export async function bootArea(prefix: string, modules: readonly string[], type: number, sectors: number): Promise<Uint8Array> {
  const images = await unpacked({ name: 'grub-pc-bin', architecture: 'amd64', files: ['./usr/lib/grub/i386-pc/*'] })
  const mbr = await readFile(await fileOf(images, /i386-pc\/boot\.img$/))
  const core = await coreImage('i386-pc', prefix, modules)
  if (mbr.length !== SECTOR || core.length > (PARTITION_START - 1) * SECTOR) throw new CodedError('bad-image', 'GRUB does not fit before the partition')
  const area = new Uint8Array(PARTITION_START * SECTOR)
  // boot.img loads the core image from sector 1 unless it is told otherwise, and diskboot.img the rest of it from sector 2.
  area.set(mbr)
  area.set(core, SECTOR)
  const view = new DataView(area.buffer)
  // boot.img has code for floppies where a disk has its partition table.
  area.fill(0, 0x1b8, 510)
  view.setUint32(0x1b8, 0x454e5452, true)
  area.set([0x80, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], 0x1be)
  view.setUint32(0x1c6, PARTITION_START, true)
  view.setUint32(0x1ca, sectors, true)
  area.set([0x55, 0xaa], 510)
  return area
}

/** A raw disk: GRUB's MBR, its core image behind it, and a FAT16 partition with kernel, initramfs and grub.cfg. */
export async function grubDisk(files: BootFiles): Promise<Uint8Array> {
  const volume = fat16([
    { name: 'VMLINUZ', data: files.kernel }, { name: 'INITRD.IMG', data: files.initrd }, { name: 'GRUB.CFG', data: configuration(files.commandLine) }
  ], PARTITION_START)
  const area = await bootArea('(hd0,msdos1)/', ['part_msdos', 'fat'], FAT16_LBA, volume.length / SECTOR)
  const disk = new Uint8Array(area.length + volume.length)
  disk.set(area)
  disk.set(volume, area.length)
  return disk
}

/** A CD image that boots GRUB through El Torito. */
export async function grubCd(files: BootFiles): Promise<Uint8Array> {
  const core = await coreImage('i386-pc-eltorito', '(cd)/', ['iso9660'])
  return bootableCd(core, [
    { name: 'VMLINUZ', data: files.kernel }, { name: 'INITRD.IMG', data: files.initrd }, { name: 'GRUB.CFG', data: configuration(files.commandLine) }
  ])
}
