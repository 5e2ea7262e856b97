import { finite, u64 } from '../core/checks.ts'
import { bool, type Check, list, record, u32 } from '../device/saved-state.ts'
import { HPET_TIMERS } from './spec.ts'

export const HPET_STATE_VERSION = 1

export interface HpetTimerState {
  /** Low half of the configuration register. */
  configuration: number
  comparator: bigint
  /** Last value written in periodic mode. */
  period: bigint
  /** The last write was a low half with VAL_SET: the high half follows. */
  highFollows: boolean
}

export interface HpetState {
  configuration: number
  status: number
  /** Main counter at `startedAt` (virtual time in ns). */
  counter: bigint
  startedAt: number
  timers: HpetTimerState[]
}

const checkTimer: Check<HpetTimerState> = record<HpetTimerState>({ configuration: u32, comparator: u64, period: u64, highFollows: bool })

export const checkHpetState: Check<HpetState> = record<HpetState>({
  configuration: u32, status: u32, counter: u64, startedAt: finite, timers: list(checkTimer, HPET_TIMERS, true)
})
