import type { MemoryBudget } from './byte-ring.ts'

/** Bytes kept for the guest, and bytes the host's socket may hold for us, of one connection; the smaller number when the NAT's budget is spent. */
const BUFFER = 1 << 20
const TIGHT_BUFFER = 32 << 10

export const bufferLimit = (budget: MemoryBudget): number => (budget.tight ? TIGHT_BUFFER : BUFFER)

/** No deadline. */
export const NEVER: number = Infinity
