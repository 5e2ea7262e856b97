import type { Gpa, SegmentRegister, VcpuEvent } from '@entresol/interfaces'
import { decodePrivileged } from './decode.ts'
import { shadowSegment, shadowTable } from './descriptors.ts'
import { emulate } from './emulate.ts'
import type { Machine } from './emulate.ts'
import { CONSOLE_PORT, GUEST_STACK, TIMER_PORT, TIMER_VECTOR } from './guest.ts'
import type { GuestImage } from './guest.ts'
import { createHardware, GUEST_BYTES, MONITOR_GDT, MONITOR_IDT, MONITOR_TSS } from './hardware.ts'
import type { Hardware } from './hardware.ts'
import { IF, PROBE_PORT, PROBES } from './probes.ts'
import type { Probe } from './probes.ts'
import { VirtualCpu } from './virtual-cpu.ts'

const GENERAL_PROTECTION = 13
const CR4_UMIP = 1n << 11n
/** EBX, EDX, ECX of leaf 0 spell "TrapEmulate!". */
const VENDOR = [0x70617254, 0x6c756d45, 0x21657461] as const

/** What a probe showed the guest, and what its virtual processor would have shown. */
export interface Observation {
  readonly probe: Probe
  readonly guest: number
  readonly virtual: number
}

export interface Report {
  /** Exits by cause. */
  readonly exits: ReadonlyMap<string, number>
  /** Interrupts of the virtual timer delivered to the guest. */
  readonly ticks: number
  readonly console: string
  readonly observations: readonly Observation[]
  /** Why the run ended, and the EIP of the guest then. */
  readonly end: 'halted with interrupts off' | 'nothing will wake it' | 'shutdown' | 'instruction limit'
  readonly eip: number
}

export interface MonitorOptions {
  /** Sets the real CR4.UMIP: SGDT, SIDT, SLDT, SMSW and STR then trap above ring 0. */
  readonly umip?: boolean
  /** Guest instructions and exits before the monitor gives up (default 1,000,000). */
  readonly limit?: number
}

/** Runs a kernel written for ring 0 in ring 1, and is ring 0 itself. Nothing the guest does throws. */
export class Monitor implements Machine {
  readonly hardware: Hardware = createHardware()
  readonly memory: Hardware['ram'] = this.hardware.ram
  readonly cpu: VirtualCpu = new VirtualCpu(this.hardware.cpu, this.hardware.ram)
  readonly #exits = new Map<string, number>()
  readonly #observations: Observation[] = []
  readonly #limit: number
  #console = ''
  #ticksLeft = 0
  #ticks = 0
  #end: Report['end'] | undefined

  constructor(image: GuestImage, options: MonitorOptions = {}) {
    this.#limit = options.limit ?? 1_000_000
    for (const { address, bytes } of image.parts) this.memory.write(address as Gpa, bytes)
    shadowTable(this.memory, { base: 0, limit: 0 })
    const { registers } = this.cpu
    const flat = (selector: number, attributes: number): SegmentRegister => ({ selector, base: 0n, limit: GUEST_BYTES - 1, attributes })
    const data = flat(0x11, 0x4b3)
    Object.assign(registers.segments, { cs: flat(0x09, 0x4bb), ss: data, ds: data, es: data, fs: data, gs: data })
    registers.segments.tr = { selector: 0xf8, base: BigInt(MONITOR_TSS), limit: 0x67, attributes: 0x8b }
    registers.gdtr = { base: BigInt(MONITOR_GDT), limit: 0xff }
    registers.idtr = { base: BigInt(MONITOR_IDT), limit: 0x7ff }
    registers.cr0 = 0x11n
    registers.cr4 = options.umip ? CR4_UMIP : 0n
    registers.rflags = BigInt(IF | 2)
    registers.rip = BigInt(image.entry)
    registers.gpr[4] = BigInt(GUEST_STACK)
    this.cpu.store()
    Object.assign(this.hardware.cpu.intercepts, { exceptions: -1, softwareInterrupts: true, cpuid: true, msr: true, syscall: true, sysenter: true })
    this.hardware.cpu.interceptsChanged()
  }

  run(): Report {
    const { cpu } = this.hardware
    for (let exits = 0; this.#end === undefined; exits++) {
      if (exits > this.#limit || cpu.instructionCount > this.#limit) this.#end = 'instruction limit'
      else {
        const exit = cpu.run(10_000)
        this.cpu.load()
        if (exit.reason === 'intercept') this.#handle(exit.event)
        else if (exit.reason !== 'slice') this.#end = 'shutdown'
        this.cpu.store()
      }
    }
    return { exits: this.#exits, ticks: this.#ticks, console: this.#console, observations: this.#observations, end: this.#end, eip: this.cpu.eip }
  }

  #count(cause: string): void {
    this.#exits.set(cause, (this.#exits.get(cause) ?? 0) + 1)
  }

  #handle(event: VcpuEvent): void {
    switch (event.kind) {
      case 'exception':
        this.#exception(event.vector, event.errorCode)
        break
      case 'software-interrupt':
        this.#count(`INT ${event.vector.toString(16).toUpperCase()}h`)
        this.#reflect(event.vector, undefined, Number(event.nextRip))
        break
      case 'cpuid':
        this.#count('CPUID')
        this.#cpuid()
        this.cpu.eip = Number(event.nextRip)
        break
      default:
        // MSRs, SYSCALL and SYSENTER: this virtual processor has none.
        this.#count(`${event.kind} refused`)
        this.#reflect(event.kind === 'rdmsr' || event.kind === 'wrmsr' ? GENERAL_PROTECTION : 6, event.kind.endsWith('msr') ? 0 : undefined, this.cpu.eip)
    }
  }

  #exception(vector: number, errorCode: number | undefined): void {
    const instruction = vector === GENERAL_PROTECTION && errorCode !== undefined ? decodePrivileged(this.memory, this.cpu) : undefined
    if (instruction) {
      const outcome = emulate(this, instruction)
      if (outcome !== 'fault') {
        this.#count(`#GP: ${instruction.name}`)
        return
      }
    }
    this.#count(`exception ${vector} reflected`)
    this.#reflect(vector, errorCode, this.cpu.eip)
  }

  #cpuid(): void {
    const { cpu } = this
    const leaf = cpu.register(0)
    const [eax, ebx, ecx, edx] = leaf === 0 ? [0, VENDOR[0], VENDOR[2], VENDOR[1]] : [0, 0, 0, 0]
    ;[eax, ecx, edx, ebx].forEach((value, register) => cpu.setRegister(register, value))
  }

  /** Delivers an event through the guest's own IDT, as the processor would through the real one (SDM vol. 3A, 7.12). */
  #reflect(vector: number, errorCode: number | undefined, returnEip: number): void {
    const { cpu, memory } = this
    const at = cpu.idtr.base + vector * 8
    const present = vector * 8 + 7 <= cpu.idtr.limit && at + 8 <= GUEST_BYTES
    const [low, high] = present ? [memory.readU32(at as Gpa), memory.readU32((at + 4) as Gpa)] : [0, 0]
    const type = (high >>> 8) & 0x1f
    const code = high & 0x8000 && (type === 14 || type === 15) ? shadowSegment(memory, low >>> 16, 'code') : undefined
    const frame = [...errorCode === undefined ? [] : [errorCode], returnEip, cpu.selector('cs'), cpu.eflags]
    const stack = Number(cpu.registers.segments.ss.base)
    const pointer = (cpu.register(4) - frame.length * 4) >>> 0
    if (!code || stack + pointer + frame.length * 4 > GUEST_BYTES) {
      // A double fault would need the same tables.
      this.#end = 'shutdown'
      return
    }
    frame.forEach((value, index) => memory.writeU32((stack + pointer + index * 4) as Gpa, value >>> 0))
    cpu.setRegister(4, pointer)
    cpu.registers.segments.cs = code
    cpu.eip = (low & 0xffff) | (high & 0xffff0000)
    if (type === 14) cpu.interruptsEnabled = false
  }

  // Machine: virtual devices

  input(port: number): number {
    return port === TIMER_PORT ? this.#ticksLeft : 0xffffffff
  }

  output(port: number, _size: number, value: number): void {
    const probe = PROBES[port - PROBE_PORT]
    if (port === CONSOLE_PORT) this.#console += String.fromCharCode(value & 0xff)
    else if (port === TIMER_PORT) this.#ticksLeft = value & 0xff
    else if (probe) this.#observations.push({ probe, guest: value, virtual: probe.virtual(this.cpu) >>> 0 })
  }

  /** The timer of this machine only ticks for a sleeper: the run is the same every time. */
  halt(): void {
    if (!this.cpu.interruptsEnabled) this.#end = 'halted with interrupts off'
    else if (this.#ticksLeft === 0) this.#end = 'nothing will wake it'
    else {
      this.#ticksLeft--
      this.#ticks++
      this.#reflect(TIMER_VECTOR, undefined, this.cpu.eip)
    }
  }
}
