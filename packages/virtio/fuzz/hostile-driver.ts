import { type DriverQueue, type Element, HOSTILE_RINGS, VIRTIO_FEATURE, VIRTIO_MMIO, VIRTIO_STATUS, VirtioDriver } from '@entresol/compliance'
import type { AccessSize, Gpa } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { guestMemory, settle } from '../test/support/plug.ts'
import { VirtioMmio } from '../src/transport/mmio/virtio-mmio.ts'
import { Choice } from './choice.ts'
import { FUZZED, type FuzzSubject } from './devices.ts'
import { type RequestOf, REQUESTS } from './requests.ts'

/** RAM of the guest; rings and buffers of one life of the driver fit many times. */
const MEMORY = 4 << 20
const RINGS = [VIRTIO_FEATURE.indirect, VIRTIO_FEATURE.eventIdx, VIRTIO_FEATURE.packed, VIRTIO_FEATURE.inOrder, VIRTIO_FEATURE.notificationData, VIRTIO_FEATURE.ringReset]

/** A driver that makes every mistake, among them valid requests, on one device. */
export class HostileDriver {
  readonly #choice: Choice
  readonly #memory = guestMemory(MEMORY)
  readonly #subject: FuzzSubject
  readonly #speak: RequestOf | undefined
  readonly #mmio: VirtioMmio
  readonly #driver: VirtioDriver
  #queues: DriverQueue[] = []
  /** Rings the device saw, and how often it failed. */
  lives = 0
  failures = 0

  constructor(device: string, seed: number) {
    const make = FUZZED[device]
    if (!make) throw new CodedError('no-such-device', `no device ${device}; there are ${Object.keys(FUZZED).join(', ')}`)
    this.#choice = new Choice(seed)
    this.#speak = REQUESTS[device]
    this.#subject = make(this.#memory, this.#choice)
    this.#mmio = new VirtioMmio({ device: this.#subject.device, memory: this.#memory, line: { set: () => {} } })
    this.#driver = new VirtioDriver(this.#mmio, this.#memory)
  }

  /** One life of a driver: set up, up to `steps` mistakes. Throws what the device throws, or `fuzz-failure`. */
  async live(steps: number): Promise<void> {
    this.#begin()
    for (let step = 0; step < steps; step++) {
      this.#step()
      if (this.#choice.once(8)) await settle()
      if (this.#driver.needsReset && this.#choice.once(3)) break
    }
    await settle()
    if (this.#driver.needsReset) this.failures++
    this.lives++
    this.#mustBeUsable()
    await settle()
  }

  #begin(): void {
    const { offered } = this.#driver
    let features = VIRTIO_FEATURE.version1
    for (const feature of RINGS) if (this.#choice.once(2)) features |= offered & feature
    for (let bit = 0n; bit < 24n; bit++) if (!this.#choice.once(4)) features |= offered & (1n << bit)
    if (this.#choice.once(20)) features |= BigInt(this.#choice.u32())
    this.#driver.begin(features)
    this.#queues = []
    for (let index = 0; index < Math.min(this.#driver.queueCount, 8); index++) {
      const largest = Math.log2(Math.min(64, this.#driver.maximum(index)))
      if (!this.#choice.once(16)) this.#queues.push(this.#driver.enable(index, 2 ** this.#choice.below(largest + 1)))
    }
    if (!this.#choice.once(16)) this.#driver.start()
  }

  #step(): void {
    const choice = this.#choice
    const queue = this.#queues[choice.below(this.#queues.length)]
    switch (choice.below(14)) {
      case 0: return void this.#mmio.write(choice.below(0x200), choice.of([1, 2, 4] as const), choice.u32())
      case 1: return this.#mustRead(choice.below(0x1fc), choice.of([1, 2, 4] as const))
      case 2: return this.#subject.stir?.(choice)
      case 3: return queue && this.#scribble(queue)
      case 4: return queue && choice.once(8) ? this.#knownMistake(queue) : undefined
      case 5: return this.#config()
      case 6: return queue && choice.once(6) ? this.#resetQueue(queue) : undefined
      case 7: return choice.once(10) ? this.#snapshot() : undefined
      case 8: return queue && void this.#collect(queue)
      default: return queue && this.#request(queue)
    }
  }

  /** Something like a request: elements of any content, direct or indirect, then a notification. */
  #request(queue: DriverQueue): void {
    const choice = this.#choice
    const elements: Element[] = this.#speak !== undefined && !choice.once(4) ? this.#speak(choice) : this.#noise()
    if (this.#fits(queue, elements.length)) queue.add(elements, { indirect: choice.once(2) && (this.#driver.features & VIRTIO_FEATURE.indirect) !== 0n })
    if (!choice.once(4)) this.#driver.notify(queue)
  }

  #noise(): Element[] {
    const choice = this.#choice
    const elements: Element[] = []
    for (let count = choice.below(4); count > 0; count--) elements.push({ readable: choice.bytes(choice.of([1, 4, 8, 12, 16, 24, 64, 512, choice.below(2000)])) })
    for (let count = choice.below(4); count > 0; count--) elements.push({ writable: choice.of([1, 4, 8, 16, 24, 512, 4096, 1 + choice.below(3000)]) })
    return elements.length === 0 ? [{ writable: 16 }] : elements
  }

  /** The test's own driver refuses to overfill a ring, and runs out of memory. */
  #fits(queue: DriverQueue, count: number): boolean {
    const inUse = [...queue.pending.values()].reduce((sum, { slots }) => sum + slots, 0)
    return inUse + count <= queue.place.size && this.#driver.used < MEMORY - 65536
  }

  /** Random bytes over rings and tables. */
  #scribble({ place }: DriverQueue): void {
    const choice = this.#choice
    const at = choice.of([place.descriptors + choice.below(16 * place.size), place.driver + choice.below(8), place.driver + choice.below(6 + 2 * place.size), place.device])
    this.#memory.write(at as Gpa, choice.bytes(choice.of([1, 2, 2, 4, 8, 16])))
    if (choice.once(3)) this.#driver.set(VIRTIO_MMIO.queueNotify, choice.below(8))
  }

  #knownMistake(queue: DriverQueue): void {
    const hostile = this.#choice.of(HOSTILE_RINGS)
    if ((hostile.format === 'packed') === ((this.#driver.features & VIRTIO_FEATURE.packed) !== 0n)) hostile.put(this.#driver, queue)
    this.#driver.notify(queue)
  }

  #config(): void {
    const size = this.#choice.of([1, 2, 4] as const)
    const offset = VIRTIO_MMIO.config + this.#choice.below(64)
    if (this.#choice.once(2)) this.#mmio.write(offset, size, this.#choice.below(2 ** (8 * size)))
    else this.#mustRead(offset, size)
  }

  #mustRead(offset: number, size: AccessSize): void {
    const value = this.#mmio.read(offset, size)
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) {
      throw new CodedError('fuzz-failure', `register ${offset} of ${size} bytes reads ${value}`)
    }
  }

  #resetQueue(queue: DriverQueue): void {
    this.#driver.resetQueue(queue.index)
    const at = this.#queues.indexOf(queue)
    if (this.#driver.used < MEMORY - 65536) this.#queues[at] = this.#driver.enable(queue.index, queue.place.size)
  }

  #snapshot(): void {
    this.#mmio.restore(structuredClone(this.#mmio.save()))
  }

  /** What a hostile driver makes of the ring, its own side of it may not understand. */
  #collect(queue: DriverQueue): void {
    try {
      queue.collect()
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
    }
  }

  /** After any life a reset gives the device back to a good driver. */
  #mustBeUsable(): void {
    const driver = this.#driver
    const { offered } = driver
    driver.open(offered & ~VIRTIO_FEATURE.packed)
    const wanted = VIRTIO_STATUS.acknowledge | VIRTIO_STATUS.driver | VIRTIO_STATUS.featuresOk | VIRTIO_STATUS.driverOk
    if (driver.status !== wanted) throw new CodedError('fuzz-failure', `after a reset the status is ${driver.status}: ${this.#mmio.core.failure ?? 'no failure'}`)
  }
}
