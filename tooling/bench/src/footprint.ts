// npm run bench:footprint [-- --memory 3072 --cpus 1 --idle 20 --limit 900]
// What entresol-kvm itself costs: memory beyond what the guest touched, once it is at its shell, and host time while it idles there.
// Prints one line per promise and fails when one is not kept. Linux only: it reads /proc.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { root } from '@entresol/bootstrap/paths'
import { guest } from '@entresol/guests'

const { values: options } = parseArgs({ options: {
  memory: { type: 'string', default: '3072' }, cpus: { type: 'string', default: '1' }, idle: { type: 'string', default: '20' },
  limit: { type: 'string', default: '900' }
} })
const MIB = 2 ** 20
const MOST_OVERHEAD = 250
const MOST_IDLE = 2
/** Clock ticks of /proc/PID/stat per second (USER_HZ). */
const TICKS = 100
const PROMPT = '~ # '

const folder = mkdtempSync(join(tmpdir(), 'entresol-footprint-'))
const serial = join(folder, 'serial')
const { kernel, initrd, commandLine } = await guest('cloud')
const child = spawn(process.execPath, [
  join(root, 'apps', 'kvm', 'dist', 'cli.js'), '-kernel', kernel!, '-initrd', initrd!, '-append', commandLine ?? 'console=ttyS0',
  '-m', options.memory, '-smp', options.cpus, '-display', 'none', '-serial', `file:${serial}`, '-monitor', 'stdio'
], { stdio: ['pipe', 'pipe', 'inherit'] })
process.once('exit', () => {
  child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
let monitor = ''
child.stdout.setEncoding('utf8').on('data', (text: string) => { monitor += text })

async function until(what: string, found: () => boolean): Promise<void> {
  const end = performance.now() + Number(options.limit) * 1000
  while (!found()) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`the guest did not get as far as ${what}`)
    await sleep(200)
  }
}

/** A number of the monitor's `info stats`. */
async function statistic(name: string): Promise<number> {
  monitor = ''
  child.stdin.write('info stats\n')
  const line = new RegExp(`^${name}: (\\d+)\\r?$`, 'm')
  await until(`info stats (${name})`, () => line.test(monitor))
  return Number(line.exec(monitor)![1])
}

const resident = (): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1024
/** Seconds of user and system time so far (proc_pid_stat(5), fields 14 and 15). */
function used(): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

const promise = (what: string, value: number, most: number, unit: string): boolean => {
  console.log(`${value <= most ? 'kept  ' : 'broken'} ${what}: ${value.toFixed(1)} ${unit} (at most ${most})`)
  return value <= most
}

await until('its shell', () => readFileSync(serial, { encoding: 'utf8', flag: 'a+' }).includes(PROMPT))
const touched = await statistic('memoryTouched') / MIB
const rss = resident()
console.log(`-m ${options.memory} -smp ${options.cpus}: ${rss.toFixed(0)} MiB resident, the guest touched ${touched.toFixed(0)} MiB, decoded code ${(await statistic('codeBytes') / MIB).toFixed(0)} MiB`)
const memory = promise('memory beyond what the guest touched', rss - touched, MOST_OVERHEAD, 'MiB')
// The shell's start is still being cleaned up after.
await sleep(5000)
const before = used()
const start = performance.now()
await sleep(Number(options.idle) * 1000)
const share = (used() - before) / ((performance.now() - start) / 1000) * 100
const idle = promise('host CPU of the idle guest', share, MOST_IDLE, '% of a core')
process.exit(memory && idle ? 0 : 1)
