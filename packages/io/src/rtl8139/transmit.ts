import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { ETHERNET_HEADER, ETHERTYPE_IPV4, PROTOCOL_TCP, PROTOCOL_UDP, putChecksum, sum16 } from '../nic/checksum.ts'
import { dmaAddress } from '../nic/dma.ts'
import { segment } from '../nic/segment.ts'
import type { Rtl8139Registers } from './registers.ts'
import * as spec from './spec.ts'
import { PACKET_MAX } from './state.ts'
import type { TransmitRingState } from './state.ts'

const TAG_OFFSET = 12
/** Bytes moved in one go; the rest goes on by the clock, so that one doorbell does not hold the host. */
const BYTES_PER_RUN = 1 << 20
/** What a frame costs whatever its length, in bytes. */
const FRAME_COST = 256

/** Pads a short frame to the least length. */
function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= spec.FRAME_MIN) return frame
  const out = new Uint8Array(spec.FRAME_MIN)
  out.set(frame)
  return out
}

/** Section 8.1: the four descriptors of C mode, sent in turn. Returns the causes to raise. */
export class LegacyTransmitter {
  readonly #memory: GuestMemory
  readonly #registers: Rtl8139Registers
  readonly #send: (frame: Uint8Array) => void
  index = 0

  constructor(memory: GuestMemory, registers: Rtl8139Registers, send: (frame: Uint8Array) => void) {
    this.#memory = memory
    this.#registers = registers
    this.#send = send
  }

  run(): number {
    const r = this.#registers
    let causes = 0
    for (let count = 0; count < spec.LEGACY_DESCRIPTORS; count++) {
      const at = spec.TSD0 + 4 * this.index
      const status = r.get32(at)
      if ((status & spec.TSD_OWN) !== 0) break
      const frame = new Uint8Array(status & spec.TSD_SIZE_MASK)
      this.#memory.read(r.get32(spec.TSAD0 + 4 * this.index) as Gpa, frame)
      r.set32(at, status | spec.TSD_OWN | spec.TSD_TOK)
      this.index = (this.index + 1) % spec.LEGACY_DESCRIPTORS
      causes |= spec.INT_TOK
      if (frame.length >= ETHERNET_HEADER) this.#send(padded(frame))
    }
    return causes
  }
}

/** 9.2.1: one of the two descriptor rings of C+ mode. */
export class RingTransmitter {
  readonly #memory: GuestMemory
  readonly #registers: Rtl8139Registers
  readonly #base: number
  readonly #send: (frame: Uint8Array) => void
  readonly #buffer = new Uint8Array(PACKET_MAX)
  #index = 0
  #length = 0
  #overflow = false
  /** Bytes moved in this run. */
  #work = 0

  /** `base` is the register that holds the ring's address. */
  constructor(memory: GuestMemory, registers: Rtl8139Registers, base: number, send: (frame: Uint8Array) => void) {
    this.#memory = memory
    this.#registers = registers
    this.#base = base
    this.#send = send
  }

  /** Sends what a ring holds at most. Returns the causes to raise, and whether there is more to do. */
  run(): { causes: number; more: boolean } {
    const r = this.#registers
    let causes = 0
    this.#work = 0
    for (let count = 0; count < spec.DESCRIPTORS_MAX && this.#work < BYTES_PER_RUN; count++) {
      const at = (dmaAddress((r.get32(this.#base) & ~0xff) >>> 0, r.get32(this.#base + 4)) + this.#index * spec.DESCRIPTOR_SIZE) as Gpa
      if (!this.#memory.isRam(at, spec.DESCRIPTOR_SIZE)) return { causes: causes | spec.INT_SYSTEM_ERROR, more: false }
      const first = this.#memory.readU32(at)
      if ((first & spec.D_OWN) === 0) return { causes: causes | spec.INT_TX_EMPTY, more: false }
      this.#index = (first & spec.D_EOR) !== 0 ? 0 : (this.#index + 1) % spec.DESCRIPTORS_MAX
      this.#gather(at, first)
      const tag = this.#memory.readU32((at + 4) as Gpa)
      this.#memory.writeU32(at, (first & (spec.D_EOR | spec.D_FS | spec.D_LS)) >>> 0)
      causes |= spec.INT_TOK
      if ((first & spec.D_LS) !== 0) this.#end(first, tag)
    }
    return { causes, more: true }
  }

  reset(): void {
    this.#index = this.#length = 0
    this.#overflow = false
  }

  save(): TransmitRingState {
    return { index: this.#index, packet: this.#buffer.slice(0, this.#length), overflow: this.#overflow }
  }

  /** Takes a state that has been checked. */
  restore(state: TransmitRingState): void {
    this.#index = state.index
    this.#buffer.set(state.packet)
    this.#length = state.packet.length
    this.#overflow = state.overflow
  }

  #gather(at: Gpa, first: number): void {
    if ((first & spec.D_FS) !== 0) {
      this.#length = 0
      this.#overflow = false
    }
    const length = first & spec.TD_LENGTH_MASK
    if (this.#length + length > PACKET_MAX) this.#overflow = true
    if (this.#overflow) return
    this.#memory.read(
      dmaAddress(this.#memory.readU32((at + 8) as Gpa), this.#memory.readU32((at + 12) as Gpa)), this.#buffer.subarray(this.#length, this.#length + length)
    )
    this.#length += length
    this.#work += length
  }

  #end(first: number, tag: number): void {
    const packet = this.#buffer.subarray(0, this.#overflow ? 0 : this.#length)
    this.#length = 0
    if (packet.length < ETHERNET_HEADER) return
    const tci = (tag & spec.TD_TAGC) !== 0 ? (tag & 0xff) << 8 | tag >>> 8 & 0xff : -1
    if ((first & spec.TD_LGSEN) !== 0) this.#largeSend(packet, first >>> spec.TD_MSS_SHIFT & spec.TD_MSS_MASK, tci)
    else {
      this.#checksums(packet, first)
      this.#emit(packet, tci)
    }
  }

  /** The chip finds the headers itself: offset of the segment behind an IPv4 header, -1 when there is none. */
  #segmentOf(packet: Uint8Array): number {
    const ip = ETHERNET_HEADER
    if (packet.length < ip + 20 || packet[12]! * 256 + packet[13]! !== ETHERTYPE_IPV4 || packet[ip]! >> 4 !== 4) return -1
    const at = ip + (packet[ip]! & 15) * 4
    return at >= ip + 20 && at <= packet.length ? at : -1
  }

  #checksums(packet: Uint8Array, first: number): void {
    const at = (first & (spec.TD_IPCS | spec.TD_TCPCS | spec.TD_UDPCS)) === 0 ? -1 : this.#segmentOf(packet)
    if (at < 0) return
    const ip = ETHERNET_HEADER
    if ((first & spec.TD_IPCS) !== 0) {
      packet.fill(0, ip + 10, ip + 12)
      putChecksum(packet, ip, at, ip + 10)
    }
    const end = Math.min(packet.length, ip + packet[ip + 2]! * 256 + packet[ip + 3]!)
    const protocol = packet[ip + 9]!
    const isTcp = protocol === PROTOCOL_TCP && (first & spec.TD_TCPCS) !== 0
    const isUdp = protocol === PROTOCOL_UDP && (first & spec.TD_UDPCS) !== 0
    const field = at + (isTcp ? 16 : 6)
    if (!(isTcp || isUdp) || field + 2 > end) return
    this.#seed(packet, field, end - at)
    putChecksum(packet, at, end, field, isUdp)
  }

  #largeSend(packet: Uint8Array, maximumSegment: number, tci: number): void {
    const segmentStart = this.#segmentOf(packet)
    const ipStart = ETHERNET_HEADER
    if (segmentStart < 0 || packet[ipStart + 9] !== PROTOCOL_TCP || packet.length < segmentStart + 20) return
    const headerLength = segmentStart + (packet[segmentStart + 12]! >> 4) * 4
    this.#seed(packet, segmentStart + 16, 0)
    segment(packet, {
      ipv4: true, tcp: true, ipStart, ipChecksum: ipStart + 10, ipEnd: segmentStart, segmentStart, segmentChecksum: segmentStart + 16,
      headerLength, maximumSegment
    }, (piece) => this.#emit(piece, tci))
  }

  /** Stores the pseudo header's sum (RFC 793, 3.1) for a segment of `length` bytes where the checksum belongs. */
  #seed(packet: Uint8Array, field: number, length: number): void {
    const ip = ETHERNET_HEADER
    const sum = sum16(packet, ip + 12, ip + 20, packet[ip + 9]! + length)
    packet[field] = sum >> 8
    packet[field + 1] = sum
  }

  #emit(packet: Uint8Array, tci: number): void {
    this.#work += packet.length + FRAME_COST
    if (packet.length > spec.FRAME_MAX) return
    if (tci < 0) return this.#send(padded(packet))
    const tagged = new Uint8Array(packet.length + 4)
    tagged.set(packet.subarray(0, TAG_OFFSET))
    tagged.set([0x81, 0, tci >> 8, tci & 0xff], TAG_OFFSET)
    tagged.set(packet.subarray(TAG_OFFSET), TAG_OFFSET + 4)
    this.#send(padded(tagged))
  }
}
