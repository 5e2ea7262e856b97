import type { Bits } from './peer.ts'

/** What a load's ratio says: see `summary` in report.ts. */
export type Group = 'cpu' | 'system' | 'boot' | 'smp' | 'mix' | 'disk' | 'network'

/** One kind of work of a fixed amount. */
export interface Load {
  readonly name: string
  readonly group: Group
  /** The work, for people. */
  readonly work: string
  /** What is measured. */
  readonly unit: string
  readonly bits: readonly Bits[]
  /** For loads inside a booted guest: the shell command that is the work, and what it needs first, unmeasured. Their output must be the same on every peer. */
  readonly command?: string
  readonly prepare?: string
}

const BOTH: readonly Bits[] = [64, 32]
const inside = (group: Group, name: string, work: string, command: string, prepare?: string): Load =>
  ({ name, group, work, unit: 's', bits: BOTH, command, ...(prepare === undefined ? {} : { prepare }) })

const twice = (name: string, work: string, command: string): Load =>
  ({ name, group: 'smp', work: `${work}: twice on two vCPUs against once on one`, unit: '× of one vCPU', bits: [64], command })

// busybox's shell takes its own applets where no path is given.
const zeros = (mib: number): string => `/bin/dd if=/dev/zero bs=1M count=${mib} 2>/dev/null`
/** stress-ng does a number of its bogo operations and checks its own results. It speaks only when something is wrong, whatever its exit status. */
const stress = (name: string, operations: number, ...options: string[]): string =>
  `! ${['stress-ng -q --verify --no-rand-seed', `--${name} 1 --${name}-ops ${operations}`, ...options].join(' ')} 2>&1 | grep .`
const python = (lines: readonly string[]): string => `python3 -S -E -c 'exec("${lines.join('\\n')}")'`

/** Machine code and text, other bytes in the 64-bit and the 32-bit guest. */
const CORPUS = 'cat /usr/bin/openssl /usr/lib/*/libcrypto.so.3 >/tmp/corpus'
const NUMBERS = '/usr/bin/shuf -i 1-600000 --random-source=/usr/bin/python3.11 >/tmp/numbers'

const PYTHON_LOOP = python([
  'd={}', 's=0', 'for i in range(300000):', ' k=i*7919%1009', ' d[k]=d.get(k,0)+i', ' s+=len(str(i))^k', 'print(s,sum(d.values()))'
])

/** In the Debian guest, whose shell knows the host's servers as $HTTP and $IPERF. */
const onDebian = (group: 'disk' | 'network', name: string, work: string, command: string, prepare?: string): Load =>
  ({ name, group, work, unit: 's', bits: [64], command: `${command} >/dev/null`, ...(prepare === undefined ? {} : { prepare }) })
const FILE_MIB = 256
const fio = (options: string): string => `fio --name=f --filename=/root/fio --size=${FILE_MIB}M --direct=1 --ioengine=libaio ${options}`
const FIO_FILE = `[ -s /root/fio ] || { /bin/dd if=/dev/zero of=/root/fio bs=1M count=${FILE_MIB} && sync; }; echo 3 >/proc/sys/vm/drop_caches`

export const loads: readonly Load[] = [
  { name: 'boot', group: 'boot', work: 'kernel to busybox shell (64: cloud, 32: 686)', unit: 's to shell', bits: BOTH },
  inside('cpu', 'shell-loop', 'busybox: 200,000 iterations', 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'),
  inside('cpu', 'dd-md5sum', 'busybox: 200 MB of zeros', 'busybox dd if=/dev/zero bs=1M count=200 2>/dev/null | busybox md5sum'),
  inside('cpu', 'sha256', 'openssl: 100 MB', `${zeros(100)} | openssl dgst -sha256`),
  inside('cpu', 'aes', 'openssl: AES-256-CTR, 100 MB', `${zeros(100)} | openssl enc -aes-256-ctr -K 01 -iv 02 2>/dev/null | tail -c 16 | od -x`),
  inside('cpu', 'gzip', 'gzip -6 of programs and libraries', '/bin/gzip -nc /tmp/corpus | cksum', CORPUS),
  inside('cpu', '7zip', '7zz, LZMA2 of programs and libraries', '7zz a -txz -mx=1 -mmt=1 -so -bd x /tmp/corpus 2>/dev/null | cksum', CORPUS),
  inside('cpu', 'sort', 'coreutils: 600,000 shuffled numbers', 'LC_ALL=C /usr/bin/sort --parallel=1 /tmp/numbers | cksum', NUMBERS),
  inside('cpu', 'python', 'python3: 300,000 rounds with dict, str and int', PYTHON_LOOP),
  inside('cpu', 'float', 'stress-ng matrix product (64: SSE2, 32: x87)', stress('matrix', 80, '--matrix-method prod')),
  inside('cpu', 'memory-copy', 'stress-ng memcpy: 2 MB blocks', stress('memcpy', 100, '--memcpy-method libc')),
  inside('cpu', 'random-walk', 'stress-ng randlist: 100,000 items in random order', stress('randlist', 40, '--randlist-items 100000')),
  inside('cpu', 'integer', 'stress-ng list, crc16, int32, queens: CoreMark-like', [
    stress('list', 10), ...['crc16', 'int32', 'queens'].map(method => stress('cpu', 60, `--cpu-method ${method}`))
  ].join(' && ')),
  inside('system', 'fork-exec', 'busybox: 500 programs started', 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); /bin/busybox true; done'),
  inside('system', 'system-calls', 'dd: 2,000,000 reads and writes of a byte', '/bin/dd if=/dev/zero of=/dev/null bs=1 count=1000000 2>/dev/null'),
  inside('system', 'context-switches', 'stress-ng switch: 40,000 through a pipe', stress('switch', 40_000, '--switch-method pipe')),
  inside('system', 'page-faults', 'stress-ng fault', stress('fault', 6000)),
  twice('smp-throughput', 'busybox: 60 MB of zeros through md5sum', 'busybox dd if=/dev/zero bs=1M count=60 2>/dev/null | busybox md5sum'),
  twice('smp-shell', 'busybox: 100,000 iterations', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'),
  { name: 'debian-login', group: 'boot', work: 'Debian 12 on qcow2: SeaBIOS, GRUB, systemd', unit: 's to login', bits: [64] },
  onDebian('disk', 'fio-read', 'fio: 1 GB, 1 MB at a time, 8 at once', fio('--rw=read --bs=1M --iodepth=8 --io_size=1G'), FIO_FILE),
  onDebian('disk', 'fio-write', 'fio: 512 MB, 1 MB at a time, 8 at once', fio('--rw=write --bs=1M --iodepth=8 --io_size=512M --end_fsync=1'), FIO_FILE),
  onDebian('disk', 'fio-randread', 'fio: 20,000 reads of 4 KB, 16 at once', fio('--rw=randread --bs=4k --iodepth=16 --io_size=80000k'), FIO_FILE),
  onDebian('disk', 'fio-randwrite', 'fio: 10,000 writes of 4 KB, 16 at once', fio('--rw=randwrite --bs=4k --iodepth=16 --io_size=40000k --end_fsync=1'), FIO_FILE),
  onDebian('network', 'iperf3-out', 'iperf3: 300 MB to the host', 'iperf3 -c 10.0.2.2 -p $IPERF -n 300M'),
  onDebian('network', 'iperf3-in', 'iperf3: 300 MB from the host', 'iperf3 -c 10.0.2.2 -p $IPERF -n 300M -R'),
  onDebian('network', 'http', 'curl: 10,000 requests, each on a connection of its own', 'curl -s -o /dev/null "http://10.0.2.2:$HTTP/[1-10000]"'),
  { name: 'instruction-mix', group: 'mix', work: 'registers and memory in a bare kernel', unit: 's', bits: [64] }
]
