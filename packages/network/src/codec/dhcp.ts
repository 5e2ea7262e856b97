import { put16, put32, u16, u32 } from './bytes.ts'

/** RFC 2131, 2 and 3; RFC 2132. */
const COOKIE = 0x63825363
const FIXED = 236
const OPTIONS_AT = FIXED + 4
/** Smallest message all relays and old clients take (RFC 1542, 2.1: BOOTP's 300 bytes). */
const MIN_LENGTH = 300
export const DHCP_PORT = { SERVER: 67, CLIENT: 68 } as const
export const DHCP_TYPE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, DECLINE: 4, ACK: 5, NAK: 6, RELEASE: 7, INFORM: 8 } as const
export const DHCP_OPTION = {
  SUBNET_MASK: 1, ROUTER: 3, DNS: 6, HOST_NAME: 12, DOMAIN_NAME: 15, MTU: 26, REQUESTED_ADDRESS: 50, LEASE_TIME: 51, MESSAGE_TYPE: 53, SERVER_ID: 54,
  CLIENT_ID: 61, DOMAIN_SEARCH: 119,
} as const
const OVERLOAD = 52
const PAD = 0
const END = 255

export interface DhcpMessage {
  /** 1 from a client, 2 from a server. */
  readonly operation: number
  readonly transaction: number
  readonly broadcast: boolean
  /** The client's address as it knows it, and the one given to it; 0.0.0.0 for none. */
  readonly clientAddress: Uint8Array
  readonly yourAddress: Uint8Array
  readonly serverAddress: Uint8Array
  readonly mac: Uint8Array
  /** Of DHCP_TYPE. */
  readonly type: number
  readonly options: ReadonlyMap<number, Uint8Array>
}

/** A DHCP message over Ethernet; undefined when it is malformed, or plain BOOTP. Options given twice are joined (RFC 3396), also those overloaded into `file` and `sname`. */
export function readDhcp(bytes: Uint8Array, from: number, to: number): DhcpMessage | undefined {
  if (to - from < OPTIONS_AT || u32(bytes, from + FIXED) !== COOKIE) return undefined
  if (bytes[from + 1] !== 1 || bytes[from + 2] !== 6) return undefined
  const options = new Map<number, Uint8Array>()
  if (!readOptions(bytes, from + OPTIONS_AT, to, options)) return undefined
  const overload = options.get(OVERLOAD)?.[0] ?? 0
  if ((overload & 1) !== 0 && !readOptions(bytes, from + 108, from + 236, options)) return undefined
  if ((overload & 2) !== 0 && !readOptions(bytes, from + 44, from + 108, options)) return undefined
  const type = options.get(DHCP_OPTION.MESSAGE_TYPE)
  if (type?.length !== 1) return undefined
  const part = (at: number, length: number): Uint8Array => bytes.slice(from + at, from + at + length)
  return {
    operation: bytes[from]!, transaction: u32(bytes, from + 4), broadcast: (u16(bytes, from + 10) & 0x8000) !== 0, clientAddress: part(12, 4),
    yourAddress: part(16, 4), serverAddress: part(20, 4), mac: part(28, 6), type: type[0]!, options,
  }
}

function readOptions(bytes: Uint8Array, from: number, to: number, into: Map<number, Uint8Array>): boolean {
  for (let at = from; at < to;) {
    const code = bytes[at]!
    if (code === END) return true
    if (code === PAD) {
      at++
      continue
    }
    if (at + 2 > to || at + 2 + bytes[at + 1]! > to) return false
    const value = bytes.subarray(at + 2, at + 2 + bytes[at + 1]!)
    const before = into.get(code)
    into.set(code, before === undefined ? value.slice() : Uint8Array.of(...before, ...value))
    at += 2 + value.length
  }
  return true
}

/** The bytes of a message. Options longer than 255 bytes are split (RFC 3396). */
export function writeDhcp(message: DhcpMessage): Uint8Array {
  let size = OPTIONS_AT + 1 + 3
  for (const [code, value] of message.options) if (code !== DHCP_OPTION.MESSAGE_TYPE) size += value.length + 2 * Math.max(1, Math.ceil(value.length / 255))
  const bytes = new Uint8Array(Math.max(MIN_LENGTH, size))
  bytes.set([message.operation, 1, 6, 0])
  put32(bytes, 4, message.transaction)
  put16(bytes, 10, message.broadcast ? 0x8000 : 0)
  bytes.set(message.clientAddress, 12)
  bytes.set(message.yourAddress, 16)
  bytes.set(message.serverAddress, 20)
  bytes.set(message.mac, 28)
  put32(bytes, FIXED, COOKIE)
  bytes.set([DHCP_OPTION.MESSAGE_TYPE, 1, message.type], OPTIONS_AT)
  let at = OPTIONS_AT + 3
  for (const [code, value] of message.options) {
    if (code === DHCP_OPTION.MESSAGE_TYPE) continue
    for (let from = 0; from === 0 || from < value.length; from += 255) {
      const piece = value.subarray(from, from + 255)
      bytes.set([code, piece.length], at)
      bytes.set(piece, at + 2)
      at += 2 + piece.length
    }
  }
  bytes[at] = END
  return bytes
}
