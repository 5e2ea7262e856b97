import { FrameStores } from './code-frames.ts'
import type { CodeHolder, CodeRegistry } from './code-frames.ts'

/** One word per machine frame, shared by the threads of a machine; bit n is vCPU n, of at most 32. */
export interface CodeFrameTables {
  /** vCPUs with decoded code of the frame. */
  readonly holders: Int32Array
  /** vCPUs that may write the frame without asking: by a TLB entry, or by the access in progress. */
  readonly writers: Int32Array
}

/** How the threads of a machine tell each other about code. `vcpus` has a bit for each that is meant. */
export interface CodeMessages {
  /** Has `protect` called for each; returns when none of them writes the frame any more without looking. */
  protect(vcpus: number, frame: number): void
  /** Has `overwritten` called for each before it takes an interrupt or kick sent later. */
  wrote(vcpus: number, address: number, length: number): void
}

/**
 * CodeFrames for a vCPU in a thread of its own. A writer sets its bit in `writers` before it looks for holders, a decoder its bit in `holders` before it
 * looks for writers: one of the two sees the other. The decoder then waits until the writers have let go; a write to a frame with holders
 * reaches them by message, after the store and before anything the writer does later.
 */
export class SharedCodeFrames implements CodeRegistry {
  readonly #bit: number
  readonly #holders: Int32Array
  readonly #writers: Int32Array
  readonly #messages: CodeMessages
  readonly #members: CodeHolder[] = []
  readonly #stores = new FrameStores()
  /** Frames that other threads wrote often. */
  readonly #tired = new Set<number>()

  constructor(vcpu: number, tables: CodeFrameTables, messages: CodeMessages) {
    this.#bit = 1 << vcpu
    this.#holders = tables.holders
    this.#writers = tables.writers
    this.#messages = messages
  }

  join(member: CodeHolder): void {
    this.#members.push(member)
  }

  add(frame: number): void {
    Atomics.or(this.#holders, frame >>> 12, this.#bit)
    const writers = Atomics.load(this.#writers, frame >>> 12)
    if (writers & this.#bit) this.protect(frame)
    if (writers & ~this.#bit) this.#messages.protect(writers & ~this.#bit, frame)
  }

  remove(frame: number): void {
    Atomics.and(this.#holders, frame >>> 12, ~this.#bit)
  }

  hasCode(frame: number): boolean {
    return Atomics.load(this.#holders, frame >>> 12) !== 0
  }

  writable(frame: number): boolean {
    const index = frame >>> 12
    if (Atomics.load(this.#holders, index) !== 0) return false
    if (!(Atomics.load(this.#writers, index) & this.#bit)) Atomics.or(this.#writers, index, this.#bit)
    return Atomics.load(this.#holders, index) === 0
  }

  /** Only where no other vCPU holds code of the frame: one that begins to waits for this store, which is over when the request is seen. */
  sparesCode(address: number, length: number): boolean {
    const index = address >>> 12
    Atomics.or(this.#writers, index, this.#bit)
    if (Atomics.load(this.#holders, index) & ~this.#bit) return false
    for (const member of this.#members) if (member.overlaps(address, length)) return false
    return this.#stores.another(index)
  }

  giveUpCode(address: number): boolean {
    const index = address >>> 12
    if (Atomics.load(this.#holders, index) & ~this.#bit || !this.#stores.enough(index)) return false
    for (const member of this.#members) member.drop((address & ~0xfff) >>> 0)
    return this.writable((address & ~0xfff) >>> 0)
  }

  wrote(address: number, length: number): void {
    const holders = Atomics.load(this.#holders, address >>> 12)
    if (holders & this.#bit) this.overwritten(address, length)
    if (holders & ~this.#bit) this.#messages.wrote(holders & ~this.#bit, address, length)
  }

  /** Message: another thread decodes code of the frame. */
  protect(frame: number): void {
    for (const member of this.#members) member.protect(frame)
    Atomics.and(this.#writers, frame >>> 12, ~this.#bit)
  }

  /** Message: another thread wrote bytes of a frame that has code here. */
  overwritten(address: number, length: number): void {
    for (const member of this.#members) member.wrote(address, length)
    if (!this.#stores.another(address >>> 12)) this.#tired.add((address & ~0xfff) >>> 0)
  }

  /** Between two slices of generated code: gives up the frames that others write more than they are executed. */
  giveUpTired(): void {
    for (const frame of this.#tired) {
      if (this.#stores.enough(frame >>> 12)) for (const member of this.#members) member.drop(frame)
    }
    this.#tired.clear()
  }
}
