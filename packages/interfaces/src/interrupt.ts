/** One wire into an interrupt controller. Level-triggered semantics are the wire's: idempotent, `true` is asserted. */
export interface InterruptLine {
  set(asserted: boolean): void
}

/** Receives message-signalled interrupts: a 32-bit data write to a 64-bit address (Intel SDM vol. 3, "Message Signalled Interrupts"). */
export interface MsiSink {
  send(addressLow: number, addressHigh: number, data: number): void
}

/** What a vCPU asks at instruction boundaries. Implemented by a local APIC, or a PIC alone. */
export interface InterruptSource {
  /** True when an unmasked maskable interrupt of sufficient priority waits. Cheap; called often. */
  pending(): boolean
  /** Interrupt acknowledge cycle: the vector to deliver (0..255), moving it from requested to in service. -1 when it went away. */
  acknowledge(): number
}

/** Events other devices raise on a vCPU. The vCPU gives these to its local APIC and the board. */
export interface VcpuSignals {
  /** Call after InterruptSource.pending() may have become true: ends the running slice at the next boundary. */
  interruptPending(): void
  nmi(): void
  smi(): void
  init(): void
  /** Start-up IPI, vector = start page (0..255). */
  sipi(vector: number): void
}
