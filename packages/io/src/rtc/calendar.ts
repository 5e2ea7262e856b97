import * as spec from './spec.ts'

/** Turns Unix milliseconds (UTC) into the clock's registers and back, in the data mode and hour format register B chooses. */
export function encodeTime(cmos: Uint8Array, milliseconds: number): void {
  const date = new Date(milliseconds)
  const mode = cmos[spec.RTC_B]
  const year = date.getUTCFullYear()
  cmos[spec.RTC_SECONDS] = encode(date.getUTCSeconds(), mode)
  cmos[spec.RTC_MINUTES] = encode(date.getUTCMinutes(), mode)
  cmos[spec.RTC_HOURS] = encodeHours(date.getUTCHours(), mode)
  cmos[spec.RTC_DAY_OF_WEEK] = encode(date.getUTCDay() + 1, mode)
  cmos[spec.RTC_DAY] = encode(date.getUTCDate(), mode)
  cmos[spec.RTC_MONTH] = encode(date.getUTCMonth() + 1, mode)
  cmos[spec.RTC_YEAR] = encode(((year % 100) + 100) % 100, mode)
  // The century byte is RAM to the chip; it is kept in BCD by firmware and systems alike.
  cmos[spec.RTC_CENTURY] = encode(Math.min(Math.max(Math.floor(year / 100), 0), 99), 0)
}

/** Registers that hold no valid time carry over, as the counters would. */
export function decodeTime(cmos: Uint8Array): number {
  const mode = cmos[spec.RTC_B]
  const at = (register: number): number => decode(cmos[register], mode)
  const hours = cmos[spec.RTC_HOURS]
  let hour = decode(hours & ((mode & spec.B_24) !== 0 ? 0xff : 0x7f), mode)
  if ((mode & spec.B_24) === 0) hour = (hour % 12) + ((hours & spec.HOURS_PM) !== 0 ? 12 : 0)
  const year = decode(cmos[spec.RTC_CENTURY], 0) * 100 + at(spec.RTC_YEAR)
  const date = new Date(0)
  // Not Date.UTC, which reads years below 100 as 19xx.
  date.setUTCFullYear(year, at(spec.RTC_MONTH) - 1, at(spec.RTC_DAY))
  return date.setUTCHours(hour, at(spec.RTC_MINUTES), at(spec.RTC_SECONDS), 0)
}

/** Does the alarm match this time (Unix seconds)? */
export function alarmMatches(cmos: Uint8Array, second: number): boolean {
  const mode = cmos[spec.RTC_B]
  const inDay = ((second % 86_400) + 86_400) % 86_400
  const match = (alarm: number, value: number): boolean => (alarm & spec.ALARM_ANY) === spec.ALARM_ANY || alarm === value
  return match(cmos[spec.RTC_SECONDS_ALARM], encode(inDay % 60, mode)) &&
    match(cmos[spec.RTC_MINUTES_ALARM], encode(Math.floor(inDay / 60) % 60, mode)) &&
    match(cmos[spec.RTC_HOURS_ALARM], encodeHours(Math.floor(inDay / 3600), mode))
}

function encodeHours(hour: number, mode: number): number {
  if ((mode & spec.B_24) !== 0) return encode(hour, mode)
  return encode(hour % 12 === 0 ? 12 : hour % 12, mode) | (hour >= 12 ? spec.HOURS_PM : 0)
}

function encode(value: number, mode: number): number {
  return (mode & spec.B_DM) !== 0 ? value : (Math.floor(value / 10) << 4) | value % 10
}

function decode(value: number, mode: number): number {
  return (mode & spec.B_DM) !== 0 ? value : (value >> 4) * 10 + (value & 15)
}
