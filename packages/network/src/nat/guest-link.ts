import type { FrameListener, FrameOffloads, UnfinishedFrame } from '@entresol/interfaces'

const NOTHING: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
/** Frames that wait for the guest when it has no room: answers and datagrams; TCP keeps its data in its own buffers. */
const MAX_FRAMES = 256
const MAX_BYTES = 1 << 20

/** The guests' side of the wire: what goes out to the one receiver, in order, with bounds for when it has no room. */
export class GuestLink {
  /** For frames that are built, offered and forgotten: a receiver has copied what it keeps when `offer` returns. */
  readonly scratch: Uint8Array = new Uint8Array(65_550)
  /** Our own. */
  readonly mac: Uint8Array
  #listener: FrameListener | undefined
  #accepts: FrameOffloads = NOTHING
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #blocked = false
  #delivering = false
  /** While a frame of a guest is looked at nothing is sent: what is read may be overwritten by an answer to it. */
  held = false
  /** Frames that found neither receiver nor room. */
  dropped = 0

  constructor(mac: Uint8Array) {
    this.mac = mac
  }

  get accepts(): FrameOffloads {
    return this.#accepts
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#listener = listener
    this.#accepts = accepts
  }

  /** Whether `offer` could succeed. */
  get open(): boolean {
    return this.#listener !== undefined && !this.#blocked && !this.#delivering && !this.held
  }

  /** Finished frames, which are the link's from now on; sent now or by `flush`. */
  push(frame: Uint8Array): void {
    if (this.#waiting.length === 0 && this.open && this.offer(frame)) return
    if (this.#listener === undefined || this.#waiting.length >= MAX_FRAMES || this.#waitingBytes + frame.length > MAX_BYTES) {
      this.dropped++
      return
    }
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
  }

  /** A frame that the caller can make again: whether it was taken. Only while `open`. */
  offer(frame: Uint8Array, unfinished?: UnfinishedFrame): boolean {
    this.#delivering = true
    try {
      this.#blocked = !this.#listener!(frame, unfinished)
    } finally {
      this.#delivering = false
    }
    return !this.#blocked
  }

  /** Sends what waits; whether nothing is left. */
  flush(): boolean {
    while (this.#waiting.length > 0) {
      if (!this.open || !this.offer(this.#waiting[0]!)) return false
      this.#waitingBytes -= this.#waiting.shift()!.length
    }
    return true
  }

  /** The receiver has room again. */
  unblock(): void {
    this.#blocked = false
  }

  close(): void {
    this.#listener = undefined
    this.#waiting = []
    this.#waitingBytes = 0
  }
}
