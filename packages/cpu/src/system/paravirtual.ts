import type { Clock, Gpa, GuestMemory } from '@entresol/interfaces'
import * as X from '@entresol/x86'
import type { ParavirtualMsrs } from './context.ts'

/** KVM_FEATURE_* bits (Linux Documentation/virt/kvm/x86/cpuid.rst). */
const FEATURE_CLOCKSOURCE = 1 << 0
const FEATURE_NOP_IO_DELAY = 1 << 1
const FEATURE_CLOCKSOURCE2 = 1 << 3
const FEATURE_STEAL_TIME = 1 << 5
const FEATURE_PV_UNHALT = 1 << 7
const FEATURE_PV_SEND_IPI = 1 << 11
const FEATURE_POLL_CONTROL = 1 << 12
const FEATURE_CLOCKSOURCE_STABLE_BIT = 1 << 24

/** Hypercalls (hypercalls.rst) and their errors. */
const HC_VAPIC_POLL_IRQ = 1n
const HC_KICK_CPU = 5n
const HC_SEND_IPI = 10n
const ENOSYS = -1000n

const PVCLOCK_TSC_STABLE = 1

export interface KvmParavirtualOptions {
  readonly memory: Pick<GuestMemory, 'writeU8' | 'writeU32' | 'writeU64'>
  readonly clock: Clock
  readonly tscFrequency: number
  /** This vCPU's time-stamp counter now. */
  readonly tsc: () => bigint
  /** Wakes the vCPU with this APIC id from HLT; with it PV unhalt is offered. */
  readonly kick?: (apicId: number) => void
  /** Sends an IPI to the APIC ids set in `bitmap` counted from `first`; returns how many got it. With it PV IPIs are offered. */
  readonly sendIpi?: (bitmap: bigint, first: number, icr: number) => number
}

/**
 * KVM's paravirtual services for one vCPU: kvmclock with the stable bit, wall clock, steal time, poll control and, given the callbacks,
 * kick and send-IPI (Linux Documentation/virt/kvm/x86/msr.rst). Not offered: asynchronous page faults, PV EOI, PV TLB flush.
 */
export class KvmParavirtual implements ParavirtualMsrs {
  readonly features: number
  readonly #options: KvmParavirtualOptions
  readonly #multiplier: number
  readonly #shift: number
  #systemTime = 0n
  #wallClock = 0n
  #stealTime = 0n
  #steal = 0n
  #pollControl = 1n
  #version = 0
  #stealVersion = 0

  constructor(options: KvmParavirtualOptions) {
    this.#options = options
    this.features = FEATURE_CLOCKSOURCE | FEATURE_NOP_IO_DELAY | FEATURE_CLOCKSOURCE2 | FEATURE_STEAL_TIME | FEATURE_POLL_CONTROL |
      FEATURE_CLOCKSOURCE_STABLE_BIT | (options.kick ? FEATURE_PV_UNHALT : 0) | (options.sendIpi ? FEATURE_PV_SEND_IPI : 0)
    // ns = (ticks << shift) * multiplier / 2^32 with the multiplier as large as 32 bits allow.
    let ratio = 1e9 / options.tscFrequency
    let shift = 0
    for (; ratio >= 1; shift++) ratio /= 2
    for (; ratio < 0.5; shift--) ratio *= 2
    this.#multiplier = Math.floor(ratio * 0x100000000)
    this.#shift = shift
  }

  read(index: number): bigint | undefined {
    switch (index) {
      case X.MSR_KVM_WALL_CLOCK: case X.MSR_KVM_WALL_CLOCK_NEW: return this.#wallClock
      case X.MSR_KVM_SYSTEM_TIME: case X.MSR_KVM_SYSTEM_TIME_NEW: return this.#systemTime
      case X.MSR_KVM_STEAL_TIME: return this.#stealTime
      case X.MSR_KVM_POLL_CONTROL: return this.#pollControl
      default: return undefined
    }
  }

  write(index: number, value: bigint): boolean {
    switch (index) {
      case X.MSR_KVM_WALL_CLOCK: case X.MSR_KVM_WALL_CLOCK_NEW:
        this.#wallClock = value
        this.#writeWallClock()
        return true
      case X.MSR_KVM_SYSTEM_TIME: case X.MSR_KVM_SYSTEM_TIME_NEW:
        this.#systemTime = value
        this.#writeClock()
        return true
      case X.MSR_KVM_STEAL_TIME:
        // 64-byte aligned; bits 5:1 are reserved.
        if (value & 0x3en) return false
        this.#stealTime = value
        this.#writeSteal()
        return true
      case X.MSR_KVM_POLL_CONTROL:
        if (value >> 1n) return false
        this.#pollControl = value
        return true
      default: return false
    }
  }

  /** The guest moved its time-stamp counter: the clock's reference point is stale. */
  tscChanged(): void {
    this.#writeClock()
  }

  /** The vCPU was ready but did not run for `nanoseconds`. */
  addSteal(nanoseconds: number): void {
    this.#steal += BigInt(Math.round(nanoseconds))
    this.#writeSteal()
  }

  reset(): void {
    this.#systemTime = this.#wallClock = this.#stealTime = this.#steal = 0n
    this.#pollControl = 1n
  }

  hypercall(number: bigint, a0: bigint, a1: bigint, a2: bigint, a3: bigint): bigint {
    const { kick, sendIpi } = this.#options
    if (number === HC_VAPIC_POLL_IRQ) return 0n
    if (number === HC_KICK_CPU && kick) {
      kick(Number(a1 & 0xffffffffn))
      return 0n
    }
    if (number === HC_SEND_IPI && sendIpi) return BigInt(sendIpi(a0 | (a1 << 64n), Number(a2 & 0xffffffffn), Number(a3 & 0xffffffffn)))
    return ENOSYS
  }

  /** struct pvclock_vcpu_time_info: the version is odd while fields change. */
  #writeClock(): void {
    if (!(this.#systemTime & 1n)) return
    const { memory, clock, tsc } = this.#options
    const at = Number(this.#systemTime & 0xffffffffffffen)
    const field = (offset: number): Gpa => (at + offset) as Gpa
    memory.writeU32(field(0), ++this.#version)
    memory.writeU64(field(8), BigInt.asUintN(64, tsc()))
    memory.writeU64(field(16), BigInt(Math.floor(clock.now())))
    memory.writeU32(field(24), this.#multiplier)
    memory.writeU8(field(28), this.#shift & 0xff)
    memory.writeU8(field(29), PVCLOCK_TSC_STABLE)
    memory.writeU32(field(0), ++this.#version)
  }

  /** struct pvclock_wall_clock: wall time at system time 0. */
  #writeWallClock(): void {
    const { memory, clock } = this.#options
    const at = Number(this.#wallClock & 0xffffffffffffcn)
    const nanoseconds = BigInt(Math.floor(clock.wallClock())) * 1000000n - BigInt(Math.floor(clock.now()))
    memory.writeU32(at as Gpa, 1)
    memory.writeU32((at + 4) as Gpa, Number(BigInt.asUintN(32, nanoseconds / 1000000000n)))
    memory.writeU32((at + 8) as Gpa, Number(BigInt.asUintN(32, nanoseconds % 1000000000n)))
    memory.writeU32(at as Gpa, 2)
  }

  /** struct kvm_steal_time. */
  #writeSteal(): void {
    if (!(this.#stealTime & 1n)) return
    const { memory } = this.#options
    const at = Number(this.#stealTime & 0xfffffffffffc0n)
    memory.writeU32((at + 8) as Gpa, ++this.#stealVersion)
    memory.writeU64(at as Gpa, this.#steal)
    memory.writeU32((at + 12) as Gpa, 0)
    memory.writeU8((at + 16) as Gpa, 0)
    memory.writeU32((at + 8) as Gpa, ++this.#stealVersion)
  }
}
