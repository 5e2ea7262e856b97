import { createHash, randomUUID } from 'node:crypto'
import { chmod, cp, mkdir, open, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CodedError } from '@entresol/kit'
import { sources } from './apt.ts'
import { cacheFolder, exists, publish } from './cache.ts'
import { bootArea, configuration, LINUX_FILE_SYSTEM, PARTITION_START, SECTOR } from './grub.ts'
import { unpacked } from './packages.ts'
import { progress, run } from './run.ts'

export interface DebianDisk {
  /** The same disk twice. */
  readonly raw: string
  /** Absent where nothing on this machine writes qcow2. */
  readonly qcow2: string | undefined
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
  /** Private key that logs in as root. */
  readonly key: string
}

/** Virtual size: the system takes some 0.5 GB of it. */
const DISK_BYTES = 4 * 2 ** 30
const COMMAND_LINE = 'root=LABEL=root console=ttyS0'
export const ROOT_PASSWORD = 'entresol'

const PACKAGES = [
  'initramfs-tools', 'systemd-sysv', 'systemd-resolved', 'dbus', 'udev', 'kmod', 'e2fsprogs', 'iproute2', 'iputils-ping', 'procps', 'less',
  'openssh-server', 'curl', 'ca-certificates', 'fio', 'iperf3', 'grub-pc-bin', 'grub2-common'
]

/** What nobody reads in a guest for tests. */
const LEFT_OUT = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info']

/** Files of ours in the system, by path. */
const FILES: Readonly<Record<string, string>> = {
  'etc/fstab': 'LABEL=root / ext4 errors=remount-ro 0 1\n',
  'etc/hostname': 'debian\n',
  'etc/hosts': '127.0.0.1 localhost debian\n::1 localhost ip6-localhost ip6-loopback\n',
  'etc/systemd/network/80-ethernet.network': '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n',
  // A host with much else to do is slow: that is no reason to give up on a device or a service after 90 s.
  'etc/systemd/system.conf.d/patience.conf': '[Manager]\nDefaultTimeoutStartSec=20min\nDefaultDeviceTimeoutSec=20min\n',
  'etc/default/grub': `GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX="console=ttyS0"
GRUB_TERMINAL="serial console"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
`,
  'etc/dpkg/dpkg.cfg.d/left-out': LEFT_OUT.map(path => `path-exclude=/${path}/*\n`).join(''),
  // Which mirror there is, whoever starts the guest knows.
  'etc/apt/sources.list': '',
  'usr/local/sbin/use-mirror': `#!/bin/sh
# use-mirror URI SUITE COMPONENT... or use-mirror '[trusted=yes]' URI ./
echo "deb $*" > /etc/apt/sources.list && exec apt-get update
`
}

/** Work that starts by itself at some time of the day. */
const NO_TIMERS = ['apt-daily.timer', 'apt-daily-upgrade.timer', 'e2scrub_all.timer', 'dpkg-db-backup.timer']

/** Debian's tree in a folder: packages configured in a chroot, needs root and nothing else of the host. */
async function bootstrap(kernel: string, tree: string): Promise<void> {
  const mmdebstrap = join(await unpacked({ name: 'mmdebstrap', architecture: 'amd64', files: ['./usr/bin/mmdebstrap'] }), 'usr/bin/mmdebstrap')
  const list = `${tree}.list`
  await writeFile(list, `${(await sources(kernel, 'amd64')).join('\n')}\n`)
  try {
    progress('installing Debian 12 into a folder')
    await run('perl', [
      mmdebstrap, '--mode=root', '--variant=apt', '--format=directory', '--architectures=amd64', '--aptopt=APT::Install-Recommends "false"',
      `--include=${[kernel, ...PACKAGES].join(',')}`, 'bookworm', tree, list
    ], { mergeOutput: true, onLine: line => line.startsWith('I:') ? progress(`  ${line.slice(3)}`) : undefined })
  } finally {
    await rm(list)
  }
}

async function configure(tree: string, key: string): Promise<void> {
  for (const folder of LEFT_OUT) {
    await rm(join(tree, folder), { recursive: true, force: true })
    await mkdir(join(tree, folder))
  }
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), text)
  }
  await chmod(join(tree, 'usr/local/sbin/use-mirror'), 0o755)
  await writeFile(join(tree, 'etc/machine-id'), `${randomUUID().replaceAll('-', '')}\n`)
  await rm(join(tree, 'etc/resolv.conf'), { force: true })
  await symlink('../run/systemd/resolve/stub-resolv.conf', join(tree, 'etc/resolv.conf'))
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'entresol', '-f', key])
  await mkdir(join(tree, 'root/.ssh'), { mode: 0o700, recursive: true })
  await cp(`${key}.pub`, join(tree, 'root/.ssh/authorized_keys'))
  await run('chroot', [tree, 'sh', '-c', `echo 'root:${ROOT_PASSWORD}' | chpasswd`])
  await run('chroot', [tree, 'systemctl', '--quiet', 'enable', 'systemd-networkd', 'systemd-resolved', 'ssh'])
  await run('chroot', [tree, 'systemctl', '--quiet', 'mask', ...NO_TIMERS])
  const grub = join(tree, 'boot/grub')
  await mkdir(join(grub, 'i386-pc'), { recursive: true })
  for (const name of await readdir(join(tree, 'usr/lib/grub/i386-pc'))) {
    if (/\.(?:mod|lst)$/.test(name)) await cp(join(tree, 'usr/lib/grub/i386-pc', name), join(grub, 'i386-pc', name))
  }
  await writeFile(join(grub, 'grub.cfg'), configuration(COMMAND_LINE))
}

/** A disk with one ext4 partition that holds `tree`; mke2fs fills it, so that no loop device and no mount is needed. */
async function writeDisk(tree: string, path: string): Promise<void> {
  const start = PARTITION_START * SECTOR
  const file = await open(path, 'wx')
  try {
    await file.truncate(DISK_BYTES)
    progress('writing the file system')
    await run('mke2fs', [
      '-q', '-F', '-t', 'ext4', '-L', 'root', '-d', tree, '-E', `offset=${start},assume_storage_prezeroed=1`, path, `${(DISK_BYTES - start) / 1024}k`
    ])
    await file.write(await bootArea('(,msdos1)/boot/grub', ['part_msdos', 'ext2'], LINUX_FILE_SYSTEM, (DISK_BYTES - start) / SECTOR), 0, start, 0)
  } finally {
    await file.close()
  }
}

async function writeQcow2(raw: string, path: string): Promise<void> {
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]).catch((error: unknown) => {
    if (!(error instanceof CodedError && error.code === 'tool-missing')) throw error
    progress('no qemu-img here (Debian: qemu-utils): the disk is there raw only')
  })
}

/**
 * Debian 12 on a disk, with the kernel of the package `kernel`: systemd, OpenSSH, curl, fio, iperf3; the network by DHCP; GRUB in the MBR. Built once
 * per recipe. Throws `needs-root` beside what `guest` throws.
 */
export async function debianDisk(kernel: string): Promise<DebianDisk> {
  const recipe = JSON.stringify([kernel, PACKAGES, LEFT_OUT, FILES, NO_TIMERS, DISK_BYTES, COMMAND_LINE, ROOT_PASSWORD])
  const folder = join(cacheFolder(), 'images', `debian-${createHash('sha256').update(recipe).digest('hex').slice(0, 12)}`)
  if (!await exists(folder)) {
    if (process.getuid?.() !== 0) throw new CodedError('needs-root', 'the Debian disk is made by installing into a folder as root: run this as root once')
    await publish(folder, async temporary => {
      const tree = `${temporary}.tree`
      await mkdir(temporary, { recursive: true })
      try {
        await bootstrap(kernel, tree)
        await configure(tree, join(temporary, 'key'))
        for (const name of ['vmlinuz', 'initrd.img']) await cp(join(tree, name), join(temporary, name), { dereference: true })
        await writeDisk(tree, join(temporary, 'disk.img'))
      } finally {
        await rm(tree, { recursive: true, force: true })
      }
      await writeQcow2(join(temporary, 'disk.img'), join(temporary, 'disk.qcow2'))
    })
  }
  const qcow2 = join(folder, 'disk.qcow2')
  return {
    raw: join(folder, 'disk.img'), qcow2: await exists(qcow2) ? qcow2 : undefined, kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img'),
    commandLine: COMMAND_LINE, key: join(folder, 'key')
  }
}
