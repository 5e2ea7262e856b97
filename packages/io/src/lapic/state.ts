import { u64, finite } from '../core/checks.ts'
import { bool, type Check, integer, list, record, u32, u8 } from '../device/saved-state.ts'

export const LAPIC_STATE_VERSION = 1

/** Everything a guest can observe of a local APIC, by register name. */
export interface LocalApicState {
  /** IA32_APIC_BASE. */
  base: bigint
  /** ID register's xAPIC byte. */
  id: number
  tpr: number
  ldr: number
  dfr: number
  svr: number
  isr: number[]
  tmr: number[]
  irr: number[]
  esr: number
  /** Errors since the last write of ESR. */
  errors: number
  icrLow: number
  icrHigh: number
  lvt: number[]
  timerInitial: number
  /** Virtual time (ns) at which the count was started, -1 when the timer is stopped. */
  timerStart: number
  timerDivide: number
  tscDeadline: bigint
  lint0: boolean
  lint1: boolean
  /** An ExtINT message came in and waits for the acknowledge. */
  extInt: boolean
}

const bits256: Check<number[]> = list(u32, 8, true)

export const checkLocalApicState: Check<LocalApicState> = record<LocalApicState>({
  base: u64, id: u8, tpr: u8, ldr: u32, dfr: u32, svr: u32, isr: bits256, tmr: bits256, irr: bits256, esr: u32, errors: u32, icrLow: u32, icrHigh: u32,
  lvt: list(u32, 6, true), timerInitial: u32, timerStart: finite, timerDivide: integer(0, 15), tscDeadline: u64, lint0: bool, lint1: bool, extInt: bool
})
