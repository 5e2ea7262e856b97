import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus, Clock } from '@entresol/interfaces'
import { createMachineMemory, createPageWalker, GuestPhysicalMemory } from '@entresol/mmu'
import { createCpuModel } from '../src/system/cpuid/models.ts'
import { SoftwareVcpu } from '../src/vcpu.ts'

/**
 * The system side of the CPU, one loop per kind of event (system-kernel.S), here and on QEMU's TCG in turn: medians in ns for one
 * iteration and the ratio of the rates (above 1: faster than TCG). Needs Linux, GNU as and ld; without qemu-system-x86_64 the peer's columns stay empty.
 *
 *     node packages/cpu/bench/system.ts [rounds] [name part]     (rounds 0: only this project, once)
 */
const rounds = Number(process.argv[2] ?? 3)
const only = process.argv[3] ?? ''
const BASE = 0x100000

/** ns per iteration by test, in the order the kernel runs them. */
type Figures = Map<string, number>

/** Reads the kernel's lines as they come. `clock`: processor time of whoever runs it in ns, so that a busy machine tells less of itself. */
class Reader {
  readonly figures: Figures = new Map()
  done = false
  #text = ''
  #name = ''
  #count = 1
  #start = 0
  readonly #clock: () => number

  constructor(clock: () => number) {
    this.#clock = clock
  }

  take(text: string): void {
    const now = this.#clock()
    this.#text += text
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end).trim()
      this.#text = this.#text.slice(end + 1)
      if (line === 'finished') this.done = true
      else if (line === '.') this.figures.set(this.#name, (now - this.#start) / this.#count)
      else {
        this.#name = line.split(' ')[0]!
        this.#count = Number(line.split(' ')[1])
        this.#start = this.#clock()
      }
    }
  }
}

function assemble(folder: string): string {
  const image = join(folder, 'kernel.bin')
  execFileSync('as', ['--64', '-o', join(folder, 'kernel.o'), join(import.meta.dirname, 'system-kernel.S')])
  execFileSync('ld', ['-m', 'elf_x86_64', '-N', `-Ttext=0x${BASE.toString(16)}`, '--oformat', 'binary', '-o', image, join(folder, 'kernel.o')])
  return image
}

async function onQemu(image: string): Promise<Figures | undefined> {
  const machine = ['-accel', 'tcg', '-cpu', 'max', '-m', '64M', '-nic', 'none', '-no-reboot']
  const peer = spawn('qemu-system-x86_64', [...machine, '-kernel', image, '-display', 'none', '-serial', 'stdio'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const tasks = `/proc/${peer.pid}/task`
  const reader = new Reader(() => readdirSync(tasks).reduce((sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]), 0))
  return new Promise((resolve) => {
    peer.on('error', () => resolve(undefined))
    peer.stdout.on('data', (chunk: Buffer) => {
      reader.take(chunk.toString('latin1'))
      if (reader.done) peer.kill('SIGKILL')
    })
    peer.on('close', () => resolve(reader.figures))
  })
}

function here(image: string): Figures {
  const reader = new Reader(() => process.threadCpuUsage().user * 1000)
  const memory = createMachineMemory({ bytes: 160 << 20 })
  const ram = new GuestPhysicalMemory(memory)
  ram.addRam(64 << 20)
  ram.write(BASE as never, readFileSync(image))
  const ports: Bus = {
    read: () => 0xff,
    write: (port, _size, value) => {
      if (port === 0x3f8) reader.take(String.fromCharCode(value))
    },
  }
  const clock: Clock = { now: () => performance.now() * 1e6, wallClock: () => 0, schedule: () => ({ cancel: () => {} }) }
  const cpu = new SoftwareVcpu({
    id: 0, memory, physical: ram, walker: createPageWalker(memory, ram), ports, mmio: { read: () => 0, write: () => {} }, clock,
    interrupts: { pending: () => false, acknowledge: () => -1 }, random: { nextU32: () => 0 }, model: createCpuModel('max'),
    apic: { apicBase: 0xfee00900n, writeApicBase: () => true, readMsr: () => undefined, writeMsr: () => false, tpr: 0, tscDeadline: 0n },
  })
  const r = cpu.getRegisters()
  const data = { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xc93 }
  r.segments = { ...r.segments, cs: { ...data, selector: 8, attributes: 0xc9b }, ds: data, es: data, ss: data, fs: data, gs: data }
  // The multiboot machine state: protected mode without paging; the entry point is behind the header.
  Object.assign(r, { rip: BigInt(ram.readU32((BASE + 28) as never)), rflags: 2n, cr0: 0x11n, cr4: 0n, efer: 0n })
  cpu.setRegisters(r)
  while (!reader.done) {
    const exit = cpu.run(1_000_000)
    if (exit.reason !== 'slice' && !reader.done) throw new Error(`the kernel ended with ${exit.reason} at ${cpu.getRegisters().rip.toString(16)}`)
  }
  return reader.figures
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const folder = mkdtempSync(join(tmpdir(), 'entresol-system-'))
try {
  const image = assemble(folder)
  const own: Figures[] = []
  const peers: Figures[] = []
  for (let round = 0; round < Math.max(1, rounds); round++) {
    own.push(here(image))
    const peer = rounds > 0 ? await onQemu(image) : undefined
    if (peer) peers.push(peer)
  }
  console.log(`${'ns an iteration'.padEnd(34)}${'here'.padStart(9)}${'TCG'.padStart(9)}${'ratio'.padStart(8)}`)
  for (const name of own[0]!.keys()) {
    if (!name.includes(only)) continue
    const [mine, theirs] = [own, peers].map((all) => (all.length ? median(all.map((figures) => figures.get(name)!)) : NaN)) as [number, number]
    const cells = [mine.toFixed(1), theirs.toFixed(1), (theirs / mine).toFixed(2)].map((text, n) => (text === 'NaN' ? '-' : text).padStart(n === 2 ? 8 : 9))
    console.log(name.padEnd(34) + cells.join(''))
  }
} finally {
  rmSync(folder, { recursive: true })
}
