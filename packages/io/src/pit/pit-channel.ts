import * as spec from './spec.ts'
import type { PitChannelState } from './state.ts'

export function newPitChannel(gate: boolean): PitChannelState {
  return {
    mode: 0, access: spec.ACCESS_BOTH, bcd: false, count: 0, start: -1, pausedAt: -1, nextCount: 0, nextAt: -1, gate, idleOut: true,
    latchedCount: -1, latchedStatus: -1, readHigh: false, writeHigh: false, writeLow: 0
  }
}

/**
 * One counter, computed from the clock number `now` that every method takes (counter clocks since power-on): nothing happens
 * between accesses. Mode definitions of the 8254 datasheet, figures 15-20.
 */
export class PitChannel {
  s: PitChannelState

  constructor(gate: boolean) {
    this.s = newPitChannel(gate)
  }

  control(value: number): void {
    const s = this.s
    s.access = (value >> spec.CONTROL_ACCESS_SHIFT) & 3
    const mode = (value >> 1) & 7
    s.mode = mode > 5 ? mode - 4 : mode
    s.bcd = (value & 1) !== 0
    s.count = 0
    s.start = -1
    s.pausedAt = -1
    s.nextCount = 0
    s.nextAt = -1
    s.idleOut = s.mode !== 0
    s.latchedCount = -1
    s.latchedStatus = -1
    s.readHigh = false
    s.writeHigh = false
  }

  write(value: number, now: number): void {
    const s = this.s
    if (s.access === spec.ACCESS_LOW) this.#load(value, now)
    else if (s.access === spec.ACCESS_HIGH) this.#load(value << 8, now)
    else if (!s.writeHigh) {
      s.writeHigh = true
      s.writeLow = value
      // In mode 0 the first byte stops the count and OUT goes low at once.
      if (s.mode === 0) {
        s.start = -1
        s.idleOut = false
      }
    } else {
      s.writeHigh = false
      this.#load(s.writeLow | (value << 8), now)
    }
  }

  read(now: number): number {
    const s = this.s
    if (s.latchedStatus >= 0) {
      const status = s.latchedStatus
      s.latchedStatus = -1
      return status
    }
    const value = s.latchedCount >= 0 ? s.latchedCount : this.#encode(this.counter(now))
    if (s.access === spec.ACCESS_LOW) {
      s.latchedCount = -1
      return value & 0xff
    }
    if (s.access === spec.ACCESS_HIGH || s.readHigh) {
      s.latchedCount = -1
      s.readHigh = false
      return value >> 8
    }
    s.readHigh = true
    return value & 0xff
  }

  latchCount(now: number): void {
    if (this.s.latchedCount < 0) this.s.latchedCount = this.#encode(this.counter(now))
  }

  latchStatus(now: number): void {
    const s = this.s
    if (s.latchedStatus >= 0) return
    this.#settle(now)
    const nullCount = s.count === 0 || s.nextCount !== 0 || now < s.start
    s.latchedStatus = (this.out(now) ? spec.STATUS_OUT : 0) | (nullCount ? spec.STATUS_NULL_COUNT : 0) |
      (s.access << spec.CONTROL_ACCESS_SHIFT) | (s.mode << 1) | (s.bcd ? 1 : 0)
  }

  setGate(gate: boolean, now: number): void {
    const s = this.s
    if (gate === s.gate) return
    this.#settle(now)
    s.gate = gate
    if (s.mode === 0 || s.mode === 4) {
      if (s.start < 0) return
      if (!gate) s.pausedAt = Math.max(now, s.start)
      else if (s.pausedAt >= 0) {
        s.start += Math.max(now - s.pausedAt, 0)
        s.pausedAt = -1
      }
      return
    }
    if (!gate) {
      if (s.mode === 2 || s.mode === 3) s.start = -1
      return
    }
    // A rising edge loads the counter at the next clock.
    if (s.nextCount !== 0) {
      s.count = s.nextCount
      s.nextCount = 0
      s.nextAt = -1
    }
    if (s.count !== 0) s.start = now + 1
  }

  /** Level of OUT. */
  out(now: number): boolean {
    const s = this.s
    this.#settle(now)
    if (s.start < 0 || s.count === 0) return s.mode === 0 ? s.idleOut : true
    const elapsed = this.#elapsed(now)
    switch (s.mode) {
      case 0: return elapsed >= s.count
      case 1: return now < s.start || elapsed >= s.count
      case 2: return elapsed % s.count !== s.count - 1
      case 3: return elapsed % s.count < (s.count + 1) >> 1
      default: return elapsed !== s.count
    }
  }

  /** The clock of the next rising edge of OUT after `now`, -1 when none will come by itself. */
  nextRise(now: number): number {
    const s = this.s
    this.#settle(now)
    if (s.start < 0 || s.count === 0 || s.pausedAt >= 0) return -1
    const elapsed = this.#elapsed(now)
    switch (s.mode) {
      case 0: case 1: return elapsed < s.count ? s.start + s.count : -1
      case 2: case 3: return s.start + (Math.floor(elapsed / s.count) + 1) * s.count
      default: return elapsed <= s.count ? s.start + s.count + 1 : -1
    }
  }

  /** The counting element's value, in binary. */
  counter(now: number): number {
    const s = this.s
    this.#settle(now)
    if (s.start < 0 || s.count === 0) return s.count
    const elapsed = this.#elapsed(now)
    if (s.mode === 2) return s.count - (elapsed % s.count)
    if (s.mode === 3) {
      // Counts down by two, twice per period (figure 18).
      const phase = elapsed % s.count
      const half = (s.count + 1) >> 1
      return (s.count & ~1) - 2 * (phase < half ? phase : phase - half)
    }
    const modulus = s.bcd ? 10000 : 65536
    return (((s.count - elapsed) % modulus) + modulus) % modulus
  }

  #load(raw: number, now: number): void {
    const s = this.s
    const digits = (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15)
    const count = s.bcd ? (digits % 10000) || 10000 : raw || 65536
    this.#settle(now)
    switch (s.mode) {
      case 0: case 4:
        s.count = count
        s.start = now + 1
        s.pausedAt = s.gate ? -1 : s.start
        break
      case 2: case 3:
        if (s.start >= 0 && s.count !== 0) {
          // Takes effect at the end of the period. The datasheet has mode 3 change at the half-period already; here the
          // new count waits for the end of the whole one.
          s.nextCount = count
          s.nextAt = s.start + (Math.floor(this.#elapsed(now) / s.count) + 1) * s.count
        } else {
          s.count = count
          if (s.gate) s.start = now + 1
        }
        break
      default:
        if (s.start >= 0) s.nextCount = count
        else s.count = count
    }
  }

  /** A count that waited for the end of its period takes over. */
  #settle(now: number): void {
    const s = this.s
    if (s.nextCount === 0 || s.nextAt < 0 || now < s.nextAt) return
    s.start = s.nextAt
    s.count = s.nextCount
    s.nextCount = 0
    s.nextAt = -1
  }

  #elapsed(now: number): number {
    const s = this.s
    return Math.max((s.pausedAt >= 0 ? s.pausedAt : now) - s.start, 0)
  }

  #encode(value: number): number {
    if (!this.s.bcd) return value & 0xffff
    const digits = value % 10000
    return (Math.floor(digits / 1000) << 12) | ((Math.floor(digits / 100) % 10) << 8) | ((Math.floor(digits / 10) % 10) << 4) | digits % 10
  }
}
