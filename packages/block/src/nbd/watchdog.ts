import type { ByteDuplex } from './duplex.ts'

/** Runs `work`, and closes the connection if it takes longer than `milliseconds`: what waits for the peer then fails. */
export async function withDeadline<Result>(duplex: ByteDuplex, milliseconds: number, work: () => Promise<Result>): Promise<Result> {
  const timer = setTimeout(() => duplex.close(), milliseconds)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}
