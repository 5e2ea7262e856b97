import type { MachineAddress, MachineMemory, Mfn } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FRAME_SIZE, MAX_MACHINE_BYTES, WASM_PAGE_SIZE } from '../limits.ts'
import { BuddyAllocator } from './buddy.ts'
import { FrameBits } from './frame-bits.ts'

export interface MachineMemoryOptions {
  /** Size in bytes, rounded up to 64 KiB; at most 4 GiB. Guest RAM plus what the vCPUs reserve. Untouched memory costs nothing. */
  bytes: number
  /** Make a shared memory, for vCPUs in several threads. */
  shared?: boolean
}

/**
 * Creates the machine memory. The WebAssembly.Memory has its final size from the start, so that views stay valid; the host commits pages
 * when they are first touched.
 *
 * Errors: `bad-memory-size`, `memory-too-large`, `memory-unavailable` (the host refuses the address space).
 */
export function createMachineMemory(options: MachineMemoryOptions): FrameMemory {
  const { bytes, shared = false } = options
  if (!Number.isFinite(bytes) || bytes <= 0) throw new CodedError('bad-memory-size', `machine memory cannot have ${bytes} bytes`)
  if (bytes > MAX_MACHINE_BYTES) {
    throw new CodedError('memory-too-large', 'machine memory is limited to 4 GiB until a 64-bit WebAssembly memory exists')
  }
  const pages = Math.ceil(bytes / WASM_PAGE_SIZE)
  let wasm: WebAssembly.Memory
  try {
    wasm = new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
  } catch (cause) {
    throw new CodedError('memory-unavailable', `the host cannot provide ${Math.ceil(bytes / 2 ** 20)} MiB of WebAssembly memory`, { cause })
  }
  return new FrameMemory(wasm)
}

/** MachineMemory with reference counts, so that guest memories can share frames copy-on-write. */
export class FrameMemory implements MachineMemory {
  readonly wasm: WebAssembly.Memory
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly frames: number
  readonly #buddy: BuddyAllocator
  readonly #taken: FrameBits
  /** Frames handed out before: they must be zeroed before they are handed out again. Fresh ones are zero, and zeroing would commit them. */
  readonly #stale: FrameBits
  /** References beyond the first. */
  readonly #extraReferences: Uint32Array

  /** Takes over all of `wasm`, which must be zero and never grow. Frame 0 is never handed out: machine address 0 can mean "none". */
  constructor(wasm: WebAssembly.Memory) {
    this.wasm = wasm
    this.u8 = new Uint8Array(wasm.buffer)
    this.u32 = new Uint32Array(wasm.buffer)
    this.frames = this.u8.length / FRAME_SIZE
    this.#buddy = new BuddyAllocator(this.frames)
    this.#taken = new FrameBits(this.frames)
    this.#stale = new FrameBits(this.frames)
    this.#extraReferences = new Uint32Array(this.frames)
    this.#taken.setRange(0, 1)
    this.#buddy.giveRange(1, this.frames - 1)
  }

  get framesUsed(): number {
    return this.frames - this.#buddy.freeFrames
  }

  allocate(order: number): Mfn {
    const mfn = this.tryAllocate(order)
    if (mfn < 0) throw this.#exhausted(2 ** order)
    return mfn as Mfn
  }

  /** As `allocate`, but -1 when there is no such block. */
  tryAllocate(order: number): number {
    const frame = this.#buddy.take(order)
    if (frame >= 0) this.#handOut(frame, 2 ** order)
    return frame
  }

  free(mfn: Mfn, order: number): void {
    const count = 2 ** order
    if (mfn % count !== 0 || mfn + count > this.frames || !this.#taken.hasAll(mfn, count) || mfn === 0) {
      throw new CodedError('frame-not-allocated', `frames ${mfn}+${count} are not an allocated block`)
    }
    this.#taken.clearRange(mfn, count)
    this.#stale.setRange(mfn, count)
    this.#buddy.give(mfn, order)
  }

  reserve(bytes: number): MachineAddress {
    const count = Math.max(1, Math.ceil(bytes / FRAME_SIZE))
    const frame = this.#buddy.takeRange(count)
    if (frame < 0) throw this.#exhausted(count)
    this.#handOut(frame, count)
    return (frame * FRAME_SIZE) as MachineAddress
  }

  /** Adds a reference to an allocated frame: one more `release` is needed before it is free. */
  retain(mfn: Mfn): void {
    this.#extraReferences[mfn]! += 1
  }

  /** Drops a reference; the last one frees the frame. */
  release(mfn: Mfn): void {
    if (this.#extraReferences[mfn]! > 0) this.#extraReferences[mfn]! -= 1
    else this.free(mfn, 0)
  }

  /** Frees one frame whose owner knows that nobody touched it since it was handed out: it is still zero. */
  freeUntouched(mfn: Mfn): void {
    this.free(mfn, 0)
    this.#stale.clearRange(mfn, 1)
  }

  /** References held on an allocated frame. */
  references(mfn: Mfn): number {
    return this.#extraReferences[mfn]! + 1
  }

  #handOut(frame: number, count: number): void {
    this.#taken.setRange(frame, count)
    this.#stale.eachRun(frame, count, (first, run) => this.u8.fill(0, first * FRAME_SIZE, (first + run) * FRAME_SIZE))
    this.#stale.clearRange(frame, count)
  }

  #exhausted(count: number): CodedError {
    return new CodedError(
      'machine-memory-exhausted',
      `no ${count} contiguous frames left of ${this.frames} (${this.#buddy.freeFrames} free)`,
    )
  }
}

/**
 * A machine memory as another thread than its owner's sees it: everything but handing out frames. `reserve` takes from the arena that the
 * owner reserved for this thread.
 */
export class AttachedMachineMemory implements MachineMemory {
  readonly wasm: WebAssembly.Memory
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly frames: number
  #next: number
  readonly #end: number

  constructor(wasm: WebAssembly.Memory, arena: { readonly address: number; readonly bytes: number }) {
    this.wasm = wasm
    this.u8 = new Uint8Array(wasm.buffer)
    this.u32 = new Uint32Array(wasm.buffer)
    this.frames = this.u8.length / FRAME_SIZE
    this.#next = arena.address
    this.#end = arena.address + arena.bytes
  }

  get framesUsed(): number {
    return this.frames
  }

  allocate(order: number): Mfn {
    throw exhausted(2 ** order)
  }

  free(mfn: Mfn): void {
    throw new CodedError('frame-not-allocated', `frame ${mfn} is the owner's`)
  }

  reserve(bytes: number): MachineAddress {
    const address = this.#next
    this.#next += Math.ceil(bytes / FRAME_SIZE) * FRAME_SIZE
    if (this.#next > this.#end) throw exhausted(Math.ceil(bytes / FRAME_SIZE))
    return address as MachineAddress
  }
}

const exhausted = (count: number): CodedError => new CodedError('machine-memory-exhausted', `no ${count} frames left for this thread`)
