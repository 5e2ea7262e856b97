import { put16, u16 } from './bytes.ts'
import { pseudoSum, putChecksum, sum16 } from './checksum.ts'
import { IP_PROTOCOL } from './ip.ts'
import type { IpPacket } from './ip.ts'

export const UDP_HEADER = 8

/** A UDP datagram (RFC 768). A view that can be put on one after another. */
export class UdpView {
  bytes: Uint8Array = new Uint8Array()
  sourcePort = 0
  destinationPort = 0
  payload = 0
  end = 0

  /** False when lengths or, with `verify`, the checksum are wrong; a checksum of zero is none, which only IPv4 allows (RFC 8200, 8.1). */
  read(ip: IpPacket, verify: boolean): boolean {
    const { bytes, payload: at } = ip
    if (ip.end - at < UDP_HEADER) return false
    const length = u16(bytes, at + 4)
    if (length < UDP_HEADER || length > ip.end - at) return false
    if (verify) {
      const present = u16(bytes, at + 6) !== 0
      if (!present && ip.version === 6) return false
      if (present && sum16(bytes, at, at + length, pseudoSum(bytes, ip.sourceAt, ip.addressLength * 2, IP_PROTOCOL.UDP, length)) !== 0xffff) return false
    }
    this.bytes = bytes
    this.sourcePort = u16(bytes, at)
    this.destinationPort = u16(bytes, at + 2)
    this.payload = at + UDP_HEADER
    this.end = at + length
    return true
  }
}

/** Writes the 8 bytes of the header before a payload that is in place, checksum included. `addresses` is where source and destination stand, `size` bytes together. */
export function putUdp(bytes: Uint8Array, at: number, source: number, destination: number, payload: number, addresses: number, size: number): void {
  const length = UDP_HEADER + payload
  put16(bytes, at, source)
  put16(bytes, at + 2, destination)
  put16(bytes, at + 4, length)
  putChecksum(bytes, at + 6, at, at + length, pseudoSum(bytes, addresses, size, IP_PROTOCOL.UDP, length), 0xffff)
}
