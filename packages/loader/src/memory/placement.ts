import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { alignDown, alignUp, hex, sizeText } from '../bytes.ts'
import { type MemoryRegion, sortedMap } from './map.ts'

/** Something the loader put into guest memory. */
export interface PlacedRange {
  readonly name: string
  readonly base: number
  readonly length: number
}

const ZEROS = new Uint8Array(1 << 16)

/**
 * Bookkeeping of what goes where while a guest is loaded: only RAM of the map, nothing twice. Every write of the loader goes
 * through here, so that no input can make it write outside the guest's RAM.
 */
export class Placement {
  readonly map: readonly MemoryRegion[]
  readonly #memory: GuestMemory
  readonly #placed: PlacedRange[] = []
  readonly #zeroed: boolean

  constructor(memory: GuestMemory, map: readonly MemoryRegion[], memoryIsZero: boolean) {
    this.#memory = memory
    this.map = sortedMap(map)
    this.#zeroed = memoryIsZero
  }

  get placed(): readonly PlacedRange[] {
    return [...this.#placed].sort((a, b) => a.base - b.base)
  }

  isRam(base: number, length: number): boolean {
    if (!(base >= 0) || !Number.isSafeInteger(base + length)) return false
    let at = base
    const end = base + length
    for (const region of this.map) {
      if (region.type === 'ram' && region.base <= at && at < region.base + region.length) at = region.base + region.length
      if (at >= end) return length === 0 || this.#memory.isRam(base as Gpa, length)
    }
    return false
  }

  /** The range of an earlier claim that [base, base+length) touches. */
  conflict(base: number, length: number): PlacedRange | undefined {
    return this.#placed.find(other => base < other.base + other.length && other.base < base + length)
  }

  /** Takes a range that the image itself asks for. Throws `bad-kernel` when it is not free RAM. */
  claim(name: string, base: number, length: number): void {
    if (length === 0) return
    if (!this.isRam(base, length)) {
      throw new CodedError('bad-kernel', `${name} wants ${sizeText(length)} at ${hex(base)}, where the guest has no memory`)
    }
    const other = this.conflict(base, length)
    if (other) throw new CodedError('bad-kernel', `${name} at ${hex(base)} overlaps ${other.name} at ${hex(other.base)}`)
    this.#placed.push({ name, base, length })
  }

  /** Highest free address for `length` bytes that end at or below `limit`; undefined when there is none. */
  highest(length: number, alignment: number, limit: number): number | undefined {
    for (const region of [...this.map].reverse()) {
      if (region.type !== 'ram') continue
      let base = alignDown(Math.min(region.base + region.length, limit) - length, alignment)
      while (base >= region.base) {
        const other = this.conflict(base, length)
        if (!other) {
          if (this.isRam(base, length)) return base
          break
        }
        base = alignDown(other.base - length, alignment)
      }
    }
    return undefined
  }

  /** Lowest free address at or above `from`, ending at or below `limit`; undefined when there is none. */
  lowest(length: number, alignment: number, from: number, limit: number): number | undefined {
    for (const region of this.map) {
      if (region.type !== 'ram') continue
      let base = alignUp(Math.max(region.base, from), alignment)
      while (base + length <= Math.min(region.base + region.length, limit)) {
        const other = this.conflict(base, length)
        if (!other) {
          if (this.isRam(base, length)) return base
          break
        }
        base = alignUp(other.base + other.length, alignment)
      }
    }
    return undefined
  }

  /** Room for one of the loader's own tables in conventional memory, above the interrupt vectors and the BIOS data area. */
  table(name: string, length: number, alignment: number): number {
    const base = this.lowest(length, alignment, 0x1000, 0xa0000) ?? this.lowest(length, alignment, 0x100000, 0x1_0000_0000)
    if (base === undefined) throw new CodedError('no-room', `guest memory has no free ${sizeText(length)} for ${name}`)
    this.#placed.push({ name, base, length })
    return base
  }

  /** Writes inside ranges claimed before. */
  write(base: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#memory.write(base as Gpa, bytes)
  }

  /** Zeroes [base, base+length), unless the board promised that memory is zero, in which case nothing needs to be touched. */
  zero(base: number, length: number): void {
    if (this.#zeroed) return
    for (let done = 0; done < length; done += ZEROS.length) {
      this.#memory.write((base + done) as Gpa, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)))
    }
  }

  read(base: number, into: Uint8Array): void {
    this.#memory.read(base as Gpa, into)
  }
}
