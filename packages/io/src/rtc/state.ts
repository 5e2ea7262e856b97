import { finite } from '../core/checks.ts'
import { bytes, type Check, integer, record, u8 } from '../device/saved-state.ts'
import { CMOS_SIZE } from './spec.ts'

export const RTC_STATE_VERSION = 1

export interface RtcState {
  /** All 128 bytes; time registers are current only while updates are inhibited. */
  cmos: Uint8Array
  index: number
  /** Flags of register C. */
  flags: number
  /** Milliseconds from the wall clock to the time the RTC shows. */
  offset: number
  /** Second (Unix) of the last update taken into the flags. */
  lastSecond: number
  /** Number of the last period taken into the flags. */
  lastPeriod: number
}

/** Times that Date can hold. */
const milliseconds: Check<number> = (value, path) => {
  const time = finite(value, path)
  integer(-8.64e15, 8.64e15)(Math.round(time), path)
  return time
}

export const checkRtcState: Check<RtcState> = record<RtcState>({
  cmos: bytes(CMOS_SIZE), index: u8, flags: u8, offset: milliseconds, lastSecond: integer(-8.64e12, 8.64e12), lastPeriod: integer(-1, Number.MAX_SAFE_INTEGER)
})
