/** Why Vcpu.run returned. */
export type VcpuExit =
  /** The instruction budget or time slice is used up, or someone asked for a stop. */
  | { readonly reason: 'slice' }
  /** HLT or MWAIT with nothing pending: wait for an interrupt. */
  | { readonly reason: 'halt' }
  /** Triple fault: the processor is in shutdown. */
  | { readonly reason: 'shutdown' }
  /** An event the monitor asked for. RIP is at the instruction (faults, intercepts) or behind it (software interrupts, traps). */
  | { readonly reason: 'intercept'; readonly event: VcpuEvent }
  /** Guest debug: a breakpoint set by the host. */
  | { readonly reason: 'debug' }

export type VcpuEvent =
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number | undefined; readonly address: bigint }
  | { readonly kind: 'software-interrupt'; readonly vector: number; readonly nextRip: bigint }
  | { readonly kind: 'syscall' | 'sysenter' | 'cpuid' | 'rdmsr' | 'wrmsr' | 'hlt' | 'privileged'; readonly nextRip: bigint }
  | { readonly kind: 'io'; readonly port: number; readonly size: 1 | 2 | 4; readonly write: boolean; readonly value: number; readonly nextRip: bigint }
  | { readonly kind: 'control-register'; readonly register: number; readonly value: bigint; readonly nextRip: bigint }

/** What a monitor takes for itself instead of letting the guest's own tables handle it. All empty by default. */
export interface Intercepts {
  /** Bit n: exception vector n. */
  exceptions: number
  softwareInterrupts: boolean
  syscall: boolean
  sysenter: boolean
  cpuid: boolean
  msr: boolean
  io: boolean
  hlt: boolean
  /** Writes to CR0, CR4, CR8. */
  controlRegisters: boolean
  /** MOV to CR3. */
  pageTableBase: boolean
}

export interface SegmentRegister {
  selector: number
  base: bigint
  /** Effective limit in bytes (granularity applied), unsigned 32-bit. */
  limit: number
  /** Descriptor bits 40..55 in the layout of the SVM VMCB attribute field: type, S, DPL, P, AVL, L, D/B, G (AMD APM vol. 2, 15.5). */
  attributes: number
}

export type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr'

/** Architectural registers, for loaders, debuggers, snapshots and monitors. */
export interface VcpuRegisters {
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. */
  gpr: BigUint64Array
  rip: bigint
  rflags: bigint
  segments: Record<SegmentName, SegmentRegister>
  gdtr: { base: bigint; limit: number }
  idtr: { base: bigint; limit: number }
  cr0: bigint
  cr2: bigint
  cr3: bigint
  cr4: bigint
  cr8: bigint
  efer: bigint
}

/** One virtual CPU: a software CPU, or a native one behind /dev/kvm. */
export interface Vcpu {
  readonly id: number
  /** Runs at most about `instructions` guest instructions. Never throws for anything a guest does. */
  run(instructions: number): VcpuExit
  getRegisters(): VcpuRegisters
  setRegisters(registers: VcpuRegisters): void
  readonly intercepts: Intercepts
  /** Call after changing `intercepts`. */
  interceptsChanged(): void
  /** Guest instructions retired since power-on. */
  readonly instructionCount: number
  reset(): void
}
