import { adoptInterpreter, createCpuModel, KvmParavirtual, parseCpuOption, SharedCodeFrames, SoftwareVcpu, vcpuCounters, writeMsr } from '@entresol/cpu'
import type { CodeFrameTables } from '@entresol/cpu'
import { ApicBus, ApicPageBus, LocalApic, RemoteApic } from '@entresol/io'
import { ALL_FRAMES, AttachedMachineMemory, AttachedPhysicalMap, createPageWalker } from '@entresol/mmu'
import type { SharedMap } from '@entresol/mmu'
import { apicRegisters, TSC_FREQUENCY } from '../platform.ts'
import * as C from './calls.ts'
import { AttachedGuestMemory } from './attached-guest-memory.ts'
import * as X from './exchange.ts'
import { FollowingClock } from '../clock/following-clock.ts'
import { yieldToHost } from '../yield.ts'
import { VcpuPort } from './vcpu-port.ts'

/** Everything a vCPU's thread is told at its start. */
export interface VcpuThreadOptions {
  readonly id: number
  readonly cpus: number
  /** Model and changes to it, as `MachineOptions.cpu`. */
  readonly cpu: string
  readonly memory: WebAssembly.Memory
  readonly arena: { readonly address: number; readonly bytes: number }
  readonly map: SharedMap
  readonly exchange: SharedArrayBuffer
  readonly codeFrames: CodeFrameTables
  readonly codeCacheBytes: number
  /** Compiled: threads share its machine code. */
  readonly interpreter: WebAssembly.Module
  readonly timeOrigin: number
  readonly wallOffset: number
}

/** Instructions between looks at timers. */
const SLICE = 100_000

/** Milliseconds between turns of the thread's event loop, in which the engine frees the WebAssembly of regions that are gone; nothing else needs them. */
const TURN = 1000

/** One vCPU with its local APIC in its own thread. What other threads want of it comes by shared memory, not by messages. */
export class VcpuThread {
  readonly #port: VcpuPort
  readonly #clock: FollowingClock
  readonly #apic: LocalApic
  readonly #codeFrames: SharedCodeFrames
  readonly #vcpu: SoftwareVcpu
  readonly #counters: Float64Array
  readonly #events: Uint32Array
  #codeLost = false
  #turnEnd = 0

  /** `wakeFirst` posts a message to the first thread. */
  constructor(o: VcpuThreadOptions, wakeFirst: () => void) {
    adoptInterpreter(o.interpreter)
    const exchange = new X.Exchange(o.cpus, o.exchange)
    const memory = new AttachedMachineMemory(o.memory, o.arena)
    const port = this.#port = new VcpuPort(exchange, o.id, memory, wakeFirst, true)
    const clock = this.#clock = new FollowingClock(exchange.clock, o.timeOrigin, o.wallOffset)
    const { name, changes } = parseCpuOption(o.cpu)
    const model = createCpuModel(name, changes, { cpus: o.cpus, apicId: o.id })
    const physical = new AttachedPhysicalMap(o.map, (page, write) => void port.call(C.PREPARE, page, write ? 1 : 0, 0, 0))
    const codeFrames = this.#codeFrames = new SharedCodeFrames(o.id, o.codeFrames, port)
    const tsc = (): bigint => this.#vcpu?.tsc() ?? 0n
    const bus = new ApicBus()
    bus.onEndOfInterrupt(port)
    const mailbox = exchange.apic(o.id)
    // On every thread's bus in the order of their numbers.
    let apic: LocalApic | undefined
    for (let id = 0; id < o.cpus; id++) {
      if (id !== o.id) bus.attach(new RemoteApic(exchange.apic(id), () => port.kick(id)))
      else apic = new LocalApic({
        id, bootstrap: false, bus, clock, tsc, tscFrequency: TSC_FREQUENCY, physicalAddressBits: model.physicalAddressBits,
        onUpdate: (changed) => mailbox.publish(changed),
        signals: {
          interruptPending: () => this.#vcpu?.interruptPending(), nmi: () => this.#vcpu?.nmi(), smi: () => this.#vcpu?.smi(),
          init: () => this.#vcpu?.init(), sipi: (vector) => this.#vcpu?.sipi(vector),
        },
      })
    }
    this.#apic = apic!
    this.#vcpu = new SoftwareVcpu({
      id: o.id, memory, physical, walker: createPageWalker(memory, physical), ports: new C.RemoteBus(port, 'ports'),
      mmio: new ApicPageBus(this.#apic, new C.RemoteBus(port, 'mmio')), interrupts: this.#apic, apic: apicRegisters(this.#apic),
      paravirtual: new KvmParavirtual({ memory: new AttachedGuestMemory(memory, physical, codeFrames), clock, tscFrequency: TSC_FREQUENCY, tsc }),
      clock, random: { nextU32: () => crypto.getRandomValues(new Uint32Array(1))[0]! }, model, tscFrequency: TSC_FREQUENCY,
      codeCacheBytes: o.codeCacheBytes, codeFrames, onKick: () => this.#kicked(),
    })
    this.#counters = exchange.counters(o.id)
    this.#events = exchange.events(o.id)
    const vcpu = this.#vcpu
    port.bind(vcpu.state.base, {
      protect: (frame) => codeFrames.protect(frame),
      overwritten: (address, length) => codeFrames.overwritten(address, length),
      invalidate: (first, count) => physical.invalidate(first, count),
      setMsr: (index, low, high) => void writeMsr(vcpu, index, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)),
      lost: () => {
        this.#codeLost = true
        physical.invalidate(0, ALL_FRAMES)
      },
    })
  }

  /** Leaves only by an exception, which is a bug of ours; nobody waits for this thread then. */
  async run(): Promise<never> {
    const port = this.#port
    try {
      return await this.#loop()
    } catch (error) {
      port.leave()
      port.store(X.STATUS, X.STATUS_ENDED)
      throw error
    }
  }

  async #loop(): Promise<never> {
    const port = this.#port
    for (;;) {
      if (performance.now() >= this.#turnEnd) {
        port.leave()
        await yieldToHost()
        this.#turnEnd = performance.now() + TURN
      }
      port.clearKick()
      port.enter()
      if (port.load(X.RESET)) this.#reset()
      if (port.load(X.COMMAND) !== X.COMMAND_RUN) this.#wait(X.STATUS_PAUSED, Infinity)
      else this.#turn()
    }
  }

  /** Runs until the vCPU halts, the first thread wants something or it is time for the event loop. */
  #turn(): void {
    const port = this.#port
    port.store(X.STATUS, X.STATUS_RUNNING)
    this.#kicked()
    while (!this.#wanted && performance.now() < this.#turnEnd) {
      this.#clock.runDue()
      const exit = this.#vcpu.run(SLICE)
      this.#publish()
      if (exit.reason === 'shutdown') port.call(C.SHUTDOWN, 0, 0, 0, 0)
      if (exit.reason === 'slice') continue
      const milliseconds = (this.#clock.nextDeadline() - this.#clock.now()) / 1e6
      if (exit.reason === 'shutdown' || milliseconds > 0) return this.#wait(X.STATUS_RUNNING, exit.reason === 'shutdown' ? Infinity : milliseconds)
    }
  }

  /** The first thread wants to pause or reset it. */
  get #wanted(): boolean {
    return this.#port.load(X.COMMAND) !== X.COMMAND_RUN || this.#port.load(X.RESET) !== 0
  }

  #wait(status: number, milliseconds: number): void {
    const port = this.#port
    port.leave()
    port.store(X.STATUS, status)
    port.sleep(milliseconds)
  }

  /** Between two instructions, after a kick. */
  #kicked(): void {
    this.#port.take()
    if (this.#codeLost) {
      this.#codeLost = false
      this.#vcpu.code.flush()
    }
    this.#codeFrames.giveUpTired()
    this.#port.exchange.apic(this.#port.vcpu).collect(this.#apic)
    if (this.#wanted) this.#vcpu.stop()
  }

  #reset(): void {
    this.#port.exchange.apic(this.#port.vcpu).clear()
    this.#apic.reset()
    this.#vcpu.reset()
    this.#publish()
    this.#port.store(X.RESET, 0)
  }

  #publish(): void {
    const counters = vcpuCounters(this.#vcpu)
    this.#counters.set(X.COUNTERS.map((name) => counters[name]))
    this.#events.set(this.#vcpu.exceptionCounts)
  }
}

