import type { AccessSize, Resettable, Snapshotable } from '@entresol/interfaces'
import type { Virtqueue } from './queue/virtqueue.ts'

/** What a transport does for the device plugged into it. */
export interface VirtioHost {
  /** The device changed `config` by itself: new generation, and a configuration change interrupt (virtio 1.2, 2.5, 4.1.4.5). */
  configChanged(): void
  /** The driver did what no answer exists for: DEVICE_NEEDS_RESET is set and the queues stop (2.1.2). `reason` is for people. */
  fail(reason: string): void
}

/**
 * A virtio device without its transport and without the format of its rings. All methods are synchronous and never throw for what a driver does
 * (`restore` throws `bad-snapshot`). Work that waits for the host goes on by itself and pushes its buffers when it is done.
 *
 * Order of calls: `attach` once; then, for each life of a driver, `activate`, `notified`, `resetQueue` and `enabledQueue`, until `reset`.
 */
export interface VirtioDevice<State = unknown> extends Resettable, Snapshotable<State> {
  /** Kebab-case, unique on a board; `id` as the user gave it, or made by the board. */
  readonly name: string
  /** Device ID (virtio 1.2, 5). */
  readonly deviceId: number
  /** Features of the device type it offers (bits 0..23 and 50..63). Transports add VERSION_1 and those of rings. */
  readonly features: bigint
  /** Largest size of each queue in entries: powers of two up to 32768. Its length is the number of queues. */
  readonly queueSizes: readonly number[]
  /** Device configuration space as it reads now. The same array for the device's life. */
  readonly config: Uint8Array
  /** The driver wrote the low `size` bytes of `value`, inside `config` (multiples of `size`): the device changes `config` where it allows that. */
  writeConfig(offset: number, size: AccessSize, value: number): void
  attach(host: VirtioHost): void
  /**
   * DRIVER_OK. `features` are the negotiated ones, a subset of those offered. `queues` has as many as `queueSizes`; those not enabled are empty. State
   * is as after `reset` or `restore`. `notified` follows for every enabled queue.
   */
  activate(features: bigint, queues: readonly Virtqueue[]): void
  /** The driver made buffers available on queue `index`. Only between `activate` and `reset`. */
  notified(index: number): void
  /** RING_RESET (2.6.1): the queue is empty and its chains are dead; the device forgets those it holds. */
  resetQueue(index: number): void
  /** A queue was enabled again after `resetQueue`; `notified` follows. */
  enabledQueue(index: number): void
  /** Also called before the first `activate` of each driver. All chains are dead. */
  reset(): void
  /**
   * State of its own: what `activate`, `config` and the host's side do not give. Buffers that were popped and not pushed are not part of it: after
   * `restore` and `activate` the queues give them out once more, first, in order.
   */
  save(): State
  restore(state: State): void
}
