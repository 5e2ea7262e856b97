import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { DESC } from './spec.ts'

/** One element of a buffer: bytes for the device to read, or room for it to write. */
export type Element = { readonly readable: Uint8Array } | { readonly writable: number }

export interface AddOptions {
  readonly indirect?: boolean
}

/** A buffer that came back. */
export interface UsedBuffer {
  readonly token: number
  readonly written: number
  /** All the writable elements, one behind the other. */
  readonly data: Uint8Array
}

interface Descriptor {
  address: number
  length: number
  flags: number
}

interface Pending {
  readonly token: number
  readonly slots: number
  readonly rooms: readonly Descriptor[]
}

export interface QueuePlace {
  readonly size: number
  readonly descriptors: number
  readonly driver: number
  readonly device: number
}

/** Writes one descriptor: `last` holds flags and next index (split) or ID and flags (packed). */
export function writeDescriptor(memory: GuestMemory, at: number, { address, length }: { address: number; length: number }, low: number, high: number): void {
  memory.writeU64(at as Gpa, BigInt(address))
  memory.writeU32((at + 8) as Gpa, length)
  memory.writeU16((at + 12) as Gpa, low)
  memory.writeU16((at + 14) as Gpa, high)
}

/** The driver's side of a virtqueue; the device sees a change of the ring at once, and is told by whoever holds the queue. */
export abstract class DriverQueue {
  readonly index: number
  readonly place: QueuePlace
  /** Buffers the device has not given back. */
  readonly pending: Map<number, Pending> = new Map()
  protected readonly memory: GuestMemory
  readonly #allocate: (bytes: number, alignment: number) => number
  #tokens = 0

  constructor(index: number, place: QueuePlace, memory: GuestMemory, allocate: (bytes: number, alignment: number) => number) {
    this.index = index
    this.place = place
    this.memory = memory
    this.#allocate = allocate
  }

  /** Puts descriptors into the ring and makes them available; returns the ID the device will name. */
  protected abstract publish(descriptors: readonly Descriptor[]): number
  /** The next used element. */
  protected abstract next(): { id: number; written: number } | undefined
  protected abstract writeTable(at: number, descriptors: readonly Descriptor[]): void
  protected abstract release(id: number, slots: number): void
  /** Interrupts: always, never, or when `count` more buffers (split) or descriptors (packed) from now on were used. */
  abstract wantInterrupts(when: 'always' | 'never' | { readonly after: number }): void
  /** What NOTIFICATION_DATA says of the next buffer (2.9). */
  abstract get notificationData(): number
  /** Whether the device wants to be notified of what was added since the last call. */
  abstract get isNotificationWanted(): boolean

  add(elements: readonly Element[], options: AddOptions = {}): number {
    const descriptors = elements.map((element): Descriptor => {
      if ('writable' in element) return { address: this.#allocate(element.writable, 16), length: element.writable, flags: DESC.write }
      const address = this.#allocate(element.readable.length, 16)
      this.memory.write(address as Gpa, element.readable)
      return { address, length: element.readable.length, flags: 0 }
    })
    const token = this.#tokens++
    const rooms = descriptors.filter(({ flags }) => flags === DESC.write)
    const list = options.indirect === true ? [this.#table(descriptors)] : descriptors
    const id = this.publish(list)
    this.pending.set(id, { token, slots: list.length, rooms })
    return token
  }

  #table(descriptors: readonly Descriptor[]): Descriptor {
    const address = this.#allocate(16 * descriptors.length, 16)
    this.writeTable(address, descriptors)
    return { address, length: 16 * descriptors.length, flags: DESC.indirect }
  }

  /** Takes what the device gave back. Throws for an ID that is not pending and for more bytes than there was room. */
  collect(): UsedBuffer[] {
    const found: UsedBuffer[] = []
    for (let used; (used = this.next());) {
      const pending = this.pending.get(used.id)
      if (!pending) throw new CodedError('virtio-device-misbehaves', `the device used a buffer ${used.id} that it did not have`)
      this.pending.delete(used.id)
      this.release(used.id, pending.slots)
      const data = new Uint8Array(pending.rooms.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const { address, length } of pending.rooms) {
        this.memory.read(address as Gpa, data.subarray(at, at + length))
        at += length
      }
      if (used.written > data.length) throw new CodedError('virtio-device-misbehaves', `the device says it wrote ${used.written} bytes into ${data.length}`)
      found.push({ token: pending.token, written: used.written, data })
    }
    return found
  }
}

/** virtio 1.2, 2.7. */
export class SplitDriverQueue extends DriverQueue {
  #available = 0
  #used = 0
  readonly #free: number[] = Array.from({ length: this.place.size }, (_, index) => index)
  readonly #chains: Map<number, number[]> = new Map()
  #announced = 0

  protected override publish(descriptors: readonly Descriptor[]): number {
    const { size, descriptors: table, driver } = this.place
    const chain = descriptors.map(() => this.#free.shift()!)
    if (chain.includes(undefined as unknown as number)) throw new CodedError('virtio-test', 'the test filled the queue')
    descriptors.forEach((descriptor, i) => {
      const next = chain[i + 1]
      writeDescriptor(this.memory, table + 16 * chain[i]!, descriptor, descriptor.flags | (next === undefined ? 0 : DESC.next), next ?? 0)
    })
    this.#chains.set(chain[0]!, chain)
    this.memory.writeU16((driver + 4 + 2 * (this.#available % size)) as Gpa, chain[0]!)
    this.#available = (this.#available + 1) & 0xffff
    this.memory.writeU16((driver + 2) as Gpa, this.#available)
    return chain[0]!
  }

  protected override writeTable(at: number, descriptors: readonly Descriptor[]): void {
    descriptors.forEach((descriptor, i) => {
      const isLast = i === descriptors.length - 1
      writeDescriptor(this.memory, at + 16 * i, descriptor, descriptor.flags | (isLast ? 0 : DESC.next), isLast ? 0 : i + 1)
    })
  }

  protected override next(): { id: number; written: number } | undefined {
    const { size, device } = this.place
    const produced = (this.memory.readU16((device + 2) as Gpa) - this.#used) & 0xffff
    if (produced === 0) return undefined
    if (produced > size) throw new CodedError('virtio-device-misbehaves', `the device used ${produced} buffers of ${size}`)
    const at = device + 4 + 8 * (this.#used % size)
    this.#used = (this.#used + 1) & 0xffff
    const id = this.memory.readU32(at as Gpa)
    return { id, written: this.memory.readU32((at + 4) as Gpa) }
  }

  protected override release(id: number): void {
    this.#free.push(...this.#chains.get(id)!)
    this.#chains.delete(id)
  }

  override wantInterrupts(when: 'always' | 'never' | { readonly after: number }): void {
    const { driver, size } = this.place
    this.memory.writeU16(driver as Gpa, when === 'never' ? 1 : 0)
    const event = typeof when === 'object' ? this.#used + when.after - 1 : when === 'always' ? this.#used : this.#used - 1
    this.memory.writeU16((driver + 4 + 2 * size) as Gpa, event & 0xffff)
  }

  override get notificationData(): number {
    return (this.index | (this.#available << 16)) >>> 0
  }

  /** With EVENT_IDX; without it this is only a statement about avail_event. */
  override get isNotificationWanted(): boolean {
    const event = this.memory.readU16((this.place.device + 4 + 8 * this.place.size) as Gpa)
    const before = this.#announced
    this.#announced = this.#available
    return ((this.#available - event - 1) & 0xffff) < ((this.#available - before) & 0xffff)
  }
}

/** virtio 1.2, 2.8. */
export class PackedDriverQueue extends DriverQueue {
  #position = 0
  #wrap = true
  #usedPosition = 0
  #usedWrap = true
  #ids = 0

  protected override publish(descriptors: readonly Descriptor[]): number {
    const { size, descriptors: ring } = this.place
    const inUse = [...this.pending.values()].reduce((sum, { slots }) => sum + slots, 0)
    if (inUse + descriptors.length > size) throw new CodedError('virtio-test', 'the test filled the queue')
    do this.#ids = (this.#ids + 1) & 0xffff; while (this.pending.has(this.#ids))
    const first = this.#position
    let firstFlags = 0
    descriptors.forEach((descriptor, i) => {
      const bits = this.#wrap ? DESC.packedAvail : DESC.packedUsed
      const flags = descriptor.flags | bits | (i < descriptors.length - 1 ? DESC.next : 0)
      if (i === 0) firstFlags = flags
      writeDescriptor(this.memory, ring + 16 * this.#position, descriptor, this.#ids, i === 0 ? flags ^ (DESC.packedAvail | DESC.packedUsed) : flags)
      if (++this.#position === size) {
        this.#position = 0
        this.#wrap = !this.#wrap
      }
    })
    // The first one makes the list available (2.8.6).
    this.memory.writeU16((ring + 16 * first + 14) as Gpa, firstFlags)
    return this.#ids
  }

  protected override writeTable(at: number, descriptors: readonly Descriptor[]): void {
    descriptors.forEach((descriptor, i) => writeDescriptor(this.memory, at + 16 * i, descriptor, 0, descriptor.flags))
  }

  protected override next(): { id: number; written: number } | undefined {
    const at = this.place.descriptors + 16 * this.#usedPosition
    const flags = this.memory.readU16((at + 14) as Gpa)
    const wanted = this.#usedWrap ? DESC.packedAvail | DESC.packedUsed : 0
    if ((flags & (DESC.packedAvail | DESC.packedUsed)) !== wanted) return undefined
    // Before the first lap zeroes look like used descriptors of the second.
    const id = this.memory.readU16((at + 12) as Gpa)
    return { id, written: (flags & DESC.write) !== 0 ? this.memory.readU32((at + 8) as Gpa) : 0 }
  }

  protected override release(_id: number, slots: number): void {
    this.#usedPosition += slots
    if (this.#usedPosition < this.place.size) return
    this.#usedPosition -= this.place.size
    this.#usedWrap = !this.#usedWrap
  }

  override wantInterrupts(when: 'always' | 'never' | { readonly after: number }): void {
    const { driver, size } = this.place
    if (typeof when === 'object') {
      const target = this.#usedPosition + when.after - 1
      const isNextLap = target >= size
      this.memory.writeU16(driver as Gpa, (isNextLap ? target - size : target) | (this.#usedWrap !== isNextLap ? 0x8000 : 0))
    }
    this.memory.writeU16((driver + 2) as Gpa, when === 'always' ? 0 : when === 'never' ? 1 : 2)
  }

  override get notificationData(): number {
    return (this.index | (this.#position << 16) | (this.#wrap ? 0x8000_0000 : 0)) >>> 0
  }

  override get isNotificationWanted(): boolean {
    return (this.memory.readU16((this.place.device + 2) as Gpa) & 3) !== 1
  }
}
