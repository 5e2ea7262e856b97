import type { Clock } from '@entresol/interfaces'

/** The host's clock, for tests with real sockets. */
export function hostClock(): Clock {
  const start = process.hrtime.bigint()
  const now = (): number => Number(process.hrtime.bigint() - start)
  return {
    now,
    wallClock: () => Date.now(),
    schedule(deadline, callback) {
      const timer = setTimeout(callback, Math.max(0, (deadline - now()) / 1e6))
      return { cancel: () => clearTimeout(timer) }
    }
  }
}

/** Waits until `done` says so. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 2))
}
