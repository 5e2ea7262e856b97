import { CodedError } from '@entresol/kit'
import { HEADER_BYTES } from './spec.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/** Reads the fields of one T-message. Whatever does not fit throws `EPROTO`. */
export class MessageReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number = HEADER_BYTES

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#skip(8), true)
  }

  /** A file position or size: `EOVERFLOW` beyond 2^53 - 1. */
  position(): number {
    const value = Number(this.u64())
    if (!Number.isSafeInteger(value)) throw new CodedError('EOVERFLOW', '9P: position beyond 2^53 - 1')
    return value
  }

  bytes(length: number): Uint8Array {
    const at = this.#skip(length)
    return this.#bytes.subarray(at, at + length)
  }

  string(): string {
    const bytes = this.bytes(this.u16())
    try {
      return decoder.decode(bytes)
    } catch {
      throw new CodedError('EINVAL', '9P: a string is not UTF-8')
    }
  }

  /** The fields are read; what follows is no part of the message type. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new CodedError('EPROTO', '9P: bytes behind the last field')
  }

  #skip(length: number): number {
    const at = this.#at
    if (at + length > this.#bytes.length) throw new CodedError('EPROTO', '9P: message ends inside a field')
    this.#at = at + length
    return at
  }
}

/** Builds one R-message; the size field is set by `finish`. */
export class MessageWriter {
  #bytes: Uint8Array
  #view: DataView
  #length: number = HEADER_BYTES

  /** `capacity`: what it will hold at most, where known. */
  constructor(type: number, tag: number, capacity: number = 192) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
    this.#view.setUint8(4, type)
    this.#view.setUint16(5, tag, true)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    const at = this.#grow(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#grow(2)
    this.#view.setUint16(at, value, true)
    return this
  }

  u32(value: number): this {
    const at = this.#grow(4)
    this.#view.setUint32(at, value, true)
    return this
  }

  u64(value: bigint | number): this {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, BigInt(value), true)
    return this
  }

  string(value: string): this {
    const bytes = encoder.encode(value)
    this.u16(bytes.length)
    this.space(bytes.length).set(bytes)
    return this
  }

  qid(qid: { readonly type: number; readonly version: number; readonly path: bigint }): this {
    return this.u8(qid.type).u32(qid.version).u64(qid.path)
  }

  /** `length` bytes to be filled in by the caller, who keeps no more of them than `truncate` leaves. */
  space(length: number): Uint8Array {
    const at = this.#grow(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Cuts the message to `length` bytes. */
  truncate(length: number): void {
    this.#length = length
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
  }

  finish(): Uint8Array {
    this.#view.setUint32(0, this.#length, true)
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}
