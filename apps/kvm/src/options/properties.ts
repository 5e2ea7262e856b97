import { integer, keyValues, onOff, sizeInBytes } from './values.ts'
import { badOption, oneOf } from './words.ts'

/** Where a device is plugged in: PCI slot and function, or number of the virtio-mmio slot. */
export interface DeviceAddress {
  readonly slot: number
  readonly function?: number
}

/** A key=value list with typed reading; mistakes name the option. The last value of a key counts, `all` gives each. */
export class Properties {
  /** The option as it was typed, for messages. */
  readonly option: string
  readonly #pairs: readonly (readonly [key: string, value: string])[]

  constructor(option: string, text: string, keys: readonly string[], implied?: string) {
    this.option = option
    this.#pairs = keyValues(option, text, keys, implied)
  }

  all(key: string): string[] {
    return this.#pairs.filter(([name]) => name === key).map(([, value]) => value)
  }

  /** Undefined when absent or empty. */
  text(key: string): string | undefined {
    return this.all(key).at(-1) || undefined
  }

  need(key: string): string {
    const value = this.text(key)
    if (value === undefined) throw badOption(this.option, `needs ${key}=`)
    return value
  }

  integer(key: string, minimum: number, maximum: number): number | undefined {
    const value = this.text(key)
    return value === undefined ? undefined : integer(this.option, key, value, minimum, maximum)
  }

  powerOf2(key: string, minimum: number, maximum: number): number | undefined {
    const value = this.integer(key, minimum, maximum)
    if (value !== undefined && (value & (value - 1)) !== 0) throw badOption(this.option, `${key} ${value} is no power of two`)
    return value
  }

  flag(key: string): boolean | undefined {
    const value = this.text(key)
    return value === undefined ? undefined : onOff(this.option, key, value)
  }

  /** Bytes; a number without a suffix counts single ones. */
  bytes(key: string): number | undefined {
    const value = this.text(key)
    return value === undefined ? undefined : sizeInBytes(this.option, /\d$/.test(value) ? `${value}b` : value)
  }

  word<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.text(key)
    return value === undefined ? undefined : oneOf(this.option, key, value, words)
  }

  /** Six bytes, the first of them even: an address of one station. */
  mac(key: string): Uint8Array | undefined {
    const value = this.text(key)
    if (value === undefined) return undefined
    if (!/^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i.test(value)) throw badOption(this.option, `${key} '${value}' is no MAC address; write 52:54:00:12:34:56`)
    const bytes = Uint8Array.from(value.split(/[:-]/), (part) => parseInt(part, 16))
    if ((bytes[0]! & 1) !== 0) throw badOption(this.option, `${key} '${value}' is the address of a group, not of one card`)
    return bytes
  }

  /** As QEMU writes PCI addresses: SLOT or SLOT.FUNCTION, hexadecimal. */
  address(key: string): DeviceAddress | undefined {
    const value = this.text(key)
    if (value === undefined) return undefined
    const match = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(value)
    const slot = match ? parseInt(match[1]!, 16) : NaN
    if (!(slot < 32)) throw badOption(this.option, `${key} '${value}' is no PCI address; write 5 or 5.0, in hexadecimal, at most 1f.7`)
    return { slot, ...(match![2] === undefined ? {} : { function: Number(match![2]) }) }
  }
}
