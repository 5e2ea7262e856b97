import { FRAME_MAX, FRAME_MIN } from '../switch/packet.ts'

/** QEMU's framing of Ethernet on byte streams (`-netdev socket`, `-netdev stream`): each frame behind its length, 32 bits, big-endian. */
const LENGTH = 4

/** A frame behind its length, in a buffer that the next call uses again. */
export class FrameWriter {
  readonly #buffer = new Uint8Array(LENGTH + FRAME_MAX)

  /** `frame` is at most FRAME_MAX long. */
  framed(frame: Uint8Array): Uint8Array {
    const { length } = frame
    this.#buffer.set([length >>> 24, length >>> 16, length >>> 8, length])
    this.#buffer.set(frame, LENGTH)
    return this.#buffer.subarray(0, LENGTH + length)
  }
}

/** Cuts a byte stream into frames. Frames too short for an Ethernet header are passed over; one too long is no frame, and the stream is lost. */
export class FrameStream {
  readonly #onFrame: (frame: Uint8Array) => void
  /** What has come of a frame that is not complete, its header included. */
  readonly #partial = new Uint8Array(LENGTH + FRAME_MAX)
  #filled = 0

  /** A frame's bytes are the stream's again when `onFrame` returns. */
  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame
  }

  /** Takes the next bytes. False when they cannot be frames: nothing that follows would make sense. */
  push(bytes: Uint8Array): boolean {
    let at = 0
    while (at < bytes.length) {
      if (this.#filled === 0 && bytes.length - at >= LENGTH) {
        const length = lengthAt(bytes, at)
        if (length > FRAME_MAX) return false
        if (bytes.length - at - LENGTH >= length) {
          this.#emit(bytes.subarray(at + LENGTH, at + LENGTH + length))
          at += LENGTH + length
          continue
        }
      }
      const wanted = this.#filled < LENGTH ? LENGTH : LENGTH + lengthAt(this.#partial, 0)
      const part = bytes.subarray(at, at + wanted - this.#filled)
      this.#partial.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < LENGTH) return true
      const length = lengthAt(this.#partial, 0)
      if (length > FRAME_MAX) return false
      if (this.#filled === LENGTH + length) {
        this.#filled = 0
        this.#emit(this.#partial.subarray(LENGTH, LENGTH + length))
      }
    }
    return true
  }

  #emit(frame: Uint8Array): void {
    if (frame.length >= FRAME_MIN) this.#onFrame(frame)
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
