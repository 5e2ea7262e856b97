import type { Clock, Timer } from '@entresol/interfaces'

/** Virtual time that passes when told to. */
export class TestClock implements Clock {
  #now = 0
  readonly #timers: { at: number; call: () => void }[] = []

  now(): number {
    return this.#now
  }

  wallClock(): number {
    return this.#now / 1e6
  }

  schedule(at: number, call: () => void): Timer {
    const timer = { at, call }
    this.#timers.push(timer)
    return { cancel: () => {
      const index = this.#timers.indexOf(timer)
      if (index >= 0) this.#timers.splice(index, 1)
    } }
  }

  get pending(): number {
    return this.#timers.length
  }

  /** Lets time pass up to the next deadline, at most `limit` ns away; false when there is none. */
  step(limit: number = Infinity): boolean {
    const next = this.#timers.reduce<{ at: number; call: () => void } | undefined>((first, each) => (first === undefined || each.at < first.at ? each : first), undefined)
    if (next === undefined || next.at > this.#now + limit) {
      if (limit !== Infinity) this.#now += limit
      return false
    }
    this.#timers.splice(this.#timers.indexOf(next), 1)
    this.#now = Math.max(this.#now, next.at)
    next.call()
    return true
  }

  advance(ns: number): void {
    const end = this.#now + ns
    while (this.step(end - this.#now));
  }
}

/** Deterministic numbers below `below`. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
