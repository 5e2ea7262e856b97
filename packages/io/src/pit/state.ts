import { bool, type Check, integer, list, record, u8 } from '../device/saved-state.ts'

export const PIT_STATE_VERSION = 1

/** One counter of the 8254. Times are in counter clocks since power-on. */
export interface PitChannelState {
  mode: number
  access: number
  bcd: boolean
  /** Count in use, 1..65536; 0 before the first. */
  count: number
  /** Clock at which `count` was loaded, -1 while the counter does not run. */
  start: number
  /** Clock at which GATE stopped the counter, -1 while it runs. */
  pausedAt: number
  /** Count written that waits for the end of the period or a trigger, 0 for none, and the clock it is due (-1: at the trigger). */
  nextCount: number
  nextAt: number
  gate: boolean
  /** OUT before any count. */
  idleOut: boolean
  latchedCount: number
  latchedStatus: number
  readHigh: boolean
  writeHigh: boolean
  writeLow: number
}

export interface PitState {
  channels: PitChannelState[]
}

const clocks: Check<number> = integer(-1, Number.MAX_SAFE_INTEGER)

const checkChannel: Check<PitChannelState> = record<PitChannelState>({
  mode: integer(0, 5), access: integer(1, 3), bcd: bool, count: integer(0, 65536), start: clocks, pausedAt: clocks, nextCount: integer(0, 65536), nextAt: clocks,
  gate: bool, idleOut: bool, latchedCount: integer(-1, 0xffff), latchedStatus: integer(-1, 0xff), readHigh: bool, writeHigh: bool, writeLow: u8
})

export const checkPitState: Check<PitState> = record<PitState>({ channels: list(checkChannel, 3, true) })
