import type { AccessSize, GuestMemory, IoFault, Resettable, Snapshotable, VirtioDevice, VirtioHost } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { bool, type Check, list, record, refuse, u16, u32, u64, u8 } from '@entresol/kit/saved-state'
import { PackedQueue } from '../queue/packed-queue.ts'
import { checkQueueState, type QueueOwner, type QueueState, type RingQueue } from '../queue/ring-queue.ts'
import { SplitQueue } from '../queue/split-queue.ts'
import * as spec from '../spec.ts'

/** What a transport tells the world. */
export interface CoreSignals {
  /** Used buffer notification of queue `index`. */
  used(index: number): void
  /** Configuration change notification. */
  configChanged(): void
}

export interface TransportOptions {
  readonly device: VirtioDevice
  readonly memory: GuestMemory
  /** Which of RING_FEATURES to offer, default all of them. */
  readonly ringFeatures?: bigint
}

/** A queue as the driver set it up. Addresses as halves: descriptor, driver and device area, low and high. */
export interface QueueRegisters {
  readonly maximum: number
  size: number
  enabled: boolean
  readonly halves: Uint32Array
}

interface QueueRegistersState {
  size: number
  enabled: boolean
  halves: number[]
  /** None while the queue is not enabled, or stopped for good. */
  ring: QueueState[]
}

export interface CoreState {
  status: number
  features: bigint
  deviceFeatureSelect: number
  driverFeatureSelect: number
  queueSelect: number
  generation: number
  queues: QueueRegistersState[]
  device: unknown
}

const checkQueue: Check<QueueRegistersState> = record<QueueRegistersState>({
  size: u16, enabled: bool, halves: list(u32, 6, true), ring: list(checkQueueState, 1),
})
const checkCore: Check<CoreState> = record<CoreState>({
  status: u8, features: u64, deviceFeatureSelect: u32, driverFeatureSelect: u32, queueSelect: u16, generation: u8,
  queues: list(checkQueue, spec.MAX_QUEUES), device: (value) => value,
})

/** What all transports do alike: status, features, configuration space, queues and their life (virtio 1.2, 2 and 3). */
export class VirtioCore implements VirtioHost, QueueOwner, Resettable, Snapshotable<CoreState> {
  readonly snapshotVersion: number = 1
  readonly device: VirtioDevice
  readonly memory: GuestMemory
  readonly queues: readonly QueueRegisters[]
  /** VERSION_1, those of rings, and the device's. */
  readonly offered: bigint
  status = 0
  generation = 0
  deviceFeatureSelect = 0
  driverFeatureSelect = 0
  queueSelect = 0
  /** Why the device needs a reset, for people. */
  failure: string | undefined
  readonly #signals: CoreSignals
  #features = 0n
  #rings: RingQueue[] = []

  /** Throws `virtio-device` for a device that cannot be: queues, sizes, features. */
  constructor({ device, memory, ringFeatures = spec.RING_FEATURES }: TransportOptions, signals: CoreSignals) {
    this.device = device
    this.memory = memory
    this.#signals = signals
    this.offered = device.features | spec.VIRTIO_F_VERSION_1 | (ringFeatures & spec.RING_FEATURES)
    if (device.queueSizes.length > spec.MAX_QUEUES) throw new CodedError('virtio-device', `${device.name}: ${device.queueSizes.length} queues`)
    for (const size of device.queueSizes) {
      if (!(size > 0 && size <= spec.MAX_QUEUE_SIZE && (size & (size - 1)) === 0)) throw new CodedError('virtio-device', `${device.name}: a queue of ${size} entries`)
    }
    this.queues = device.queueSizes.map((maximum) => ({ maximum, size: maximum, enabled: false, halves: new Uint32Array(6) }))
    device.attach(this)
    device.reset()
  }

  /** The negotiated features, or what the driver asks for so far. */
  get features(): bigint {
    return this.#features
  }

  get driverOk(): boolean {
    return (this.status & spec.STATUS_DRIVER_OK) !== 0
  }

  /** The queue the driver selected; undefined where there is none. */
  get selected(): QueueRegisters | undefined {
    return this.queues[this.queueSelect]
  }

  has(feature: bigint): boolean {
    return (this.status & spec.STATUS_FEATURES_OK) !== 0 && (this.#features & feature) !== 0n
  }

  readDeviceFeatures(): number {
    return this.deviceFeatureSelect < 2 ? Number((this.offered >> BigInt(32 * this.deviceFeatureSelect)) & 0xffff_ffffn) : 0
  }

  readDriverFeatures(): number {
    return this.driverFeatureSelect < 2 ? Number((this.#features >> BigInt(32 * this.driverFeatureSelect)) & 0xffff_ffffn) : 0
  }

  /** Without effect once FEATURES_OK is set (3.1.1). */
  writeDriverFeatures(value: number): void {
    if (this.driverFeatureSelect >= 2 || (this.status & spec.STATUS_FEATURES_OK) !== 0) return
    const shift = BigInt(32 * this.driverFeatureSelect)
    this.#features = (this.#features & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift)
  }

  /** Bits are only ever added (2.1.1); FEATURES_OK stays off for features that were not offered, DRIVER_OK without FEATURES_OK. */
  writeStatus(value: number): void {
    if (value === 0) return this.reset()
    const added = value & ~this.status
    this.status |= added & (spec.STATUS_ACKNOWLEDGE | spec.STATUS_DRIVER | spec.STATUS_FAILED)
    if ((added & spec.STATUS_FEATURES_OK) !== 0) this.#negotiate()
    if ((added & spec.STATUS_DRIVER_OK) !== 0) this.#activate()
  }

  #negotiate(): void {
    if ((this.#features & ~this.offered) !== 0n || (this.#features & spec.VIRTIO_F_VERSION_1) === 0n) return
    this.status |= spec.STATUS_FEATURES_OK
    this.#rings = this.#makeRings()
  }

  #makeRings(): RingQueue[] {
    const Ring = (this.#features & spec.VIRTIO_F_RING_PACKED) !== 0n ? PackedQueue : SplitQueue
    return this.queues.map((_, index) => new Ring(index, this.#features, this))
  }

  #activate(): void {
    if ((this.status & (spec.STATUS_FEATURES_OK | spec.STATUS_DEVICE_NEEDS_RESET)) !== spec.STATUS_FEATURES_OK) return
    this.status |= spec.STATUS_DRIVER_OK
    this.#start()
  }

  #start(): void {
    this.device.activate(this.#features, this.#rings)
    // Buffers may be there without a notification: from before a restore.
    for (let index = 0; index < this.queues.length; index++) this.notify(index)
  }

  /** The driver enabled a queue: from now on its registers do not change. */
  enableQueue(index: number): void {
    const queue = this.queues[index]
    const ring = this.#rings[index]
    if (!queue || !ring || queue.enabled || this.failure !== undefined) return
    const refusal = this.#startRing(ring, queue)
    if (refusal !== undefined) return this.fail(`queue ${index}: ${refusal}`)
    queue.enabled = true
    if (!this.driverOk) return
    this.device.enabledQueue(index)
    this.notify(index)
  }

  #startRing(ring: RingQueue, { size, maximum, halves }: QueueRegisters): string | undefined {
    if (size > maximum) return `size ${size} of at most ${maximum}`
    const address = (half: number): number => halves[half]! + halves[half + 1]! * 2 ** 32
    return ring.start(size, { descriptors: address(0), driver: address(2), device: address(4) })
  }

  /** 2.6.1, and a queue that is no longer ready. */
  resetQueue(index: number): void {
    const queue = this.queues[index]
    if (!queue?.enabled) return
    this.#rings[index]?.stop()
    resetRegisters(queue)
    if (this.driverOk) this.device.resetQueue(index)
  }

  /** An available buffer notification. What NOTIFICATION_DATA adds is a hint (2.9), and what matters is in the ring. */
  notify(index: number): void {
    if (this.driverOk && this.queues[index]?.enabled === true && this.failure === undefined) this.device.notified(index)
  }

  used(index: number): void {
    this.#signals.used(index)
  }

  configChanged(): void {
    this.generation = (this.generation + 1) & 0xff
    if (this.driverOk) this.#signals.configChanged()
  }

  /** 2.1.2: the notification only once the driver is there. */
  fail(reason: string): void {
    if (this.failure !== undefined) return
    this.failure = reason
    this.status |= spec.STATUS_DEVICE_NEEDS_RESET
    for (const ring of this.#rings) ring.stop()
    if (this.driverOk) this.#signals.configChanged()
  }

  readConfig(offset: number, size: AccessSize): number | IoFault {
    const { config } = this.device
    if (offset + size > config.length) return 'no-register'
    if ((offset & (size - 1)) !== 0) return 'unaligned'
    let value = 0
    for (let at = size - 1; at >= 0; at--) value = value * 256 + config[offset + at]!
    return value
  }

  writeConfig(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset + size > this.device.config.length) return 'no-register'
    if ((offset & (size - 1)) !== 0) return 'unaligned'
    this.device.writeConfig(offset, size, value)
    return undefined
  }

  reset(): void {
    for (const ring of this.#rings) ring.stop()
    this.#rings = []
    this.#features = 0n
    this.status = 0
    this.generation = 0
    this.deviceFeatureSelect = 0
    this.driverFeatureSelect = 0
    this.queueSelect = 0
    this.failure = undefined
    for (const queue of this.queues) resetRegisters(queue)
    this.device.reset()
  }

  save(): CoreState {
    const { status, generation, deviceFeatureSelect, driverFeatureSelect, queueSelect } = this
    const queues = this.queues.map(({ size, enabled, halves }, index) => {
      const ring = this.#rings[index]
      return { size, enabled, halves: [...halves], ring: ring && ring.size > 0 ? [ring.save()] : [] }
    })
    return { status, features: this.#features, deviceFeatureSelect, driverFeatureSelect, queueSelect, generation, queues, device: this.device.save() }
  }

  restore(state: CoreState): void {
    const { device } = this
    const { name } = device
    const checked = checkCore(state, name)
    if (checked.queues.length !== this.queues.length) refuse(`${name}.queues`, `a list of ${this.queues.length}`)
    const isNegotiated = (checked.status & spec.STATUS_FEATURES_OK) !== 0
    if (isNegotiated && ((checked.features & ~this.offered) !== 0n || (checked.features & spec.VIRTIO_F_VERSION_1) === 0n)) {
      refuse(`${name}.features`, 'among those offered')
    }
    if (!isNegotiated && (checked.status & spec.STATUS_DRIVER_OK) !== 0) refuse(`${name}.status`, 'possible')
    const before = this.#features
    this.#features = checked.features
    try {
      const rings = isNegotiated ? this.#makeRings() : []
      checked.queues.forEach((queue, index) => this.#restoreRing(rings[index], queue, index))
      device.restore(checked.device)
      for (const ring of this.#rings) ring.stop()
      this.#rings = rings
    } catch (error) {
      this.#features = before
      throw error
    }
    const { status, generation, deviceFeatureSelect, driverFeatureSelect, queueSelect } = checked
    Object.assign(this, { status, generation, deviceFeatureSelect, driverFeatureSelect, queueSelect })
    this.failure = (status & spec.STATUS_DEVICE_NEEDS_RESET) !== 0 ? 'saved in this state' : undefined
    this.queues.forEach((queue, index) => {
      const { size, enabled, halves } = checked.queues[index]!
      Object.assign(queue, { size, enabled })
      queue.halves.set(halves)
    })
    if (this.driverOk) this.#start()
  }

  #restoreRing(ring: RingQueue | undefined, { size, enabled, halves, ring: states }: QueueRegistersState, index: number): void {
    const [state] = states
    if (state === undefined) return
    if (ring === undefined || !enabled) refuse(`${this.device.name}.queues[${index}]`, 'possible')
    const refusal = this.#startRing(ring, { size, enabled, maximum: this.queues[index]!.maximum, halves: Uint32Array.from(halves) })
    if (refusal !== undefined) refuse(`${this.device.name}.queues[${index}]`, `possible: ${refusal}`)
    ring.restore(state)
  }
}

function resetRegisters(queue: QueueRegisters): void {
  queue.size = queue.maximum
  queue.enabled = false
  queue.halves.fill(0)
}

