import type { Clock } from '@entresol/interfaces'

/** The host's time with its timers, for what goes on outside the machine: it does not stand still with it. */
export const timerClock: Clock = {
  now: () => performance.now() * 1e6,
  wallClock: () => Date.now(),
  schedule(deadline, callback) {
    const timer = setTimeout(callback, Math.max(0, deadline / 1e6 - performance.now()))
    return { cancel: () => clearTimeout(timer) }
  },
}
