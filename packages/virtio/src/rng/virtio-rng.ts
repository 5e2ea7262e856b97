import type { Clock, VirtioDevice, Virtqueue } from '@entresol/interfaces'
import { type Check, integer, record } from '@entresol/kit/saved-state'

/** virtio 1.2, 5.4 "Entropy Device": one queue of writable buffers, no features, no configuration. */
export const RNG_DEVICE_ID = 4
const QUEUE_SIZE = 64
/** Of one buffer at a time; the driver asks again for the rest. */
const MOST_BYTES = 4096

export interface VirtioRngDeviceOptions {
  /** Default `virtio-rng`. */
  readonly name?: string
  /** Fills an array with random bytes. */
  readonly fill: (into: Uint8Array<ArrayBuffer>) => void
  /** At most so many bytes in each period of so many milliseconds of `clock`. */
  readonly limit?: { readonly bytes: number; readonly period: number; readonly clock: Clock }
}

/** Bytes left of the limit, and when they are full again (ns); both 0 before the first request. */
export interface VirtioRngState {
  left: number
  renewal: number
}

const number = integer(0, Number.MAX_SAFE_INTEGER)
const checkState: Check<VirtioRngState> = record<VirtioRngState>({ left: number, renewal: number })

/** Random bytes for the guest. */
export class VirtioRng implements VirtioDevice<VirtioRngState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = RNG_DEVICE_ID
  readonly features: bigint = 0n
  readonly queueSizes: readonly number[] = [QUEUE_SIZE]
  readonly config: Uint8Array = new Uint8Array(0)
  readonly #options: VirtioRngDeviceOptions
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(MOST_BYTES)
  #queue: Virtqueue | undefined
  #left = 0
  #renewal = 0
  #isWaiting = false

  constructor(options: VirtioRngDeviceOptions) {
    this.name = options.name ?? 'virtio-rng'
    this.#options = options
  }

  attach(): void {}

  writeConfig(): void {}

  activate(_features: bigint, [queue]: readonly Virtqueue[]): void {
    this.#queue = queue
  }

  notified(): void {
    const queue = this.#queue
    if (!queue) return
    while (!queue.empty) {
      const room = this.#room()
      if (room === 0) break
      const chain = queue.pop()
      if (!chain) break
      const bytes = this.#bytes.subarray(0, Math.min(chain.writableLength, MOST_BYTES, room))
      this.#options.fill(bytes)
      this.#left -= bytes.length
      queue.push(chain, chain.write(0, bytes))
    }
    queue.publish()
  }

  /** Bytes that may be given now. When there are none, `notified` follows as soon as there are. */
  #room(): number {
    const { limit } = this.#options
    if (!limit) return MOST_BYTES
    const now = limit.clock.now()
    if (now >= this.#renewal) {
      this.#left = limit.bytes
      this.#renewal = Math.ceil(now + limit.period * 1e6)
    }
    if (this.#left <= 0 && !this.#isWaiting) {
      this.#isWaiting = true
      limit.clock.schedule(this.#renewal, () => {
        this.#isWaiting = false
        this.notified()
      })
    }
    return Math.max(0, this.#left)
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  /** The limit is the host's, not the driver's: resets do not renew it. */
  reset(): void {
    this.#queue = undefined
  }

  save(): VirtioRngState {
    return { left: this.#options.limit ? Math.max(0, this.#left) : 0, renewal: this.#renewal }
  }

  restore(state: VirtioRngState): void {
    const { left, renewal } = checkState(state, this.name)
    this.reset()
    this.#left = left
    this.#renewal = renewal
  }
}
