import type { Clock } from '@entresol/interfaces'
import { Alarm, MINIMUM_EVENT_SPACING } from '../core/alarm.ts'
import { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE } from './spec.ts'

export interface ApicTimerOptions {
  readonly clock: Clock
  /** Frequency in Hz of the timer input before the divider (the bus or core crystal clock). */
  readonly frequency: number
  /** The vCPU's time-stamp counter now. */
  readonly tsc: () => bigint
  /** TSC frequency in Hz. */
  readonly tscFrequency: number
}

/** The local APIC timer (SDM vol. 3, 11.5.4). Counts are computed from the clock; only an unmasked timer costs an event. */
export class ApicTimer {
  readonly #options: ApicTimerOptions
  readonly #onExpire: () => void
  readonly #alarm: Alarm
  #mode = TIMER_ONE_SHOT
  #masked = true
  #divide = 0
  #initial = 0
  /** Time (ns) the running count started from `initial`; -1: stopped. */
  #start = -1
  #deadline = 0n

  constructor(options: ApicTimerOptions, onExpire: () => void) {
    this.#options = options
    this.#onExpire = onExpire
    this.#alarm = new Alarm(options.clock, () => this.#expire())
  }

  get initial(): number { return this.#initial }
  get start(): number { return this.#start }
  get divide(): number { return this.#divide }
  get deadline(): bigint { return this.#deadline }

  /** Nanoseconds per count: divide configuration bits 3, 1, 0 (figure 11-10). */
  get #tick(): number {
    const code = ((this.#divide >> 1) & 4) | (this.#divide & 3)
    return ((code === 7 ? 1 : 2 << code) * 1e9) / this.#options.frequency
  }

  /** The LVT entry changed. */
  setMode(mode: number, masked: boolean): void {
    // A change to or from TSC-deadline mode disarms (11.5.4.1).
    if (mode !== this.#mode && (mode === TIMER_TSC_DEADLINE || this.#mode === TIMER_TSC_DEADLINE)) {
      this.#start = -1
      this.#initial = 0
      this.#deadline = 0n
    } else if (mode !== this.#mode) this.#settle()
    this.#mode = mode
    this.#masked = masked
    this.#arm()
  }

  writeInitial(value: number): void {
    if (this.#mode === TIMER_TSC_DEADLINE) return
    this.#initial = value
    this.#start = value === 0 ? -1 : this.#options.clock.now()
    this.#arm()
  }

  writeDivide(value: number): void {
    const current = this.current()
    this.#divide = value & 0xb
    // The count goes on from where it is, at the new pace.
    if (this.#start >= 0) this.#start = this.#options.clock.now() - (this.#initial - current) * this.#tick
    this.#arm()
  }

  writeDeadline(value: bigint): void {
    if (this.#mode !== TIMER_TSC_DEADLINE) return
    this.#deadline = value
    this.#arm()
  }

  current(): number {
    if (this.#start < 0 || this.#mode === TIMER_TSC_DEADLINE) return 0
    const elapsed = Math.max(Math.floor((this.#options.clock.now() - this.#start) / this.#tick), 0)
    if (this.#mode === TIMER_PERIODIC) return this.#initial - (elapsed % this.#initial)
    return Math.max(this.#initial - elapsed, 0)
  }

  reset(): void {
    this.restore(0, 0, -1, 0n)
    this.setMode(TIMER_ONE_SHOT, true)
  }

  restore(divide: number, initial: number, start: number, deadline: bigint): void {
    this.#divide = divide & 0xb
    this.#initial = initial
    this.#start = initial === 0 || start < 0 ? -1 : start
    this.#deadline = deadline
  }

  /** After `restore`: takes the mode without the effects a write of the LVT has. */
  restoreMode(mode: number, masked: boolean): void {
    this.#mode = mode
    this.#masked = masked
    this.#arm()
  }

  /** Folds the periods that passed into the start time, so that a change of mode sees the count of now. */
  #settle(): void {
    if (this.#start < 0 || this.#mode !== TIMER_PERIODIC) return
    const period = this.#initial * this.#tick
    this.#start += Math.floor((this.#options.clock.now() - this.#start) / period) * period
  }

  #arm(): void {
    const { clock, tsc, tscFrequency } = this.#options
    if (this.#mode === TIMER_TSC_DEADLINE) {
      if (this.#deadline === 0n) {
        this.#alarm.cancel()
        return
      }
      const left = this.#deadline - tsc()
      // Far deadlines are looked at again after a while: virtual time is a double.
      const wait = left <= 0n ? 0 : left > 1n << 52n ? 1e15 : Math.ceil((Number(left) * 1e9) / tscFrequency)
      this.#alarm.set(clock.now() + wait)
      return
    }
    if (this.#start < 0 || this.#masked) {
      this.#alarm.cancel()
      return
    }
    const period = this.#initial * this.#tick
    const now = clock.now()
    if (this.#mode === TIMER_PERIODIC) {
      const passed = Math.max(Math.floor((now - this.#start) / period), 0)
      this.#alarm.set(Math.max(this.#start + (passed + 1) * period, now + MINIMUM_EVENT_SPACING))
    } else if (now < this.#start + period) this.#alarm.set(this.#start + period)
    else this.#alarm.cancel()
  }

  #expire(): void {
    if (this.#mode === TIMER_TSC_DEADLINE) {
      if (this.#options.tsc() < this.#deadline) {
        this.#arm()
        return
      }
      this.#deadline = 0n
    } else if (this.#mode === TIMER_PERIODIC) {
      const period = this.#initial * this.#tick
      // At least one period has passed, whatever rounding says; those missed while nobody ran are one interrupt.
      this.#start += Math.max(Math.floor((this.#options.clock.now() - this.#start) / period), 1) * period
      this.#arm()
    } else {
      this.#start = -1
    }
    this.#onExpire()
  }
}
