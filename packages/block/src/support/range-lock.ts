/** A stretch somebody holds or waits for. */
export interface HeldRange {
  readonly start: number
  readonly end: number
  readonly exclusive: boolean
  /** Earlier stretches it waits for; only the lock changes it. */
  blockers: number
  wake: (() => void) | undefined
}

/**
 * Stretches of a disk under way. Shared ones (reads, writes in place) overlap each other; an exclusive one (anything that changes where data lies)
 * overlaps none. First come, first served, so that nobody starves.
 */
export class RangeLock {
  /** In order of arrival. */
  readonly #ranges: HeldRange[] = []
  #waiting = 0

  /** Without a promise where nobody is in the way, so that what was looked at just before still holds. */
  acquire(start: number, end: number, exclusive: boolean): HeldRange | Promise<HeldRange> {
    const range: HeldRange = { start, end, exclusive, blockers: 0, wake: undefined }
    for (const other of this.#ranges) if (conflict(other, range)) range.blockers++
    this.#ranges.push(range)
    if (range.blockers === 0) return range
    this.#waiting++
    return new Promise((resolve) => {
      range.wake = () => {
        this.#waiting--
        resolve(range)
      }
    })
  }

  release(range: HeldRange): void {
    const index = this.#ranges.indexOf(range)
    this.#ranges.splice(index, 1)
    if (this.#waiting === 0) return
    for (let at = index; at < this.#ranges.length; at++) {
      const other = this.#ranges[at]!
      if (conflict(range, other) && --other.blockers === 0) other.wake?.()
    }
  }
}

const conflict = (a: HeldRange, b: HeldRange): boolean => (a.exclusive || b.exclusive) && a.start < b.end && b.start < a.end
