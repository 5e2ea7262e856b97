import { readFile } from 'node:fs/promises'
import { type CpioEntry, writeCpio } from '@entresol/loader'

export interface InitramfsOptions {
  /** A static busybox for the guest's architecture. */
  readonly busybox: string
  /** A static 32-bit busybox, as /bin/busybox32, beside a 64-bit one. */
  readonly busybox32?: string
  /** Files, directories and links added to (or put in place of) ours. */
  readonly extra?: readonly CpioEntry[]
}

/** Runs before busybox's init, as PID 1: what init itself needs, and the applets as links where nothing has the name. */
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mkdir -p /dev/pts /run /tmp
/bin/busybox mount -t devpts devpts /dev/pts
/bin/busybox --install -s 2>/dev/null
exec /sbin/init </dev/console >/dev/console 2>&1
`

/** setsid and cttyhack give the shell a session and a controlling terminal of its own on the real console: job control and Ctrl-C. */
const SESSION = `#!/bin/sh
cd /root
setsid cttyhack sh -l
poweroff -f
`

const INITTAB = `::once:/etc/session
::ctrlaltdel:/sbin/reboot
`

/**
 * A static busybox cannot look up the home directory for \w, and shows /root where one expects ~. So cd keeps the prompt's
 * directory in a variable, which costs no process per prompt.
 */
const PROFILE = `export HOME=/root PATH=/sbin:/usr/sbin:/bin:/usr/bin TERM=\${TERM:-linux} PS1='$HERE # ' HERE='~'
cd() {
  command cd "$@" || return
  case $PWD/ in
    "$HOME"/*) HERE='~'\${PWD#"$HOME"} ;;
    *) HERE=$PWD ;;
  esac
}
`

/** An initramfs that boots to a busybox shell on the kernel's console; leaving the shell powers the machine off. */
export async function buildInitramfs(options: InitramfsOptions): Promise<Uint8Array> {
  const extra = options.extra ?? []
  const ours: CpioEntry[] = [
    { path: 'bin/busybox', kind: 'file', mode: 0o755, data: await readFile(options.busybox) },
    ...(options.busybox32 ? [{ path: 'bin/busybox32', kind: 'file', mode: 0o755, data: await readFile(options.busybox32) } as const] : []),
    ...['sbin', 'usr/bin', 'usr/sbin', 'proc', 'sys', 'dev', 'root'].map(path => ({ path, kind: 'directory' }) as const),
    { path: 'tmp', kind: 'directory', mode: 0o1777 },
    // The kernel opens /dev/console for PID 1 before anything can mount devtmpfs.
    { path: 'dev/console', kind: 'character', mode: 0o600, major: 5, minor: 1 },
    { path: 'init', kind: 'file', mode: 0o755, data: INIT },
    { path: 'etc/inittab', kind: 'file', data: INITTAB },
    { path: 'etc/session', kind: 'file', mode: 0o755, data: SESSION },
    { path: 'etc/profile', kind: 'file', data: PROFILE },
    { path: 'etc/passwd', kind: 'file', data: 'root::0:0:root:/root:/bin/sh\n' },
    { path: 'etc/group', kind: 'file', data: 'root:x:0:\n' }
  ]
  const replaced = new Set(extra.map(entry => entry.path))
  return writeCpio([...ours.filter(entry => !replaced.has(entry.path)), ...extra])
}
