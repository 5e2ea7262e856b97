import type { AccessSize, BlockBackend, DescriptorChain, VirtioDevice, Virtqueue } from '@entresol/interfaces'
import { type Check, bool, record } from '@entresol/kit/saved-state'
import { BufferPool, MAX_PIECE } from './buffers.ts'
import { type BlkParameters, blkParameters, type VirtioBlkDeviceOptions } from './options.ts'
import * as spec from './spec.ts'

export interface VirtioBlkState {
  writeBack: boolean
}

const checkState: Check<VirtioBlkState> = record<VirtioBlkState>({ writeBack: bool })

/** Host memory and host operations that requests may hold at a time; what comes beyond waits in the rings. */
const MAX_BYTES_IN_FLIGHT = 32 << 20
const MAX_REQUESTS_IN_FLIGHT = 1024

/** A disk (virtio 1.2, 5.2) over a BlockBackend. Requests of all queues run at the same time. */
export class VirtioBlk implements VirtioDevice<VirtioBlkState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.DEVICE_ID
  readonly features: bigint
  readonly queueSizes: readonly number[]
  readonly config: Uint8Array
  readonly #backend: BlockBackend
  readonly #parameters: BlkParameters
  readonly #initialWriteBack: number
  readonly #buffers: BufferPool = new BufferPool()
  #queues: readonly Virtqueue[] = []
  #negotiated = 0n
  /** Requests whose backend operations have not ended, of this life and of those before a reset. */
  #pending = 0
  #bytes = 0
  /** Operations from before a reset run still: new requests must not overtake them. */
  #draining = false
  /** Queues with pushed buffers that the driver has not been shown. */
  readonly #completed: Set<Virtqueue> = new Set()
  /** Queues left with buffers because of the limits. */
  readonly #stalled: Set<Virtqueue> = new Set()

  /** Throws `virtio-blk-options`. */
  constructor(options: VirtioBlkDeviceOptions) {
    const parameters = blkParameters(options)
    this.#parameters = parameters
    this.#backend = options.backend
    this.name = parameters.name
    this.features = parameters.features
    this.config = parameters.config
    this.#initialWriteBack = this.config[spec.CONFIG_WRITEBACK]!
    this.queueSizes = new Array<number>(parameters.queues).fill(parameters.queueSize)
  }

  attach(): void {}

  /** Only `writeback` is the driver's to write (5.2.5). */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset === spec.CONFIG_WRITEBACK && size === 1) this.config[offset] = value & 1
  }

  activate(features: bigint, queues: readonly Virtqueue[]): void {
    this.#negotiated = features
    this.#queues = queues
    // 5.2.5.2: without flushes there is no cache to write back.
    if ((features & spec.F_FLUSH) === 0n) this.config[spec.CONFIG_WRITEBACK] = 0
  }

  /** 5.2.6.2: what CONFIG_WCE does not decide, FLUSH does. */
  get #writeBack(): boolean {
    return (this.#negotiated & spec.F_CONFIG_WCE) !== 0n ? this.config[spec.CONFIG_WRITEBACK] === 1 : (this.#negotiated & spec.F_FLUSH) !== 0n
  }

  notified(index: number): void {
    this.#serve(this.#queues[index]!)
  }

  #serve(queue: Virtqueue): void {
    while (!this.#draining && this.#bytes < MAX_BYTES_IN_FLIGHT && this.#pending < MAX_REQUESTS_IN_FLIGHT) {
      const chain = queue.pop()
      if (!chain) return this.#publish(queue)
      this.#start(queue, chain)
    }
    this.#stalled.add(queue)
    this.#publish(queue)
  }

  #publish(queue: Virtqueue): void {
    this.#completed.delete(queue)
    queue.publish()
  }

  #start(queue: Virtqueue, chain: DescriptorChain): void {
    const statusAt = chain.writableLength - 1
    // Without room for the header or the status there is nothing to say.
    if (chain.readableLength < spec.HEADER_BYTES || statusAt < 0) return this.#finish(queue, chain, 0, spec.S_IOERR)
    const offset = (chain.readU32(spec.REQUEST_SECTOR) + chain.readU32(spec.REQUEST_SECTOR + 4) * 2 ** 32) * spec.SECTOR
    const dataLength = chain.readableLength - spec.HEADER_BYTES
    switch (chain.readU32(spec.REQUEST_TYPE)) {
      case spec.T_IN: return this.#isInside(offset, statusAt) ? this.#read(queue, chain, offset, 0) : this.#finish(queue, chain, 0, spec.S_IOERR)
      case spec.T_OUT:
        if (this.#parameters.readOnly || !this.#isInside(offset, dataLength)) return this.#finish(queue, chain, 0, spec.S_IOERR)
        return this.#write(queue, chain, offset, 0)
      case spec.T_FLUSH: return this.#run(queue, chain, this.#backend.flush())
      case spec.T_GET_ID: return this.#identify(queue, chain)
      case spec.T_DISCARD:
      case spec.T_WRITE_ZEROES: return this.#ranges(queue, chain)
      default: return this.#finish(queue, chain, 0, spec.S_UNSUPP)
    }
  }

  #isInside(offset: number, length: number): boolean {
    return length % spec.SECTOR === 0 && offset + length <= this.#backend.size
  }

  /** The status byte, and the buffer back. `written` counts data. */
  #finish(queue: Virtqueue, chain: DescriptorChain, written: number, status: number): void {
    const length = chain.writableLength
    if (length > 0) chain.writeU8(length - 1, status)
    // What is written from the start without a gap (2.6.8.2): the status counts when all data before it was written.
    queue.push(chain, written === length - 1 ? length : written)
    if (this.#completed.size === 0) queueMicrotask(() => this.#publishCompleted())
    this.#completed.add(queue)
  }

  /** One used index and one interrupt for all that ended together. */
  #publishCompleted(): void {
    for (const queue of this.#completed) queue.publish()
    this.#completed.clear()
  }

  /** Waits for the one operation of a request. */
  #run(queue: Virtqueue, chain: DescriptorChain, operation: Promise<void>): void {
    this.#pending++
    operation.then(() => this.#ended(queue, chain, 0, spec.S_OK), () => this.#ended(queue, chain, 0, spec.S_IOERR))
  }

  #ended(queue: Virtqueue, chain: DescriptorChain, written: number, status: number): void {
    this.#pending--
    this.#finish(queue, chain, written, status)
    this.#wakeStalled()
  }

  #wakeStalled(): void {
    if (this.#draining && this.#pending === 0) this.#draining = false
    if (this.#draining || this.#stalled.size === 0) return
    const stalled = [...this.#stalled]
    this.#stalled.clear()
    for (const queue of stalled) this.#serve(queue)
  }

  #read(queue: Virtqueue, chain: DescriptorChain, offset: number, at: number): void {
    const total = chain.writableLength - 1
    const length = Math.min(total - at, MAX_PIECE)
    if (length <= 0) return this.#finish(queue, chain, at, spec.S_OK)
    const buffer = this.#buffers.take(length)
    const piece = buffer.subarray(0, length)
    this.#transfer(this.#backend.read(offset + at, piece), buffer, (succeeded) => {
      if (!succeeded) return this.#finish(queue, chain, at, spec.S_IOERR)
      chain.write(at, piece)
      this.#read(queue, chain, offset, at + length)
    })
  }

  #write(queue: Virtqueue, chain: DescriptorChain, offset: number, at: number): void {
    const length = Math.min(chain.readableLength - spec.HEADER_BYTES - at, MAX_PIECE)
    if (length <= 0) return this.#written(queue, chain)
    const buffer = this.#buffers.take(length)
    const piece = buffer.subarray(0, length)
    chain.read(spec.HEADER_BYTES + at, piece)
    this.#transfer(this.#backend.write(offset + at, piece), buffer, (succeeded) => {
      if (!succeeded) return this.#finish(queue, chain, 0, spec.S_IOERR)
      this.#write(queue, chain, offset, at + length)
    })
  }

  /** A write-through cache is none: the write ends when it is on the disk (5.2.6.2). */
  #written(queue: Virtqueue, chain: DescriptorChain): void {
    if (this.#writeBack) this.#finish(queue, chain, 0, spec.S_OK)
    else this.#run(queue, chain, this.#backend.flush())
  }

  /** One operation with a bounce buffer, which counts against the limit until it ends. */
  #transfer(operation: Promise<void>, buffer: Uint8Array<ArrayBuffer>, then: (succeeded: boolean) => void): void {
    this.#pending++
    this.#bytes += buffer.length
    const end = (succeeded: boolean): void => {
      then(succeeded)
      this.#pending--
      this.#bytes -= buffer.length
      this.#buffers.give(buffer)
      this.#wakeStalled()
    }
    operation.then(() => end(true), () => end(false))
  }

  #identify(queue: Virtqueue, chain: DescriptorChain): void {
    const room = chain.writableLength - 1
    this.#finish(queue, chain, chain.write(0, this.#parameters.serial.subarray(0, room)), spec.S_OK)
  }

  /** Discard and write-zeroes: a list of segments, checked before the first is carried out (5.2.6.1, 5.2.6.2). */
  #ranges(queue: Virtqueue, chain: DescriptorChain): void {
    const isDiscard = chain.readU32(spec.REQUEST_TYPE) === spec.T_DISCARD
    const { readOnly, maxRangeSectors, maxRangeSegments } = this.#parameters
    const refuse = (status: number): void => this.#finish(queue, chain, 0, status)
    if ((this.features & (isDiscard ? spec.F_DISCARD : spec.F_WRITE_ZEROES)) === 0n) return refuse(readOnly ? spec.S_IOERR : spec.S_UNSUPP)
    const count = (chain.readableLength - spec.HEADER_BYTES) / spec.SEGMENT_BYTES
    if (!Number.isInteger(count) || count < 1 || count > maxRangeSegments) return refuse(spec.S_IOERR)
    const segments: { offset: number; length: number; unmap: boolean }[] = []
    for (let at: number = spec.HEADER_BYTES; at < chain.readableLength; at += spec.SEGMENT_BYTES) {
      const sectors = chain.readU32(at + spec.SEGMENT_SECTORS)
      const flags = chain.readU32(at + spec.SEGMENT_FLAGS)
      const offset = (chain.readU32(at) + chain.readU32(at + 4) * 2 ** 32) * spec.SECTOR
      // Reserved flags, and unmap on a discard.
      if ((flags & ~(isDiscard ? 0 : spec.SEGMENT_F_UNMAP)) !== 0) return refuse(spec.S_UNSUPP)
      if (sectors > maxRangeSectors || !this.#isInside(offset, sectors * spec.SECTOR)) return refuse(spec.S_IOERR)
      if (sectors > 0) segments.push({ offset, length: sectors * spec.SECTOR, unmap: flags !== 0 })
    }
    const operations = segments.map(({ offset, length, unmap }) =>
      isDiscard ? this.#backend.discard(offset, length) : this.#backend.writeZeroes(offset, length, unmap))
    if (!isDiscard && !this.#writeBack) operations.push(Promise.all(operations).then(() => this.#backend.flush()))
    this.#run(queue, chain, Promise.all(operations).then(() => {}))
  }

  resetQueue(index: number): void {
    const queue = this.#queues[index]!
    this.#completed.delete(queue)
    this.#stalled.delete(queue)
    this.#draining ||= this.#pending > 0
  }

  enabledQueue(): void {}

  reset(): void {
    this.#queues = []
    this.#negotiated = 0n
    this.#completed.clear()
    this.#stalled.clear()
    this.#draining = this.#pending > 0
    this.config[spec.CONFIG_WRITEBACK] = this.#initialWriteBack
  }

  save(): VirtioBlkState {
    return { writeBack: this.config[spec.CONFIG_WRITEBACK] === 1 }
  }

  restore(state: VirtioBlkState): void {
    const { writeBack } = checkState(state, this.name)
    this.reset()
    this.config[spec.CONFIG_WRITEBACK] = writeBack ? 1 : 0
  }
}
