import { put16, u16 } from './bytes.ts'

/** RFC 8415, 7; of it only what stateless configuration needs (6.1). */
export const DHCPV6_PORT = { SERVER: 547, CLIENT: 546 } as const
export const DHCPV6_TYPE = { REPLY: 7, INFORMATION_REQUEST: 11 } as const
export const DHCPV6_OPTION = { CLIENT_ID: 1, SERVER_ID: 2, REQUESTED: 6, DNS: 23, DOMAIN_SEARCH: 24 } as const

export interface Dhcpv6Message {
  readonly type: number
  /** 24 bits. */
  readonly transaction: number
  readonly options: ReadonlyMap<number, Uint8Array>
}

/** A message of a client or a server (not of a relay); undefined when malformed. The first option of a kind counts. */
export function readDhcpv6(bytes: Uint8Array, from: number, to: number): Dhcpv6Message | undefined {
  if (to - from < 4) return undefined
  const options = new Map<number, Uint8Array>()
  for (let at = from + 4; at < to;) {
    if (at + 4 > to || at + 4 + u16(bytes, at + 2) > to) return undefined
    const length = u16(bytes, at + 2)
    if (!options.has(u16(bytes, at))) options.set(u16(bytes, at), bytes.slice(at + 4, at + 4 + length))
    at += 4 + length
  }
  return { type: bytes[from]!, transaction: (bytes[from + 1]! << 16) | u16(bytes, from + 2), options }
}

export function writeDhcpv6(message: Dhcpv6Message): Uint8Array {
  let size = 4
  for (const value of message.options.values()) size += 4 + value.length
  const bytes = new Uint8Array(size)
  bytes[0] = message.type
  bytes[1] = message.transaction >> 16
  put16(bytes, 2, message.transaction & 0xffff)
  let at = 4
  for (const [code, value] of message.options) {
    put16(bytes, at, code)
    put16(bytes, at + 2, value.length)
    bytes.set(value, at + 4)
    at += 4 + value.length
  }
  return bytes
}
