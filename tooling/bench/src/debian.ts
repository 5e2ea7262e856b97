import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '@entresol/bootstrap/paths'
import { guest, unpackedTree } from '@entresol/guests'
import { CodedError } from '@entresol/kit'
import type { KernelFiles } from './peer.ts'

export interface DebianBench {
  /** Boots a shell as the first process, its disk writable and its network up. */
  readonly kernel: KernelFiles
  /** A new qcow2 image over the guest's disk. */
  disk(): Promise<string>
}

const img = join(root, 'apps', 'img', 'dist', 'cli.js')
const LISTEN_ATTEMPTS = 50

/** What the first process does instead of init: the kernel's file systems, the network with what DHCP would give, a shell on the console. */
const shell = (http: number, iperf: number): string => [
  'mount -t proc p /proc', 'mount -t sysfs s /sys', 'mount -t tmpfs t /tmp', 'mount -o remount,rw /', 'modprobe virtio_net',
  'until ip link show eth0 || ip link show enp0s3 || ip link show ens3; do sleep 0.1; done', 'udevadm settle',
  'for i in /sys/class/net/e*; do ip addr add 10.0.2.15/24 dev ${i##*/}; ip link set ${i##*/} up; done', 'ip route add default via 10.0.2.2',
  `export HTTP=${http} IPERF=${iperf} HOME=/root PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`, 'export PS1="~ # "', 'cd /root',
  'exec setsid -c sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'
].join('; ')

async function freePort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>(resolve => void server.close(() => resolve()))
  return port
}

/** Serves a short answer to every request, and closes. */
async function startHttp(): Promise<{ readonly port: number, close(): void }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 100, connection: 'close' }).end('x'.repeat(100))
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

async function startIperf(): Promise<{ readonly port: number, close(): void }> {
  const tree = await unpackedTree(['iperf3'], 'amd64')
  const port = await freePort()
  const libraries = [join(tree, 'usr/lib/x86_64-linux-gnu'), join(tree, 'lib/x86_64-linux-gnu')].join(':')
  const child = spawn(join(tree, 'usr/bin/iperf3'), ['-s', '-B', '127.0.0.1', '-p', `${port}`], { stdio: 'ignore', env: { ...process.env, LD_LIBRARY_PATH: libraries } })
  const kill = (): void => { child.kill() }
  process.once('exit', kill)
  for (let attempt = 0; attempt < LISTEN_ATTEMPTS && child.exitCode === null; attempt++) await new Promise(resolve => { setTimeout(resolve, 20) })
  return { port, close: kill }
}

/** The Debian guest, for as long as `use` lasts, with an HTTP and an iperf3 server on the host for it. */
export async function withDebian(use: (debian: DebianBench) => Promise<void>): Promise<void> {
  const { kernel, initrd, commandLine, files } = await guest('debian')
  const base = files['qcow2']
  if (base === undefined) throw new CodedError('no-qcow2', 'the Debian disk is there raw only: qemu-img was not there when it was made')
  const folder = mkdtempSync(join(tmpdir(), 'entresol-bench-'))
  const [http, iperf] = [await startHttp(), await startIperf()]
  let disks = 0
  try {
    await use({
      kernel: { image: kernel!, initrd: initrd!, append: `${commandLine!} init=/bin/sh -- -c "${shell(http.port, iperf.port).replaceAll('"', "'")}"` },
      disk: () => {
        const path = join(folder, `${disks++}.qcow2`)
        const { status, stderr } = spawnSync(process.execPath, [img, 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', path], { encoding: 'utf8' })
        return status === 0 ? Promise.resolve(path) : Promise.reject(new CodedError('tool-failed', stderr))
      }
    })
  } finally {
    http.close()
    iperf.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
