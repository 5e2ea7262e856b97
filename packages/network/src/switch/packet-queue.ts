import type { Packet } from './packet.ts'

/** Bounds of a queue: whichever is reached first. */
export interface QueueLimits {
  readonly packets: number
  readonly bytes: number
}

export const DEFAULT_LIMITS: QueueLimits = { packets: 1024, bytes: 4 << 20 }

/** First in, first out, bounded. Owns copies of what it holds, each with a tag. */
export class PacketQueue<Tag = undefined> {
  readonly #limits: QueueLimits
  #items: { readonly packet: Packet; readonly tag: Tag }[] = []
  #head = 0
  #bytes = 0

  constructor(limits: QueueLimits = DEFAULT_LIMITS) {
    this.#limits = limits
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  /** Keeps a copy; false when it is full. */
  push(packet: Packet, tag: Tag): boolean {
    if (this.length >= this.#limits.packets || this.#bytes + packet.frame.length > this.#limits.bytes) return false
    this.#items.push({ packet: packet.copy(), tag })
    this.#bytes += packet.frame.length
    return true
  }

  /** The oldest, which stays. */
  peek(): { readonly packet: Packet; readonly tag: Tag } | undefined {
    return this.#items[this.#head]
  }

  shift(): { readonly packet: Packet; readonly tag: Tag } | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#head++
    this.#bytes -= item.packet.frame.length
    // The used front goes when it is the larger half: constant cost per packet.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = this.#bytes = 0
  }
}
