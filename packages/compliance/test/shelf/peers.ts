import type { Clock, InterruptSource, Timer } from '@entresol/interfaces'

export const CLOCK_BUGS = ['backwards', 'stands-still', 'early', 'twice', 'deaf-to-cancel', 'unordered', 'ignores-past', 'nan-wall'] as const

export class ShelfClock implements Clock {
  private time = 1000
  private timers: { deadline: number; callback: () => void }[] = []
  private readonly bug: string | undefined
  constructor(bug?: string) {
    this.bug = bug
  }
  now(): number {
    return this.time
  }
  wallClock(): number {
    return this.bug === 'nan-wall' ? Number.NaN : 1e12
  }
  schedule(deadline: number, callback: () => void): Timer {
    const timer = { deadline, callback }
    if (this.bug === 'ignores-past' && deadline <= this.time) return { cancel() {} }
    this.timers.push(timer)
    const cancel = (): void => {
      if (this.bug !== 'deaf-to-cancel') this.timers = this.timers.filter((other) => other !== timer)
    }
    return { cancel }
  }
  pass(ns: number): void {
    const end = this.time + ns
    if (this.bug === 'backwards') this.time -= 1
    else if (this.bug !== 'stands-still') {
      for (;;) {
        if (this.bug !== 'unordered') this.timers.sort((a, b) => a.deadline - b.deadline)
        const index = this.timers.findIndex((timer) => timer.deadline <= end + (this.bug === 'early' ? 1e7 : 0))
        if (index < 0) break
        const [timer] = this.timers.splice(index, 1)
        if (this.bug !== 'early') this.time = Math.max(this.time, timer!.deadline)
        timer!.callback()
        if (this.bug === 'twice') timer!.callback()
      }
      this.time = end
    }
  }
}

export const SOURCE_BUGS = ['always-pending', 'pending-takes', 'never-acknowledged', 'wrong-vector', 'loses-second', 'no-priority', 'stuck'] as const

/** An interrupt controller with one input. */
export class ShelfSource implements InterruptSource {
  requested = false
  inService = false
  private readonly bug: string | undefined
  constructor(bug?: string) {
    this.bug = bug
  }
  request(): void {
    if (this.bug === 'loses-second' && this.inService) return
    this.requested = true
  }
  endOfInterrupt(): void {
    if (this.bug !== 'stuck') this.inService = false
  }
  pending(): boolean {
    if (this.bug === 'always-pending') return true
    const pending = this.requested && (!this.inService || this.bug === 'no-priority')
    if (this.bug === 'pending-takes') this.requested = false
    return pending
  }
  acknowledge(): number {
    if (!this.requested || this.inService) return -1
    if (this.bug !== 'never-acknowledged') this.requested = false
    this.inService = this.bug !== 'never-acknowledged'
    return this.bug === 'wrong-vector' ? 0x21 : 0x20
  }
}
