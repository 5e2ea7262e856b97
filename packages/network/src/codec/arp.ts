import { put16, u16 } from './bytes.ts'
import { ETHERTYPE } from './ethernet.ts'

export const ARP_LENGTH = 28
export const ARP_OPERATION = { REQUEST: 1, REPLY: 2 } as const

export interface ArpPacket {
  readonly operation: number
  readonly senderMac: Uint8Array
  /** IPv4 addresses, four bytes. */
  readonly sender: Uint8Array
  readonly targetMac: Uint8Array
  readonly target: Uint8Array
}

/** ARP for IPv4 over Ethernet (RFC 826) at `at`, as views; undefined for anything else. */
export function readArp(bytes: Uint8Array, at: number): ArpPacket | undefined {
  if (bytes.length < at + ARP_LENGTH) return undefined
  if (u16(bytes, at) !== 1 || u16(bytes, at + 2) !== ETHERTYPE.IPV4 || bytes[at + 4] !== 6 || bytes[at + 5] !== 4) return undefined
  const part = (from: number, length: number): Uint8Array => bytes.subarray(at + from, at + from + length)
  return { operation: u16(bytes, at + 6), senderMac: part(8, 6), sender: part(14, 4), targetMac: part(18, 6), target: part(24, 4) }
}

export function putArp(bytes: Uint8Array, at: number, arp: ArpPacket): void {
  put16(bytes, at, 1)
  put16(bytes, at + 2, ETHERTYPE.IPV4)
  bytes[at + 4] = 6
  bytes[at + 5] = 4
  put16(bytes, at + 6, arp.operation)
  bytes.set(arp.senderMac, at + 8)
  bytes.set(arp.sender, at + 14)
  bytes.set(arp.targetMac, at + 18)
  bytes.set(arp.target, at + 24)
}
