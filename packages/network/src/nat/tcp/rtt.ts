/** RFC 6298, nanoseconds. A smaller minimum than its second (Linux has 200 ms): the wire is in this process; but guests are stopped for moments. */
const INITIAL = 1e9
const MIN = 300e6
const MAX = 60e9

/** Round-trip time and the retransmission timeout made of it. */
export class RttEstimator {
  #smoothed = 0
  #variation = 0
  /** ns */
  timeout: number = INITIAL

  sample(rtt: number): void {
    if (this.#smoothed === 0) {
      this.#smoothed = Math.max(rtt, 1)
      this.#variation = rtt / 2
    } else {
      this.#variation += (Math.abs(this.#smoothed - rtt) - this.#variation) / 4
      this.#smoothed += (rtt - this.#smoothed) / 8
    }
    this.timeout = Math.min(MAX, Math.max(MIN, this.#smoothed + 4 * this.#variation))
  }

  backOff(): void {
    this.timeout = Math.min(MAX, this.timeout * 2)
  }
}
