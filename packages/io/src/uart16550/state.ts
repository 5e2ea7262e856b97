import { bool, bytes, deadline, record, u8 } from '../device/saved-state.ts'
import type { Check } from '../device/saved-state.ts'
import { FIFO_SIZE } from './spec.ts'

export const UART16550_STATE_VERSION = 1

/** Everything a guest can observe of the UART, by register name. */
export interface Uart16550State {
  ier: number
  /** FCR as last written while FIFOs were enabled, 0 when they are disabled. */
  fcr: number
  lcr: number
  mcr: number
  /** Error bits of LSR only; DR, THRE and TEMT follow from the rest. */
  lsrErrors: number
  /** Delta bits of MSR only (bits 3..0). */
  msrDelta: number
  scr: number
  dll: number
  dlm: number
  /** The THR-empty interrupt condition, cleared by reading IIR while it is the source or by writing THR. */
  threPending: boolean
  /** Received bytes, oldest first. */
  receive: Uint8Array
  /** The character timeout has been reached. */
  timeout: boolean
  /** Virtual time (ns) at which the character timeout is reached, -1 when not running. */
  timeoutAt: number
}

export const checkUart16550State: Check<Uart16550State> = record<Uart16550State>({
  ier: u8,
  fcr: u8,
  lcr: u8,
  mcr: u8,
  lsrErrors: u8,
  msrDelta: u8,
  scr: u8,
  dll: u8,
  dlm: u8,
  threPending: bool,
  receive: bytes(0, FIFO_SIZE),
  timeout: bool,
  timeoutAt: deadline,
})
