import { CodedError } from '@entresol/kit'
import { u16 } from './bytes.ts'

const bad = (what: string, text: string): CodedError => new CodedError('network-bad-address', `${JSON.stringify(text)} is not ${what}`)

function v4Bytes(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((part) => !/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255)) return undefined
  return parts.map(Number)
}

/** Four or sixteen bytes of an IP address in text (RFC 4291, 2.2; no zone), or undefined when it is none. */
export function tryParseIp(text: string): Uint8Array | undefined {
  if (!text.includes(':')) {
    const v4 = v4Bytes(text)
    return v4 && Uint8Array.from(v4)
  }
  if (text.length > 45) return undefined
  // An IPv4 tail stands for two groups.
  const tailAt = text.lastIndexOf(':') + 1
  const tail = text.includes('.') ? v4Bytes(text.slice(tailAt)) : undefined
  if (text.includes('.') && tail === undefined) return undefined
  const groups = tail === undefined ? text : `${text.slice(0, tailAt)}${((tail[0]! << 8) | tail[1]!).toString(16)}:${((tail[2]! << 8) | tail[3]!).toString(16)}`
  const halves = groups.split('::')
  if (halves.length > 2) return undefined
  const [head, rest] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const count = head!.length + (rest?.length ?? 0)
  if (rest === undefined ? count !== 8 : count > 7) return undefined
  const all = rest === undefined ? head! : [...head!, ...Array<string>(8 - count).fill('0'), ...rest]
  if (all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]))
}

/** Throws `network-bad-address`. */
export function parseIp(text: string): Uint8Array {
  const address = tryParseIp(text)
  if (address === undefined) throw bad('an IP address', text)
  return address
}

/** Text of the address at `at`, 4 or 16 bytes long; IPv6 in the canonical form of RFC 5952. */
export function formatIp(bytes: Uint8Array, at = 0, length: number = bytes.length): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
  const groups = Array.from({ length: 8 }, (_, index) => u16(bytes, at + index * 2))
  let best = 0
  let from = -1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === 0) end++
    if (end - start > Math.max(best, 1)) [from, best] = [start, end - start]
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  return from < 0 ? hex(groups) : `${hex(groups.slice(0, from))}::${hex(groups.slice(from + best))}`
}

/** A network in text, `10.0.2.0/24` or `fec0::/64`. Throws `network-bad-address`. */
export function parseNetwork(text: string): IpNetwork {
  const slash = text.lastIndexOf('/')
  const address = tryParseIp(slash < 0 ? text : text.slice(0, slash))
  const digits = text.slice(slash + 1)
  const bits = slash < 0 ? (address?.length ?? 0) * 8 : /^\d{1,3}$/.test(digits) ? Number(digits) : NaN
  if (address === undefined || !(bits <= address.length * 8)) throw bad('a network', text)
  return new IpNetwork(address, bits)
}

/** The addresses that share the first `bits` bits of `base`, whose other bits are cleared. */
export class IpNetwork {
  readonly base: Uint8Array
  readonly bits: number

  constructor(base: Uint8Array, bits: number) {
    this.base = base.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))))
    this.bits = bits
  }

  /** Whether the address at `at`, of the same family, is in the network. */
  has(bytes: Uint8Array, at = 0, length: number = bytes.length): boolean {
    if (length !== this.base.length) return false
    let bits = this.bits
    for (let index = 0; bits > 0; index++, bits -= 8) {
      if (((bytes[at + index]! ^ this.base[index]!) & (0xff00 >> Math.min(8, bits)) & 0xff) !== 0) return false
    }
    return true
  }

  /** The address whose host part is `host`. */
  address(host: number): Uint8Array {
    const address = this.base.slice()
    for (let index = address.length - 1, rest = host; rest > 0; index--, rest = Math.floor(rest / 256)) address[index]! |= rest % 256
    return address
  }

  /** Its netmask. */
  get mask(): Uint8Array {
    return new IpNetwork(this.base.map(() => 0xff), this.bits).base
  }

  toString(): string {
    return `${formatIp(this.base)}/${this.bits}`
  }
}

/** Six bytes of a MAC address, `52:54:00:12:34:56`. Throws `network-bad-address`. */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) throw bad('a MAC address', text)
  return Uint8Array.from(text.split(/[:-]/), (part) => parseInt(part, 16))
}

export function formatMac(bytes: Uint8Array, at = 0): string {
  return Array.from(bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':')
}
