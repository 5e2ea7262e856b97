import type { Clock, FrameListener, FrameOffloads, Timer } from '@entresol/interfaces'
import { NO_OFFLOADS } from './packet.ts'
import type { Packet } from './packet.ts'
import { PacketQueue } from './packet-queue.ts'
import type { QueueLimits } from './packet-queue.ts'

export interface InboxOptions {
  readonly clock: Clock
  readonly limits?: QueueLimits
  /** `bytes` of a frame were taken by the receiver. */
  readonly onTaken?: (bytes: number) => void
  /** A frame found no room, or no receiver. */
  readonly onDropped?: () => void
  /** The receiver fell behind (true), or caught up (false): a source that can wait should. */
  readonly onPressure?: (waiting: boolean) => void
}

/** Frames handed over in one go; what comes in answer to them and is more than this waits for the clock. */
const BUDGET = 512

/**
 * The half of a port that carries packets to its one receiver: finishes what the receiver does not take unfinished, and keeps, within
 * bounds, what it has no room for. What arrives while the receiver is busy with a frame waits until it returns, so that ends that answer
 * each other at once neither grow the stack nor hold the thread.
 */
export class Inbox {
  readonly #options: InboxOptions
  readonly #queue: PacketQueue
  /** What is left of the packet under way. */
  #current: Packet[] = []
  #listener: FrameListener | undefined
  #accepts: FrameOffloads = NO_OFFLOADS
  #busy = false
  #waiting = false
  #deferred: Timer | undefined

  constructor(options: InboxOptions) {
    this.#options = options
    this.#queue = new PacketQueue(options.limits)
  }

  /** Somebody listens. */
  get connected(): boolean {
    return this.#listener !== undefined
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#listener = listener
    this.#accepts = accepts
    this.#current = this.#current.flatMap((packet) => packet.for(accepts))
  }

  deliver(packet: Packet): void {
    if (this.#listener === undefined) this.#options.onDropped?.()
    else if (this.#busy || this.#waiting || this.#deferred !== undefined) this.#keep(packet)
    else {
      this.#take(packet)
      this.#run()
      // The sender's buffer is the sender's again.
      this.#current = this.#current.map((left) => left.copy())
    }
  }

  /** The receiver has room again. */
  resume(): void {
    if (this.#busy) return
    this.#wait(false)
    this.#deferred?.cancel()
    this.#deferred = undefined
    this.#run()
  }

  clear(): void {
    this.#queue.clear()
    this.#current = []
    this.#deferred?.cancel()
    this.#deferred = undefined
    this.#wait(false)
  }

  #run(): void {
    for (let count = 0; ; count++) {
      if (this.#current.length === 0) {
        const next = this.#queue.shift()
        if (next === undefined) return
        this.#take(next.packet)
        continue
      }
      if (count >= BUDGET) {
        this.#deferred = this.#options.clock.schedule(this.#options.clock.now(), () => this.resume())
        return
      }
      if (!this.#give(this.#current[0]!)) return
      this.#current.shift()
    }
  }

  /** What cannot be finished is lost. */
  #take(packet: Packet): void {
    this.#current = [...packet.for(this.#accepts)]
    if (this.#current.length === 0) this.#options.onDropped?.()
  }

  #give(packet: Packet): boolean {
    this.#busy = true
    let taken: boolean
    try {
      taken = this.#listener!(packet.frame, packet.unfinished)
    } finally {
      this.#busy = false
    }
    if (taken) this.#options.onTaken?.(packet.frame.length)
    else this.#wait(true)
    return taken
  }

  #keep(packet: Packet): void {
    if (!this.#queue.push(packet, undefined)) this.#options.onDropped?.()
  }

  #wait(waiting: boolean): void {
    if (waiting === this.#waiting) return
    this.#waiting = waiting
    this.#options.onPressure?.(waiting)
  }
}
