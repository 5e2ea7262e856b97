import type { AccessSize, BusDevice, Clock, InterruptLine, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { Alarm, MINIMUM_EVENT_SPACING } from '../core/alarm.ts'
import * as spec from './spec.ts'
import { checkHpetState, HPET_STATE_VERSION, type HpetState, type HpetTimerState } from './state.ts'

export interface HpetOptions {
  readonly clock: Clock
  /** Wire of ISA IRQ 0 and of IRQ 8: the HPET sits between these and the PIT and the RTC. */
  readonly irq0: InterruptLine
  readonly irq8: InterruptLine
  /** Wire of I/O APIC pin `gsi` (20..23). */
  readonly gsi: (gsi: number) => InterruptLine
}

const MASK64 = (1n << 64n) - 1n

/**
 * A high precision event timer: 64-bit counter at 100 MHz and three comparators, each periodic or one-shot. Legacy replacement takes
 * IRQ 0 and 8 from the PIT and the RTC, so these get their wires here: `pitLine`, `rtcLine`. FSB delivery is absent.
 */
export class Hpet implements BusDevice, Snapshotable<HpetState>, Resettable {
  readonly name: string = 'hpet'
  readonly length: number = spec.HPET_WINDOW
  readonly snapshotVersion: number = HPET_STATE_VERSION
  /** Outputs for the PIT and the RTC: pass through unless legacy replacement is on. */
  readonly pitLine: InterruptLine
  readonly rtcLine: InterruptLine
  readonly #clock: Clock
  readonly #irq0: InterruptLine
  readonly #irq8: InterruptLine
  readonly #gsi: readonly InterruptLine[]
  readonly #alarms: readonly Alarm[]
  #configuration = 0
  #status = 0
  #counter = 0n
  #startedAt = 0
  /** Halves of #counter, for reads without bigints. */
  #low = 0
  #high = 0
  #timers: HpetTimerState[] = []
  /** High half that belongs to the low half read last, and when that was. */
  #latchedHigh = -1
  #latchedAt = 0
  #pitLevel = false
  #rtcLevel = false

  constructor(options: HpetOptions) {
    this.#clock = options.clock
    this.#irq0 = options.irq0
    this.#irq8 = options.irq8
    this.#gsi = Array.from({ length: 24 }, (_, gsi) => options.gsi(gsi))
    this.#alarms = Array.from({ length: spec.HPET_TIMERS }, (_, index) => new Alarm(options.clock, () => this.#expire(index)))
    this.pitLine = { set: (asserted) => { this.#pitLevel = asserted; if (!this.#legacy) this.#irq0.set(asserted) } }
    this.rtcLine = { set: (asserted) => { this.#rtcLevel = asserted; if (!this.#legacy) this.#irq8.set(asserted) } }
    this.reset()
  }

  read(offset: number, size: AccessSize): number | IoFault {
    // Accesses are 32 or 64 bits wide and aligned (2.3.1); a 64-bit one arrives as two.
    if (size !== 4 || (offset & 3) !== 0) return 'no-register'
    const latchedHigh = this.#latchedHigh
    this.#latchedHigh = -1
    switch (offset) {
      case spec.HPET_CAPABILITIES: return spec.HPET_CAPABILITIES_LOW
      case spec.HPET_CAPABILITIES + 4: return spec.HPET_PERIOD_FS
      case spec.HPET_CONFIGURATION: return this.#configuration
      case spec.HPET_INTERRUPT_STATUS: return this.#status
      case spec.HPET_COUNTER: return this.#readLow()
      case spec.HPET_COUNTER + 4:
        // The second half of one 64-bit read belongs to the first, even when the counter carried in between.
        if (latchedHigh >= 0 && this.#clock.now() - this.#latchedAt < 1000) return latchedHigh
        this.#readLow()
        return this.#takeHigh()
    }
    const timer = this.#timers[(offset - spec.HPET_TIMER_BASE) >> 5]
    if (offset < spec.HPET_TIMER_BASE || timer === undefined) return 0
    switch (offset & 0x1f) {
      case 0x00: return timer.configuration
      case 0x04: return spec.TIMER_ROUTES
      case 0x08: return Number(timer.comparator & 0xffff_ffffn)
      case 0x0c: return Number(timer.comparator >> 32n)
    }
    return 0
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4 || (offset & 3) !== 0) return 'no-register'
    switch (offset) {
      case spec.HPET_CONFIGURATION:
        this.#configure(value & 3)
        return undefined
      case spec.HPET_INTERRUPT_STATUS:
        this.#status &= ~value
        this.#updateLines()
        return undefined
      case spec.HPET_COUNTER: case spec.HPET_COUNTER + 4: {
        // Writing is for a stopped counter (2.3.7); a running one just goes on from there.
        const now = this.#now()
        this.#setCounter(half(now, offset === spec.HPET_COUNTER ? 0 : 1, value))
        this.#armAll()
        return undefined
      }
    }
    const index = (offset - spec.HPET_TIMER_BASE) >> 5
    const timer = this.#timers[index]
    if (offset < spec.HPET_TIMER_BASE || timer === undefined) return undefined
    const register = offset & 0x1f
    if (register === 0x00) this.#configureTimer(timer, value)
    else if (register === 0x08 || register === 0x0c) this.#writeComparator(timer, register === 0x08 ? 0 : 1, value)
    else return undefined
    this.#arm(index, false)
    return undefined
  }

  reset(): void {
    this.#configuration = 0
    this.#status = 0
    this.#setCounter(0n)
    this.#latchedHigh = -1
    const configuration = spec.TIMER_PERIODIC_CAPABLE | spec.TIMER_SIZE_64
    this.#timers = Array.from({ length: spec.HPET_TIMERS }, () => ({ configuration, comparator: MASK64, period: 0n, highFollows: false }))
    for (const alarm of this.#alarms) alarm.cancel()
    this.#updateLines()
    this.#irq0.set(this.#pitLevel)
    this.#irq8.set(this.#rtcLevel)
  }

  save(): HpetState {
    return {
      configuration: this.#configuration, status: this.#status, counter: this.#counter, startedAt: this.#startedAt,
      timers: this.#timers.map((timer) => ({ ...timer }))
    }
  }

  /** Restore after the PIT and the RTC, before the interrupt controllers. */
  restore(state: HpetState): void {
    const checked = checkHpetState(state, this.name)
    this.#configuration = checked.configuration & 3
    this.#status = checked.status & 7
    this.#setCounter(checked.counter)
    this.#startedAt = Math.min(checked.startedAt, this.#clock.now())
    this.#timers = checked.timers.map((timer) => ({
      ...timer, configuration: (timer.configuration & spec.TIMER_WRITABLE) | spec.TIMER_PERIODIC_CAPABLE | spec.TIMER_SIZE_64
    }))
    this.#latchedHigh = -1
    this.#updateLines()
    this.#irq0.set(!this.#legacy && this.#pitLevel)
    this.#irq8.set(!this.#legacy && this.#rtcLevel)
    this.#armAll()
  }

  get #enabled(): boolean { return (this.#configuration & spec.CONFIGURATION_ENABLE) !== 0 }
  get #legacy(): boolean { return (this.#configuration & spec.CONFIGURATION_LEGACY) !== 0 }

  #setCounter(value: bigint): void {
    this.#counter = value
    this.#low = Number(value & 0xffff_ffffn)
    this.#high = Number(value >> 32n)
    this.#startedAt = this.#clock.now()
  }

  #elapsed(): number {
    return this.#enabled ? Math.max(Math.floor((this.#clock.now() - this.#startedAt) / spec.HPET_TICK), 0) : 0
  }

  #now(): bigint {
    return (this.#counter + BigInt(this.#elapsed())) & MASK64
  }

  /** Low half now; keeps the high half that goes with it. */
  #readLow(): number {
    const elapsed = this.#elapsed()
    const low = this.#low + (elapsed % 2 ** 32)
    const carry = low >= 2 ** 32 ? 1 : 0
    this.#latchedHigh = (this.#high + Math.floor(elapsed / 2 ** 32) + carry) % 2 ** 32
    this.#latchedAt = this.#clock.now()
    return low - carry * 2 ** 32
  }

  #takeHigh(): number {
    const high = this.#latchedHigh
    this.#latchedHigh = -1
    return high
  }

  #configure(value: number): void {
    const now = this.#now()
    const legacy = this.#legacy
    this.#configuration = value
    this.#setCounter(now)
    if (this.#legacy !== legacy) {
      this.#irq0.set(!this.#legacy && this.#pitLevel)
      this.#irq8.set(!this.#legacy && this.#rtcLevel)
    }
    this.#updateLines()
    this.#armAll()
  }

  #configureTimer(timer: HpetTimerState, value: number): void {
    timer.configuration = (value & spec.TIMER_WRITABLE) | spec.TIMER_PERIODIC_CAPABLE | spec.TIMER_SIZE_64
    timer.highFollows = false
    if ((value & spec.TIMER_32BIT) !== 0) {
      timer.comparator &= 0xffff_ffffn
      timer.period &= 0xffff_ffffn
    }
    this.#updateLines()
  }

  /**
   * 2.3.9.2.2: in periodic mode a write sets the period, and with VAL_SET also the comparator. VAL_SET falls with the write; the high
   * half of the same 64-bit write still counts with it.
   */
  #writeComparator(timer: HpetTimerState, which: 0 | 1, value: number): void {
    const wide = (timer.configuration & spec.TIMER_32BIT) === 0
    if (which === 1 && !wide) return
    const periodic = (timer.configuration & spec.TIMER_PERIODIC) !== 0
    const set = (timer.configuration & spec.TIMER_VALUE_SET) !== 0
    if (!periodic || set || (which === 1 && timer.highFollows)) timer.comparator = half(timer.comparator, which, value)
    if (periodic) timer.period = half(timer.period, which, value)
    timer.highFollows = which === 0 && set
    timer.configuration &= ~spec.TIMER_VALUE_SET
  }

  #armAll(): void {
    for (let index = 0; index < spec.HPET_TIMERS; index++) this.#arm(index, false)
  }

  /** Sets the alarm for the next match. `matched`: the counter stands on the comparator and that match is done. */
  #arm(index: number, matched: boolean): void {
    const timer = this.#timers[index]
    if (!this.#enabled || (timer.configuration & (spec.TIMER_INTERRUPT_ENABLE | spec.TIMER_LEVEL)) === 0) {
      this.#alarms[index].cancel()
      return
    }
    const mask = (timer.configuration & spec.TIMER_32BIT) !== 0 ? 0xffff_ffffn : MASK64
    const now = this.#now()
    const periodic = (timer.configuration & spec.TIMER_PERIODIC) !== 0
    // Periods that went by while nobody listened.
    const behind = (now - timer.comparator) & mask
    if (periodic && timer.period > 0n && behind > 0n && behind <= mask >> 1n) {
      timer.comparator = (timer.comparator + timer.period * (behind / timer.period + 1n)) & mask
    }
    let distance = (timer.comparator - now) & mask
    if (distance === 0n && matched) distance = mask + 1n
    // Beyond a month: look again then. Virtual time is a double.
    const ticks = distance > 1n << 48n ? 2 ** 48 : Number(distance)
    const base = this.#startedAt + this.#elapsed() * spec.HPET_TICK
    const deadline = base + ticks * spec.HPET_TICK
    this.#alarms[index].set(periodic ? Math.max(deadline, this.#clock.now() + MINIMUM_EVENT_SPACING) : deadline)
  }

  #expire(index: number): void {
    const timer = this.#timers[index]
    const mask = (timer.configuration & spec.TIMER_32BIT) !== 0 ? 0xffff_ffffn : MASK64
    const now = this.#now()
    const behind = (now - timer.comparator) & mask
    // Not there yet: a far deadline looked at again.
    if (behind > mask >> 1n) {
      this.#arm(index, false)
      return
    }
    if ((timer.configuration & spec.TIMER_PERIODIC) !== 0 && timer.period > 0n) {
      timer.comparator = (timer.comparator + timer.period * (behind / timer.period + 1n)) & mask
      this.#fire(index, timer)
      this.#arm(index, false)
    } else {
      this.#fire(index, timer)
      this.#arm(index, true)
    }
  }

  #fire(index: number, timer: HpetTimerState): void {
    const legacy = this.#legacy && index < 2
    if ((timer.configuration & spec.TIMER_LEVEL) !== 0 && !legacy) {
      // The status bit is set whether or not the interrupt is enabled (2.3.6).
      this.#status |= 1 << index
      this.#updateLines()
    } else if ((timer.configuration & spec.TIMER_INTERRUPT_ENABLE) !== 0) {
      const line = this.#lineOf(index, timer)
      // Stays high until the next edge: an 8259A drops a request whose wire falls before the acknowledge.
      line?.set(false)
      line?.set(true)
    }
  }

  #lineOf(index: number, timer: HpetTimerState): InterruptLine | undefined {
    if (this.#legacy && index < 2) return index === 0 ? this.#irq0 : this.#irq8
    const gsi = (timer.configuration >> spec.TIMER_ROUTE_SHIFT) & 0x1f
    return (spec.TIMER_ROUTES & (1 << gsi)) !== 0 ? this.#gsi[gsi] : undefined
  }

  /** Level-triggered timers hold their wires while their status bit is set. */
  #updateLines(): void {
    let wires = 0
    for (const [index, timer] of this.#timers.entries()) {
      const enabled = spec.TIMER_LEVEL | spec.TIMER_INTERRUPT_ENABLE
      const gsi = (timer.configuration >> spec.TIMER_ROUTE_SHIFT) & 0x1f
      if ((timer.configuration & enabled) !== enabled || (this.#status & (1 << index)) === 0) continue
      if (this.#legacy && index < 2) continue
      wires |= 1 << gsi
    }
    for (let gsi = 20; gsi < 24; gsi++) this.#gsi[gsi].set((wires & (1 << gsi)) !== 0)
  }
}

function half(value: bigint, which: 0 | 1, word: number): bigint {
  return which === 0 ? (value & ~0xffff_ffffn) | BigInt(word) : (value & 0xffff_ffffn) | (BigInt(word) << 32n)
}
