import type { Clock, FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { Inbox } from '../switch/inbox.ts'
import { ALL_OFFLOADS, FRAME_MAX, FRAME_MIN, NO_OFFLOADS, Packet } from '../switch/packet.ts'

/** What a wire does with frames of the device; they are finished, and the port's again when it returns. */
export interface Wire {
  transmit(frame: Uint8Array): void
  /** The device fell behind (true) or caught up: a wire that can hold its peer back should. */
  pressure?(waiting: boolean): void
}

/** Frames in and out, lost for want of room or connection. */
export interface LinkCounters {
  readonly sent: number
  readonly received: number
  readonly dropped: number
}

/** Frames that may arrive in one read while the device is busy. */
const QUEUE = { packets: 8192, bytes: 4 << 20 }

/** The device's side of a link whose other side is some wire out of this process. */
export class LinkPort implements NetworkPort {
  readonly offloads: FrameOffloads = ALL_OFFLOADS
  readonly #inbox: Inbox
  readonly #counters = { sent: 0, received: 0, dropped: 0 }
  #wire: Wire | undefined
  #linkListener: ((up: boolean) => void) | undefined

  constructor(clock: Clock) {
    this.#inbox = new Inbox({
      clock, limits: QUEUE,
      onTaken: () => void this.#counters.received++,
      onDropped: () => this.drop(),
      onPressure: (waiting) => this.#wire?.pressure?.(waiting)
    })
  }

  get counters(): LinkCounters {
    return { ...this.#counters }
  }

  /** Up while there is a wire. */
  get linkUp(): boolean {
    return this.#wire !== undefined
  }

  /** Puts a wire in place, or takes it away. */
  set wire(wire: Wire | undefined) {
    const changed = (wire === undefined) !== (this.#wire === undefined)
    this.#wire = wire
    if (wire === undefined) this.#inbox.clear()
    if (changed) this.#linkListener?.(wire !== undefined)
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    if (this.#wire === undefined || frame.length < FRAME_MIN || frame.length > FRAME_MAX) return this.drop()
    const pieces = new Packet(frame, unfinished).for(NO_OFFLOADS)
    if (pieces.length === 0) this.drop()
    for (const piece of pieces) {
      this.#counters.sent++
      this.#wire?.transmit(piece.frame)
    }
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#inbox.onReceive(listener, accepts)
  }

  resume(): void {
    this.#inbox.resume()
  }

  onLinkChange(listener: (up: boolean) => void): void {
    this.#linkListener = listener
  }

  /** For the wire: a frame for the device. */
  deliver(frame: Uint8Array): void {
    if (this.#wire === undefined || frame.length < FRAME_MIN || frame.length > FRAME_MAX) this.drop()
    else this.#inbox.deliver(new Packet(frame))
  }

  /** For the wire: a frame was lost. */
  drop(): void {
    this.#counters.dropped++
  }
}
