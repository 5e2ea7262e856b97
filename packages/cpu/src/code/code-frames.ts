import type { MachineMemory } from '@entresol/interfaces'
import type { CodeWatch } from '../memory/linear-memory.ts'

/** Decoding a page again costs about as much. */
const STORES_BEFORE_DROP = 1024

/** A vCPU that decodes code out of a machine memory. */
export interface CodeHolder {
  /** Machine bytes of one frame changed: instructions decoded from them must go. */
  wrote(address: number, length: number): void
  /** May machine bytes of one frame be part of a decoded instruction? */
  overlaps(address: number, length: number): boolean
  /** The frame is taken for data: everything decoded from it goes, until it is executed again. */
  drop(frame: number): void
  /** The frame holds code now: writes to it must take the slow path. */
  protect(frame: number): void
}

/** What a vCPU asks of and tells the others about code. */
export interface CodeRegistry extends CodeWatch {
  join(member: CodeHolder): void
  /** A vCPU decodes code of this frame that had none there before. */
  add(frame: number): void
  /** It dropped all of it. */
  remove(frame: number): void
}

/**
 * Counts stores to frames with code. Code that was is often data now (a freed page, an unpacked image): given up, the frame is written at full
 * speed. Where code and data do share a frame, each time allows twice as many stores before the next.
 */
export class FrameStores {
  /** By frame number: how many more until the frame is given up, and how many it will be the next time. */
  readonly #frames = new Map<number, { left: number; next: number }>()

  /** One more; false: enough. */
  another(frame: number): boolean {
    const stores = this.#frames.get(frame)
    if (stores) return --stores.left > 0
    this.#frames.set(frame, { left: STORES_BEFORE_DROP, next: 2 * STORES_BEFORE_DROP })
    return true
  }

  /** There were enough: the next count begins. */
  enough(frame: number): boolean {
    const stores = this.#frames.get(frame)
    if (!stores || stores.left > 0) return false
    stores.left = stores.next
    stores.next *= 2
    return true
  }
}

/**
 * Which frames of a machine memory are code for any of its vCPUs. x86 keeps instruction fetch coherent with the stores of every processor
 * (SDM vol. 3, 9.1.3), so a frame that one vCPU decoded is write-protected in the TLBs of all, and a write to it reaches all their decoded code.
 * For vCPUs that take turns in one thread.
 */
export class CodeFrames implements CodeRegistry {
  /** vCPUs with decoded code, by frame number. */
  readonly #holders: Uint8Array
  readonly #members: CodeHolder[] = []
  readonly #stores = new FrameStores()

  constructor(memory: MachineMemory) {
    this.#holders = new Uint8Array(memory.frames)
  }

  join(member: CodeHolder): void {
    this.#members.push(member)
  }

  add(frame: number): void {
    if (this.#holders[frame >>> 12]!++ === 0) for (const member of this.#members) member.protect(frame)
  }

  remove(frame: number): void {
    this.#holders[frame >>> 12]!--
  }

  hasCode(frame: number): boolean {
    return this.#holders[frame >>> 12] !== 0
  }

  writable(frame: number): boolean {
    return !this.hasCode(frame)
  }

  sparesCode(address: number, length: number): boolean {
    for (const member of this.#members) if (member.overlaps(address, length)) return false
    return this.#stores.another(address >>> 12)
  }

  giveUpCode(address: number): boolean {
    if (!this.#stores.enough(address >>> 12)) return false
    for (const member of this.#members) member.drop((address & ~0xfff) >>> 0)
    return true
  }

  wrote(address: number, length: number): void {
    if (this.#holders[address >>> 12]) for (const member of this.#members) member.wrote(address, length)
  }
}
