import { CodedError } from '@entresol/kit'
import { MAX_STRING } from './spec.ts'
import { protocolError } from './reader.ts'

/** Big-endian fields of the handshake. */
export const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value)
export const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

export function pack(...fields: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const field of fields) {
    bytes.set(field, at)
    at += field.length
  }
  return bytes
}

export function text(string: string): Uint8Array {
  const bytes = new TextEncoder().encode(string)
  if (bytes.length > MAX_STRING) throw new CodedError('bad-name', `NBD: a name of ${bytes.length} bytes; at most ${MAX_STRING} are allowed`)
  return bytes
}

/** A string with its length before it. */
export function counted(string: string): Uint8Array {
  const bytes = text(string)
  return pack(u32(bytes.length), bytes)
}

/** Reads fields from a payload that has come completely; what does not fit is the peer's fault (`bad-peer`). */
export class Payload {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  /** UTF-8, at most MAX_STRING bytes; bytes that are none become U+FFFD. */
  string(length: number): string {
    if (length > MAX_STRING) throw protocolError('a string is too long')
    const at = this.#take(length)
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length))
  }

  counted(): string {
    return this.string(this.u32())
  }

  #take(length: number): number {
    if (length > this.left) throw protocolError('a message is shorter than its fields')
    const at = this.#at
    this.#at += length
    return at
  }
}
