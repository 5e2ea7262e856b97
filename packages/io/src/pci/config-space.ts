import type { AccessSize } from '@entresol/interfaces'

/** One function's configuration registers: values with per-bit write masks and write-one-to-clear masks. */
export class ConfigSpace {
  readonly bytes: Uint8Array
  readonly #writable: Uint8Array
  readonly #clearable: Uint8Array
  /** 1 for bytes the hardware itself changes. */
  readonly #volatile: Uint8Array
  readonly #resetValues: Uint8Array

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.#writable = new Uint8Array(size)
    this.#clearable = new Uint8Array(size)
    this.#volatile = new Uint8Array(size)
    this.#resetValues = new Uint8Array(size)
  }

  get length(): number {
    return this.bytes.length
  }

  /** Defines a register: its power-on value, the bits software can write and those it clears by writing one. */
  define(offset: number, size: AccessSize | 3, value: number, writable = 0, clearable = 0): void {
    for (let index = 0; index < size; index++) {
      this.bytes[offset + index] = value >>> (8 * index)
      this.#resetValues[offset + index] = value >>> (8 * index)
      this.#writable[offset + index] = writable >>> (8 * index)
      this.#clearable[offset + index] = clearable >>> (8 * index)
    }
  }

  reset(): void {
    this.bytes.set(this.#resetValues)
  }

  /** Marks read-only bytes that nevertheless change: status the device shows with `set`. */
  markVolatile(offset: number, size: number): void {
    this.#volatile.fill(1, offset, offset + size)
  }

  /** Bytes that never change: identity and structure. */
  isFixed(offset: number): boolean {
    return (this.#writable[offset] | this.#clearable[offset] | this.#volatile[offset]) === 0
  }

  read(offset: number, size: AccessSize): number {
    let value = 0
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.bytes[offset + index]
    return value
  }

  /** A software write, through the masks. */
  write(offset: number, size: AccessSize, value: number): void {
    for (let index = 0; index < size; index++) {
      const at = offset + index
      const byte = (value >>> (8 * index)) & 0xff
      const mask = this.#writable[at]
      this.bytes[at] = ((this.bytes[at] & ~mask) | (byte & mask)) & ~(byte & this.#clearable[at])
    }
  }

  /** A change made by the hardware itself, past the masks. */
  set(offset: number, size: AccessSize, value: number): void {
    for (let index = 0; index < size; index++) this.bytes[offset + index] = value >>> (8 * index)
  }
}
