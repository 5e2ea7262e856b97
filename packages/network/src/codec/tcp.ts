import { put16, put32, u16, u32 } from './bytes.ts'
import { pseudoSum, sum16 } from './checksum.ts'
import { IP_PROTOCOL } from './ip.ts'
import type { IpPacket } from './ip.ts'

/** RFC 9293, 3.1. */
export const TCP_HEADER = 20
export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const
/** Kinds: RFC 9293, 3.2; RFC 7323, 2 and 3; RFC 2018, 2. */
const OPTION = { END: 0, NOP: 1, MSS: 2, WINDOW_SCALE: 3, SACK_PERMITTED: 4, TIMESTAMPS: 8 } as const
/** RFC 7323, 2.3: a larger shift count means this one. */
const MAX_WINDOW_SCALE = 14

/** Sequence numbers are modulo 2^32: a - b as a signed number (RFC 9293, 3.4). */
export const sequenceDelta = (a: number, b: number): number => (a - b) | 0

export interface TcpOptions {
  /** Largest segment the other side takes, in bytes of payload. */
  readonly mss?: number
  readonly windowScale?: number
  readonly sackPermitted?: boolean
  readonly timestamps?: { readonly value: number; readonly echo: number }
}

/** A TCP segment. A view that can be put on one after another. */
export class TcpView {
  bytes: Uint8Array = new Uint8Array()
  /** Of the header. */
  at = 0
  sourcePort = 0
  destinationPort = 0
  sequence = 0
  acknowledgment = 0
  flags = 0
  /** As in the header, not scaled. */
  window = 0
  payload = 0
  end = 0

  /** False when lengths or, with `verify`, the checksum are wrong. */
  read(ip: IpPacket, verify: boolean): boolean {
    const { bytes, payload: at, end } = ip
    if (end - at < TCP_HEADER) return false
    const header = (bytes[at + 12]! >> 4) * 4
    if (header < TCP_HEADER || header > end - at) return false
    if (verify && sum16(bytes, at, end, pseudoSum(bytes, ip.sourceAt, ip.addressLength * 2, IP_PROTOCOL.TCP, end - at)) !== 0xffff) return false
    this.bytes = bytes
    this.at = at
    this.sourcePort = u16(bytes, at)
    this.destinationPort = u16(bytes, at + 2)
    this.sequence = u32(bytes, at + 4)
    this.acknowledgment = u32(bytes, at + 8)
    this.flags = bytes[at + 13]!
    this.window = u16(bytes, at + 14)
    this.payload = at + header
    this.end = end
    return true
  }

  /** Length in sequence space: SYN and FIN count one each. */
  get sequenceLength(): number {
    return this.end - this.payload + ((this.flags & TCP_FLAG.SYN) !== 0 ? 1 : 0) + ((this.flags & TCP_FLAG.FIN) !== 0 ? 1 : 0)
  }

  /** The options known here; those behind a malformed one are not seen. */
  options(): TcpOptions {
    const found: { -readonly [K in keyof TcpOptions]: TcpOptions[K] } = {}
    const { bytes, payload } = this
    for (let at = this.at + TCP_HEADER; at < payload;) {
      const kind = bytes[at]!
      if (kind === OPTION.END) break
      if (kind === OPTION.NOP) {
        at++
        continue
      }
      const length = at + 1 < payload ? bytes[at + 1]! : 0
      if (length < 2 || at + length > payload) break
      if (kind === OPTION.MSS && length === 4) found.mss = u16(bytes, at + 2)
      else if (kind === OPTION.WINDOW_SCALE && length === 3) found.windowScale = Math.min(bytes[at + 2]!, MAX_WINDOW_SCALE)
      else if (kind === OPTION.SACK_PERMITTED && length === 2) found.sackPermitted = true
      else if (kind === OPTION.TIMESTAMPS && length === 10) found.timestamps = { value: u32(bytes, at + 2), echo: u32(bytes, at + 6) }
      at += length
    }
    return found
  }
}

/** Bytes that `putTcpOptions` writes: a multiple of 4, at most 40. */
export function tcpOptionsLength(options: TcpOptions): number {
  const length = (options.mss === undefined ? 0 : 4) + (options.windowScale === undefined ? 0 : 3) + (options.sackPermitted === true ? 2 : 0) +
    (options.timestamps === undefined ? 0 : 10)
  return (length + 3) & ~3
}

export function putTcpOptions(bytes: Uint8Array, at: number, options: TcpOptions): void {
  const end = at + tcpOptionsLength(options)
  let next = at
  const put = (...values: number[]): void => {
    bytes.set(values, next)
    next += values.length
  }
  if (options.mss !== undefined) put(OPTION.MSS, 4, options.mss >> 8, options.mss & 0xff)
  if (options.windowScale !== undefined) put(OPTION.WINDOW_SCALE, 3, options.windowScale)
  if (options.sackPermitted === true) put(OPTION.SACK_PERMITTED, 2)
  if (options.timestamps !== undefined) {
    put(OPTION.TIMESTAMPS, 10)
    put32(bytes, next, options.timestamps.value)
    put32(bytes, next + 4, options.timestamps.echo)
    next += 8
  }
  bytes.fill(OPTION.NOP, next, end)
}

export interface TcpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgment: number
  readonly flags: number
  readonly window: number
  /** Bytes of the header with its options. */
  readonly length: number
}

/** Writes the 20 bytes before the options; the checksum is zero until somebody fills it in. */
export function putTcp(bytes: Uint8Array, at: number, header: TcpHeader): void {
  put16(bytes, at, header.sourcePort)
  put16(bytes, at + 2, header.destinationPort)
  put32(bytes, at + 4, header.sequence)
  put32(bytes, at + 8, header.acknowledgment)
  put16(bytes, at + 12, (header.length << 10) | header.flags)
  put16(bytes, at + 14, header.window)
  put32(bytes, at + 16, 0)
}
