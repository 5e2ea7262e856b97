import { sequenceDelta } from '../../codec/index.ts'

/** Bytes. The wire to the guest is in this process, so it starts where the internet would get after many round trips. */
const INITIAL_WINDOW = 256 << 10
const MAX_WINDOW = 8 << 20
/** RFC 5681, 3.2. */
const DUPLICATE_ACKS = 3

/** Slow start, congestion avoidance, fast retransmit and recovery: RFC 5681, RFC 6582 (NewReno). Bytes, and sequence numbers. */
export class Congestion {
  window: number = INITIAL_WINDOW
  mss = 536
  #threshold = MAX_WINDOW
  #duplicates = 0
  #recovering = false
  /** Highest sequence number sent when loss was seen. */
  #recover = 0

  /** `ack` acknowledged `bytes` more. True: it is a partial acknowledgment, and the segment at `ack` is to be sent again. */
  acknowledged(ack: number, bytes: number): boolean {
    this.#duplicates = 0
    if (this.#recovering) {
      if (sequenceDelta(ack, this.#recover) >= 0) {
        this.#recovering = false
        this.window = this.#threshold
        return false
      }
      this.window = Math.max(this.mss, this.window - bytes + this.mss)
      return true
    }
    this.window = Math.min(MAX_WINDOW, this.window + (this.window < this.#threshold ? bytes : Math.ceil(this.mss * bytes / this.window)))
    return false
  }

  /** A duplicate of `ack`, with `flight` bytes under way up to `max`. True: the segment at `ack` is lost, and to be sent again. */
  duplicate(ack: number, flight: number, max: number): boolean {
    this.#duplicates++
    if (this.#recovering) {
      this.window += this.mss
      return false
    }
    if (this.#duplicates !== DUPLICATE_ACKS || sequenceDelta(ack, this.#recover) < 0) return false
    this.#recovering = true
    this.#recover = max
    this.#threshold = Math.max(flight / 2, 2 * this.mss)
    this.window = this.#threshold + DUPLICATE_ACKS * this.mss
    return true
  }

  /** The retransmission timer expired. */
  timeout(flight: number, max: number): void {
    this.#threshold = Math.max(flight / 2, 2 * this.mss)
    this.window = this.mss
    this.#duplicates = 0
    this.#recovering = false
    this.#recover = max
  }

  /** Where sequence numbers start. */
  start(sequence: number): void {
    this.#recover = sequence
  }
}
