import type { Gpa } from '@entresol/interfaces'
import { MAX_QUEUE_SIZE } from '../spec.ts'
import type { Chain, ChainFault } from './chain.ts'
import { fence, type QueueAreas, RingQueue } from './ring-queue.ts'
import * as spec from './spec.ts'

/**
 * A packed virtqueue (virtio 1.2, 2.8). Positions run over two laps of the ring, 0 to 2 × size - 1: the first lap is the one with the wrap
 * counter set (2.8.1).
 */
export class PackedQueue extends RingQueue {
  /** The first descriptor put since the last `show`, whose flags are written there, so that all become visible at once. */
  #firstAt = 0
  #firstFlags = 0
  /** Descriptors put since then. */
  #count = 0
  /** Position the driver was asked to notify at; -1: not so. */
  #event = -1

  protected override refusal(size: number, areas: QueueAreas): string | undefined {
    if (size < 1 || size > MAX_QUEUE_SIZE) return `size ${size}`
    return this.misplaced('descriptors', areas, spec.DESC_BYTES * size, spec.DESC_ALIGN) ??
      this.misplaced('driver', areas, spec.EVENT_BYTES, spec.USED_ALIGN) ?? this.misplaced('device', areas, spec.EVENT_BYTES, spec.USED_ALIGN)
  }

  protected override begin(): void {
    this.available %= 2 * this.size
    this.used %= 2 * this.size
    this.#count = 0
    this.#event = -1
    if (!this.notifications) this.notificationsChanged()
  }

  /** 2.8.14. With EVENT_IDX `look` names a descriptor. */
  protected override notificationsChanged(): void {
    this.#event = -1
    this.memory.writeU16((this.areas.device + spec.EVENT_FLAGS) as Gpa, this.notifications ? spec.EVENT_FLAGS_ENABLE : spec.EVENT_FLAGS_DISABLE)
    fence()
  }

  protected override look(): boolean {
    if (this.#isAvailable()) return true
    if (!this.eventIdx || !this.notifications || this.#event === this.available) return false
    this.#event = this.available
    const offset = this.available < this.size ? this.available | spec.EVENT_WRAP : this.available - this.size
    this.memory.writeU16((this.areas.device + spec.EVENT_DESC) as Gpa, offset)
    this.memory.writeU16((this.areas.device + spec.EVENT_FLAGS) as Gpa, spec.EVENT_FLAGS_DESC)
    fence()
    return this.#isAvailable()
  }

  /** 2.8.1: the AVAIL flag is as the wrap counter, the USED flag is not. */
  #isAvailable(): boolean {
    const flags = this.memory.readU16((this.#descriptor(this.available) + spec.PACKED_FLAGS) as Gpa)
    const wanted = this.available < this.size ? spec.PACKED_F_AVAIL : spec.PACKED_F_USED
    return (flags & (spec.PACKED_F_AVAIL | spec.PACKED_F_USED)) === wanted
  }

  #descriptor(position: number): number {
    return this.areas.descriptors + spec.DESC_BYTES * (position < this.size ? position : position - this.size)
  }

  #advance(position: number, count: number): number {
    return (position + count) % (2 * this.size)
  }

  protected override fetch(chain: Chain): ChainFault | undefined {
    const room = this.size - this.slots
    for (let count = 1; ; count++) {
      if (count > room) return 'more descriptors at once than it has entries'
      const at = this.#descriptor(this.available)
      const length = this.memory.readU32((at + spec.DESC_LENGTH) as Gpa)
      const word = this.memory.readU32((at + spec.PACKED_ID) as Gpa)
      const flags = word >>> 16
      this.available = this.#advance(this.available, 1)
      // The buffer's ID is in its last descriptor (2.8.6).
      chain.id = word & 0xffff
      chain.slots = count
      if ((flags & spec.DESC_F_INDIRECT) !== 0) {
        if ((flags & spec.DESC_F_NEXT) !== 0 || count > 1) return 'an indirect descriptor in a list of others'
        return this.#fetchTable(chain, this.addressOf(at), length)
      }
      const fault = chain.add(this.addressOf(at), length, (flags & spec.DESC_F_WRITE) !== 0)
      if (fault !== undefined || (flags & spec.DESC_F_NEXT) === 0) return fault
    }
  }

  /** 2.8.8: all entries in order; of their flags only WRITE counts. */
  #fetchTable(chain: Chain, address: number, length: number): ChainFault | undefined {
    const table = this.table(address, length)
    if (typeof table === 'string') return table
    for (let word = 0; word < length / 4; word += 4) {
      const isWritable = ((table[word + 3]! >>> 16) & spec.DESC_F_WRITE) !== 0
      const fault = chain.add(table[word]! + table[word + 1]! * 2 ** 32, table[word + 2]!, isWritable)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  protected override put(chain: Chain): void {
    const at = this.#descriptor(this.used)
    const flags = (this.used < this.size ? spec.PACKED_F_AVAIL | spec.PACKED_F_USED : 0) | (chain.written > 0 ? spec.DESC_F_WRITE : 0)
    this.memory.writeU32((at + spec.DESC_LENGTH) as Gpa, chain.written)
    this.memory.writeU16((at + spec.PACKED_ID) as Gpa, chain.id)
    if (this.#count === 0) {
      this.#firstAt = at
      this.#firstFlags = flags
    } else {
      this.memory.writeU16((at + spec.PACKED_FLAGS) as Gpa, flags)
    }
    this.used = this.#advance(this.used, chain.slots)
    this.#count += chain.slots
  }

  protected override show(): boolean {
    const { driver } = this.areas
    const count = this.#count
    this.#count = 0
    this.memory.writeU16((this.#firstAt + spec.PACKED_FLAGS) as Gpa, this.#firstFlags)
    fence()
    // 2.8.14, 2.8.10: always, never, or when the descriptor the driver named has been used.
    const flags = this.memory.readU16((driver + spec.EVENT_FLAGS) as Gpa) & 3
    if (flags !== spec.EVENT_FLAGS_DESC || !this.eventIdx) return flags !== spec.EVENT_FLAGS_DISABLE
    const event = this.memory.readU16((driver + spec.EVENT_DESC) as Gpa)
    const position = (event & ~spec.EVENT_WRAP) + ((event & spec.EVENT_WRAP) !== 0 ? 0 : this.size)
    const behind = this.#advance(this.used - position + 2 * this.size, 0)
    return behind > 0 && behind <= count
  }
}
