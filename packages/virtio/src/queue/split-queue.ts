import type { Gpa } from '@entresol/interfaces'
import { MAX_QUEUE_SIZE } from '../spec.ts'
import type { Chain, ChainFault } from './chain.ts'
import { fence, type QueueAreas, RingQueue } from './ring-queue.ts'
import * as spec from './spec.ts'

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0

/** A split virtqueue (virtio 1.2, 2.7). Positions are free-running 16-bit indices. */
export class SplitQueue extends RingQueue {
  /** avail.idx as last read. */
  #seen = 0
  /** avail_event as last written; -1: never. */
  #event = -1
  /** Elements put since the last `show`. */
  #count = 0

  protected override refusal(size: number, areas: QueueAreas): string | undefined {
    if (size > MAX_QUEUE_SIZE || !isPowerOfTwo(size)) return `size ${size}`
    return this.misplaced('descriptors', areas, spec.DESC_BYTES * size, spec.DESC_ALIGN) ??
      this.misplaced('driver', areas, spec.AVAIL_RING + 2 * size + 2, spec.AVAIL_ALIGN) ??
      this.misplaced('device', areas, spec.USED_RING + spec.USED_ELEMENT_BYTES * size + 2, spec.USED_ALIGN)
  }

  protected override begin(): void {
    this.#seen = this.available
    this.#event = -1
    this.#count = 0
    if (!this.notifications) this.notificationsChanged()
  }

  /** 2.7.10: without EVENT_IDX a flag, else the index of the next notification, which `look` writes. */
  protected override notificationsChanged(): void {
    this.#event = -1
    if (this.eventIdx) return
    this.memory.writeU16((this.areas.device + spec.USED_FLAGS) as Gpa, this.notifications ? 0 : spec.USED_F_NO_NOTIFY)
    fence()
  }

  protected override look(): boolean {
    if (this.#seen !== this.available || this.#read()) return true
    if (!this.eventIdx || !this.notifications || this.#event === this.available) return false
    this.#event = this.available
    this.memory.writeU16((this.areas.device + spec.USED_RING + spec.USED_ELEMENT_BYTES * this.size) as Gpa, this.available)
    fence()
    return this.#read()
  }

  #read(): boolean {
    this.#seen = this.memory.readU16((this.areas.driver + spec.AVAIL_IDX) as Gpa)
    const count = (this.#seen - this.available) & 0xffff
    if (count > this.size) {
      this.fault(`${count} buffers available in ${this.size} entries`)
      return false
    }
    return count > 0
  }

  protected override fetch(chain: Chain): ChainFault | undefined {
    const { descriptors, driver } = this.areas
    const head = this.memory.readU16((driver + spec.AVAIL_RING + 2 * (this.available & (this.size - 1))) as Gpa)
    this.available = (this.available + 1) & 0xffff
    chain.id = head
    for (let index = head, count = 1; ; count++) {
      if (index >= this.size) return `descriptor ${index} of ${this.size}`
      if (count > this.size) return 'a loop of descriptors'
      const at = descriptors + spec.DESC_BYTES * index
      const length = this.memory.readU32((at + spec.DESC_LENGTH) as Gpa)
      const word = this.memory.readU32((at + spec.SPLIT_FLAGS) as Gpa)
      if ((word & spec.DESC_F_INDIRECT) !== 0) {
        if ((word & spec.DESC_F_NEXT) !== 0) return 'an indirect descriptor with a next one'
        return this.#fetchTable(chain, this.addressOf(at), length)
      }
      const fault = chain.add(this.addressOf(at), length, (word & spec.DESC_F_WRITE) !== 0)
      if (fault !== undefined || (word & spec.DESC_F_NEXT) === 0) return fault
      index = word >>> 16
    }
  }

  /** 2.7.5.3: linked as in the ring, from entry 0; no tables in tables. */
  #fetchTable(chain: Chain, address: number, length: number): ChainFault | undefined {
    const table = this.table(address, length)
    if (typeof table === 'string') return table
    const entries = length / spec.DESC_BYTES
    for (let index = 0, count = 1; ; count++) {
      if (index >= entries) return `descriptor ${index} of an indirect table of ${entries}`
      if (count > entries) return 'a loop of descriptors in an indirect table'
      const word = table[4 * index + 3]!
      if ((word & spec.DESC_F_INDIRECT) !== 0) return 'an indirect table in another'
      const fault = chain.add(table[4 * index]! + table[4 * index + 1]! * 2 ** 32, table[4 * index + 2]!, (word & spec.DESC_F_WRITE) !== 0)
      if (fault !== undefined || (word & spec.DESC_F_NEXT) === 0) return fault
      index = word >>> 16
    }
  }

  protected override put(chain: Chain): void {
    const at = this.areas.device + spec.USED_RING + spec.USED_ELEMENT_BYTES * (this.used & (this.size - 1))
    this.memory.writeU32(at as Gpa, chain.id)
    this.memory.writeU32((at + 4) as Gpa, chain.written)
    this.used = (this.used + 1) & 0xffff
    this.#count++
  }

  protected override show(): boolean {
    const { driver, device } = this.areas
    const count = this.#count
    this.#count = 0
    this.memory.writeU16((device + spec.USED_IDX) as Gpa, this.used)
    fence()
    // 2.7.7: without EVENT_IDX a flag; else only when the index the driver named is passed.
    if (!this.eventIdx) return (this.memory.readU16((driver + spec.AVAIL_FLAGS) as Gpa) & spec.AVAIL_F_NO_INTERRUPT) === 0
    const event = this.memory.readU16((driver + spec.AVAIL_RING + 2 * this.size) as Gpa)
    return ((this.used - event - 1) & 0xffff) < count
  }
}
