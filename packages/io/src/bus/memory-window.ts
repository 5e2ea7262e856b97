import type { AccessSize, BusDevice, IoFault } from '@entresol/interfaces'

/** Bytes on a bus: a ROM image behind an expansion ROM BAR, or scratch memory. Writes to a read-only window are dropped. */
export class MemoryWindow implements BusDevice {
  readonly name: string
  readonly length: number
  readonly #bytes: Uint8Array
  readonly #writable: boolean

  /** `bytes` is used in place. */
  constructor(name: string, bytes: Uint8Array, writable: boolean) {
    this.name = name
    this.length = bytes.length
    this.#bytes = bytes
    this.#writable = writable
  }

  read(offset: number, size: AccessSize): number | IoFault {
    let value = 0
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.#bytes[offset + index]
    return value
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (this.#writable) for (let index = 0; index < size; index++) this.#bytes[offset + index] = value >>> (8 * index)
    return undefined
  }
}
