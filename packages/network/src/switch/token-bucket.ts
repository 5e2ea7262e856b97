import type { Clock, Timer } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { Packet } from './packet.ts'
import { PacketQueue } from './packet-queue.ts'
import type { QueueLimits } from './packet-queue.ts'

export interface RateLimit {
  /** Average, counting frames as NetworkPort does (no FCS, no preamble). */
  readonly bitsPerSecond: number
  /** How much may go at once after silence; default what passes in 20 ms, and at least 64 KiB. */
  readonly burstBytes?: number
}

/**
 * Shapes one direction of a port: packets go while there are tokens, and the last one may take more than there are, so that a packet
 * larger than the burst passes too. The rest waits in a bounded queue.
 */
export class TokenBucket {
  readonly #clock: Clock
  readonly #bytesPerNs: number
  readonly #burst: number
  readonly #queue: PacketQueue
  readonly #release: (packet: Packet) => void
  #tokens: number
  #since: number
  #timer: Timer | undefined

  /** Throws `bad-rate`. */
  constructor(clock: Clock, rate: RateLimit, release: (packet: Packet) => void, limits?: QueueLimits) {
    const burst = rate.burstBytes ?? Math.max(64 << 10, rate.bitsPerSecond / 8 / 50)
    if (!(rate.bitsPerSecond > 0 && Number.isFinite(rate.bitsPerSecond) && burst > 0 && Number.isFinite(burst))) {
      throw new CodedError('bad-rate', 'a rate limit needs a positive number of bits per second, and a positive burst')
    }
    this.#clock = clock
    this.#bytesPerNs = rate.bitsPerSecond / 8e9
    this.#burst = burst
    this.#queue = new PacketQueue(limits)
    this.#release = release
    this.#tokens = burst
    this.#since = clock.now()
  }

  /** False when the queue is full: the packet is lost. */
  offer(packet: Packet): boolean {
    this.#refill()
    if (this.#queue.length > 0 || this.#tokens <= 0) {
      const kept = this.#queue.push(packet, undefined)
      this.#arm()
      return kept
    }
    this.#tokens -= packet.frame.length
    this.#release(packet)
    return true
  }

  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#queue.clear()
  }

  #refill(): void {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#since) * this.#bytesPerNs)
    this.#since = now
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#queue.length === 0) return
    // One byte's worth of tokens lets the next packet go.
    const wait = Math.max(0, Math.ceil((1 - this.#tokens) / this.#bytesPerNs))
    this.#timer = this.#clock.schedule(this.#clock.now() + wait, () => {
      this.#timer = undefined
      this.#refill()
      while (this.#tokens > 0) {
        const next = this.#queue.shift()
        if (next === undefined) return
        this.#tokens -= next.packet.frame.length
        this.#release(next.packet)
      }
      this.#arm()
    })
  }
}
