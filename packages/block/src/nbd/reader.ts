import { CodedError } from '@entresol/kit'
import type { ByteDuplex } from './duplex.ts'

const NOTHING = new Uint8Array(0)

export function connectionLost(why: string): CodedError {
  return new CodedError('connection-lost', `NBD: ${why}`)
}

/** A breach of the protocol by the peer: the connection is of no use any more. */
export function protocolError(what: string): CodedError {
  return new CodedError('bad-peer', `NBD: ${what}`)
}

/** Takes a duplex's bytes in the portions the protocol has. Fails with `connection-lost` where the stream ends within one. */
export class ByteReader {
  readonly #duplex: ByteDuplex
  #chunk: Uint8Array = NOTHING
  #at = 0
  #received = 0

  constructor(duplex: ByteDuplex) {
    this.#duplex = duplex
  }

  /** Bytes that have come. */
  get received(): number {
    return this.#received
  }

  /** Bytes that came and are not taken yet. */
  get buffered(): number {
    return this.#chunk.length - this.#at
  }

  /** Whether the stream is at its end; waits for a byte. */
  async atEnd(): Promise<boolean> {
    return this.buffered === 0 && !(await this.#more())
  }

  async into(target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length;) {
      if (this.buffered === 0 && !(await this.#more())) throw connectionLost('the peer closed the connection')
      const part = this.#chunk.subarray(this.#at, this.#at + target.length - done)
      target.set(part, done)
      this.#at += part.length
      done += part.length
    }
  }

  async exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    await this.into(bytes)
    return bytes
  }

  async view(length: number): Promise<DataView> {
    const bytes = await this.exactly(length)
    return new DataView(bytes.buffer, bytes.byteOffset, length)
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      if (this.buffered === 0 && !(await this.#more())) throw connectionLost('the peer closed the connection')
      const part = Math.min(left, this.buffered)
      this.#at += part
      left -= part
    }
  }

  async #more(): Promise<boolean> {
    const chunk = await this.#duplex.read()
    this.#chunk = chunk ?? NOTHING
    this.#received += this.#chunk.length
    this.#at = 0
    return chunk !== undefined
  }
}
