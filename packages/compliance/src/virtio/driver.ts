import type { BusDevice, Gpa, GuestMemory } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type DriverQueue, PackedDriverQueue, SplitDriverQueue } from './driver-queue.ts'
import { FEATURE, MMIO, STATUS } from './spec.ts'

const ARENA = 0x10000

/**
 * A driver for any virtio device over MMIO (virtio 1.2, 4.2), for tests: it does what a driver must, and lets the test do what a driver must not.
 * Rings and buffers are taken from guest memory from 64 KiB on.
 */
export class VirtioDriver {
  readonly registers: BusDevice
  readonly memory: GuestMemory
  features = 0n
  #free = ARENA

  constructor(registers: BusDevice, memory: GuestMemory) {
    this.registers = registers
    this.memory = memory
  }

  /** A control register; -1 for one that the device declines. */
  get(register: number): number {
    const value = this.registers.read(register, 4)
    return typeof value === 'number' ? value : -1
  }

  set(register: number, value: number): void {
    this.registers.write(register, 4, value)
  }

  get status(): number {
    return this.get(MMIO.status)
  }

  get needsReset(): boolean {
    return (this.status & STATUS.needsReset) !== 0
  }

  get offered(): bigint {
    const word = (select: number): bigint => {
      this.set(MMIO.deviceFeaturesSel, select)
      return BigInt(this.get(MMIO.deviceFeatures))
    }
    return word(0) | (word(1) << 32n)
  }

  /** Where the memory begins that is free until `begin`. */
  get used(): number {
    return this.#free
  }

  /** Zeroed guest memory; freed by `begin`. */
  allocate(bytes: number, alignment = 16): number {
    const at = Math.ceil(this.#free / alignment) * alignment
    this.#free = at + bytes
    if (!this.memory.isRam(at as Gpa, bytes)) throw new CodedError('virtio-test', 'the test used all of its guest memory')
    this.memory.write(at as Gpa, new Uint8Array(bytes))
    return at
  }

  /** Resets the device and negotiates (3.1.1, steps 1 to 6). False when the device does not accept the features. */
  begin(features: bigint): boolean {
    this.#free = ARENA
    this.set(MMIO.status, 0)
    this.set(MMIO.status, STATUS.acknowledge)
    this.set(MMIO.status, STATUS.acknowledge | STATUS.driver)
    this.features = features
    for (const select of [0, 1]) {
      this.set(MMIO.driverFeaturesSel, select)
      this.set(MMIO.driverFeatures, Number((features >> BigInt(32 * select)) & 0xffff_ffffn))
    }
    this.set(MMIO.status, STATUS.acknowledge | STATUS.driver | STATUS.featuresOk)
    return (this.status & STATUS.featuresOk) !== 0
  }

  /** Number of queues: those with a maximum size. */
  get queueCount(): number {
    let count = 0
    for (; count < 1024; count++) {
      this.set(MMIO.queueSel, count)
      if (this.get(MMIO.queueNumMax) === 0) break
    }
    return count
  }

  maximum(queue: number): number {
    this.set(MMIO.queueSel, queue)
    return this.get(MMIO.queueNumMax)
  }

  /** Sets a queue up and enables it. */
  enable(index: number, size: number = Math.min(64, this.maximum(index))): DriverQueue {
    const isPacked = (this.features & FEATURE.packed) !== 0n
    const place = {
      size, descriptors: this.allocate(16 * size), driver: this.allocate(isPacked ? 4 : 6 + 2 * size, 4), device: this.allocate(isPacked ? 4 : 6 + 8 * size, 4),
    }
    this.set(MMIO.queueSel, index)
    this.set(MMIO.queueNum, size)
    for (const [register, address] of [[MMIO.queueDesc, place.descriptors], [MMIO.queueDriver, place.driver], [MMIO.queueDevice, place.device]] as const) {
      this.set(register, address)
      this.set(register + 4, 0)
    }
    this.set(MMIO.queueReady, 1)
    const Queue = isPacked ? PackedDriverQueue : SplitDriverQueue
    return new Queue(index, place, this.memory, (bytes, alignment) => this.allocate(bytes, alignment))
  }

  /** DRIVER_OK. */
  start(): void {
    this.set(MMIO.status, this.status | STATUS.driverOk)
  }

  /** All at once: features, every queue, DRIVER_OK. */
  open(features: bigint): DriverQueue[] {
    if (!this.begin(features)) throw new CodedError('virtio-device-misbehaves', `the device does not accept features 0x${features.toString(16)}`)
    const queues = Array.from({ length: this.queueCount }, (_, index) => this.enable(index))
    this.start()
    return queues
  }

  notify(queue: DriverQueue): void {
    this.set(MMIO.queueNotify, (this.features & FEATURE.notificationData) !== 0n ? queue.notificationData : queue.index)
  }

  /** Why the device interrupts; acknowledged. */
  interrupts(): number {
    const causes = this.get(MMIO.interruptStatus)
    if (causes > 0) this.set(MMIO.interruptAck, causes)
    return causes
  }

  resetQueue(index: number): void {
    this.set(MMIO.queueSel, index)
    this.set(MMIO.queueReset, 1)
  }
}
