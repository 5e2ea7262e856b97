import type { CodeFrameTables, CodeRegistry, CpuModel, SoftwareVcpu } from '@entresol/cpu'
import { interpreterModule, SharedCodeFrames } from '@entresol/cpu'
import type { AccessSize, Bus, Vcpu, VcpuExit } from '@entresol/interfaces'
import { RemoteApic } from '@entresol/io'
import type { ApicBus, EoiListener, LocalApic } from '@entresol/io'
import type { FrameMemory, GuestPhysicalMemory } from '@entresol/mmu'
import type { HostClock } from '../clock/host-clock.ts'
import { yieldToHost } from '../yield.ts'
import * as C from './calls.ts'
import * as X from './exchange.ts'
import { startThread } from './host-thread.ts'
import type { HostThread } from './host-thread.ts'
import { RemoteVcpu } from './remote-vcpu.ts'
import { VcpuPort } from './vcpu-port.ts'
import type { VcpuThreadOptions } from './vcpu-thread.ts'

export interface VcpuThreadsOptions {
  readonly models: readonly CpuModel[]
  /** As `MachineOptions.cpu`. */
  readonly cpu: string
  readonly memory: FrameMemory
  readonly ram: GuestPhysicalMemory
  readonly ports: Bus
  readonly mmio: Bus
  readonly apicBus: ApicBus
  readonly ioapic: EoiListener
  readonly clock: HostClock
  readonly codeCacheBytes: number
  readonly vcpuBytes: number
  readonly wake: () => void
  readonly exited: (vcpu: Vcpu, exit: VcpuExit) => void
  readonly failed: (error: unknown) => void
}

/** The module of a vCPU's thread, beside this one: built, or source that Node can run. */
const ENTRY = new URL(`./vcpu-thread-entry.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/** The vCPUs but the first in threads of their own, and the first one's end of what they share. */
export class VcpuThreads {
  readonly vcpus: readonly RemoteVcpu[]
  readonly codeFrames: CodeRegistry
  readonly #options: VcpuThreadsOptions
  readonly #exchange: X.Exchange
  readonly #port: VcpuPort
  readonly #frames: SharedCodeFrames
  readonly #tables: CodeFrameTables
  readonly #arenas: readonly { address: number; bytes: number }[]
  #threads: HostThread[] = []
  #apic: LocalApic | undefined
  #codeLost = false
  #first: SoftwareVcpu | undefined

  constructor(options: VcpuThreadsOptions) {
    const { models, memory, ram, apicBus } = options
    this.#options = options
    const cpus = models.length
    const exchange = this.#exchange = new X.Exchange(cpus)
    options.clock.share(exchange.clock)
    this.#port = new VcpuPort(exchange, 0, memory, options.wake, 'document' in globalThis === false)
    this.#tables = { holders: new Int32Array(new SharedArrayBuffer(memory.frames * 4)), writers: new Int32Array(new SharedArrayBuffer(memory.frames * 4)) }
    this.codeFrames = this.#frames = new SharedCodeFrames(0, this.#tables, this.#port)
    const bytes = options.codeCacheBytes + options.vcpuBytes
    this.vcpus = models.slice(1).map((model, index) => new RemoteVcpu(index + 1, model, this.#port, memory))
    this.#arenas = this.vcpus.map(() => ({ address: memory.reserve(bytes), bytes }))
    for (const { id } of this.vcpus) this.#quieten(id)
    const others = this.vcpus.reduce((bits, { id }) => bits | (1 << id), 0)
    for (const { id } of this.vcpus) apicBus.attach(new RemoteApic(exchange.apic(id), () => this.#port.kick(id)))
    ram.onInvalidate((first, count) => this.#port.invalidate(others, Math.min(first, 0x7fffffff), count))
    ram.onHostWrite((address, length) => this.#frames.wrote(address, length))
  }

  /** How other threads can address the first vCPU's local APIC. */
  publish(apic: LocalApic): void {
    this.#exchange.apic(0).publish(apic)
  }

  /** The first vCPU exists. */
  bind(vcpu: SoftwareVcpu, apic: LocalApic): void {
    this.#first = vcpu
    this.#apic = apic
    this.publish(apic)
    const everything = (): void => {
      vcpu.tlb.flushAll()
      vcpu.modeChanged()
    }
    this.#port.bind(vcpu.state.base, {
      protect: (frame) => this.#frames.protect(frame),
      overwritten: (address, length) => this.#frames.overwritten(address, length),
      invalidate: everything,
      setMsr: () => {},
      lost: () => {
        this.#codeLost = true
        everything()
      },
    })
  }

  /** Starts the threads, paused. Rejects when the host refuses one. */
  async start(): Promise<void> {
    const { memory, ram, cpu, codeCacheBytes, clock } = this.#options
    await Promise.all(this.vcpus.map(({ id }) => new Promise<void>((resolve, reject) => {
      const thread = startThread(ENTRY, {
        message: (message) => (message === 'ready' ? resolve() : this.#options.wake()),
        error: (error) => {
          reject(error as Error)
          this.#options.failed(error)
        },
      })
      this.#threads.push(thread)
      const options: VcpuThreadOptions = {
        id, cpus: this.vcpus.length + 1, cpu, memory: memory.wasm, arena: this.#arenas[id - 1]!, map: ram.sharedMap!, exchange: this.#exchange.buffer,
        codeFrames: this.#tables, codeCacheBytes, interpreter: interpreterModule(memory),
        timeOrigin: performance.timeOrigin, wallOffset: clock.wallClock() - Date.now(),
      }
      thread.post(options)
    })))
  }

  /** Lets them run. */
  resume(): void {
    this.#command(X.COMMAND_RUN)
  }

  /** Resolves when none runs. */
  async pause(): Promise<void> {
    this.#command(X.COMMAND_PAUSE)
    while (this.#threads.length > 0 && this.vcpus.some(({ id }) => this.#load(id, X.STATUS) === X.STATUS_RUNNING)) {
      this.look()
      await yieldToHost()
    }
  }

  #command(command: number): void {
    for (const { id } of this.vcpus) {
      Atomics.store(this.#exchange.words, this.#exchange.block(id) + X.COMMAND, command)
      this.#port.kick(id)
    }
  }

  /** Resets them all; returns when that is done. */
  reset(): void {
    for (const vcpu of this.vcpus) vcpu.reset()
    const alive = this.#threads.length > 0
    while (alive && this.vcpus.some(({ id }) => this.#load(id, X.RESET) !== 0 && this.#load(id, X.STATUS) !== X.STATUS_ENDED)) this.look()
  }

  /** Frees the threads, whatever they are doing. */
  end(): void {
    for (const thread of this.#threads) thread.terminate()
    this.#threads = []
    for (const { id } of this.vcpus) this.#quieten(id)
  }

  /** Nobody waits for a vCPU that has no thread. */
  #quieten(vcpu: number): void {
    Atomics.store(this.#exchange.words, this.#exchange.block(vcpu) + X.QUIET, 1)
  }

  #load(vcpu: number, word: number): number {
    return Atomics.load(this.#exchange.words, this.#exchange.block(vcpu) + word)
  }

  /** Around a slice of the first vCPU. */
  enter(): void {
    this.#port.enter()
  }

  leave(): void {
    this.#port.leave()
  }

  /** The first thread is about to sleep in its event loop: true when nobody wants anything. Whoever does then wakes it. */
  rest(): boolean {
    Atomics.store(this.#exchange.words, X.ASLEEP, 1)
    if (!this.#port.kicked) return true
    Atomics.store(this.#exchange.words, X.ASLEEP, 0)
    return false
  }

  /** Does what other threads want of the first one: after a kick, and while it waits for them. */
  look(): void {
    const { ioapic } = this.#options
    const { words } = this.#exchange
    this.#port.take()
    if (this.#codeLost) {
      this.#codeLost = false
      this.#first?.code.flush()
    }
    this.#frames.giveUpTired()
    const ended = this.#exchange.block(0) + X.ENDED
    for (let index = 0; index < 8; index++) {
      for (let bits = Atomics.exchange(words, ended + index, 0); bits !== 0; bits &= bits - 1) {
        ioapic.endOfInterrupt(index * 32 + 31 - Math.clz32(bits & -bits))
      }
    }
    if (this.#apic) this.#exchange.apic(0).collect(this.#apic)
    for (const vcpu of this.vcpus) if (this.#load(vcpu.id, X.CALL) === X.CALL_ASKED) this.#serve(vcpu)
  }

  #serve(vcpu: RemoteVcpu): void {
    const { words } = this.#exchange
    const block = this.#exchange.block(vcpu.id)
    const [low, high, size, value] = [0, 1, 2, 3].map((n) => words[block + X.CALL_ARGUMENTS + n]! >>> 0) as [number, number, number, number]
    words[block + X.CALL_ANSWER] = this.#answer(vcpu, words[block + X.CALL_KIND]!, low, high, size as AccessSize, value)
    Atomics.store(words, block + X.CALL, X.CALL_ANSWERED)
    Atomics.notify(words, block + X.CALL)
  }

  #answer(vcpu: RemoteVcpu, kind: number, low: number, high: number, size: AccessSize, value: number): number {
    const { ports, mmio, ram, exited } = this.#options
    const address = high * 2 ** 32 + low
    switch (kind) {
      case C.PORT_READ: return ports.read(address, size)
      case C.MMIO_READ: return mmio.read(address, size)
      case C.PORT_WRITE: ports.write(address, size, value); break
      case C.MMIO_WRITE: mmio.write(address, size, value); break
      case C.PREPARE: ram.prepare(low, high !== 0); break
      case C.SHUTDOWN: exited(vcpu, { reason: 'shutdown' }); break
    }
    return 0
  }
}

