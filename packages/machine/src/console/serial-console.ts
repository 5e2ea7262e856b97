import type { CharacterPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** Host side of a serial port: what the guest prints, and what is typed to it. */
export class SerialConsole implements CharacterPort {
  readonly #outputs = new Set<(bytes: Uint8Array) => void>()
  #toGuest: (bytes: Uint8Array) => number = () => 0
  #queue: Uint8Array[] = []
  #flushing = false

  // CharacterPort, for the device

  write(bytes: Uint8Array): void {
    for (const listener of this.#outputs) listener(bytes)
  }

  onData(listener: (bytes: Uint8Array) => number): void {
    this.#toGuest = listener
  }

  resume(): void {
    this.#flush()
  }

  // For the program around the machine

  /** Calls back with every piece of output; the bytes are only valid during the call. Returns how to stop. */
  onOutput(listener: (bytes: Uint8Array) => void): () => void {
    this.#outputs.add(listener)
    return () => void this.#outputs.delete(listener)
  }

  /** Types to the guest. The port keeps what the guest has no room for yet. */
  send(input: string | Uint8Array): void {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input.slice()
    if (bytes.length) this.#queue.push(bytes)
    this.#flush()
  }

  /** Bytes typed and not yet taken by the guest. */
  get backlog(): number {
    return this.#queue.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  #flush(): void {
    if (this.#flushing) return
    this.#flushing = true
    while (this.#queue.length) {
      const first = this.#queue[0]!
      const taken = this.#toGuest(first)
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken)
        break
      }
      this.#queue.shift()
    }
    this.#flushing = false
  }

  /**
   * Resolves with all output from now on once it contains `pattern`. Rejects with `console-timeout` after `timeout` milliseconds.
   */
  waitFor(pattern: string | RegExp, options: { timeout?: number } = {}): Promise<string> {
    const { timeout = 60_000 } = options
    return new Promise((resolve, reject) => {
      const decoder = new TextDecoder()
      let text = ''
      const done = (): void => {
        stop()
        clearTimeout(timer)
      }
      const stop = this.onOutput((bytes) => {
        text += decoder.decode(bytes, { stream: true })
        if (typeof pattern === 'string' ? !text.includes(pattern) : !pattern.test(text)) return
        done()
        resolve(text)
      })
      const timer = setTimeout(() => {
        done()
        reject(new CodedError('console-timeout', `the guest did not print ${String(pattern)} within ${timeout} ms; last output: ${text.slice(-200)}`))
      }, timeout)
    })
  }
}
