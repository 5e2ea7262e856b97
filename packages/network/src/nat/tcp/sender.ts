import { TCP_FLAG, sequenceDelta } from '../../codec/index.ts'
import type { TcpView } from '../../codec/index.ts'
import { ByteRing } from './byte-ring.ts'
import type { MemoryBudget } from './byte-ring.ts'
import { Congestion } from './congestion.ts'
import { NEVER } from './limits.ts'
import { RttEstimator } from './rtt.ts'

const MAX_SYN_RETRIES = 5
const MAX_RETRIES = 12

/** Sends a segment of `length` bytes of the sender's data, `offset` behind the first unacknowledged one; whether the link took it. */
export type SegmentOutput = (sequence: number, flags: number, data: ByteRing, offset: number, length: number) => boolean

/** The sending half of a connection: bytes of the host on their way to the guest, and the retransmission of what gets lost (RFC 9293, RFC 6298). */
export class TcpSender {
  readonly ring: ByteRing
  readonly #congestion = new Congestion()
  readonly #rtt = new RttEstimator()
  /** First sequence number not acknowledged, next to be sent, highest ever sent. */
  #una: number
  #nxt: number
  #max: number
  #window = 0
  #largestWindow = 0
  #windowSequence = 0
  #windowAck = 0
  #scale = 0
  #mss = 536
  /** The host has ended: FIN follows the last byte. */
  ending = false
  finAcknowledged = false
  #retries = 0
  #probe = false
  /** The segment at the front is to be sent again, out of turn. */
  #resend = false
  #timedSequence = 0
  #timedSince: number = NEVER
  /** Time of the retransmission or the probe of a shut window, ns. */
  deadline: number = NEVER

  constructor(initial: number, budget: MemoryBudget) {
    this.ring = new ByteRing(budget)
    this.#una = this.#nxt = this.#max = initial
  }

  /** Sequence number of what is sent next. */
  get next(): number {
    return this.#nxt
  }

  /** What acknowledges all that was sent. */
  get expected(): number {
    return this.#max
  }

  /** The guest's SYN: how much it takes. */
  start(syn: TcpView, scale: number, mss: number): void {
    this.#scale = scale
    this.#mss = this.#congestion.mss = mss
    this.#window = this.#largestWindow = syn.window
    this.#windowSequence = syn.sequence
    this.#windowAck = syn.acknowledgment
  }

  /** Our SYN went out, as the sequence number before `next`. */
  synSent(now: number): void {
    this.#timedSince = this.#max === this.#una ? now : NEVER
    this.#nxt = this.#max = (this.#una + 1) >>> 0
  }

  waitForSyn(now: number): void {
    this.deadline = now + this.#rtt.timeout
  }

  get synSequence(): number {
    return this.#una
  }

  synAcknowledged(now: number): void {
    this.#una = this.#nxt = this.#max
    this.#congestion.start(this.#una)
    this.#retries = 0
    this.deadline = NEVER
    if (this.#timedSince !== NEVER) this.#rtt.sample(now - this.#timedSince)
    this.#timedSince = NEVER
  }

  /** The acknowledgment and window of a segment. False: it acknowledges what was never sent. */
  acknowledge(tcp: TcpView, now: number): boolean {
    const ack = tcp.acknowledgment
    const fresh = sequenceDelta(ack, this.#una)
    const flight = sequenceDelta(this.#max, this.#una)
    if (fresh > flight) return false
    if (fresh < 0) return true
    const window = tcp.window * 2 ** this.#scale
    if (fresh > 0) this.#advance(ack, fresh, now)
    else if (flight > 0 && tcp.sequenceLength === 0 && window === this.#window && window > 0) this.#resend ||= this.#congestion.duplicate(ack, flight, this.#max)
    const newer = sequenceDelta(tcp.sequence, this.#windowSequence)
    if (newer > 0 || (newer === 0 && sequenceDelta(ack, this.#windowAck) >= 0)) {
      if (this.#window === 0) {
        this.#retries = 0
        // What was sent into a shut window were probes, and is sent again.
        if (window > 0) this.#nxt = this.#una
      }
      this.#window = window
      this.#largestWindow = Math.max(this.#largestWindow, window)
      this.#windowSequence = tcp.sequence
      this.#windowAck = ack
    }
    return true
  }

  #advance(ack: number, fresh: number, now: number): void {
    const data = Math.min(fresh, this.ring.length)
    this.ring.consume(data)
    this.#una = ack
    if (sequenceDelta(ack, this.#nxt) > 0) this.#nxt = ack
    this.#retries = 0
    if (this.#timedSince !== NEVER && sequenceDelta(ack, this.#timedSequence) >= 0) {
      this.#rtt.sample(now - this.#timedSince)
      this.#timedSince = NEVER
    }
    this.#resend = this.#congestion.acknowledged(ack, fresh)
    this.deadline = ack === this.#max ? NEVER : now + this.#rtt.timeout
    this.finAcknowledged ||= fresh > data
  }

  /** Whether `transmit` would look for something to send. */
  get busy(): boolean {
    return this.#unsent > 0 || this.#resend || (this.ending && !this.#finSent)
  }

  /** Sends one segment if there is one to send: 'more' if there may be another, 'refused' when the link did not take it. */
  transmit(now: number, capacity: number, output: SegmentOutput): 'more' | 'done' | 'refused' {
    if (this.#resend) return this.#transmitFront(output)
    const flight = sequenceDelta(this.#nxt, this.#una)
    const unsent = this.#unsent
    const fin = this.ending && !this.#finSent
    if (unsent === 0 && !fin) return 'done'
    const room = Math.min(this.#window, this.#congestion.window) - flight
    let length = Math.min(unsent, room, capacity)
    // No silly small segments while a larger one will fit soon (RFC 9293, 3.8.6.2.1).
    if (length < unsent && length < this.#mss && length < this.#largestWindow / 2) length = 0
    if (this.#probe && length <= 0) length = Math.min(unsent, Math.max(1, room))
    const last = length === unsent
    const sendsFin = fin && last && (room > length || this.#probe)
    if (length <= 0 && !sendsFin) {
      // A window that stays shut is asked about (RFC 9293, 3.8.6.1).
      if (flight === 0 && this.deadline === NEVER) this.deadline = now + this.#rtt.timeout
      return 'done'
    }
    return this.#send(now, flight, length, sendsFin, last, output)
  }

  /** The guest may answer before `output` returns: what is sent counts as sent before it is. */
  #send(now: number, flight: number, length: number, fin: boolean, last: boolean, output: SegmentOutput): 'more' | 'refused' {
    const [from, max, timedSince, deadline] = [this.#nxt, this.#max, this.#timedSince, this.deadline]
    this.#nxt = (from + length + (fin ? 1 : 0)) >>> 0
    if (sequenceDelta(this.#nxt, max) > 0) this.#max = this.#nxt
    // Of what is sent twice nobody knows which was acknowledged (RFC 6298, 3).
    if (from === max && timedSince === NEVER) {
      this.#timedSince = now
      this.#timedSequence = this.#nxt
    }
    if (deadline === NEVER) this.deadline = now + this.#rtt.timeout
    if (output(from, TCP_FLAG.ACK | (fin ? TCP_FLAG.FIN : 0) | (last ? TCP_FLAG.PSH : 0), this.ring, flight, length)) {
      this.#probe = false
      return 'more'
    }
    this.#nxt = from
    this.#max = max
    this.#timedSince = timedSince
    this.deadline = deadline
    return 'refused'
  }

  /** One segment at the front again; where sending goes on stays. */
  #transmitFront(output: SegmentOutput): 'more' | 'refused' {
    const length = Math.min(this.ring.length, this.#mss)
    const fin = this.ending && length === this.ring.length && sequenceDelta(this.#max, this.#una) > length
    this.#resend = false
    this.#timedSince = NEVER
    if ((length === 0 && !fin) || output(this.#una, TCP_FLAG.ACK | (fin ? TCP_FLAG.FIN : 0), this.ring, 0, length)) return 'more'
    this.#resend = true
    return 'refused'
  }

  /** `deadline` has come. False: the guest has not answered for too long. */
  expire(synchronized: boolean): boolean {
    this.deadline = NEVER
    if (++this.#retries > (synchronized ? MAX_RETRIES : MAX_SYN_RETRIES)) return false
    this.#rtt.backOff()
    this.#timedSince = NEVER
    this.#resend = false
    if (!synchronized) return true
    const flight = sequenceDelta(this.#max, this.#una)
    if (flight > 0 && this.#window > 0) this.#congestion.timeout(flight, this.#max)
    else this.#probe = true
    this.#nxt = this.#una
    return true
  }

  /** Bytes of the ring behind the next sequence number. */
  get #unsent(): number {
    return Math.max(0, this.ring.length - sequenceDelta(this.#nxt, this.#una))
  }

  get #finSent(): boolean {
    return this.finAcknowledged || sequenceDelta(this.#nxt, this.#una) > this.ring.length
  }
}
