/** Little-endian reads of untrusted bytes: beyond the end reads as zero, and `has` says whether a field is there at all. */
export class ByteView {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.bytes.length
  }

  has(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.bytes.length
  }

  u8(offset: number): number {
    return this.has(offset, 1) ? this.#view.getUint8(offset) : 0
  }

  u16(offset: number): number {
    return this.has(offset, 2) ? this.#view.getUint16(offset, true) : 0
  }

  u32(offset: number): number {
    return this.has(offset, 4) ? this.#view.getUint32(offset, true) : 0
  }

  u64(offset: number): bigint {
    return this.has(offset, 8) ? this.#view.getBigUint64(offset, true) : 0n
  }

  /** A 64-bit field as a number. Above 2^53 it is rounded, which keeps it far outside any guest's memory: range checks still refuse it. */
  address(offset: number): number {
    return Number(this.u64(offset))
  }
}

/** `value` rounded up to a multiple of `alignment`; exact for doubles, unlike bit masks. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment
}

export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment
}

/** Text as a zero-terminated C string in UTF-8. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`)
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`
}

/** Bytes in the unit a person reads most easily. */
export function sizeText(bytes: number): string {
  if (bytes >= 1 << 20) return `${Math.round(bytes / (1 << 20) * 10) / 10} MiB`
  return bytes >= 1024 ? `${Math.round(bytes / 1024 * 10) / 10} KiB` : `${bytes} bytes`
}
