import type { Bus, Clock, Intercepts, PageWalker, RandomSource, VcpuEvent } from '@entresol/interfaces'
import type { LinearMemory } from '../memory/linear-memory.ts'
import type { Tlb } from '../memory/tlb.ts'
import type { CpuState } from '../state/state.ts'
import type { VcpuTrace } from '../trace.ts'
import type { CpuModel } from './cpuid/model.ts'

/** The local APIC as instructions reach it: CR8, IA32_APIC_BASE and the x2APIC MSRs. Implemented by io's LocalApic through the board. */
export interface ApicRegisters {
  readonly apicBase: bigint
  /** Returns false when the value is refused (#GP). */
  writeApicBase(value: bigint): boolean
  /** x2APIC MSR 0x800..0x8ff; undefined: #GP. */
  readMsr(index: number): bigint | undefined
  writeMsr(index: number, value: bigint): boolean
  /** Task priority class: CR8. */
  tpr: number
  /** IA32_TSC_DEADLINE. */
  tscDeadline: bigint
}

/** Paravirtual services a board offers behind the KVM CPUID leaf (Linux Documentation/virt/kvm/x86/msr.rst). */
export interface ParavirtualMsrs {
  read(index: number): bigint | undefined
  write(index: number, value: bigint): boolean
  /** KVM_FEATURE_* bits of CPUID 4000_0001h EAX. */
  readonly features: number
  /** The guest wrote its time-stamp counter. */
  tscChanged(): void
  /** VMCALL/VMMCALL with the KVM ABI: result for RAX. */
  hypercall(number: bigint, a0: bigint, a1: bigint, a2: bigint, a3: bigint): bigint
}

/** Why generated code was left other than by a fault. */
export type Leave =
  /** Until an interrupt, or until `until` says so. */
  | { readonly kind: 'halt'; readonly until?: () => boolean }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'intercept'; readonly event: VcpuEvent }

/** Everything the rare, long instructions and event delivery work on. One per vCPU. */
export interface SystemContext {
  /** Number of the vCPU, which is its initial APIC id. */
  readonly id: number
  readonly state: CpuState
  readonly memory: LinearMemory
  readonly tlb: Tlb
  readonly walker: PageWalker
  readonly ports: Bus
  readonly model: CpuModel
  readonly clock: Clock
  readonly random: RandomSource
  readonly apic: ApicRegisters
  readonly paravirtual: ParavirtualMsrs | undefined
  readonly intercepts: Intercepts
  /** Time-stamp counter now. */
  tsc(): bigint
  /** The same, left in HOST_VALUE. */
  readTsc(): void
  /** WRMSR to IA32_TIME_STAMP_COUNTER. */
  setTsc(value: bigint): void
  /** Recomputes CPL-, segment- and mode-derived fields after CS, SS, EFLAGS.VM, EFLAGS.AC, CR0, CR4 or EFER changed. */
  modeChanged(): void
  /** The same where 64-bit code stays 64-bit code and only CPL or EFLAGS.AC changed. */
  privilegeChanged(): void
  /** CR0, CR3, CR4 or EFER changed: configures the walker; false when PAE PDPTEs are refused (#GP, nothing changed). The caller flushes the TLB. */
  pagingChanged(): boolean
  /** Interrupts are inhibited until after the next instruction (STI), with `debugToo` debug traps also (MOV SS, POP SS). */
  inhibitInterrupts(debugToo?: boolean): void
  /** EFLAGS.RF was loaded for the next instruction (IRET, task switch). */
  resumeLoaded(): void
  /** The instruction entered a handler that clears TF: no single-step trap follows it. */
  suppressStep(): void
  /** IF may have become 1 or TPR dropped: leave at the next boundary if something waits. */
  interruptsMayFlow(): void
  /** PAUSE: this processor waits for another; true when the slice is over. */
  pause(): boolean
  /** Who wants to be told of what happens. */
  readonly trace: VcpuTrace | undefined
  /** Ends generated code after this instruction; the host function returns STATUS_LEAVE with RIP set. */
  leave(reason: Leave): void
  /** Debug registers or TF changed: the next boundary looks at them. */
  debugChanged(): void
  /** An I/O instruction is done: I/O breakpoints trap after it. */
  portAccessed(port: number, size: number): void
  /** IRET: NMIs are no longer blocked. */
  nmiDone(): void
}

/** The instruction a host function carries out, read from its record. */
export interface HostInstruction {
  /** Operand size in bits of the variant. */
  readonly width: 8 | 16 | 32 | 64
  readonly memory: boolean
  readonly length: number
  readonly rip: bigint
  /** RIP behind the instruction, masked for the mode. */
  readonly nextRip: bigint
  /** Sets state.rip `bytes` behind the instruction's start: `length` for the next one. */
  leaveAt(bytes: number): void
  readonly immediate: bigint
  /** ModRM.reg as a number for S, C, D operands. */
  readonly regNumber: number
  /** State offsets of register operands. */
  readonly rmCell: number
  readonly regCell: number
  readonly vvvvCell: number
  /** Vector length in bytes: 32 for VEX.256. */
  readonly vectorBytes: 16 | 32
  /** Linear address of the memory operand; checks segment limit and rights for `size` bytes. Throws GuestFault. */
  linear(size: number, write: boolean): bigint
  /** The same for `offset`, truncated to the address size, in the memory operand's segment. */
  linearAt(offset: bigint, size: number, write: boolean): bigint
  /** Parts of an address with a vector index: base plus displacement, cell of the index register, shift of each index. */
  vectorAddress(): { base: bigint; indexCell: number; scale: number }
  /** Of what lies `distance` bytes behind the start of the memory operand; the sum is not cut to the address size. */
  linearBehind(distance: number, size: number, write: boolean): bigint
  /** True for the stack segment (faults are #SS). */
  readonly stackSegment: boolean
  /** REP prefix of a string instruction. */
  readonly repeat: 'none' | 'rep' | 'repne'
  /** General register truncated to the address size. */
  addressRegister(number: number): bigint
  /** Adds to a register within the address size. */
  advanceAddressRegister(number: number, delta: number): void
  /**
   * Linear address, checked for `size` bytes, of a string operand: 'source' is DS (or override):rSI for reading, 'destination' ES:rDI for writing,
   * 'address' DS (or override):rAX for reading (MONITOR).
   */
  stringLinear(operand: 'source' | 'destination' | 'address', size: number): bigint
}

/**
 * A rare instruction in TypeScript. Returns a STATUS_* (undefined is STATUS_NEXT: continue behind the instruction); faults are thrown as
 * GuestFault before any state changed. To transfer control set state.rip and return STATUS_JUMP.
 */
export type HostFunction = (c: SystemContext, i: HostInstruction) => number | void
