import type { AccessSize, Clock, Virtqueue, VirtioDevice } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** A number that virtio 1.2, 5 gives to no device. */
export const STOPWATCH_DEVICE_ID = 60
const QUEUE_SIZE = 16
const START = 0

/** When the watch was started, in nanoseconds of its clock. */
export interface VirtioStopwatchState {
  started: number
}

/**
 * A device of one queue. A buffer whose first readable byte is 0 starts the watch anew; every buffer with 8 writable bytes gets the nanoseconds
 * since then, little-endian. Its configuration space holds how often it was started (32 bits).
 */
export class VirtioStopwatch implements VirtioDevice<VirtioStopwatchState> {
  readonly name: string = 'virtio-stopwatch'
  readonly snapshotVersion: number = 1
  readonly deviceId: number = STOPWATCH_DEVICE_ID
  readonly features: bigint = 0n
  readonly queueSizes: readonly number[] = [QUEUE_SIZE]
  readonly config: Uint8Array = new Uint8Array(4)
  readonly #clock: Clock
  #queue: Virtqueue | undefined
  #started = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  attach(): void {}

  /** Nothing in it is the driver's to change. */
  writeConfig(_offset: number, _size: AccessSize, _value: number): void {}

  activate(_features: bigint, [queue]: readonly Virtqueue[]): void {
    this.#queue = queue
  }

  notified(): void {
    const queue = this.#queue
    if (!queue) return
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (chain.readableLength > 0 && chain.readU8(0) === START) this.#start()
      const time = new Uint8Array(8)
      new DataView(time.buffer).setBigUint64(0, BigInt(this.#clock.now() - this.#started), true)
      queue.push(chain, chain.write(0, time))
    }
    queue.publish()
  }

  #start(): void {
    this.#started = this.#clock.now()
    const count = new DataView(this.config.buffer)
    count.setUint32(0, count.getUint32(0, true) + 1, true)
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queue = undefined
    this.#started = 0
    this.config.fill(0)
  }

  save(): VirtioStopwatchState {
    return { started: this.#started }
  }

  restore(state: VirtioStopwatchState): void {
    const started = (state as Partial<VirtioStopwatchState> | null)?.started
    if (typeof started !== 'number' || !Number.isSafeInteger(started) || started < 0) throw new CodedError('bad-snapshot', `${this.name}: no time in it`)
    this.reset()
    this.#started = started
  }
}
