import type { Gpa, GuestMemory } from '@entresol/interfaces'
import * as spec from './spec.ts'
import type { BusMasterState } from './state.ts'

function powerOn(): BusMasterState {
  return { command: 0, status: spec.BM_DMA_CAPABLE, prdt: 0, next: 0, base: 0, left: 0, last: false, fetched: 0 }
}

/** One channel of the bus master: walks the physical region descriptor table while data flows. */
export class BusMasterChannel {
  readonly #memory: GuestMemory
  readonly #onStart: () => void
  #s: BusMasterState = powerOn()

  /** `onStart`: the guest has set the start bit; a drive that waits for the bus master goes on. */
  constructor(memory: GuestMemory, onStart: () => void) {
    this.#memory = memory
    this.#onStart = onStart
  }

  readByte(offset: number): number {
    const s = this.#s
    if (offset === spec.BM_COMMAND) return s.command
    if (offset === spec.BM_STATUS) return s.status
    if (offset >= spec.BM_PRDT) return (s.prdt >>> (8 * (offset - spec.BM_PRDT))) & 0xff
    return 0
  }

  writeByte(offset: number, value: number): void {
    const s = this.#s
    if (offset === spec.BM_COMMAND) this.#writeCommand(value & (spec.BM_START | spec.BM_TO_MEMORY))
    else if (offset === spec.BM_STATUS) {
      // Bits 2 and 1 are cleared by writing ones, 6 and 5 are plain, 0 is read-only (1.0, 2.2).
      s.status = (s.status & ~(value & (spec.BM_ERROR | spec.BM_INTERRUPT)) & ~spec.BM_DMA_CAPABLE) | (value & spec.BM_DMA_CAPABLE)
    } else if (offset >= spec.BM_PRDT) {
      const shift = 8 * (offset - spec.BM_PRDT)
      s.prdt = ((s.prdt & ~(0xff << shift)) | (value << shift)) & ~3
      s.prdt >>>= 0
    }
  }

  /** Moves bytes [from, to) of `buffer` into memory; returns how many went: fewer when stopped or out of descriptors. */
  toMemory(buffer: Uint8Array, from: number, to: number): number {
    return this.#move(buffer, from, to, true)
  }

  /** Fills bytes [from, to) of `buffer` from memory; returns how many came. */
  fromMemory(buffer: Uint8Array, from: number, to: number): number {
    return this.#move(buffer, from, to, false)
  }

  /** The device has finished: the engine stays active when its table describes more than was moved (1.0, 3.1). */
  finish(): void {
    if (this.#s.left === 0 && this.#s.last) this.#s.status &= ~spec.BM_ACTIVE
  }

  /** The channel's INTRQ rose. */
  interrupt(): void {
    this.#s.status |= spec.BM_INTERRUPT
  }

  reset(): void {
    this.#s = powerOn()
  }

  save(): BusMasterState {
    return { ...this.#s }
  }

  /** Takes a state that has been checked. */
  restore(state: BusMasterState): void {
    this.#s = state
  }

  #writeCommand(value: number): void {
    const s = this.#s
    const started = value & ~s.command & spec.BM_START
    s.command = value
    if (started) {
      s.next = s.prdt
      s.left = s.fetched = 0
      s.last = false
      s.status |= spec.BM_ACTIVE
      this.#onStart()
    } else if (!(value & spec.BM_START)) s.status &= ~spec.BM_ACTIVE
  }

  #move(buffer: Uint8Array, from: number, to: number, toMemory: boolean): number {
    const s = this.#s
    if (!(s.status & spec.BM_ACTIVE)) return 0
    if (((s.command & spec.BM_TO_MEMORY) !== 0) !== toMemory) return this.#fail()
    let at = from
    while (at < to) {
      if (s.left === 0 && !this.#fetch()) return at - from
      const step = Math.min(s.left, to - at)
      const part = buffer.subarray(at, at + step)
      if (toMemory) this.#memory.write(s.base as Gpa, part)
      else this.#memory.read(s.base as Gpa, part)
      s.base = (s.base + step) % 2 ** 32
      s.left -= step
      at += step
    }
    return at - from
  }

  /** Loads the next descriptor; false at the table's end, which stops the engine without an interrupt. */
  #fetch(): boolean {
    const s = this.#s
    if (s.last) {
      s.status &= ~spec.BM_ACTIVE
      return false
    }
    if (s.fetched >= spec.PRD_ENTRIES_MAX || !this.#memory.isRam(s.next as Gpa, 8)) {
      this.#fail()
      return false
    }
    s.base = (this.#memory.readU32(s.next as Gpa) & ~1) >>> 0
    const word = this.#memory.readU32((s.next + 4) as Gpa)
    s.left = (word & 0xfffe) || 0x10000
    s.last = (word & spec.PRD_EOT) !== 0
    // The table lives in one 64 KiB window.
    s.next = ((s.next & 0xffff_0000) | ((s.next + 8) & 0xffff)) >>> 0
    s.fetched++
    return true
  }

  #fail(): number {
    this.#s.status = (this.#s.status & ~spec.BM_ACTIVE) | spec.BM_ERROR
    return 0
  }
}
