/** Largest block order: 2^20 frames are 4 GiB, the whole of a 32-bit memory. */
const MAX_ORDER = 20
const NONE = -1

/**
 * Buddy allocator over frame numbers (Knowlton 1965; the scheme of Linux's page allocator). It knows nothing of the frames' contents.
 *
 * The tables are flat typed arrays indexed by frame, and only heads of free blocks are ever written: untouched parts of a table stay zero
 * pages of the host, so that the metadata of a big, idle memory costs next to nothing.
 */
export class BuddyAllocator {
  readonly frames: number
  freeFrames = 0
  /** order + 1 where a free block begins, else 0. */
  readonly #head: Uint8Array
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #first: Int32Array = new Int32Array(MAX_ORDER + 1).fill(NONE)

  /** All frames start as taken; `release` what may be handed out. */
  constructor(frames: number) {
    this.frames = frames
    this.#head = new Uint8Array(frames)
    this.#next = new Int32Array(frames)
    this.#previous = new Int32Array(frames)
  }

  /** First frame of a naturally aligned block of 2^order frames, -1 when there is none. */
  take(order: number): number {
    let from = order
    while (from <= MAX_ORDER && this.#first[from]! === NONE) from++
    if (from > MAX_ORDER) return NONE
    const frame = this.#first[from]!
    this.#unlink(frame, from)
    while (from > order) {
      from--
      this.#link(frame + 2 ** from, from)
    }
    this.freeFrames -= 2 ** order
    return frame
  }

  /** Gives a block back. The caller has made sure that it is taken and aligned; it need not have been taken as one block. */
  give(frame: number, order: number): void {
    this.freeFrames += 2 ** order
    while (order < MAX_ORDER) {
      const size = 2 ** order
      const buddy = frame ^ size
      if (buddy + size > this.frames || this.#head[buddy] !== order + 1) break
      this.#unlink(buddy, order)
      if (buddy < frame) frame = buddy
      order++
    }
    this.#link(frame, order)
  }

  /** Gives back [first, first + count), cut into the largest aligned blocks. */
  giveRange(first: number, count: number): void {
    while (count > 0) {
      let order = first === 0 ? MAX_ORDER : Math.min(MAX_ORDER, 31 - Math.clz32(first & -first))
      while (2 ** order > count) order--
      this.give(first, order)
      first += 2 ** order
      count -= 2 ** order
    }
  }

  /** First of `count` free frames in a row, aligned to nothing, -1 when there is no such run. Looks at every frame: for a few big reservations. */
  takeRange(count: number): number {
    const frame = this.#findRun(count)
    if (frame < 0) return NONE
    let end = frame
    while (end < frame + count) {
      const order = this.#head[end]! - 1
      this.#unlink(end, order)
      this.freeFrames -= 2 ** order
      end += 2 ** order
    }
    this.giveRange(frame + count, end - frame - count)
    return frame
  }

  #findRun(count: number): number {
    let start = NONE
    for (let at = 0; at < this.frames;) {
      const order = this.#head[at]! - 1
      if (order < 0) {
        start = NONE
        at++
        continue
      }
      if (start === NONE) start = at
      at += 2 ** order
      if (at - start >= count) return start
    }
    return NONE
  }

  /** Order of the largest free block, -1 when nothing is free. */
  largestFreeOrder(): number {
    let order = MAX_ORDER
    while (order >= 0 && this.#first[order]! === NONE) order--
    return order
  }

  #link(frame: number, order: number): void {
    const first = this.#first[order]!
    this.#head[frame] = order + 1
    this.#previous[frame] = NONE
    this.#next[frame] = first
    if (first !== NONE) this.#previous[first] = frame
    this.#first[order] = frame
  }

  #unlink(frame: number, order: number): void {
    const next = this.#next[frame]!
    const previous = this.#previous[frame]!
    this.#head[frame] = 0
    if (next !== NONE) this.#previous[next] = previous
    if (previous === NONE) this.#first[order] = next
    else this.#next[previous] = next
  }
}
