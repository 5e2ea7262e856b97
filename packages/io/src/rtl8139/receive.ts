import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { checkIpv4, PROTOCOL_TCP, PROTOCOL_UDP } from '../nic/checksum.ts'
import { ethernetCrc } from '../nic/crc.ts'
import { dmaAddress } from '../nic/dma.ts'
import type { Rtl8139Registers } from './registers.ts'
import * as spec from './spec.ts'
import type { TallyState } from './state.ts'

/** What a frame turned out to be; 'fault' when the descriptor is not in memory. */
export type ReceiveResult = 'taken' | 'dropped' | 'no-room' | 'fault'

type Match = 'station' | 'multicast' | 'broadcast' | 'other'
const RING_STATUS: Readonly<Record<Match, number>> = { station: spec.RING_PAM, multicast: spec.RING_MAR, broadcast: spec.RING_BAR, other: 0 }
const DESCRIPTOR_STATUS: Readonly<Record<Match, number>> = { station: spec.RD_PAM, multicast: spec.RD_MAR, broadcast: spec.RD_BAR, other: 0 }
const TAG_OFFSET = 12
const TAG_LENGTH = 4

/** Section 9: address filter, and frames into the ring of C mode or the descriptors of C+ mode. */
export class Receiver {
  readonly #memory: GuestMemory
  readonly #registers: Rtl8139Registers
  readonly #tally: TallyState
  readonly #frame = new Uint8Array(spec.FRAME_MAX + spec.FCS_LENGTH)
  /** The next descriptor of C+ mode. */
  index = 0

  constructor(memory: GuestMemory, registers: Rtl8139Registers, tally: TallyState) {
    this.#memory = memory
    this.#registers = registers
    this.#tally = tally
  }

  /** A frame from the wire while the receiver is enabled. 'no-room' leaves everything as it was. */
  receive(frame: Uint8Array): ReceiveResult {
    const match = this.#match(frame)
    if (match === undefined) return 'dropped'
    const plus = (this.#registers.get16(spec.CPCR) & spec.CPCR_RX) !== 0
    if (frame.length > (plus ? spec.FRAME_MAX : spec.FRAME_MAX_LEGACY)) return 'dropped'
    const result = plus ? this.#toDescriptor(frame, match) : this.#toRing(frame, match)
    if (result === 'taken') this.#count(match)
    return result
  }

  /** Bytes in the ring of C mode that were not read. */
  get ringUsed(): number {
    const size = this.#ringSize
    return (this.#registers.get16(spec.CBR) - this.#registers.get16(spec.CAPR) - spec.CAPR_LAG + 2 * 0x1_0000) % size
  }

  get #ringSize(): number {
    return 8192 << (this.#registers.get32(spec.RCR) >>> spec.RCR_RBLEN_SHIFT & 3)
  }

  /** 6.11: which rule lets a frame in. */
  #match(frame: Uint8Array): Match | undefined {
    const r = this.#registers
    const control = r.get32(spec.RCR)
    const destination = frame.subarray(0, 6)
    const all = (control & spec.RCR_AAP) !== 0
    if ((destination[0]! & 1) === 0) {
      if (destination.every((byte, index) => byte === r.get8(spec.IDR0 + index))) return all || (control & spec.RCR_APM) !== 0 ? 'station' : undefined
      return all ? 'other' : undefined
    }
    if (destination.every((byte) => byte === 0xff)) return all || (control & spec.RCR_AB) !== 0 ? 'broadcast' : undefined
    const bit = ethernetCrc(destination) >>> 26
    return all || ((control & spec.RCR_AM) !== 0 && r.has(spec.MAR0 + (bit >> 3), 1 << (bit & 7))) ? 'multicast' : undefined
  }

  #toRing(frame: Uint8Array, match: Match): ReceiveResult {
    const r = this.#registers
    const size = this.#ringSize
    const length = this.#take(frame, 0) + spec.FCS_LENGTH
    const total = (spec.RING_HEADER + length + 3) & ~3
    // A full ring would look empty.
    if (total >= size - this.ringUsed) return 'no-room'
    const base = r.get32(spec.RBSTART)
    const from = r.get16(spec.CBR) % size
    this.#memory.writeU32((base + from) as Gpa, (length << 16 | spec.RING_ROK | RING_STATUS[match]) >>> 0)
    const at = (from + spec.RING_HEADER) % size
    const data = this.#frame.subarray(0, length)
    // With WRAP the last packet runs on behind the ring (6.11); 64 KiB rings always wrap.
    const room = (r.get32(spec.RCR) & spec.RCR_WRAP) !== 0 && size < 0x1_0000 ? length : Math.min(length, size - at)
    this.#memory.write((base + at) as Gpa, data.subarray(0, room))
    if (room < length) this.#memory.write(base as Gpa, data.subarray(room))
    r.set16(spec.CBR, (from + total) % size)
    return 'taken'
  }

  /** 9.2.2. A frame has to fit into one descriptor's buffer. */
  #toDescriptor(frame: Uint8Array, match: Match): ReceiveResult {
    const r = this.#registers
    const at = (dmaAddress((r.get32(spec.RDSAR) & ~0xff) >>> 0, r.get32(spec.RDSAR + 4)) + this.index * spec.DESCRIPTOR_SIZE) as Gpa
    if (!this.#memory.isRam(at, spec.DESCRIPTOR_SIZE)) return 'fault'
    const first = this.#memory.readU32(at)
    if ((first & spec.D_OWN) === 0) return 'no-room'
    const control = r.get16(spec.CPCR)
    const tagged = (control & spec.CPCR_RX_VLAN) !== 0 && frame.length >= 18 && frame[TAG_OFFSET] === 0x81 && frame[TAG_OFFSET + 1] === 0
    const length = this.#take(frame, tagged ? TAG_LENGTH : 0)
    if (length + spec.FCS_LENGTH > (first & spec.RD_LENGTH_MASK)) return 'dropped'
    const status = (control & spec.CPCR_RX_CHECKSUM) === 0 ? 0 : this.#checksums(length)
    const buffer = dmaAddress(this.#memory.readU32((at + 8) as Gpa), this.#memory.readU32((at + 12) as Gpa))
    this.#memory.write(buffer, this.#frame.subarray(0, length + spec.FCS_LENGTH))
    this.#memory.writeU32((at + 4) as Gpa, tagged ? spec.RD_TAVA | frame[TAG_OFFSET + 3]! << 8 | frame[TAG_OFFSET + 2]! : 0)
    const written = (first & spec.D_EOR) | spec.D_FS | spec.D_LS | DESCRIPTOR_STATUS[match] | status | (length + spec.FCS_LENGTH)
    this.#memory.writeU32(at, written >>> 0)
    this.index = (first & spec.D_EOR) !== 0 ? 0 : (this.index + 1) % spec.DESCRIPTORS_MAX
    return 'taken'
  }

  /** Into the device's buffer, padded to the least length, without `skip` bytes of tag, zeros in place of the FCS. Returns the length without FCS. */
  #take(frame: Uint8Array, skip: number): number {
    this.#frame.set(frame.subarray(0, TAG_OFFSET))
    this.#frame.set(frame.subarray(TAG_OFFSET + skip), TAG_OFFSET)
    const length = Math.max(frame.length - skip, spec.FRAME_MIN)
    this.#frame.fill(0, frame.length - skip, length + spec.FCS_LENGTH)
    return length
  }

  #checksums(length: number): number {
    const found = checkIpv4(this.#frame, length)
    if (found === undefined) return 0
    const { protocol, headerGood, segmentGood } = found
    const header = headerGood ? 0 : spec.RD_IPF
    if (segmentGood === undefined) return spec.RD_PID_IP << spec.RD_PID_SHIFT | header
    if (protocol === PROTOCOL_TCP) return spec.RD_PID_TCP << spec.RD_PID_SHIFT | header | (segmentGood ? 0 : spec.RD_TCPF)
    if (protocol === PROTOCOL_UDP) return spec.RD_PID_UDP << spec.RD_PID_SHIFT | header | (segmentGood ? 0 : spec.RD_UDPF)
    return spec.RD_PID_IP << spec.RD_PID_SHIFT | header
  }

  #count(match: Match): void {
    const t = this.#tally
    t.received++
    if (match === 'broadcast') t.receivedBroadcast++
    else if (match === 'multicast') t.receivedMulticast++
    else t.receivedUnicast++
  }
}
