import type { Clock, Timer } from '@entresol/interfaces'

interface Entry extends Timer {
  readonly deadline: number
  readonly order: number
  callback: (() => void) | undefined
}

/** Timers of a virtual clock in a binary heap by deadline; equal deadlines fire in the order they were made. */
export abstract class TimerClock implements Clock {
  readonly #heap: Entry[] = []
  #order = 0

  abstract now(): number
  abstract wallClock(): number

  schedule(deadline: number, callback: () => void): Timer {
    const entry: Entry = { deadline, order: this.#order++, callback, cancel: () => void (entry.callback = undefined) }
    this.#push(entry)
    this.scheduled(deadline)
    return entry
  }

  /** A new deadline: a run loop that sleeps may have to wake earlier. */
  protected scheduled(_deadline: number): void {}

  /** Virtual time of the next timer, Infinity when there is none. */
  nextDeadline(): number {
    this.#dropCancelled()
    return this.#heap[0]?.deadline ?? Infinity
  }

  /** Fires what is due now. A callback may schedule again; what it schedules for the past fires in the same call, once. */
  runDue(): void {
    const now = this.now()
    const limit = this.#order
    for (;;) {
      this.#dropCancelled()
      const first = this.#heap[0]
      if (!first || first.deadline > now || first.order >= limit) return
      this.#pop()
      const { callback } = first
      first.callback = undefined
      callback?.()
    }
  }

  #dropCancelled(): void {
    while (this.#heap.length && !this.#heap[0]!.callback) this.#pop()
  }

  #before(a: Entry, b: Entry): boolean {
    return a.deadline !== b.deadline ? a.deadline < b.deadline : a.order < b.order
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++
      if (!this.#before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
