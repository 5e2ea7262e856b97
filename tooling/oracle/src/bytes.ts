import { CodedError } from '@entresol/kit'

const ALL = 0xffff_ffff_ffff_ffffn

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256)
  length = 0

  u8(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.length++] = value
  }

  bytes(value: Uint8Array): void {
    if (this.length + value.length > this.#bytes.length) this.#grow(value.length)
    this.#bytes.set(value, this.length)
    this.length += value.length
  }

  /** LEB128 of a non-negative integer below 2^53. */
  varint(value: number): void {
    while (value >= 0x80) {
      this.u8((value % 0x80) | 0x80)
      value = Math.floor(value / 0x80)
    }
    this.u8(value)
  }

  /**
   * A 64-bit value near a reference: one byte (form << 4 | n) and n low bytes of, by form: 0 the value, 1 its complement,
   * 2 value - reference, 3 reference - value, 4 value XOR reference. The shortest wins, the lowest form first.
   */
  value(value: bigint, reference: bigint): void {
    let bestForm = 0
    let best = value
    const offer = (form: number, candidate: bigint): void => {
      if (byteLength(candidate) < byteLength(best)) [bestForm, best] = [form, candidate]
    }
    offer(1, ~value & ALL)
    offer(2, (value - reference) & ALL)
    offer(3, (reference - value) & ALL)
    offer(4, value ^ reference)
    const length = byteLength(best)
    this.u8((bestForm << 4) | length)
    for (let i = 0; i < length; i++) this.u8(Number((best >> BigInt(8 * i)) & 0xffn))
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length)
  }

  #grow(by: number): void {
    const next = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + by))
    next.set(this.#bytes)
    this.#bytes = next
  }
}

function byteLength(value: bigint): number {
  let length = 0
  for (; value; value >>= 8n) length++
  return length
}

/** Reads what ByteWriter wrote. Every method throws CodedError ERR_ORACLE_VECTORS past the end or at a value that nobody writes. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  u8(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw damaged('ends early')
    return value
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.#bytes.length - this.#at) throw damaged('ends early')
    const out = new Uint8Array(length)
    out.set(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return out
  }

  varint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 53; scale *= 0x80) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw damaged('holds an overlong integer')
  }

  value(reference: bigint): bigint {
    const tag = this.u8()
    const length = tag & 15
    if (length > 8) throw damaged('holds an overlong value')
    let raw = 0n
    for (let i = 0; i < length; i++) raw |= BigInt(this.u8()) << BigInt(8 * i)
    switch (tag >> 4) {
      case 0: return raw
      case 1: return ~raw & ALL
      case 2: return (reference + raw) & ALL
      case 3: return (reference - raw) & ALL
      case 4: return raw ^ reference
      default: throw damaged('holds an unknown value form')
    }
  }
}

export function damaged(how: string): CodedError {
  return new CodedError('ERR_ORACLE_VECTORS', `vector file ${how}`)
}
