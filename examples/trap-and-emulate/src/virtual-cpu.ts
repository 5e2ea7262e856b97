import type { GuestMemory, SegmentName, Vcpu, VcpuRegisters } from '@entresol/interfaces'
import { guestDescriptor, limitOf } from './descriptors.ts'
import { IF } from './probes.ts'

/** CR0 after the guest's loader: protected mode, ET. */
const INITIAL_CR0 = 0x11

/**
 * The processor that the guest believes to have, where it differs from the real one: everything privileged. General registers and
 * arithmetic flags are the real ones.
 */
export class VirtualCpu {
  readonly #vcpu: Vcpu
  readonly #memory: GuestMemory
  interruptsEnabled = false
  cr0: number = INITIAL_CR0
  cr2 = 0
  cr3 = 0
  cr4 = 0
  gdtr: { base: number; limit: number } = { base: 0, limit: 0 }
  idtr: { base: number; limit: number } = { base: 0, limit: 0x3ff }
  ldtr = 0
  tr = 0
  /** The real registers, valid from `load` to `store`. */
  registers: VcpuRegisters

  constructor(vcpu: Vcpu, memory: GuestMemory) {
    this.#vcpu = vcpu
    this.#memory = memory
    this.registers = vcpu.getRegisters()
  }

  load(): void {
    this.registers = this.#vcpu.getRegisters()
  }

  store(): void {
    this.#vcpu.setRegisters(this.registers)
  }

  get interruptFlag(): number {
    return this.interruptsEnabled ? IF : 0
  }

  /** EFLAGS as the guest should see them; the real IF belongs to the monitor and is always set. */
  get eflags(): number {
    return (Number(this.registers.rflags & 0xffffffffn) & ~IF) | this.interruptFlag
  }

  /** Takes what ring 0 may change: arithmetic flags, DF, AC, ID for real, IF virtually. TF is refused: single steps are not modelled. */
  set eflags(image: number) {
    this.interruptsEnabled = (image & IF) !== 0
    this.registers.rflags = BigInt((image & 0x240cd5) | IF | 2)
  }

  get eip(): number {
    return Number(this.registers.rip & 0xffffffffn)
  }

  set eip(value: number) {
    this.registers.rip = BigInt(value >>> 0)
  }

  register(number: number): number {
    return Number(this.registers.gpr[number]! & 0xffffffffn)
  }

  setRegister(number: number, value: number): void {
    this.registers.gpr[number] = BigInt(value >>> 0)
  }

  /** Ring 1 is the guest's ring 0. */
  selector(name: SegmentName): number {
    const { selector } = this.registers.segments[name]
    return (selector & 3) === 1 ? selector & ~3 : selector
  }

  /** What LAR would give (SDM vol. 2A, LAR), without the bits it leaves undefined. */
  accessRights(selector: number): number {
    return guestDescriptor(this.#memory, this.gdtr, selector).high & 0xf0ff00
  }

  /** What LSL would give. */
  limit(selector: number): number {
    return limitOf(guestDescriptor(this.#memory, this.gdtr, selector))
  }
}
