/** A limit per second, with bursts above it. Units are bytes or operations. */
export interface Rate {
  /** Units per second in the long run. */
  readonly rate: number
  /** Units per second during a burst. Absent: none, and up to a tenth of a second's worth may come at once. */
  readonly burst?: number
  /** Seconds a burst may last. Default 1. */
  readonly burstSeconds?: number
}

/**
 * A bucket that leaks at the average rate: work is poured in, and while it is fuller than it may be, more has to wait (QEMU's docs/throttle.txt,
 * "The leaky bucket algorithm"). A second bucket, leaking at the burst rate, keeps bursts longer than a second from coming all at once.
 */
export class LeakyBucket {
  readonly #rate: Rate
  /** Units in the two buckets, and when they last leaked (ns). */
  #level = 0
  #burst = 0
  #leaked: number

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.#leaked = now
  }

  /** Nanoseconds until something may be poured in; 0 for now. */
  wait(now: number): number {
    this.#leak(now)
    const { rate, burst, burstSeconds = 1 } = this.#rate
    if (burst === undefined) return time(this.#level - rate / 10, rate)
    const long = time(this.#level - burst * burstSeconds, rate)
    return burstSeconds > 1 ? Math.max(long, time(this.#burst - burst / 10, burst)) : long
  }

  pour(units: number): void {
    this.#level += units
    this.#burst += units
  }

  #leak(now: number): void {
    const seconds = Math.max(0, now - this.#leaked) / 1e9
    this.#leaked = now
    this.#level = Math.max(0, this.#level - seconds * this.#rate.rate)
    this.#burst = Math.max(0, this.#burst - seconds * (this.#rate.burst ?? this.#rate.rate))
  }
}

const time = (extra: number, perSecond: number): number => extra > 0 ? Math.ceil(extra / perSecond * 1e9) : 0
