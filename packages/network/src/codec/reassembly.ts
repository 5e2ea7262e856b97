import { IPV4_HEADER, Ipv4View, putIpv4 } from './ipv4.ts'
import { IPV6_HEADER, Ipv6View, putIpv6 } from './ipv6.ts'
import type { IpPacket } from './ip.ts'

/** RFC 8200, 4.5: one minute; RFC 1122, 3.3.2 allows the same for IPv4. Nanoseconds. */
const LIFETIME = 60e9
/** Packets in pieces kept at a time, pieces of one, and bytes of all of them. */
const MAX_PACKETS = 32
const MAX_PIECES = 128
const MAX_BYTES = 1 << 20
const MAX_PAYLOAD = 0xffff - IPV4_HEADER

interface Piece {
  readonly from: number
  readonly to: number
  readonly bytes: Uint8Array
}

interface Partial {
  readonly deadline: number
  readonly pieces: Piece[]
  bytes: number
  /** Length of the whole payload, once the last piece has been seen. */
  total: number
}

/** Puts fragmented packets together, in bounded memory: when there is no room the oldest unfinished packet goes. */
export class Reassembler {
  readonly #partials = new Map<string, Partial>()
  #bytes = 0

  /** Bytes of pieces that wait. */
  get waiting(): number {
    return this.#bytes
  }

  /** The whole packet, on bytes of its own, when `ip` was its last missing fragment. `now` in nanoseconds. */
  add(ip: IpPacket, now: number): IpPacket | undefined {
    for (const [key, partial] of this.#partials) {
      if (partial.deadline > now) break
      this.#drop(key, partial)
    }
    const from = ip.fragmentOffset
    const to = from + ip.end - ip.payload
    // All but the last come in units of 8 bytes (RFC 791, 3.2).
    if (to === from || to > MAX_PAYLOAD || (ip.moreFragments && (to - from) % 8 !== 0)) return undefined
    const key = String.fromCharCode(ip.version, ip.protocol, ip.identification & 0xffff, ip.identification >>> 16, ...ip.bytes.subarray(ip.sourceAt, ip.sourceAt + 2 * ip.addressLength))
    let partial = this.#partials.get(key)
    if (partial === undefined) {
      partial = { deadline: now + LIFETIME, pieces: [], bytes: 0, total: -1 }
      this.#partials.set(key, partial)
    }
    if (!this.#fits(partial, from, to, ip.moreFragments)) {
      this.#drop(key, partial)
      return undefined
    }
    if (!partial.pieces.some((piece) => piece.from === from)) {
      partial.pieces.push({ from, to, bytes: ip.bytes.slice(ip.payload, ip.end) })
      partial.bytes += to - from
      this.#bytes += to - from
    }
    if (!ip.moreFragments) partial.total = to
    if (partial.bytes !== partial.total) {
      this.#bound()
      return undefined
    }
    this.#drop(key, partial)
    return whole(ip, partial)
  }

  /** Overlaps are attacks (RFC 5722, RFC 8900): the whole packet goes. An exact copy of a piece is a copy. */
  #fits(partial: Partial, from: number, to: number, more: boolean): boolean {
    if (partial.pieces.length >= MAX_PIECES) return false
    if (partial.total >= 0 && (more ? to > partial.total : to !== partial.total)) return false
    return partial.pieces.every((piece) => to <= piece.from || from >= piece.to || (from === piece.from && to === piece.to)) &&
      (more || partial.pieces.every((piece) => piece.to <= to))
  }

  #bound(): void {
    for (const [key, partial] of this.#partials) {
      if (this.#partials.size <= MAX_PACKETS && this.#bytes <= MAX_BYTES) return
      this.#drop(key, partial)
    }
  }

  #drop(key: string, partial: Partial): void {
    this.#partials.delete(key)
    this.#bytes -= partial.bytes
  }
}

function whole(ip: IpPacket, partial: Partial): IpPacket | undefined {
  const { total } = partial
  const header = ip.version === 4 ? IPV4_HEADER : IPV6_HEADER
  const bytes = new Uint8Array(header + total)
  for (const piece of partial.pieces) bytes.set(piece.bytes, header + piece.from)
  const source = ip.bytes.subarray(ip.sourceAt, ip.sourceAt + ip.addressLength)
  const destination = ip.bytes.subarray(ip.destinationAt, ip.destinationAt + ip.addressLength)
  const common = { source, destination, protocol: ip.protocol, length: total, hops: ip.hops }
  if (ip.version === 4) putIpv4(bytes, 0, { ...common, identification: ip.identification })
  else putIpv6(bytes, 0, common)
  const view = ip.version === 4 ? new Ipv4View() : new Ipv6View()
  return view.read(bytes, 0, bytes.length) ? view : undefined
}
