import { CodeFrames, KvmParavirtual, SoftwareVcpu } from '@entresol/cpu'
import type { ApicRegisters, CpuModel, VcpuTrace } from '@entresol/cpu'
import type { Clock, Vcpu, VcpuExit, VcpuSignals } from '@entresol/interfaces'
import { ApicBus, ApicPageBus, IoApic, LocalApic, MmioBus, PortBus } from '@entresol/io'
import type { DualPic } from '@entresol/io'
import { createMachineMemory, createPageWalker, GuestPhysicalMemory } from '@entresol/mmu'
import type { FrameMemory } from '@entresol/mmu'
import type { HostClock } from './clock/host-clock.ts'
import type { RemoteVcpu } from './threads/remote-vcpu.ts'
import { TranslationThread } from './threads/translation-thread.ts'
import { VcpuThreads } from './threads/vcpu-threads.ts'

export const IOAPIC_BASE = 0xfec00000
export const TSC_FREQUENCY = 1e9
/** State, TLB and slack per vCPU beside its code cache. */
export const VCPU_BYTES: number = 2 << 20

export interface PlatformOptions {
  readonly memory: number
  readonly cpus: number
  /** The model of the CPU with this APIC id. */
  readonly model: (apicId: number) => CpuModel
  readonly clock: Clock
  readonly codeCacheBytes: number
  /** Bytes of ROM and video memory beside guest RAM. */
  readonly extraBytes: number
  /** A sleeping run loop must look at the vCPUs. */
  readonly wake: () => void
  readonly trace?: VcpuTrace | undefined
  /** Names of places of guest code. */
  readonly symbol?: ((rip: bigint) => string | undefined) | undefined
  /** Threads of their own for all vCPUs but the first. */
  readonly threads?: ThreadOptions | undefined
  /** Code of this thread's vCPUs is translated in others; told of an error in one. */
  readonly translation?: { readonly failed: (error: unknown) => void } | undefined
}

export interface ThreadOptions {
  readonly clock: HostClock
  /** As `MachineOptions.cpu`. */
  readonly cpu: string
  /** A vCPU of another thread left for good. */
  readonly exited: (vcpu: Vcpu, exit: VcpuExit) => void
  /** A thread ended with an error. */
  readonly failed: (error: unknown) => void
}

/** What every board has: memory, buses, vCPUs with local APICs, an I/O APIC. */
export class Platform {
  readonly machineMemory: FrameMemory
  readonly ram: GuestPhysicalMemory
  readonly ports: PortBus
  readonly mmio: MmioBus
  readonly apicBus: ApicBus
  readonly ioapic: IoApic
  /** Those of this thread: all, or the first. */
  readonly vcpus: readonly SoftwareVcpu[]
  readonly apics: readonly LocalApic[]
  /** The others, when they have threads of their own. */
  readonly threads: VcpuThreads | undefined
  readonly #translators: TranslationThread[] = []
  /** Set by a board that has 8259As, before the first interrupt. */
  pic: DualPic | undefined

  constructor(options: PlatformOptions) {
    const { clock, cpus } = options
    const models = Array.from({ length: cpus }, (_, id) => options.model(id))
    this.machineMemory = createMachineMemory({
      bytes: options.memory + options.extraBytes + cpus * (options.codeCacheBytes + VCPU_BYTES), shared: options.threads !== undefined,
    })
    this.ram = new GuestPhysicalMemory(this.machineMemory)
    this.ram.addRam(options.memory)
    this.ports = new PortBus()
    this.mmio = new MmioBus(models[0]!.physicalAddressBits)
    this.apicBus = new ApicBus()
    this.ioapic = new IoApic(this.apicBus)
    this.apicBus.onEndOfInterrupt(this.ioapic)
    this.mmio.map(IOAPIC_BASE, this.ioapic)
    const vcpus: SoftwareVcpu[] = []
    const here = options.threads ? 1 : cpus
    this.apics = Array.from({ length: here }, (_, id) => this.#apic(id, vcpus, options, models[id]!.physicalAddressBits))
    this.threads = this.#threads(options, models)
    const codeFrames = this.threads?.codeFrames ?? new CodeFrames(this.machineMemory)
    for (let id = 0; id < here; id++) {
      const apic = this.apics[id]!
      const paravirtual = new KvmParavirtual({ memory: this.ram, clock, tscFrequency: TSC_FREQUENCY, tsc: () => vcpus[id]!.tsc() })
      const translationHelper = options.translation && new TranslationThread(models[id]!, options.threads !== undefined, options.translation.failed)
      if (translationHelper) this.#translators.push(translationHelper)
      vcpus.push(new SoftwareVcpu({
        id, memory: this.machineMemory, physical: this.ram, walker: createPageWalker(this.machineMemory, this.ram),
        ports: this.ports, mmio: new ApicPageBus(apic, this.mmio), interrupts: apic, apic: apicRegisters(apic), paravirtual,
        clock, random: { nextU32: () => crypto.getRandomValues(new Uint32Array(1))[0]! }, model: models[id]!, tscFrequency: TSC_FREQUENCY,
        codeCacheBytes: options.codeCacheBytes, codeFrames, yieldOnPause: here > 1, onKick: () => this.threads?.look(),
        ...(options.trace ? { trace: options.trace } : {}), ...(options.symbol ? { symbol: options.symbol } : {}),
        ...(translationHelper ? { translationHelper } : {}),
      }))
    }
    this.vcpus = vcpus
    this.threads?.bind(vcpus[0]!, this.apics[0]!)
  }

  /** All of the machine, in order. */
  get allVcpus(): readonly (SoftwareVcpu | RemoteVcpu)[] {
    return [...this.vcpus, ...(this.threads?.vcpus ?? [])]
  }

  #threads(options: PlatformOptions, models: readonly CpuModel[]): VcpuThreads | undefined {
    const { threads, codeCacheBytes, wake } = options
    if (!threads) return undefined
    const { ram, ports, mmio, apicBus, ioapic } = this
    return new VcpuThreads({
      ...threads, models, memory: this.machineMemory, ram, ports, mmio, apicBus, ioapic, codeCacheBytes, vcpuBytes: VCPU_BYTES, wake,
    })
  }

  #apic(id: number, vcpus: readonly SoftwareVcpu[], options: PlatformOptions, physicalAddressBits: number): LocalApic {
    // The APIC is made before its vCPU and signals nothing until then.
    const signal = (action: (vcpu: SoftwareVcpu) => void): void => {
      const vcpu = vcpus[id]
      if (!vcpu) return
      action(vcpu)
      options.wake()
    }
    const signals: VcpuSignals = {
      interruptPending: () => signal((v) => v.interruptPending()), nmi: () => signal((v) => v.nmi()), smi: () => signal((v) => v.smi()),
      init: () => signal((v) => v.init()), sipi: (vector) => signal((v) => v.sipi(vector)),
    }
    return new LocalApic({
      id, bootstrap: id === 0, bus: this.apicBus, clock: options.clock,
      signals, ...(options.threads ? { onUpdate: (apic: LocalApic) => this.threads?.publish(apic) } : {}),
      tsc: () => vcpus[id]?.tsc() ?? 0n, tscFrequency: TSC_FREQUENCY, physicalAddressBits,
      pic: { pending: () => this.pic?.pending() ?? false, acknowledge: () => this.pic?.acknowledge() ?? -1 },
    })
  }

  /** Frees the threads. */
  end(): void {
    this.threads?.end()
    for (const thread of this.#translators) thread.end()
  }

  reset(): void {
    for (const apic of this.apics) apic.reset()
    this.ioapic.reset()
    for (const vcpu of this.vcpus) vcpu.reset()
  }
}

const MSR_APIC_BASE = 0x1b
const MSR_TSC_DEADLINE = 0x6e0

/** The local APIC as the CPU's instructions reach it. */
export function apicRegisters(apic: LocalApic): ApicRegisters {
  const read = (index: number): bigint | undefined =>
    apic.readMsr(index) ? (BigInt(apic.msrHigh >>> 0) << 32n) | BigInt(apic.msrLow >>> 0) : undefined
  const write = (index: number, value: bigint): boolean => apic.writeMsr(index, Number(value & 0xffffffffn), Number(value >> 32n))
  return {
    get apicBase() { return read(MSR_APIC_BASE) ?? 0n },
    writeApicBase: (value) => write(MSR_APIC_BASE, value),
    readMsr: read,
    writeMsr: write,
    get tpr() { return apic.readCr8() },
    set tpr(value) { apic.writeCr8(value) },
    get tscDeadline() { return read(MSR_TSC_DEADLINE) ?? 0n },
    set tscDeadline(value) { write(MSR_TSC_DEADLINE, value) },
  }
}
