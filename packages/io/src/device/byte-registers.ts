import type { AccessSize, BusDevice, IoFault } from '@entresol/interfaces'

/**
 * A window of 8-bit registers. The ISA bus splits a wider access into byte cycles in ascending order
 * (ISA bus data size conversion), so `out dx, ax` to an index/data pair does what software expects.
 */
export class ByteRegisters implements BusDevice {
  readonly name: string
  readonly length: number
  readonly #readByte: (offset: number) => number
  readonly #writeByte: (offset: number, value: number) => void

  constructor(name: string, length: number, readByte: (offset: number) => number, writeByte: (offset: number, value: number) => void) {
    this.name = name
    this.length = length
    this.#readByte = readByte
    this.#writeByte = writeByte
  }

  read(offset: number, size: AccessSize): number | IoFault {
    let value = this.#readByte(offset)
    for (let i = 1; i < size; i++) value += this.#readByte(offset + i) * 2 ** (8 * i)
    return value
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (8 * i)) & 0xff)
    return undefined
  }
}
