import { putChecksum, sum16 } from './checksum.ts'

/** Where the headers of a frame to be cut are, in bytes from its start, as a driver tells its adapter. */
export interface SegmentOptions {
  readonly ipv4: boolean
  readonly tcp: boolean
  readonly ipStart: number
  /** Where the IPv4 header's checksum goes, and the end of what it covers. */
  readonly ipChecksum: number
  readonly ipEnd: number
  /** The TCP or UDP header, and where its checksum goes: the pseudo header's sum without the length stands there. */
  readonly segmentStart: number
  readonly segmentChecksum: number
  readonly headerLength: number
  readonly maximumSegment: number
}

const TCP_SEQUENCE = 4
const TCP_FLAGS = 13
/**
 * What is left for data of an IPv4 packet of 68 bytes, which everybody has to take (RFC 791, 3.2), behind its headers: who asks for pieces smaller than
 * that wants thousands of packets for one.
 */
const MINIMUM_SEGMENT = 28
/** FIN and PSH belong to the last segment only. */
const LAST_ONLY = 0x09

function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >> 8
  bytes[offset + 1] = value
}

/**
 * TCP segmentation as network adapters do it: the payload in pieces, each behind a copy of the headers with lengths, IPv4 identification,
 * TCP sequence number, flags and checksums brought up to date. Calls `emit` for each piece with a frame that is its own; nothing when the
 * headers do not fit into the frame, or the pieces would be tiny.
 */
export function segment(frame: Uint8Array, options: SegmentOptions, emit: (frame: Uint8Array) => void): void {
  const { ipStart, segmentStart, headerLength, maximumSegment } = options
  const headersFit = ipStart + (options.ipv4 ? 20 : 40) <= headerLength && segmentStart + (options.tcp ? 20 : 8) <= headerLength
    && options.ipChecksum + 2 <= headerLength && options.segmentChecksum + 2 <= headerLength && segmentStart >= ipStart
  if (!headersFit || maximumSegment < MINIMUM_SEGMENT || frame.length < headerLength) return
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const identification = view.getUint16(ipStart + 4)
  const sequence = options.tcp ? view.getUint32(segmentStart + TCP_SEQUENCE) : 0
  const pseudo = view.getUint16(options.segmentChecksum)
  for (let at = headerLength, count = 0; at < frame.length || count === 0; at += maximumSegment, count++) {
    const end = Math.min(at + maximumSegment, frame.length)
    const piece = new Uint8Array(headerLength + end - at)
    piece.set(frame.subarray(0, headerLength))
    piece.set(frame.subarray(at, end), headerLength)
    if (options.ipv4) {
      put16(piece, ipStart + 2, piece.length - ipStart)
      put16(piece, ipStart + 4, identification + count)
      put16(piece, options.ipChecksum, 0)
      putChecksum(piece, ipStart, Math.min(options.ipEnd, headerLength), options.ipChecksum)
    } else put16(piece, ipStart + 4, piece.length - ipStart - 40)
    if (options.tcp) {
      new DataView(piece.buffer).setUint32(segmentStart + TCP_SEQUENCE, sequence + at - headerLength)
      if (end < frame.length) piece[segmentStart + TCP_FLAGS]! &= ~LAST_ONLY
    } else put16(piece, segmentStart + 4, piece.length - segmentStart)
    put16(piece, options.segmentChecksum, sum16(piece, 0, 0, pseudo + piece.length - segmentStart))
    putChecksum(piece, segmentStart, piece.length, options.segmentChecksum, !options.tcp)
    emit(piece)
  }
}
