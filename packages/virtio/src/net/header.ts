import type { UnfinishedFrame } from '@entresol/interfaces'
import * as spec from './spec.ts'

const kinds: Readonly<Record<number, { readonly kind: 'tcp4' | 'tcp6' | 'udp'; readonly feature: bigint }>> = {
  [spec.HDR_GSO_TCPV4]: { kind: 'tcp4', feature: spec.F_HOST_TSO4 },
  [spec.HDR_GSO_TCPV6]: { kind: 'tcp6', feature: spec.F_HOST_TSO6 },
  [spec.HDR_GSO_UDP_L4]: { kind: 'udp', feature: spec.F_HOST_USO },
}
const gsoTypes = { tcp4: spec.HDR_GSO_TCPV4, tcp6: spec.HDR_GSO_TCPV6, udp: spec.HDR_GSO_UDP_L4 } as const

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8)

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

/**
 * What the driver left undone in the frame behind `header` (5.1.6.2): undefined for nothing, false for what it may not ask for or that
 * contradicts the frame. hdr_len is only a hint there (5.1.6.2), so the headers are measured.
 */
export function readHeader(header: Uint8Array, frame: Uint8Array, features: bigint): UnfinishedFrame | undefined | false {
  const gsoType = header[spec.HDR_GSO_TYPE]!
  if ((header[spec.HDR_FLAGS]! & spec.HDR_F_NEEDS_CSUM) === 0) return gsoType === spec.HDR_GSO_NONE ? undefined : false
  const start = u16(header, spec.HDR_CSUM_START)
  const offset = u16(header, spec.HDR_CSUM_OFFSET)
  if ((features & spec.F_CSUM) === 0n || start < spec.ETH_HEADER || start + offset + 2 > frame.length) return false
  const checksum = { start, offset }
  if (gsoType === spec.HDR_GSO_NONE) return { checksum, segmentation: undefined }
  const gso = kinds[gsoType]
  const size = u16(header, spec.HDR_GSO_SIZE)
  if (gso === undefined || (features & gso.feature) === 0n || size === 0) return false
  const headerLength = start + (gso.kind === 'udp' ? 8 : ((frame[start + 12] ?? 0) >>> 4) * 4)
  if (headerLength < start + (gso.kind === 'udp' ? 8 : 20) || headerLength > frame.length) return false
  return { checksum, segmentation: { kind: gso.kind, size, headerLength } }
}

/** The header of a received frame spread over `buffers` buffers (5.1.6.4). */
export function writeHeader(into: Uint8Array, unfinished: UnfinishedFrame | undefined, buffers: number): void {
  into.fill(0)
  put16(into, spec.HDR_NUM_BUFFERS, buffers)
  if (unfinished === undefined) return
  const { checksum, segmentation } = unfinished
  if (checksum !== undefined) {
    into[spec.HDR_FLAGS] = spec.HDR_F_NEEDS_CSUM
    put16(into, spec.HDR_CSUM_START, checksum.start)
    put16(into, spec.HDR_CSUM_OFFSET, checksum.offset)
  }
  if (segmentation !== undefined) {
    into[spec.HDR_GSO_TYPE] = gsoTypes[segmentation.kind]
    put16(into, spec.HDR_HDR_LEN, segmentation.headerLength)
    put16(into, spec.HDR_GSO_SIZE, segmentation.size)
  }
}
