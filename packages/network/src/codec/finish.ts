import type { UnfinishedFrame } from '@entresol/interfaces'
import { put16, put32, u16, u32 } from './bytes.ts'
import { pseudoSum, putChecksum } from './checksum.ts'
import { ETHERTYPE, EthernetView } from './ethernet.ts'
import { IP_PROTOCOL } from './ip.ts'
import { TCP_FLAG, TCP_HEADER } from './tcp.ts'
import { UDP_HEADER } from './udp.ts'

type Segmentation = NonNullable<UnfinishedFrame['segmentation']>

const ethernet = new EthernetView()

/** Pieces with less payload are nobody's: a driver that asks for them wants thousands of packets for one (Linux refuses below 48, too). */
const MIN_SEGMENT = 8

/**
 * Does what the sender of a frame left undone: fills in the checksum, cuts into segments (virtio 1.2, 5.1.6.2). Returns the finished frames, made of
 * new bytes, or none when the frame and what is said about it do not fit together. A frame with nothing undone comes back itself.
 */
export function finishFrame(frame: Uint8Array, unfinished: UnfinishedFrame): readonly Uint8Array[] {
  const { checksum, segmentation } = unfinished
  if (segmentation !== undefined) return cut(frame, segmentation)
  if (checksum === undefined) return [frame]
  const at = checksum.start + checksum.offset
  if (!inside(checksum.start, 14, frame.length) || !inside(at, checksum.start, frame.length - 1)) return []
  const finished = frame.slice()
  // The pseudo header's sum stands in the field, and is summed with the rest. UDP sends a checksum of 0 as ffff (RFC 768); for TCP it is the same number.
  const initial = u16(finished, at)
  putChecksum(finished, at, checksum.start, finished.length, initial, 0xffff)
  return [finished]
}

const inside = (value: number, from: number, below: number): boolean => Number.isInteger(value) && value >= from && value < below

function cut(frame: Uint8Array, { kind, size, headerLength }: Segmentation): Uint8Array[] {
  if (!Number.isInteger(size) || size < MIN_SEGMENT || !ethernet.read(frame)) return []
  const ip = ethernet.payload
  const version = ethernet.type === ETHERTYPE.IPV4 ? 4 : ethernet.type === ETHERTYPE.IPV6 ? 6 : 0
  if ((kind === 'tcp4' && version !== 4) || (kind === 'tcp6' && version !== 6) || version === 0) return []
  const transport = transportAt(frame, ip, version, kind === 'udp' ? IP_PROTOCOL.UDP : IP_PROTOCOL.TCP)
  if (transport < 0) return []
  // The driver's header length is a hint (virtio 1.2, 5.1.6.2); the headers themselves say it.
  const minimum = kind === 'udp' ? UDP_HEADER : TCP_HEADER
  if (frame.length < transport + minimum || !Number.isInteger(headerLength)) return []
  const payload = transport + (kind === 'udp' ? UDP_HEADER : (frame[transport + 12]! >> 4) * 4)
  if (payload < transport + minimum || payload > frame.length) return []
  const end = packetEnd(frame, ip, version)
  if (end < payload || end > frame.length) return []
  const pieces: Uint8Array[] = []
  for (let from = payload; from < end || from === payload; from += size) {
    const to = Math.min(end, from + size)
    const piece = new Uint8Array(payload + to - from)
    piece.set(frame.subarray(0, payload))
    piece.set(frame.subarray(from, to), payload)
    finishIp(piece, ip, version, pieces.length)
    if (kind === 'udp') put16(piece, transport + 4, piece.length - transport)
    else finishTcp(piece, transport, from - payload, pieces.length === 0, to === end)
    finishChecksum(piece, ip, version, transport, kind === 'udp')
    pieces.push(piece)
  }
  return pieces
}

/** Where the header of `protocol` starts, -1 when the packet is none of that. IPv6 extension headers before it stay as they are. */
function transportAt(frame: Uint8Array, ip: number, version: 4 | 6, protocol: number): number {
  if (version === 4) {
    if (frame.length < ip + 20 || frame[ip]! >> 4 !== 4 || frame[ip + 9] !== protocol || (u16(frame, ip + 6) & 0x3fff) !== 0) return -1
    const header = (frame[ip]! & 0xf) * 4
    return header < 20 || ip + header > frame.length ? -1 : ip + header
  }
  if (frame.length < ip + 40 || frame[ip]! >> 4 !== 6) return -1
  let next = frame[ip + 6]!
  let at = ip + 40
  for (let count = 0; count < 8; count++) {
    if (next === protocol) return at
    if (next !== IP_PROTOCOL.HOP_BY_HOP && next !== IP_PROTOCOL.DESTINATION && next !== IP_PROTOCOL.ROUTING) return -1
    if (at + 8 > frame.length) return -1
    next = frame[at]!
    at += (frame[at + 1]! + 1) * 8
    if (at > frame.length) return -1
  }
  return -1
}

/** Ethernet's padding does not belong to the packet. A length of 0 is what a sender of more than 64 KiB writes: all of the frame. */
function packetEnd(frame: Uint8Array, ip: number, version: 4 | 6): number {
  const length = version === 4 ? u16(frame, ip + 2) : u16(frame, ip + 4)
  return length === 0 ? frame.length : ip + length + (version === 4 ? 0 : 40)
}

function finishIp(piece: Uint8Array, ip: number, version: 4 | 6, index: number): void {
  if (version === 6) {
    put16(piece, ip + 4, piece.length - ip - 40)
    return
  }
  put16(piece, ip + 2, piece.length - ip)
  put16(piece, ip + 4, (u16(piece, ip + 4) + index) & 0xffff)
  putChecksum(piece, ip + 10, ip, ip + (piece[ip]! & 0xf) * 4)
}

/** FIN and PSH belong to the last segment, CWR to the first (RFC 3168, 6.1.2). */
function finishTcp(piece: Uint8Array, tcp: number, offset: number, first: boolean, last: boolean): void {
  put32(piece, tcp + 4, (u32(piece, tcp + 4) + offset) >>> 0)
  if (!last) piece[tcp + 13]! &= ~(TCP_FLAG.FIN | TCP_FLAG.PSH)
  if (!first) piece[tcp + 13]! &= ~TCP_FLAG.CWR
}

function finishChecksum(piece: Uint8Array, ip: number, version: 4 | 6, transport: number, udp: boolean): void {
  const addresses = version === 4 ? ip + 12 : ip + 8
  const pseudo = pseudoSum(piece, addresses, version === 4 ? 8 : 32, udp ? IP_PROTOCOL.UDP : IP_PROTOCOL.TCP, piece.length - transport)
  putChecksum(piece, transport + (udp ? 6 : 16), transport, piece.length, pseudo, udp ? 0xffff : 0)
}
