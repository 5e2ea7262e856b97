import type { CharacterPort, Virtqueue } from '@entresol/interfaces'

export interface ConsolePortOptions {
  readonly port: CharacterPort
  /** A console (hvc) instead of a plain port; the first port is one in any case. */
  readonly console?: boolean
  /** Shown by guests as /dev/virtio-ports/NAME. */
  readonly name?: string
}

/** Bytes copied at a time. */
const PIECE = 4096

/** One port: bytes between two queues and a CharacterPort. */
export class ConsolePort {
  readonly options: ConsolePortOptions
  /** The guest's end is open: with multiport as it says, else always. */
  isOpen = false
  #receive: Virtqueue | undefined
  #transmit: Virtqueue | undefined
  /** The port holds data that it was not relieved of. */
  #isFull = false
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(PIECE)

  constructor(options: ConsolePortOptions) {
    this.options = options
    options.port.onData((bytes) => this.#input(bytes))
  }

  activate(receive: Virtqueue, transmit: Virtqueue): void {
    this.#receive = receive
    this.#transmit = transmit
  }

  /** Host → guest, as much as the guest gave buffers for. */
  #input(bytes: Uint8Array): number {
    const queue = this.#receive
    let taken = 0
    while (queue && this.isOpen && taken < bytes.length) {
      const chain = queue.pop()
      if (!chain) break
      const count = chain.write(0, bytes.subarray(taken))
      queue.push(chain, count)
      taken += count
    }
    queue?.publish()
    this.#isFull = taken < bytes.length
    return taken
  }

  /** The guest has room, or opened the port: the host's end offers what it kept. */
  relieve(): void {
    if (!this.#isFull || !this.isOpen || !this.#receive || this.#receive.empty) return
    this.#isFull = false
    this.options.port.resume()
  }

  /** Guest → host. */
  transmit(): void {
    const queue = this.#transmit
    if (!queue) return
    for (let chain; (chain = queue.pop()); queue.push(chain, 0)) {
      for (let at = 0; at < chain.readableLength;) {
        const count = chain.read(at, this.#bytes)
        if (count === 0) break
        this.options.port.write(this.#bytes.slice(0, count))
        at += count
      }
    }
    queue.publish()
  }

  reset(): void {
    this.isOpen = false
    this.#receive = undefined
    this.#transmit = undefined
  }
}
