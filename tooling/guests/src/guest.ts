import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CodedError } from '@entresol/kit'
import type { CpioEntry } from '@entresol/loader'
import type { Architecture } from './apt.ts'
import { publishFile } from './cache.ts'
import { debianDisk } from './debian.ts'
import { grubCd, grubDisk } from './grub.ts'
import { buildInitramfs } from './initramfs.ts'
import { isolinuxCd } from './isolinux.ts'
import { moduleEntries } from './modules.ts'
import { fileOf, treeEntries, unpacked, unpackedTree } from './packages.ts'
import { repository } from './repository.ts'

/** Paths of a guest's files, and how it is meant to be started. */
export interface Guest {
  readonly name: string
  readonly kernel?: string
  readonly initrd?: string
  /** Kernel command line that puts its console on the first serial port. */
  readonly commandLine?: string
  /** A raw disk image to boot from. */
  readonly disk?: string
  /** A CD image to boot from. */
  readonly cdrom?: string
  /** Everything else, by name: bios, vgabios, amd64, i386, x64, ia32, … */
  readonly files: Readonly<Record<string, string>>
}

export interface GuestOptions {
  /** For guests with our initramfs: more files in it. */
  readonly extra?: readonly CpioEntry[]
  /** For 64-bit guests with our initramfs: a 32-bit busybox beside the 64-bit one, as /bin/busybox32. */
  readonly with32Bit?: boolean
  /** For 64-bit guests with our initramfs: modules of the kernel, which /sbin/load-modules loads with what they depend on. */
  readonly modules?: readonly string[]
}

export const GUEST_NAMES = ['cloud', 'generic', 'adapters', 'i386', 'bench', 'bench-i386', 'netboot', 'memtest', 'seabios', 'busybox', 'grub-disk', 'grub-cd',
  'isolinux-cd', 'debian', 'debian-generic', 'repository'] as const
export type GuestName = typeof GUEST_NAMES[number]

const SERIAL = 'console=ttyS0'

async function busybox(architecture: Architecture): Promise<string> {
  return fileOf(await unpacked({ name: 'busybox-static', architecture, files: ['*/bin/busybox'] }), /bin\/busybox$/)
}

async function kernel(name: string, architecture: Architecture): Promise<string> {
  return fileOf(await unpacked({ name, architecture, follow: 'linux-image-', files: ['./boot/vmlinuz*'] }), /boot\/vmlinuz/)
}

/** Small programs that no guest has: to be installed in one. */
const REPOSITORY_PACKAGES = ['hello', 'tree']

/** A kernel with our busybox initramfs. */
async function shellGuest(
  name: GuestName, image: string, architecture: Architecture, options: GuestOptions, archive: string = 'initramfs', path?: string
): Promise<Guest> {
  path ??= await kernel(image, architecture)
  const with32Bit = architecture === 'amd64' && (options.with32Bit ?? false)
  const modules = options.modules ? await moduleEntries(image, architecture, options.modules) : []
  const initramfs = await buildInitramfs({
    busybox: await busybox(architecture), ...(with32Bit ? { busybox32: await busybox('i386') } : {}),
    extra: [...options.extra ?? [], ...modules]
  })
  // Named by content: two callers with different extra files never see each other's image.
  const variant = `${architecture}-${createHash('sha256').update(initramfs).digest('hex').slice(0, 12)}`
  return { name, kernel: path, initrd: await publishFile(`images/${archive}-${variant}.cpio`, initramfs), commandLine: SERIAL, files: {} }
}

/** Drivers of network adapters that are no virtio, in the order they are loaded. */
const ADAPTER_MODULES = ['mii', 'e1000', '8139cp', '8139too']

/** The generic kernel with drivers of network adapters in /lib/modules. Kernel and modules come from one package: they only fit each other. */
async function adapters(name: GuestName, options: GuestOptions): Promise<Guest> {
  const image = 'linux-image-amd64'
  const files = ['./boot/vmlinuz*', ...ADAPTER_MODULES.map(module => `./lib/modules/*/kernel/drivers/net/*${module}.ko*`)]
  const folder = await unpacked({ name: image, as: `${image}+adapters`, architecture: 'amd64', follow: 'linux-image-', files })
  const extra = await Promise.all(ADAPTER_MODULES.map(async (module): Promise<CpioEntry> => {
    return { path: `lib/modules/${module}.ko`, kind: 'file', data: await readFile(await fileOf(folder, new RegExp(`/${module}\\.ko$`))) }
  }))
  return shellGuest(name, image, 'amd64', { ...options, extra: [...extra, ...options.extra ?? []] }, 'adapters',
    await fileOf(folder, /boot\/vmlinuz/))
}

/** Debian's own programs that a comparison of machines runs (`tooling/bench`). */
const BENCH_PACKAGES = ['openssl', 'python3-minimal', '7zip', 'stress-ng', 'coreutils', 'gzip']

async function benchGuest(name: GuestName, image: string, architecture: Architecture, options: GuestOptions): Promise<Guest> {
  const programs = await treeEntries(await unpackedTree(BENCH_PACKAGES, architecture))
  return shellGuest(name, image, architecture, { ...options, extra: [...programs, ...options.extra ?? []] }, 'bench')
}

async function netboot(): Promise<Guest> {
  const folder = await unpacked({
    name: 'debian-installer-12-netboot-amd64', architecture: 'amd64',
    files: ['*/text/debian-installer/amd64/linux', '*/text/debian-installer/amd64/initrd.gz']
  })
  return {
    name: 'netboot', kernel: await fileOf(folder, /\/linux$/), initrd: await fileOf(folder, /\/initrd\.gz$/),
    commandLine: SERIAL, files: {}
  }
}

async function memtest(): Promise<Guest> {
  const folder = await unpacked({ name: 'memtest86+', architecture: 'amd64', files: ['./boot/*.bin'] })
  const x64 = await fileOf(folder, /x64\.bin$/)
  return { name: 'memtest', kernel: x64, commandLine: 'console=ttyS0,115200', files: { x64, ia32: await fileOf(folder, /ia32\.bin$/) } }
}

async function seabios(): Promise<Guest> {
  const folder = await unpacked({ name: 'seabios', architecture: 'amd64', files: ['./usr/share/seabios/*'] })
  return {
    name: 'seabios',
    files: { bios: await fileOf(folder, /bios-256k\.bin$/), vgabios: await fileOf(folder, /vgabios-stdvga\.bin$/) }
  }
}

async function bootImage(name: 'grub-disk' | 'grub-cd' | 'isolinux-cd', options: GuestOptions): Promise<Guest> {
  const { kernel: image, initrd } = await shellGuest('cloud', 'linux-image-cloud-amd64', 'amd64', options)
  const parts = { kernel: await readFile(image!), initrd: await readFile(initrd!), commandLine: SERIAL }
  if (name === 'grub-disk') return { name, disk: await publishFile('images/grub-disk.img', await grubDisk(parts)), files: {} }
  const cd = await (name === 'grub-cd' ? grubCd : isolinuxCd)(parts)
  return { name, cdrom: await publishFile(`images/${name}.iso`, cd), files: {} }
}

async function debian(name: GuestName, kernel: string): Promise<Guest> {
  const { raw, qcow2, key, ...boot } = await debianDisk(kernel)
  return { name, ...boot, disk: raw, files: { key, ...(qcow2 === undefined ? {} : { qcow2 }) } }
}

function isGuestName(name: string): name is GuestName {
  return (GUEST_NAMES as readonly string[]).includes(name)
}

/**
 * Fetches what a guest needs (once; later calls work offline) and builds its images. Progress goes to standard error. Throws
 * CodedError: `no-such-guest`, `needs-root`, `no-apt`, `no-package-lists`, `no-package`, `tool-failed`.
 */
export async function guest(name: string, options: GuestOptions = {}): Promise<Guest> {
  if (!isGuestName(name)) throw new CodedError('no-such-guest', `no guest ${JSON.stringify(name)}; there are ${GUEST_NAMES.join(', ')}`)
  switch (name) {
    case 'cloud': return shellGuest(name, 'linux-image-cloud-amd64', 'amd64', options)
    case 'generic': return shellGuest(name, 'linux-image-amd64', 'amd64', options)
    case 'adapters': return adapters(name, options)
    case 'i386': return shellGuest(name, 'linux-image-686', 'i386', options)
    case 'bench': return benchGuest(name, 'linux-image-cloud-amd64', 'amd64', options)
    case 'bench-i386': return benchGuest(name, 'linux-image-686', 'i386', options)
    case 'netboot': return netboot()
    case 'memtest': return memtest()
    case 'seabios': return seabios()
    case 'busybox': return { name, files: { amd64: await busybox('amd64'), i386: await busybox('i386') } }
    case 'grub-disk':
    case 'grub-cd':
    case 'isolinux-cd': return bootImage(name, options)
    case 'debian': return debian(name, 'linux-image-cloud-amd64')
    case 'repository': return { name, files: { folder: await repository(REPOSITORY_PACKAGES, 'amd64') } }
    case 'debian-generic': return debian(name, 'linux-image-amd64')
  }
}
