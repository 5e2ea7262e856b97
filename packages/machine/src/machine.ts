import { createCpuModel, createTraceLog, DEFAULT_CPU_MODEL, parseCpuOption } from '@entresol/cpu'
import type { CpuModel } from '@entresol/cpu'
import type { FramebufferSource, Vcpu, VcpuExit } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { Board, BoardEvents } from './board.ts'
import { Microvm } from './boards/microvm.ts'
import { Pc } from './boards/pc.ts'
import { HostClock } from './clock/host-clock.ts'
import { InstructionClock } from './clock/instruction-clock.ts'
import { SerialConsole } from './console/serial-console.ts'
import type { MachineOptions, StopReason } from './options.ts'
import { Platform, VCPU_BYTES } from './platform.ts'
import { dumpRegisters } from './register-dump.ts'
import { RunLoop } from './run-loop.ts'
import { machineStats } from './stats.ts'
import type { MachineStats } from './stats.ts'
import { threadsAvailable, threadsByDefault, workersAvailable } from './threads/host-thread.ts'

const MIB = 1 << 20
const MIN_MEMORY = MIB
const MAX_MEMORY = 3.5 * 1024 * MIB
const MAX_CPUS = 64
/** What the words that threads share have bits for. */
const MAX_THREADS = 32
/** ROM and video memory. */
const EXTRA_BYTES = 20 * MIB
/** All that a 32-bit WebAssembly memory holds, less the state and TLBs of the CPUs and what alignment wastes. */
const MACHINE_BYTES = 4096 * MIB - EXTRA_BYTES - 32 * MIB

/** What one CPU gets for decoded code. */
const codeCacheBytes = (memory: number, cpus: number): number =>
  Math.min(48 * MIB, Math.floor(Math.max(0, MACHINE_BYTES - memory - cpus * VCPU_BYTES) / cpus / 65536) * 65536)

/** A virtual machine: a board with its devices, a clock and a run loop. */
export class Machine {
  /** Host side of the first serial port. */
  readonly console: SerialConsole = new SerialConsole()
  /** Settles when the machine has stopped for good. */
  readonly stopped: Promise<StopReason>
  readonly #options: MachineOptions
  readonly #clock: HostClock | InstructionClock
  readonly #platform: Platform
  readonly #board: Board
  readonly #loop: RunLoop
  #resolveStopped: (reason: StopReason) => void = () => {}
  #booted = false
  #ended = false
  #resetRequested = false

  /** Throws CodedError for options that make no machine: `bad-memory-size`, `memory-too-large`, `bad-cpu-count`, `unknown-cpu-model`, `bad-kernel`, … */
  constructor(options: MachineOptions = {}) {
    this.#options = options
    const memory = options.memory ?? 128 * MIB
    if (!Number.isInteger(memory) || memory < MIN_MEMORY) {
      throw new CodedError('bad-memory-size', `memory of ${memory} bytes: a machine needs at least 1 MiB`)
    }
    if (memory > MAX_MEMORY) {
      throw new CodedError('memory-too-large', `memory of ${Math.ceil(memory / MIB)} MiB: at most 3584 MiB until there is a 64-bit memory`)
    }
    const cpus = options.cpus ?? 1
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) throw new CodedError('bad-cpu-count', `${cpus} CPUs: a machine has 1 to ${MAX_CPUS}`)
    const threaded = cpus > 1 && isThreaded(options, cpus)
    this.stopped = new Promise((resolve) => (this.#resolveStopped = resolve))
    const wake = (): void => this.#loop.wake()
    this.#clock = options.deterministic ? new InstructionClock({ ...(options.rtcBase === undefined ? {} : { epoch: options.rtcBase }) }) : new HostClock(wake, options.rtcBase)
    const cpu = options.cpu ?? DEFAULT_CPU_MODEL
    const { name, changes } = parseCpuOption(cpu)
    const model = (apicId: number): CpuModel => createCpuModel(name, changes, { cpus, apicId })
    const { symbols } = options
    const symbol = symbols && ((rip: bigint): string | undefined => symbols.describe(rip, this.#platform.vcpus[0]!))
    this.#platform = new Platform({
      memory: Math.ceil(memory / 4096) * 4096, cpus, model, clock: this.#clock, wake, codeCacheBytes: options.codeCacheBytes ?? codeCacheBytes(memory, cpus),
      // Equal runs translate at equal places, so that they end slices at equal ones.
      translation: options.deterministic || !workersAvailable ? undefined : { failed: (error) => this.#loop.fail(error) },
      extraBytes: EXTRA_BYTES, symbol, ...(options.trace ? { trace: createTraceLog(options.trace.items, options.trace.write, symbol) } : {}),
      ...(threaded && this.#clock instanceof HostClock ? { threads: {
        clock: this.#clock, cpu, exited: (vcpu, exit) => this.#exited(vcpu, exit), failed: (error) => this.#loop.fail(error),
      } } : {}),
    })
    const platform = this.#platform
    if (this.#clock instanceof InstructionClock) {
      this.#clock.instructions = () => platform.vcpus.reduce((sum, vcpu) => sum + vcpu.instructionCount, 0)
    }
    this.#loop = new RunLoop({
      vcpus: platform.vcpus, clock: this.#clock, others: platform.threads,
      ran: options.profile && ((n, milliseconds) => options.profile!.ran(platform.vcpus[n]!, milliseconds)),
      exited: (vcpu, exit) => this.#exited(vcpu, exit),
    })
    const events: BoardEvents = {
      powerOff: () => (options.noShutdown ? this.#suspend() : this.#end({ reason: 'power-off' })),
      reset: () => this.#reset(),
      exit: (code) => this.#end({ reason: 'exit', code }),
      hostWorkBegins: () => this.#loop.hostWorkBegins(),
      hostWorkEnds: () => this.#loop.hostWorkEnds(),
    }
    const serial = [options.serial?.[0] ?? this.console, options.serial?.[1] ?? new SerialConsole()]
    const board = options.board ?? 'pc'
    if (board !== 'pc' && board !== 'microvm') throw new CodedError('unknown-board', `board ${String(board)}: there are pc and microvm`)
    this.#board = board === 'microvm'
      ? new Microvm(platform, this.#clock, options, serial, events)
      : new Pc(platform, this.#clock, options, serial, events)
  }

  /** Powers on and starts to run. Rejects with a coded error when the kernel or firmware cannot be loaded. */
  async boot(options: { paused?: boolean } = {}): Promise<void> {
    if (this.#booted) throw new CodedError('already-booted', 'the machine was booted before: make a new one, or reset it')
    this.#booted = true
    await this.#platform.threads?.start()
    if (this.#ended) return
    this.#powerOn(true)
    if (!options.paused) this.resume()
  }

  #powerOn(first: boolean): void {
    // Before the devices: a CPU that still runs would use them.
    this.#platform.threads?.reset()
    const entry = this.#board.powerOn(first)
    this.#platform.vcpus[0]!.setRegisters(entry.registers)
  }

  get running(): boolean {
    return this.#loop.running
  }

  resume(): void {
    if (this.#ended || !this.#booted) return
    if (this.#clock instanceof HostClock) this.#clock.resume()
    this.#loop.start()
    this.#platform.threads?.resume()
  }

  /** Resolves when no guest instruction runs any more; time stands still until `resume`. */
  async pause(): Promise<void> {
    await this.#loop.stop()
    await this.#platform.threads?.pause()
    if (this.#clock instanceof HostClock) this.#clock.pause()
  }

  /** Ends the machine, as pulling the plug does. */
  async stop(): Promise<void> {
    this.#end({ reason: 'quit' })
    await this.#loop.stop()
  }

  /** Resets the machine as its reset button would. */
  reset(): void {
    this.#reset()
  }

  /** The display adapter's picture, undefined on boards without one. */
  get display(): FramebufferSource | undefined {
    return this.#board.display
  }

  get vcpus(): readonly Vcpu[] {
    return this.#platform.allVcpus
  }

  stats(): MachineStats {
    return machineStats(this.#platform.allVcpus, this.#platform.ram.touchedBytes())
  }

  /** Registers of every CPU, for people. */
  describeRegisters(): string {
    return this.#platform.allVcpus.map((vcpu) => dumpRegisters(vcpu)).join('\n')
  }

  /** Power-off with noShutdown: no instruction runs any more, the machine can still be looked at and reset. */
  #suspend(): void {
    for (const vcpu of this.#platform.vcpus) vcpu.stop()
    this.#loop.halt()
    void this.#platform.threads?.pause()
    if (this.#clock instanceof HostClock) this.#clock.pause()
  }

  #end(reason: StopReason): void {
    if (this.#ended) return
    this.#ended = true
    for (const vcpu of this.#platform.vcpus) vcpu.stop()
    this.#loop.halt()
    this.#platform.end()
    this.#resolveStopped(reason)
  }

  /** A guest may ask in the middle of an instruction: the reset happens when that has ended. */
  #reset(): void {
    if (this.#options.noReboot) {
      this.#end({ reason: 'reset' })
      return
    }
    if (this.#resetRequested) return
    this.#resetRequested = true
    for (const vcpu of this.#platform.vcpus) vcpu.stop()
    this.#clock.schedule(this.#clock.now(), () => {
      this.#resetRequested = false
      this.#powerOn(false)
    })
  }

  #exited(vcpu: Vcpu, exit: VcpuExit): void {
    if (exit.reason === 'shutdown') {
      // A triple fault resets a PC: its shutdown cycle is wired to reset.
      if (this.#options.noReboot) this.#end({ reason: 'shutdown', registers: dumpRegisters(vcpu) })
      else this.#reset()
    }
  }
}

/** Which of `threads` a machine of several CPUs gets. Throws CodedError where `multi` was asked for and cannot be. */
function isThreaded(options: MachineOptions, cpus: number): boolean {
  if (options.threads === 'single' || options.deterministic || options.trace || options.profile) return false
  if (options.threads === undefined) return threadsByDefault && cpus <= MAX_THREADS
  if (!threadsAvailable) throw new CodedError('threads-unavailable', 'threads for the CPUs need shared memory: a page that is cross-origin isolated')
  if (cpus > MAX_THREADS) throw new CodedError('bad-cpu-count', `${cpus} CPUs: at most ${MAX_THREADS} have threads of their own`)
  return true
}
