import { type Check, list, record, u32, u8 } from '../device/saved-state.ts'
import { IOAPIC_PINS } from './spec.ts'

export const IOAPIC_STATE_VERSION = 1

export interface IoApicState {
  id: number
  select: number
  /** Redirection entries, low and high halves. */
  low: number[]
  high: number[]
  /** Levels of the pins, bit n for pin n. */
  lines: number
}

export const checkIoApicState: Check<IoApicState> = record<IoApicState>({
  id: u8, select: u8, low: list(u32, IOAPIC_PINS, true), high: list(u32, IOAPIC_PINS, true), lines: u32
})
