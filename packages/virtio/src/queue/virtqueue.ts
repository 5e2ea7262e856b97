import type { Gpa } from '@entresol/interfaces'

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
