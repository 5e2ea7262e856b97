import { TCP_FLAG, sequenceDelta } from '../../codec/index.ts'
import type { TcpView } from '../../codec/index.ts'
import { EarlySegments } from './early-segments.ts'
import type { MemoryBudget } from './byte-ring.ts'
import { NEVER, bufferLimit } from './limits.ts'
import type { HostStream } from '../host-sockets.ts'

/** Our window is announced in units of 2^7 bytes. */
export const WINDOW_SCALE = 7
/** While a connection is young every second segment is acknowledged, so that the guest's window opens (RFC 1122, 4.2.3.2); then every eighth. */
const YOUNG = 64 << 10
const SPARSE = 8
/** Nanoseconds. */
const DELAYED_ACK = 40e6

/** The receiving half of a connection: what the guest sends, in order, into the host's stream; our window, and when to acknowledge. */
export class TcpReceiver {
  readonly #budget: MemoryBudget
  #stream: HostStream | undefined
  #early: EarlySegments | undefined
  /** The guest's first sequence number, and the next expected. */
  initial = 0
  next = 0
  /** Right edge of the window as announced, and what has been acknowledged. */
  #announced = 0
  #acknowledged = 0
  #pending = 0
  scaling = false
  mss = 536
  /** An acknowledgment is to go out, now or (ns) then. */
  ackNow = false
  ackAt: number = NEVER
  finReceived = false

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  start(initial: number, scaling: boolean, mss: number): void {
    this.initial = initial
    this.next = this.#announced = this.#acknowledged = (initial + 1) >>> 0
    this.scaling = scaling
    this.mss = mss
  }

  set stream(stream: HostStream | undefined) {
    this.#stream = stream
    this.countPending()
  }

  /** Bytes that the host's stream still holds. */
  get pending(): number {
    return this.#pending
  }

  /** Bytes of window; its right edge never goes back (RFC 9293, 3.8.6). */
  get window(): number {
    return Math.max(0, bufferLimit(this.#budget) - this.#pending, sequenceDelta(this.#announced, this.next))
  }

  /** The window field of a segment that is no SYN. */
  get windowField(): number {
    return this.scaling ? this.window >>> WINDOW_SCALE : Math.min(this.window, 0xffff)
  }

  /** A segment with this window, in bytes, has gone out. */
  announce(window: number): void {
    const edge = (this.next + window) >>> 0
    if (sequenceDelta(edge, this.#announced) > 0) this.#announced = edge
    this.#acknowledged = this.next
    this.ackNow = false
    this.ackAt = NEVER
  }

  /** Whether a segment of `length` in sequence space at `sequence` overlaps the window, or would stand at its edge (RFC 9293, 3.10.7.4). */
  acceptable(sequence: number, length: number): boolean {
    const end = sequenceDelta((sequence + length) >>> 0, this.next)
    return sequenceDelta(sequence, this.#announced) <= 0 && (length > 0 ? end > 0 : end >= 0)
  }

  /** Takes the data of an acceptable segment. */
  receive(tcp: TcpView, now: number): void {
    const room = Math.max(0, sequenceDelta(this.#announced, tcp.sequence))
    const cut = tcp.end - tcp.payload > room
    const end = cut ? tcp.payload + room : tcp.end
    const fin = (tcp.flags & TCP_FLAG.FIN) !== 0 && !cut
    const late = sequenceDelta(this.next, tcp.sequence)
    this.ackNow ||= cut || this.finReceived || late !== 0
    if (this.finReceived) return
    if (late < 0) {
      this.#early ??= new EarlySegments(this.#budget)
      this.#early.add(tcp.sequence, tcp.bytes.subarray(tcp.payload, end), fin)
      return
    }
    this.#take(tcp.bytes, tcp.payload + late, end, fin)
    this.#takeEarly()
    const waiting = sequenceDelta(this.next, this.#acknowledged)
    const young = sequenceDelta(this.next, this.initial) < YOUNG || (tcp.flags & TCP_FLAG.PSH) !== 0
    if (waiting >= (young ? 2 : SPARSE) * this.mss) this.ackNow = true
    else if (waiting > 0 && this.ackAt === NEVER) this.ackAt = now + DELAYED_ACK
  }

  #take(bytes: Uint8Array, from: number, to: number, fin: boolean): void {
    if (to > from) {
      this.next = (this.next + to - from) >>> 0
      this.#stream?.write(bytes.subarray(from, to))
      this.countPending()
    }
    if (!fin || this.finReceived) return
    this.finReceived = this.ackNow = true
    this.next = (this.next + 1) >>> 0
    this.#early?.clear()
    this.#stream?.end()
  }

  /** Takes what came early and fits now. */
  #takeEarly(): void {
    for (let early = this.#early?.take(this.next); early !== undefined; early = this.#early!.take(this.next)) {
      this.ackNow = true
      this.#take(early.bytes, sequenceDelta(this.next, early.sequence), early.bytes.length, early.fin)
    }
  }

  /** Whether the window has grown enough to tell: it was shut, or a good part of it opened (RFC 9293, 3.8.6.2.2). */
  get opened(): boolean {
    const grown = this.window - sequenceDelta(this.#announced, this.next)
    return !this.finReceived && grown >= Math.min(bufferLimit(this.#budget) / 4, 2 * this.mss)
  }

  /** What the host's stream holds for us counts as ours. */
  countPending(): void {
    const pending = this.#stream?.pending ?? 0
    this.#budget.spent += pending - this.#pending
    this.#pending = pending
  }

  clear(): void {
    this.stream = undefined
    this.#early?.clear()
  }
}
