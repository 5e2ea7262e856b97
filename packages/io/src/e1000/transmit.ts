import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { putChecksum } from '../nic/checksum.ts'
import { dmaAddress } from '../nic/dma.ts'
import { segment } from '../nic/segment.ts'
import type { E1000Registers } from './registers.ts'
import * as spec from './spec.ts'
import type { OffloadContext, TransmitState } from './state.ts'

/** Bytes gathered for one packet at most: a TCP segmentation of 64 KiB and its headers. */
export const PACKET_MAX: number = 0x1_0000 + 256
/** Descriptors and bytes taken in one go; the rest goes on by the clock, so that one doorbell does not hold the host. */
const DESCRIPTORS_PER_RUN = 1024
const BYTES_PER_RUN = 1 << 20
/** What a frame costs whatever its length, in bytes. */
const FRAME_COST = 256

const NO_CONTEXT: OffloadContext = { ipStart: 0, ipOffset: 0, ipEnd: 0, start: 0, offset: 0, end: 0, command: 0, headerLength: 0, maximumSegment: 0 }

const powerOn = (): TransmitState => ({
  plain: { ...NO_CONTEXT }, segmentation: { ...NO_CONTEXT }, packet: new Uint8Array(0), begun: false, overflow: false, options: 0
})

/** 3.3 to 3.5: descriptors of the ring to frames, with checksums, segmentation and VLAN tags put in. */
export class Transmitter {
  readonly #memory: GuestMemory
  readonly #registers: E1000Registers
  readonly #send: (frame: Uint8Array) => void
  readonly #buffer = new Uint8Array(PACKET_MAX)
  readonly #descriptor = new Uint8Array(spec.DESCRIPTOR_SIZE)
  #length = 0
  /** Bytes moved in this run. */
  #work = 0
  #s: TransmitState = powerOn()

  constructor(memory: GuestMemory, registers: E1000Registers, send: (frame: Uint8Array) => void) {
    this.#memory = memory
    this.#registers = registers
    this.#send = send
  }

  /** Takes descriptors from head to tail. Returns the causes to raise, and whether there is more to do. */
  run(): { causes: number; more: boolean } {
    const r = this.#registers
    let causes = 0
    this.#work = 0
    for (let count = 0; ; count++) {
      const ring = r.get(spec.TDLEN) / spec.DESCRIPTOR_SIZE
      const head = r.get(spec.TDH)
      const tail = r.get(spec.TDT)
      // Sending may have led to a reset: everything is read again.
      if (head >= ring || tail >= ring || !r.has(spec.TCTL, spec.TCTL_EN)) return { causes, more: false }
      if (head === tail) return { causes: causes | (count > 0 ? spec.CAUSE_TXQE : 0), more: false }
      if (count >= DESCRIPTORS_PER_RUN || this.#work >= BYTES_PER_RUN) return { causes, more: true }
      const at = dmaAddress(r.get(spec.TDBAL), r.get(spec.TDBAH)) + head * spec.DESCRIPTOR_SIZE
      this.#memory.read(at as Gpa, this.#descriptor)
      r.set(spec.TDH, (head + 1) % ring)
      this.#process()
      if ((this.#descriptor[11]! & spec.TD_CMD_RS) !== 0) {
        this.#memory.writeU8((at + spec.TD_STATUS) as Gpa, this.#descriptor[spec.TD_STATUS]! | spec.TD_STATUS_DD)
        causes |= spec.CAUSE_TXDW
      }
    }
  }

  reset(): void {
    this.#s = powerOn()
    this.#length = 0
  }

  save(): TransmitState {
    return { ...this.#s, plain: { ...this.#s.plain }, segmentation: { ...this.#s.segmentation }, packet: this.#buffer.slice(0, this.#length) }
  }

  /** Takes a state that has been checked. */
  restore(state: TransmitState): void {
    this.#s = state
    this.#buffer.set(state.packet)
    this.#length = state.packet.length
  }

  #process(): void {
    const view = new DataView(this.#descriptor.buffer)
    const lower = view.getUint32(8, true)
    const command = lower >>> 24
    if ((command & spec.TD_CMD_DEXT) === 0) {
      this.#append(view, lower & 0xffff)
      if ((command & spec.TD_CMD_EOP) !== 0) this.#endLegacy(command, this.#descriptor[10]!, this.#descriptor[13]!, view.getUint16(14, true))
      return
    }
    const type = lower >>> spec.TD_DTYP_SHIFT & 15
    if (type === spec.TD_DTYP_CONTEXT) this.#loadContext(view, command)
    if (type !== spec.TD_DTYP_DATA) return
    // Only the first descriptor of a packet says what is to be done with it (3.3.7).
    if (!this.#s.begun) this.#s.options = (command & spec.TD_CMD_TSE) << 8 | this.#descriptor[13]!
    this.#append(view, lower & spec.TD_LENGTH_MASK)
    if ((command & spec.TD_CMD_EOP) !== 0) this.#endExtended(command, view.getUint16(14, true))
  }

  #loadContext(view: DataView, command: number): void {
    const context: OffloadContext = {
      ipStart: view.getUint8(0), ipOffset: view.getUint8(1), ipEnd: view.getUint16(2, true),
      start: view.getUint8(4), offset: view.getUint8(5), end: view.getUint16(6, true),
      command, headerLength: view.getUint8(13), maximumSegment: view.getUint16(14, true)
    }
    if ((command & spec.TD_CMD_TSE) !== 0) this.#s.segmentation = context
    else this.#s.plain = context
  }

  #append(view: DataView, length: number): void {
    const s = this.#s
    s.begun = true
    if (s.overflow || this.#length + length > PACKET_MAX) {
      s.overflow = true
      return
    }
    this.#memory.read(dmaAddress(view.getUint32(0, true), view.getUint32(4, true)), this.#buffer.subarray(this.#length, this.#length + length))
    this.#length += length
    this.#work += length
  }

  /** The packet is complete: its bytes, or none when it was too long; the next one begins. */
  #complete(): Uint8Array {
    const packet = this.#buffer.subarray(0, this.#s.overflow ? 0 : this.#length)
    this.#s.begun = this.#s.overflow = false
    this.#length = 0
    return packet
  }

  /** 3.3.3: a checksum from CSS to the end, at CSO. */
  #endLegacy(command: number, offset: number, start: number, special: number): void {
    const packet = this.#complete()
    if ((command & spec.TD_CMD_IC) !== 0) putChecksum(packet, start, packet.length, offset)
    this.#emit(packet, command, special)
  }

  /** 3.5, 3.6. */
  #endExtended(command: number, special: number): void {
    const { options } = this.#s
    const packet = this.#complete()
    if ((options >> 8 & spec.TD_CMD_TSE) !== 0) {
      const c = this.#s.segmentation
      this.#registers.count(spec.TSCTC)
      segment(packet, {
        ipv4: (c.command & spec.TD_TUCMD_IP) !== 0, tcp: (c.command & spec.TD_TUCMD_TCP) !== 0,
        ipStart: c.ipStart, ipChecksum: c.ipOffset, ipEnd: c.ipEnd + 1, segmentStart: c.start, segmentChecksum: c.offset,
        headerLength: c.headerLength, maximumSegment: c.maximumSegment
      }, (piece) => this.#emit(piece, command, special))
      return
    }
    const c = this.#s.plain
    // The ends are offsets of the last byte; zero is the end of the packet.
    if ((options & spec.TD_POPTS_IXSM) !== 0) putChecksum(packet, c.ipStart, c.ipEnd === 0 ? packet.length : c.ipEnd + 1, c.ipOffset)
    if ((options & spec.TD_POPTS_TXSM) !== 0) {
      putChecksum(packet, c.start, c.end === 0 ? packet.length : c.end + 1, c.offset, (c.command & spec.TD_TUCMD_TCP) === 0)
    }
    this.#emit(packet, command, special)
  }

  #emit(packet: Uint8Array, command: number, special: number): void {
    const r = this.#registers
    this.#work += packet.length + FRAME_COST
    if (packet.length < 14 || packet.length > spec.FRAME_MAX) return
    const tagged = (command & spec.TD_CMD_VLE) !== 0 && r.has(spec.CTRL, spec.CTRL_VME)
    const length = packet.length + (tagged ? 4 : 0)
    let frame = packet
    if (tagged || (length < spec.FRAME_MIN && r.has(spec.TCTL, spec.TCTL_PSP))) {
      frame = new Uint8Array(r.has(spec.TCTL, spec.TCTL_PSP) ? Math.max(length, spec.FRAME_MIN) : length)
      frame.set(packet)
      if (tagged) {
        frame.set(packet.subarray(12), 16)
        new DataView(frame.buffer).setUint32(12, r.get(spec.VET) * 0x1_0000 + special)
      }
    }
    r.countFrame(spec.TRANSMIT_COUNTERS, frame, frame.length)
    this.#send(frame)
  }
}
