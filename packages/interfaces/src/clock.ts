/** Injected time. Organs never read the host's clock themselves. */
export interface Clock {
  /** Monotonic virtual time in nanoseconds since power-on (fits a double exactly for 104 days). */
  now(): number
  /** Wall-clock time in milliseconds since the Unix epoch. */
  wallClock(): number
  /** Calls back once at or after virtual time `deadline` (ns). */
  schedule(deadline: number, callback: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Injected randomness. */
export interface RandomSource {
  /** Uniform unsigned 32-bit number. */
  nextU32(): number
}
