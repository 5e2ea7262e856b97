import type { UnfinishedFrame } from '@entresol/interfaces'
import {
  BROADCAST_MAC, ETHERNET_HEADER, ETHERTYPE, IPV4_HEADER, IPV6_HEADER, IP_PROTOCOL, TCP_HEADER, pseudoSum, put16, putChecksum, putEthernet, putIpv4, putIpv6, putTcp,
  putTcpOptions, tcpOptionsLength,
} from '../../codec/index.ts'
import type { TcpOptions } from '../../codec/index.ts'
import type { ByteRing } from './byte-ring.ts'
import type { GuestLink } from '../guest-link.ts'
import { HOPS } from '../ip-frame.ts'

/** The four values that tell connections apart. `guest` and `remote` are IP addresses of one version; `remote` is what the guest sees. */
export interface TcpPath {
  readonly guest: Uint8Array
  readonly guestPort: number
  readonly remote: Uint8Array
  readonly remotePort: number
}

/** Largest IP packet there is in a frame. */
const MAX_PACKET = 65_535
const CHECKSUM_OFFSET = 16

/** Writes the segments of one connection towards the guest, from a template of their headers. */
export class SegmentWriter {
  readonly #template: Uint8Array
  readonly #link: GuestLink
  readonly #path: TcpPath
  readonly #v4: boolean
  /** Where the TCP header starts. */
  readonly #tcp: number
  readonly #checksumOnly: UnfinishedFrame
  #segmented: UnfinishedFrame
  #mss = 536

  constructor(link: GuestLink, path: TcpPath) {
    const v4 = path.guest.length === 4
    this.#link = link
    this.#path = path
    this.#v4 = v4
    this.#tcp = ETHERNET_HEADER + (v4 ? IPV4_HEADER : IPV6_HEADER)
    this.#template = new Uint8Array(this.#tcp)
    putEthernet(this.#template, BROADCAST_MAC, link.mac, v4 ? ETHERTYPE.IPV4 : ETHERTYPE.IPV6)
    const header = { source: path.remote, destination: path.guest, protocol: IP_PROTOCOL.TCP, length: 0, hops: HOPS, identification: 0 }
    if (v4) putIpv4(this.#template, ETHERNET_HEADER, header)
    else putIpv6(this.#template, ETHERNET_HEADER, header)
    this.#checksumOnly = { checksum: { start: this.#tcp, offset: CHECKSUM_OFFSET }, segmentation: undefined }
    this.#segmented = this.#checksumOnly
  }

  /** Who gets the frames. */
  set destination(mac: Uint8Array) {
    this.#template.set(mac)
  }

  /** Payload of the largest segment the guest takes. */
  set mss(mss: number) {
    this.#mss = mss
    this.#segmented = {
      checksum: this.#checksumOnly.checksum,
      segmentation: { kind: this.#v4 ? 'tcp4' : 'tcp6', size: mss, headerLength: this.#tcp + TCP_HEADER },
    }
  }

  /** Most bytes of payload `write` takes: whole segments as many as fit into a frame where the guest's end cuts, else one. */
  get capacity(): number {
    const { accepts } = this.#link
    if (!accepts.checksum || !(this.#v4 ? accepts.tso4 : accepts.tso6)) return this.#mss
    const room = MAX_PACKET - (this.#tcp - ETHERNET_HEADER) - TCP_HEADER
    return room - room % this.#mss
  }

  /** Offers a segment with `length` bytes of `data`, `offset` behind its front, to the link, which must be open; whether it was taken. */
  write(sequence: number, acknowledgment: number, flags: number, window: number, data?: ByteRing, offset = 0, length = 0, options?: TcpOptions): boolean {
    const { scratch, accepts } = this.#link
    const payload = this.#headers(scratch, sequence, acknowledgment, flags, window, length, options)
    if (length > 0) data!.copy(offset, length, scratch, payload)
    this.#checksum(scratch, payload + length, !accepts.checksum)
    const frame = scratch.subarray(0, payload + length)
    if (!accepts.checksum) return this.#link.offer(frame)
    return this.#link.offer(frame, length > this.#mss ? this.#segmented : this.#checksumOnly)
  }

  /** A segment without data that the link sends as soon as it can, and nobody sends again. */
  push(sequence: number, acknowledgment: number, flags: number): void {
    const frame = new Uint8Array(this.#tcp + TCP_HEADER)
    this.#headers(frame, sequence, acknowledgment, flags, 0, 0)
    this.#checksum(frame, frame.length, true)
    this.#link.push(frame)
  }

  /** Everything before the payload, and where that starts. */
  #headers(frame: Uint8Array, sequence: number, acknowledgment: number, flags: number, window: number, length: number, options?: TcpOptions): number {
    const tcp = this.#tcp
    const header = TCP_HEADER + (options === undefined ? 0 : tcpOptionsLength(options))
    const payload = tcp + header
    frame.set(this.#template)
    putTcp(frame, tcp, { sourcePort: this.#path.remotePort, destinationPort: this.#path.guestPort, sequence, acknowledgment, flags, window, length: header })
    if (options !== undefined) putTcpOptions(frame, tcp + TCP_HEADER, options)
    if (this.#v4) {
      put16(frame, ETHERNET_HEADER + 2, payload + length - ETHERNET_HEADER)
      putChecksum(frame, ETHERNET_HEADER + 10, ETHERNET_HEADER, tcp)
    } else put16(frame, ETHERNET_HEADER + 4, payload + length - tcp)
    return payload
  }

  /** The checksum, or only the pseudo header's part of it. */
  #checksum(frame: Uint8Array, end: number, complete: boolean): void {
    const tcp = this.#tcp
    const pseudo = pseudoSum(frame, this.#v4 ? tcp - 8 : tcp - 32, this.#v4 ? 8 : 32, IP_PROTOCOL.TCP, end - tcp)
    if (complete) putChecksum(frame, tcp + CHECKSUM_OFFSET, tcp, end, pseudo)
    else put16(frame, tcp + CHECKSUM_OFFSET, pseudo)
  }
}
