import type { MachineMemory } from '@entresol/interfaces'
import type { CodeWatch } from '../memory/linear-memory.ts'

/** A vCPU that decodes code out of a machine memory. */
export interface CodeHolder {
  /** Machine bytes of one frame changed: instructions decoded from them must go. */
  wrote(address: number, length: number): void
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
 * Which frames of a machine memory are code for any of its vCPUs. x86 keeps instruction fetch coherent with the stores of every processor
 * (SDM vol. 3, 9.1.3), so a frame that one vCPU decoded is write-protected in the TLBs of all, and a write to it reaches all their decoded code.
 * For vCPUs that take turns in one thread.
 */
export class CodeFrames implements CodeRegistry {
  /** vCPUs with decoded code, by frame number. */
  readonly #holders: Uint8Array
  readonly #members: CodeHolder[] = []

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

  wrote(address: number, length: number): void {
    if (this.#holders[address >>> 12]) for (const member of this.#members) member.wrote(address, length)
  }
}
