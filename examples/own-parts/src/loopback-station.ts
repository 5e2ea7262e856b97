import type { FrameListener, FrameOffloads, NetworkPort } from '@entresol/interfaces'

/** Ethernet Configuration Testing Protocol (Ethernet 2.0 specification, chapter 8): a station that sends on what asks for it. */
export const ETHERTYPE_LOOPBACK = 0x9000
export const LOOPBACK_REPLY = 1
export const LOOPBACK_FORWARD = 2
const HEADER = 14
const FORWARD_BYTES = 8
/** Frames kept for a receiver that has no room. */
const MOST_WAITING = 256

const NOTHING: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }

/** The far end of a cable: one station that answers loopback requests, and nothing else. */
export class LoopbackStation implements NetworkPort {
  readonly offloads: FrameOffloads = NOTHING
  readonly linkUp = true
  readonly #address: Uint8Array
  readonly #waiting: Uint8Array[] = []
  #listener: FrameListener | undefined
  /** The receiver said that it has no room. */
  #full = false
  #sending = false
  /** Frames that were no request to this station, and answers that nobody had room for. */
  dropped = 0

  /** `address`: six bytes. */
  constructor(address: Uint8Array) {
    this.#address = address.slice(0, 6)
  }

  onReceive(listener: FrameListener): void {
    this.#listener = listener
  }

  onLinkChange(): void {}

  send(frame: Uint8Array): void {
    const answer = this.#answer(frame)
    if (!answer || !this.#listener || this.#waiting.length === MOST_WAITING) {
      this.dropped++
      return
    }
    this.#waiting.push(answer)
    this.#deliver()
  }

  resume(): void {
    this.#full = false
    this.#deliver()
  }

  /** A listener may send from inside: what it makes waits for the loop that runs. */
  #deliver(): void {
    if (this.#sending || this.#full) return
    this.#sending = true
    while (this.#waiting.length > 0) {
      if (this.#listener?.(this.#waiting[0]!) !== true) {
        this.#full = true
        break
      }
      this.#waiting.shift()
    }
    this.#sending = false
  }

  /** Skip count, function and what it needs are little-endian words behind the header; the count says how far others have come. */
  #answer(frame: Uint8Array): Uint8Array | undefined {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    if (frame.length < HEADER + 4 || view.getUint16(12) !== ETHERTYPE_LOOPBACK) return undefined
    const isGroup = (frame[0]! & 1) !== 0
    if (!isGroup && this.#address.some((byte, i) => byte !== frame[i])) return undefined
    const skip = view.getUint16(HEADER, true)
    const at = HEADER + 2 + skip
    if (skip % 2 !== 0 || at + FORWARD_BYTES > frame.length || view.getUint16(at, true) !== LOOPBACK_FORWARD) return undefined
    const target = frame.subarray(at + 2, at + FORWARD_BYTES)
    if ((target[0]! & 1) !== 0) return undefined
    const answer = frame.slice()
    answer.set(target, 0)
    answer.set(this.#address, 6)
    new DataView(answer.buffer).setUint16(HEADER, skip + FORWARD_BYTES, true)
    return answer
  }
}
