import type { Clock, FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { Inbox } from './inbox.ts'
import { ALL_OFFLOADS, FRAME_MAX, FRAME_MIN, Packet } from './packet.ts'

class CableEnd implements NetworkPort {
  readonly offloads: FrameOffloads = ALL_OFFLOADS
  readonly #inbox: Inbox
  #peer: CableEnd | undefined
  #linkListener: ((up: boolean) => void) | undefined

  constructor(clock: Clock) {
    this.#inbox = new Inbox({ clock })
  }

  get linkUp(): boolean {
    return this.#peer!.#inbox.connected
  }

  plug(peer: CableEnd): void {
    this.#peer = peer
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    if (frame.length >= FRAME_MIN && frame.length <= FRAME_MAX) this.#peer!.#inbox.deliver(new Packet(frame, unfinished))
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    const first = !this.#inbox.connected
    this.#inbox.onReceive(listener, accepts)
    if (first) this.#peer!.#linkListener?.(true)
  }

  resume(): void {
    this.#inbox.resume()
  }

  onLinkChange(listener: (up: boolean) => void): void {
    this.#linkListener = listener
  }
}

/** A link of two ends: what one sends the other receives. An end's carrier is there once the other has a receiver. */
export function createCable(clock: Clock): readonly [NetworkPort, NetworkPort] {
  const ends = [new CableEnd(clock), new CableEnd(clock)] as const
  ends[0].plug(ends[1])
  ends[1].plug(ends[0])
  return ends
}

/** Connects the far ends of two links, e.g. a port of a switch with a tap: what comes out of one goes into the other. */
export function joinPorts(a: NetworkPort, b: NetworkPort): void {
  const pass = (from: NetworkPort, to: NetworkPort): void => from.onReceive((frame, unfinished) => {
    to.send(frame, unfinished)
    return true
  }, to.offloads)
  pass(a, b)
  pass(b, a)
}
