import type { Gpa } from './address.ts'
import type { AccessSize } from './bus.ts'
import type { Resettable, Snapshotable } from './lifecycle.ts'

/**
 * A buffer the driver made available: the device-readable part, then the device-writable part, each seen as one run of bytes (virtio 1.2, 2.6,
 * 2.7.4.2). Everything about its addresses was checked when it was popped. Lives from `pop` until `push`; when its queue is reset in between it is
 * dead: reads and writes copy nothing and `push` does nothing, so that a host operation may end late.
 */
export interface DescriptorChain {
  /** Bytes the device may read, and may write. */
  readonly readableLength: number
  readonly writableLength: number
  /** Copies from `offset` of the readable part; returns the bytes copied, fewer than asked for at its end. */
  read(offset: number, into: Uint8Array): number
  /** Copies to `offset` of the writable part; returns the bytes copied, fewer than given at its end. */
  write(offset: number, from: Uint8Array): number
  /** Little-endian, unsigned; bytes behind the end of the readable part read as zero. */
  readU8(offset: number): number
  readU16(offset: number): number
  readU32(offset: number): number
  /** Little-endian; dropped when it does not fit the writable part. */
  writeU8(offset: number, value: number): void
  writeU16(offset: number, value: number): void
  writeU32(offset: number, value: number): void
  /** The pieces of each part where they lie, in order, all RAM, lengths above 0: for devices that work on the pages themselves. */
  eachReadable(visit: (gpa: Gpa, length: number) => void): void
  eachWritable(visit: (gpa: Gpa, length: number) => void): void
}

/**
 * A virtqueue as a device uses it, split or packed alike (virtio 1.2, 2.6). A queue the driver did not enable, or reset, or broke, is empty. A
 * driver's mistake is answered inside: the device goes to DEVICE_NEEDS_RESET and all its queues are empty from then on.
 *
 * The common loop: `for (let chain; (chain = queue.pop()); ) { …; queue.push(chain, written) } queue.publish()`.
 */
export interface Virtqueue {
  readonly index: number
  /** Entries, as the driver chose; 0 while not enabled. */
  readonly size: number
  /** Takes the next available buffer. When there is none it asks the driver for a notification, unless these are off. */
  pop(): DescriptorChain | undefined
  /** There is nothing to pop. */
  readonly empty: boolean
  /** Gives a buffer back with the number of bytes written from the start of its writable part. The driver sees it with the next `publish`. */
  push(chain: DescriptorChain, written: number): void
  /** Shows the driver everything pushed and interrupts it if it wants that. Cheap when nothing was pushed. */
  publish(): void
  /**
   * Whether the driver should notify of new buffers, on after activation. A hint: notifications may come anyway. When switched on, buffers may be
   * available that no notification came for: the device looks.
   */
  setNotifications(on: boolean): void
}

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
