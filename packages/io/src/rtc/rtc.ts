import type { AccessSize, BusDevice, Clock, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm } from '../core/alarm.ts'
import { ByteRegisters } from '../device/byte-registers.ts'
import { alarmMatches, decodeTime, encodeTime } from './calendar.ts'
import * as spec from './spec.ts'
import { checkRtcState, RTC_STATE_VERSION, type RtcState } from './state.ts'

/**
 * The MC146818 real-time clock and its 114 bytes of battery-backed memory, at ports 70h and 71h. It shows the injected wall clock in UTC
 * plus what the guest has set; nothing happens between accesses unless an interrupt is enabled. The square-wave output and
 * daylight saving are absent.
 */
export class Rtc implements BusDevice, Snapshotable<RtcState>, Resettable {
  readonly name: string = 'rtc'
  readonly length: number = 2
  readonly snapshotVersion: number = RTC_STATE_VERSION
  readonly #clock: Clock
  readonly #irq8: InterruptLine
  readonly #alarm: Alarm
  readonly #ports: ByteRegisters
  #cmos: Uint8Array = new Uint8Array(spec.CMOS_SIZE)
  #index = 0
  #flags = 0
  #offset = 0
  #lastSecond = 0
  #lastPeriod = 0

  constructor(clock: Clock, irq8: InterruptLine) {
    this.#clock = clock
    this.#irq8 = irq8
    this.#alarm = new Alarm(clock, () => this.#changed())
    this.#ports = new ByteRegisters(this.name, 2, (offset) => (offset === 0 ? 0xff : this.#readData()), (offset, value) => this.#writePort(offset, value))
    // A clock that has been set once: 32.768 kHz time base, 1024 Hz rate, BCD, 24 hours.
    this.#cmos[spec.RTC_A] = 0x26
    this.#cmos[spec.RTC_B] = spec.B_24
    this.#lastSecond = this.#second()
  }

  read(offset: number, size: AccessSize): number | IoFault {
    return this.#ports.read(offset, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    return this.#ports.write(offset, size, value)
  }

  /** Host access to the memory bytes (14..127), without the guest's index. */
  readCmos(index: number): number {
    return this.#cmos[index & spec.RTC_INDEX_MASK]
  }

  writeCmos(index: number, value: number): void {
    if (index > spec.RTC_D && index < spec.CMOS_SIZE && index !== spec.RTC_CENTURY) this.#cmos[index] = value
  }

  /** The guest has masked NMI (index port bit 7). */
  get nmiMasked(): boolean {
    return (this.#index & 0x80) !== 0
  }

  /** The RESET# pin: interrupts go off, time and memory stay. */
  reset(): void {
    this.#index = 0
    this.#flags = 0
    this.#cmos[spec.RTC_B] &= ~(spec.B_PIE | spec.B_AIE | spec.B_UIE | spec.B_SQWE)
    this.#catchUp()
    this.#flags = 0
    this.#changed()
  }

  save(): RtcState {
    return {
      cmos: this.#cmos.slice(), index: this.#index, flags: this.#flags, offset: this.#offset, lastSecond: this.#lastSecond, lastPeriod: this.#lastPeriod
    }
  }

  restore(state: RtcState): void {
    const checked = checkRtcState(state, this.name)
    this.#cmos = checked.cmos
    this.#index = checked.index
    this.#flags = checked.flags & spec.C_FLAGS
    this.#offset = checked.offset
    this.#lastSecond = checked.lastSecond
    this.#lastPeriod = checked.lastPeriod
    this.#updateLine()
    this.#arm()
  }

  /** Updates are inhibited: by SET, or by a divider held in reset. */
  get #stopped(): boolean {
    return (this.#cmos[spec.RTC_B] & spec.B_SET) !== 0 || (this.#cmos[spec.RTC_A] & spec.A_DIVIDER_RESET) === spec.A_DIVIDER_RESET
  }

  /** What the clock shows, in Unix milliseconds, fraction included. */
  #time(): number {
    const time = this.#clock.wallClock() + this.#offset
    return Math.abs(time) < 8.64e15 ? time : 0
  }

  #second(): number {
    return Math.floor(this.#time() / 1000)
  }

  /** Nanoseconds of the periodic interrupt, 0 for none (table 5: rates 1 and 2 repeat 8 and 9). */
  get #period(): number {
    const rate = this.#cmos[spec.RTC_A] & spec.A_RATE
    return rate === 0 ? 0 : ((1 << ((rate < 3 ? rate + 7 : rate) - 1)) / 32_768) * 1e9
  }

  #readData(): number {
    const index = this.#index & spec.RTC_INDEX_MASK
    if (index === spec.RTC_C) {
      this.#catchUp()
      const pending = (this.#flags & this.#cmos[spec.RTC_B] & spec.C_FLAGS) !== 0
      const value = this.#flags | (pending ? spec.C_IRQF : 0)
      this.#flags = 0
      this.#changed()
      return value
    }
    if (index === spec.RTC_D) return spec.D_VRT
    if (index === spec.RTC_A) return (this.#cmos[spec.RTC_A] & ~spec.A_UIP) | (this.#updating() ? spec.A_UIP : 0)
    if ((index < spec.RTC_A || index === spec.RTC_CENTURY) && !this.#stopped) this.#refresh()
    return this.#cmos[index]
  }

  #updating(): boolean {
    if (this.#stopped) return false
    const phase = ((this.#time() % 1000) + 1000) % 1000
    return phase >= 1000 - spec.UPDATE_MILLISECONDS
  }

  /** Brings the time registers up to date, leaving the alarm bytes between them. */
  #refresh(): void {
    encodeTime(this.#cmos, this.#time())
  }

  #writePort(offset: number, value: number): void {
    if (offset === 0) {
      this.#index = value
      return
    }
    const index = this.#index & spec.RTC_INDEX_MASK
    switch (index) {
      case spec.RTC_A: this.#writeControl(spec.RTC_A, value & ~spec.A_UIP); break
      case spec.RTC_B: this.#writeControl(spec.RTC_B, value); break
      case spec.RTC_C: case spec.RTC_D: break
      case spec.RTC_SECONDS: case spec.RTC_MINUTES: case spec.RTC_HOURS: case spec.RTC_DAY_OF_WEEK: case spec.RTC_DAY: case spec.RTC_MONTH: case spec.RTC_YEAR:
      case spec.RTC_CENTURY: {
        const stopped = this.#stopped
        if (!stopped) this.#refresh()
        this.#cmos[index] = value
        if (!stopped) this.#setTime(((this.#time() % 1000) + 1000) % 1000)
        break
      }
      case spec.RTC_SECONDS_ALARM: case spec.RTC_MINUTES_ALARM: case spec.RTC_HOURS_ALARM:
        this.#catchUp()
        this.#cmos[index] = value
        this.#changed()
        break
      default: this.#cmos[index] = value
    }
  }

  #writeControl(register: number, value: number): void {
    this.#catchUp()
    const stopped = this.#stopped
    const divider = (this.#cmos[spec.RTC_A] & spec.A_DIVIDER_RESET) === spec.A_DIVIDER_RESET
    if (!stopped) this.#refresh()
    const phase = ((this.#time() % 1000) + 1000) % 1000
    // A SET that comes clears UIE (register B, SET bit).
    this.#cmos[register] = register === spec.RTC_B && (value & spec.B_SET) !== 0 ? value & ~spec.B_UIE : value
    if (stopped && !this.#stopped) this.#setTime(divider ? spec.DIVIDER_START_MILLISECONDS : phase)
    const period = this.#period
    this.#lastPeriod = period === 0 ? 0 : Math.floor(this.#clock.now() / period)
    this.#changed()
  }

  /** Takes the registers as the time, `phase` milliseconds into its second. */
  #setTime(phase: number): void {
    this.#offset = decodeTime(this.#cmos) + phase - this.#clock.wallClock()
    this.#lastSecond = this.#second()
    this.#arm()
  }

  /** Sets the flags for what happened since the last look. */
  #catchUp(): void {
    const period = this.#period
    if (period !== 0) {
      const number = Math.floor(this.#clock.now() / period)
      if (number > this.#lastPeriod) this.#flags |= spec.B_PIE
      this.#lastPeriod = number
    }
    if (this.#stopped) return
    const second = this.#second()
    if (second > this.#lastSecond) {
      this.#flags |= spec.B_UIE
      // A day holds every time there is.
      for (let at = Math.max(this.#lastSecond + 1, second - 86_400); at <= second; at++) {
        if (!alarmMatches(this.#cmos, at)) continue
        this.#flags |= spec.B_AIE
        break
      }
    }
    this.#lastSecond = second
  }

  #changed(): void {
    this.#catchUp()
    this.#updateLine()
    this.#arm()
  }

  #updateLine(): void {
    this.#irq8.set((this.#flags & this.#cmos[spec.RTC_B] & spec.C_FLAGS) !== 0)
  }

  #arm(): void {
    const enabled = this.#cmos[spec.RTC_B]
    const now = this.#clock.now()
    let deadline = Infinity
    // A flag that is set already raises no second interrupt.
    if ((enabled & spec.B_PIE) !== 0 && (this.#flags & spec.B_PIE) === 0 && this.#period !== 0) deadline = Math.ceil((this.#lastPeriod + 1) * this.#period)
    if ((enabled & (spec.B_AIE | spec.B_UIE) & ~this.#flags) !== 0 && !this.#stopped) {
      const left = 1000 - (((this.#time() % 1000) + 1000) % 1000)
      deadline = Math.min(deadline, now + Math.ceil(left * 1e6))
    }
    if (deadline === Infinity) this.#alarm.cancel()
    else this.#alarm.set(Math.max(deadline, now + 1000))
  }
}
