import type { Clock } from '@entresol/interfaces'

/** The host's time. */
export const hostClock: Clock = {
  now: () => performance.now() * 1e6,
  wallClock: () => Date.now(),
  schedule(deadline, callback) {
    const timer = setTimeout(callback, Math.max(0, (deadline - hostClock.now()) / 1e6))
    return { cancel: () => clearTimeout(timer) }
  },
}
