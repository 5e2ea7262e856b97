import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { arch, platform } from 'node:process'
import { createInterface } from 'node:readline'

/** System call numbers of fallocate(2) where arguments of 64 bits take one register each. */
const FALLOCATE: Readonly<Record<string, number>> = { x64: 285, arm64: 47 }

/**
 * Node has neither lseek(SEEK_HOLE), nor fallocate(2), nor file locks; perl has them, and every Debian has perl. The helper shares the open file
 * description of the image (descriptor 3), so that a lock it takes is the image's: it lasts until both have closed it.
 *
 * Locks are those of other users of disk images: open file description locks (F_OFD_SETLK 37, F_OFD_GETLK 36) on single bytes, one at 100 + n for
 * every permission n used, one at 200 + n for every permission not shared; permissions: 0 read consistently, 1 write, 2 write the same, 3 resize.
 * Both kinds are read locks, so that holders do not exclude each other; who takes them then asks whether anybody holds one that contradicts.
 * struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid; F_RDLCK 0, F_WRLCK 1, F_UNLCK 2.
 */
const PROGRAM = `
open(my $f, '+<&=', 3) or open($f, '<&=', 3) or exit 1;
$| = 1;
sub lock_byte { my $l = pack('ssx4qqix4', 0, 0, $_[0], 1, 0); return fcntl($f, 37, $l) }
sub held { my $l = pack('ssx4qqix4', 1, 0, $_[0], 1, 0); return fcntl($f, 36, $l) && (unpack('ssx4qqix4', $l))[0] != 2 }
while (<STDIN>) {
  my ($what, $a, $b) = split;
  if ($what eq 'seek') { my $at = sysseek($f, $a, $b); print defined $at ? "ok " . ($at + 0) . "\\n" : $!{ENXIO} ? "ok -1\\n" : "no $!\\n" }
  elsif ($what eq 'punch') { print syscall(FALLOCATE, fileno($f), 3, $a + 0, $b + 0) == 0 ? "ok 0\\n" : "no $!\\n" }
  elsif ($what eq 'lock') {
    my ($failed, $other) = (0, 0);
    for my $n (0 .. 3) {
      if ($a >> $n & 1) { lock_byte(100 + $n) or $failed = $! }
      if (!($b >> $n & 1)) { lock_byte(200 + $n) or $failed = $! }
    }
    for my $n (0 .. 3) { $other ||= ($a >> $n & 1) && held(200 + $n) || !($b >> $n & 1) && held(100 + $n) }
    print $failed ? "no $failed\\n" : $other ? "ok 1\\n" : "ok 0\\n";
  }
}
`

/** SEEK_DATA and SEEK_HOLE of Linux. */
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

/** Bits of the permissions. */
export const READ = 1
export const WRITE = 2
export const RESIZE = 8

type Answer = number | undefined

/** Does what Node cannot, on one open file. Answers undefined for what this host cannot do. */
export class HostHelper {
  readonly #descriptor: number
  #child: ChildProcess | undefined
  #ended = false
  readonly #waiting: ((answer: Answer) => void)[] = []

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Next data or hole from `offset` on; -1: there is none. */
  seek(offset: number, what: typeof SEEK_DATA | typeof SEEK_HOLE): Promise<Answer> {
    return this.#ask(`seek ${offset} ${what}`)
  }

  /** Makes a hole: 0. */
  punch(offset: number, length: number): Promise<Answer> {
    return this.#ask(`punch ${offset} ${length}`)
  }

  /** Takes the locks for what this process does and what it lets others do: 1, if others do what it does not let them, or do not let it. */
  lock(uses: number, shares: number): Promise<Answer> {
    return this.#ask(`lock ${uses} ${shares}`)
  }

  /** Resolves once the helper has let go of the file, locks included. */
  async close(): Promise<void> {
    const child = this.#child
    this.#end()
    if (child && child.exitCode === null && child.signalCode === null) {
      child.ref()
      await new Promise((resolve) => child.once('close', resolve))
    }
  }

  #ask(line: string): Promise<Answer> {
    return new Promise((resolve) => {
      const stdin = this.#start()?.stdin
      if (!stdin) {
        resolve(undefined)
        return
      }
      this.#hold(true)
      this.#waiting.push(resolve)
      stdin.write(`${line}\n`)
    })
  }

  #start(): ChildProcess | undefined {
    if (this.#child || this.#ended) return this.#child
    const fallocate = FALLOCATE[arch]
    if (platform !== 'linux' || fallocate === undefined) {
      this.#ended = true
      return undefined
    }
    const stdio = ['pipe', 'pipe', 'ignore', this.#descriptor] as const
    const child = spawn('perl', ['-MErrno', '-e', PROGRAM.replace('FALLOCATE', String(fallocate))], { stdio: [...stdio] })
    child.on('error', () => this.#end())
    child.on('exit', () => this.#end())
    child.stdin!.on('error', () => this.#end())
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [verdict, number] = line.split(' ')
      this.#waiting.shift()?.(verdict === 'ok' ? Number(number) : undefined)
      if (this.#waiting.length === 0) this.#hold(false)
    })
    return this.#child = child
  }

  /** Whether the helper keeps this process running: only while it is asked something. */
  #hold(on: boolean): void {
    const child = this.#child
    if (!child) return
    const handles = [child, child.stdin, child.stdout] as unknown as { ref(): void; unref(): void }[]
    for (const handle of handles) {
      if (on) handle.ref()
      else handle.unref()
    }
  }

  #end(): void {
    this.#ended = true
    const child = this.#child
    this.#child = undefined
    child?.stdin?.end()
    for (const resolve of this.#waiting.splice(0)) resolve(undefined)
  }
}
