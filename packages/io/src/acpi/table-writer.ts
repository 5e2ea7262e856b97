import { CREATOR_ID, OEM_ID, OEM_TABLE_ID } from './machine.ts'

/** Offsets in the common header (ACPI 6.3, 5.2.6). */
export const HEADER_LENGTH = 36
export const HEADER_CHECKSUM = 9

/** Little-endian fields into growing bytes. */
export class TableWriter {
  readonly #bytes: number[] = []

  get length(): number {
    return this.#bytes.length
  }

  u8(...values: readonly number[]): this {
    this.#bytes.push(...values.map((value) => value & 0xff))
    return this
  }

  u16(value: number): this {
    return this.u8(value, value >>> 8)
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16)
  }

  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 2 ** 32))
  }

  text(value: string): this {
    return this.u8(...[...value].map((character) => character.charCodeAt(0)))
  }

  zero(count: number): this {
    for (let index = 0; index < count; index++) this.#bytes.push(0)
    return this
  }

  /** Zeroes up to `offset`. */
  skipTo(offset: number): this {
    return this.zero(offset - this.length)
  }

  /** Generic address structure (5.2.3.2): I/O space, `bits` wide. */
  ioAddress(port: number, bits: number): this {
    return this.u8(1, bits, 0, bits === 32 ? 3 : bits === 16 ? 2 : 1).u64(port)
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** A table: header, then what `body` writes; length and checksum filled in. */
export function table(signature: string, revision: number, body: (writer: TableWriter) => void): Uint8Array {
  const writer = new TableWriter().text(signature).u32(0).u8(revision, 0).text(OEM_ID).text(OEM_TABLE_ID).u32(1).text(CREATOR_ID).u32(1)
  body(writer)
  const bytes = writer.bytes()
  new DataView(bytes.buffer).setUint32(4, bytes.length, true)
  setChecksum(bytes, HEADER_CHECKSUM)
  return bytes
}

/** Makes the bytes sum to zero (mod 256). */
export function setChecksum(bytes: Uint8Array, at: number): void {
  bytes[at] = 0
  bytes[at] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
}
