import type { DescriptorChain, Virtqueue } from '@entresol/interfaces'

/** Room for received frames: the buffers of one receive queue. */
export class ReceiveQueue {
  readonly queue: Virtqueue
  readonly #isMergeable: boolean
  /** Taken from the ring and not enough yet for the frame they were taken for. */
  #held: DescriptorChain[] = []
  #room = 0
  #isWaiting = false

  constructor(queue: Virtqueue, isMergeable: boolean) {
    this.queue = queue
    this.#isMergeable = isMergeable
    queue.setNotifications(false)
  }

  /** Buffers for a frame of `bytes`, header included. `later`: the driver is asked for more; `never`: it cannot have that many. */
  take(bytes: number): readonly DescriptorChain[] | 'later' | 'never' {
    while (this.#room < bytes) {
      const chain = this.#held.length === 0 || this.#isMergeable ? this.#pop() : undefined
      if (chain === undefined) {
        const isAll = this.#held.length >= (this.#isMergeable ? this.queue.size : 1)
        return isAll && this.queue.size > 0 ? 'never' : 'later'
      }
      this.#held.push(chain)
      this.#room += chain.writableLength
    }
    const chains = this.#held
    this.#held = []
    this.#room = 0
    return chains
  }

  /** After `later`, once: buffers came. */
  hasRoomAgain(): boolean {
    if (!this.#isWaiting || this.queue.empty) return false
    this.#isWaiting = false
    this.queue.setNotifications(false)
    return true
  }

  /** Queue `index` was reset or enabled anew: what was taken from it is dead. */
  restart(index: number): void {
    if (index !== this.queue.index) return
    this.#held = []
    this.#room = 0
    this.#isWaiting = false
    this.queue.setNotifications(false)
  }

  /** Notifications are only on while the device waits. */
  #pop(): DescriptorChain | undefined {
    let chain = this.queue.pop()
    if (chain === undefined && !this.#isWaiting) {
      this.#isWaiting = true
      this.queue.setNotifications(true)
      chain = this.queue.pop()
    }
    return chain
  }
}
