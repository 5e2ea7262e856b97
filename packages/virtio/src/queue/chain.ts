import type { DescriptorChain, Gpa, GuestMemory } from '@entresol/interfaces'
import { type Check, integer, list, record, safe, u16, u32 } from '@entresol/kit/saved-state'
import { MAX_QUEUE_SIZE } from '../spec.ts'
import { MAX_CHAIN_BYTES } from './spec.ts'

/** Why a buffer cannot be accepted. */
export type ChainFault = string

export interface SavedElement {
  address: number
  length: number
}

/** A buffer that was popped and not pushed. */
export interface SavedChain {
  id: number
  slots: number
  readable: SavedElement[]
  writable: SavedElement[]
}

const elements: Check<SavedElement[]> = list(record<SavedElement>({ address: safe, length: u32 }), MAX_QUEUE_SIZE)
export const checkChain: Check<SavedChain> = record<SavedChain>({ id: u16, slots: integer(1, MAX_QUEUE_SIZE), readable: elements, writable: elements })

/** One part of a buffer: pieces of guest memory seen as one run of bytes. */
class Part {
  readonly addresses: number[] = []
  readonly lengths: number[] = []
  count = 0
  bytes = 0

  add(address: number, length: number): void {
    this.addresses[this.count] = address
    this.lengths[this.count++] = length
    this.bytes += length
  }

  clear(): void {
    this.count = 0
    this.bytes = 0
  }

  save(): SavedElement[] {
    return Array.from({ length: this.count }, (_, i) => ({ address: this.addresses[i]!, length: this.lengths[i]! }))
  }
}

/** A buffer of the driver; a queue uses the objects again. */
export class Chain implements DescriptorChain {
  readonly #memory: GuestMemory
  readonly #readable: Part = new Part()
  readonly #writable: Part = new Part()
  /** From pop to push or reset. */
  live = false
  /** Pushed, with this many bytes written, and waiting for buffers before it (IN_ORDER). */
  done = false
  written = 0
  /** The driver's name for it: head index or buffer ID. */
  id = 0
  /** Ring descriptors it takes. */
  slots = 1

  constructor(memory: GuestMemory) {
    this.#memory = memory
  }

  get readableLength(): number {
    return this.live ? this.#readable.bytes : 0
  }

  get writableLength(): number {
    return this.live ? this.#writable.bytes : 0
  }

  clear(): void {
    this.#readable.clear()
    this.#writable.clear()
    this.done = false
    this.written = 0
  }

  /** Appends a descriptor's element; says what is wrong with it. Empty elements are left out. */
  add(address: number, length: number, writable: boolean): ChainFault | undefined {
    // 2.7.4.2: device-writable elements come after all readable ones.
    if (!writable && this.#writable.count > 0) return 'a device-readable descriptor behind a device-writable one'
    if (length === 0) return undefined
    if (this.#readable.bytes + this.#writable.bytes + length > MAX_CHAIN_BYTES) return 'a buffer of more than 4 GiB'
    if (!this.#memory.isRam(address as Gpa, length)) return `a descriptor of ${length} bytes at 0x${address.toString(16)}, which is not all memory`
    ;(writable ? this.#writable : this.#readable).add(address, length)
    return undefined
  }

  read(offset: number, into: Uint8Array): number {
    const part = this.#readable
    let left = this.live ? Math.min(into.length, part.bytes - offset) : 0
    if (!(left > 0)) return 0
    let at = 0
    for (let i = 0, skip = offset; left > 0; i++) {
      const length = part.lengths[i]!
      if (skip >= length) {
        skip -= length
        continue
      }
      const piece = Math.min(length - skip, left)
      this.#memory.read((part.addresses[i]! + skip) as Gpa, at === 0 && piece === into.length ? into : into.subarray(at, at + piece))
      at += piece
      left -= piece
      skip = 0
    }
    return at
  }

  write(offset: number, from: Uint8Array): number {
    const part = this.#writable
    let left = this.live ? Math.min(from.length, part.bytes - offset) : 0
    if (!(left > 0)) return 0
    let at = 0
    for (let i = 0, skip = offset; left > 0; i++) {
      const length = part.lengths[i]!
      if (skip >= length) {
        skip -= length
        continue
      }
      const piece = Math.min(length - skip, left)
      this.#memory.write((part.addresses[i]! + skip) as Gpa, at === 0 && piece === from.length ? from : from.subarray(at, at + piece))
      at += piece
      left -= piece
      skip = 0
    }
    return at
  }

  /** Where `size` bytes at `offset` of a part lie in one piece; -1 when they do not. */
  #place(part: Part, offset: number, size: number): number {
    if (!this.live || !(offset >= 0)) return -1
    for (let i = 0, skip = offset; i < part.count; i++) {
      const length = part.lengths[i]!
      if (skip < length) return skip + size <= length ? part.addresses[i]! + skip : -1
      skip -= length
    }
    return -1
  }

  readU8(offset: number): number {
    const at = this.#place(this.#readable, offset, 1)
    return at < 0 ? 0 : this.#memory.readU8(at as Gpa)
  }

  readU16(offset: number): number {
    const at = this.#place(this.#readable, offset, 2)
    return at < 0 ? this.readU8(offset) | (this.readU8(offset + 1) << 8) : this.#memory.readU16(at as Gpa)
  }

  readU32(offset: number): number {
    const at = this.#place(this.#readable, offset, 4)
    return at < 0 ? (this.readU16(offset) | (this.readU16(offset + 2) << 16)) >>> 0 : this.#memory.readU32(at as Gpa)
  }

  writeU8(offset: number, value: number): void {
    const at = this.#place(this.#writable, offset, 1)
    if (at >= 0) this.#memory.writeU8(at as Gpa, value)
  }

  writeU16(offset: number, value: number): void {
    const at = this.#place(this.#writable, offset, 2)
    if (at >= 0) this.#memory.writeU16(at as Gpa, value)
    else this.#writeBytes(offset, 2, value)
  }

  writeU32(offset: number, value: number): void {
    const at = this.#place(this.#writable, offset, 4)
    if (at >= 0) this.#memory.writeU32(at as Gpa, value)
    else this.#writeBytes(offset, 4, value)
  }

  #writeBytes(offset: number, size: number, value: number): void {
    if (offset + size > this.writableLength) return
    for (let at = 0; at < size; at++) this.writeU8(offset + at, (value >>> (8 * at)) & 0xff)
  }

  eachReadable(visit: (gpa: Gpa, length: number) => void): void {
    this.#each(this.#readable, visit)
  }

  eachWritable(visit: (gpa: Gpa, length: number) => void): void {
    this.#each(this.#writable, visit)
  }

  #each(part: Part, visit: (gpa: Gpa, length: number) => void): void {
    for (let i = 0; this.live && i < part.count; i++) visit(part.addresses[i]! as Gpa, part.lengths[i]!)
  }

  save(): SavedChain {
    return { id: this.id, slots: this.slots, readable: this.#readable.save(), writable: this.#writable.save() }
  }

  /** Takes over a saved buffer, as distrustful as if it came from the driver. */
  restore({ id, slots, readable, writable }: SavedChain): ChainFault | undefined {
    this.clear()
    this.id = id
    this.slots = slots
    for (const [part, isWritable] of [[readable, false], [writable, true]] as const) {
      for (const { address, length } of part) {
        const fault = this.add(address, length, isWritable)
        if (fault !== undefined) return fault
      }
    }
    return undefined
  }
}
