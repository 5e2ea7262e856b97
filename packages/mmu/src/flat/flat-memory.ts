import type { FlatWindow, Gfn, MachineAddress, MachineMemory, PhysicalMap } from '@entresol/interfaces'
import { FLAT_EDGE_BYTES, RIGHT_EXECUTE } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FRAME_SHIFT, FRAME_SIZE } from '../limits.ts'

export interface FlatMemoryOptions {
  /** First linear address, a multiple of 4096, at least 8192: what lies below is never mapped, so that a null pointer faults. Default 65536, as Linux's mmap_min_addr. */
  readonly linear?: number
  /** A multiple of 4096. Pages that nobody touches cost nothing. */
  readonly bytes: number
}

/**
 * The address space of one program in user mode: linear addresses in one piece of machine memory, with rights for each page, which are none at
 * first. What a kernel would keep in page tables; linear and physical addresses are the same.
 */
export class FlatMemory implements Pick<PhysicalMap, 'onInvalidate' | 'onHostWrite'> {
  readonly linear: number
  readonly bytes: number
  /** Machine address of the byte at `linear`. */
  readonly machine: MachineAddress
  /** For a vCPU: all of this, and the edges. */
  readonly window: FlatWindow
  readonly #memory: MachineMemory
  readonly #rights: Uint8Array
  readonly #invalidateListeners: ((firstGfn: Gfn, count: number) => void)[] = []
  readonly #hostWriteListeners: ((address: MachineAddress, length: number) => void)[] = []

  /** Errors: `bad-memory-size`, `machine-memory-exhausted`. */
  constructor(memory: MachineMemory, options: FlatMemoryOptions) {
    const { linear = 65536, bytes } = options
    const whole = [linear, bytes].every((value) => Number.isInteger(value / FRAME_SIZE) && value > 0)
    if (!whole || linear < FLAT_EDGE_BYTES || linear + bytes > 2 ** 32 - FLAT_EDGE_BYTES) {
      throw new CodedError('bad-memory-size', `${bytes} bytes at ${linear} are not whole pages from 8 KiB to 8 KiB below 4 GiB`)
    }
    this.linear = linear
    this.bytes = bytes
    this.#memory = memory
    const machine = memory.reserve(bytes + 2 * FLAT_EDGE_BYTES)
    this.window = { linear: linear - FLAT_EDGE_BYTES, machine, bytes: bytes + 2 * FLAT_EDGE_BYTES }
    this.machine = (machine + FLAT_EDGE_BYTES) as MachineAddress
    this.#rights = new Uint8Array(bytes / FRAME_SIZE)
  }

  /** RIGHT_* of the page that a linear address below 2^32 is in. */
  rightsAt(linear: number): number {
    return this.#rights[(linear - this.linear) >>> FRAME_SHIFT] ?? 0
  }

  /**
   * Gives the pages of [linear, linear + bytes) the rights `rights` (RIGHT_* bits), as mprotect(2); false where that is not whole pages of the window.
   * Code in pages that are executable afterwards is decoded anew: whoever wrote instructions, the host or the program, calls this before they are
   * executed. Not while a vCPU runs.
   */
  protect(linear: number, bytes: number, rights: number): boolean {
    if (linear % FRAME_SIZE !== 0 || bytes % FRAME_SIZE !== 0 || !this.view(linear, bytes)) return false
    const first = (linear - this.linear) / FRAME_SIZE
    this.#rights.fill(rights, first, first + bytes / FRAME_SIZE)
    for (const listener of this.#invalidateListeners) listener((linear / FRAME_SIZE) as Gfn, bytes / FRAME_SIZE)
    if (!(rights & RIGHT_EXECUTE)) return true
    for (let done = 0; done < bytes; done += FRAME_SIZE) {
      const frame = (this.machine + linear - this.linear + done) as MachineAddress
      for (const listener of this.#hostWriteListeners) listener(frame, FRAME_SIZE)
    }
    return true
  }

  /** The bytes of [linear, linear + bytes) themselves, whatever the rights; undefined where that is not all in the window. */
  view(linear: number, bytes: number): Uint8Array | undefined {
    const offset = linear - this.linear
    if (!(offset >= 0 && bytes >= 0 && offset + bytes <= this.bytes)) return undefined
    return this.#memory.u8.subarray(this.machine + offset, this.machine + offset + bytes)
  }

  onInvalidate(listener: (firstGfn: Gfn, count: number) => void): void {
    this.#invalidateListeners.push(listener)
  }

  onHostWrite(listener: (address: MachineAddress, length: number) => void): void {
    this.#hostWriteListeners.push(listener)
  }
}
