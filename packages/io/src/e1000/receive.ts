import type { Gpa, GuestMemory } from '@entresol/interfaces'
import { checkIpv4, PROTOCOL_TCP, PROTOCOL_UDP, sum16 } from '../nic/checksum.ts'
import { dmaAddress } from '../nic/dma.ts'
import type { E1000Registers } from './registers.ts'
import * as spec from './spec.ts'

const MAC_LENGTH = 6
const TAG_LENGTH = 4

/** Buffer size by RCTL.BSIZE, without and with BSEX (table 13-69); 00b with BSEX is reserved. */
function bufferSize(control: number): number {
  const size = 2048 >> (control >>> spec.RCTL_BSIZE_SHIFT & 3)
  return (control & spec.RCTL_BSEX) !== 0 && size < 2048 ? size * 16 : size
}

/** What a frame turned out to be. */
export type ReceiveResult = 'taken' | 'dropped' | 'no-room'

/** 3.2: address and VLAN filters, checksum offload, and frames into the buffers of the descriptor ring. */
export class Receiver {
  readonly #memory: GuestMemory
  readonly #registers: E1000Registers
  readonly #frame = new Uint8Array(spec.FRAME_MAX + spec.FCS_LENGTH)
  readonly #writeBack = new Uint8Array(spec.DESCRIPTOR_SIZE - spec.RD_LENGTH)

  constructor(memory: GuestMemory, registers: E1000Registers) {
    this.#memory = memory
    this.#registers = registers
  }

  /** A frame from the wire while the receiver is enabled. 'no-room' leaves everything as it was. */
  receive(frame: Uint8Array): ReceiveResult {
    const r = this.#registers
    const control = r.get(spec.RCTL)
    if (frame.length > (control & spec.RCTL_LPE ? spec.FRAME_MAX : spec.FRAME_LONG)) {
      r.count(spec.ROC)
      return 'dropped'
    }
    const tag = this.#tag(frame)
    if (!this.#addressPasses(frame, control) || !this.#vlanPasses(tag, control)) return 'dropped'
    const strip = tag >= 0 && r.has(spec.CTRL, spec.CTRL_VME)
    const length = this.#take(frame, strip)
    const withFcs = length + (control & spec.RCTL_SECRC ? 0 : spec.FCS_LENGTH)

    const size = bufferSize(control)
    const needed = Math.ceil(withFcs / size)
    const ring = r.get(spec.RDLEN) / spec.DESCRIPTOR_SIZE
    const head = r.get(spec.RDH)
    const tail = r.get(spec.RDT)
    if (head >= ring || tail >= ring || needed >= ring) return 'dropped'
    const free = (tail - head + ring) % ring
    if (needed > free) {
      r.count(spec.RNBC)
      return 'no-room'
    }
    const { status, errors, checksum } = this.#describe(length, strip)
    for (let index = 0; index < needed; index++) {
      const last = index === needed - 1
      const part = this.#frame.subarray(index * size, last ? withFcs : (index + 1) * size)
      this.#store((head + index) % ring, part, last ? status | spec.RD_STATUS_EOP : spec.RD_STATUS_DD, last ? errors : 0, checksum, strip ? tag : 0)
    }
    r.set(spec.RDH, (head + needed) % ring)
    r.countFrame(spec.RECEIVE_COUNTERS, frame, Math.max(frame.length, spec.FRAME_MIN))
    return 'taken'
  }

  /** 13.4.22, RDMTS: free descriptors have come down to 1/2, 1/4 or 1/8 of the ring. */
  get belowThreshold(): boolean {
    const r = this.#registers
    const ring = r.get(spec.RDLEN) / spec.DESCRIPTOR_SIZE
    if (ring === 0) return false
    const free = (r.get(spec.RDT) - r.get(spec.RDH) + ring) % ring
    return free <= ring >> (1 + Math.min(2, r.get(spec.RCTL) >>> spec.RCTL_RDMTS_SHIFT & 3))
  }

  /** Tag control information of a VLAN frame, -1 for others. */
  #tag(frame: Uint8Array): number {
    if (frame.length < 18 || frame[12]! * 256 + frame[13]! !== this.#registers.get(spec.VET)) return -1
    return frame[14]! * 256 + frame[15]!
  }

  #addressPasses(frame: Uint8Array, control: number): boolean {
    const r = this.#registers
    const low = (frame[0]! | frame[1]! << 8 | frame[2]! << 16 | frame[3]! << 24) >>> 0
    const high = frame[4]! | frame[5]! << 8
    const group = (frame[0]! & 1) !== 0
    if ((control & (group ? spec.RCTL_MPE : spec.RCTL_UPE)) !== 0) return true
    if (low === 0xffff_ffff && high === 0xffff && (control & spec.RCTL_BAM) !== 0) return true
    for (let entry = 0; entry < spec.RA_ENTRIES; entry++) {
      const registerHigh = r.get(spec.RAH0 + 8 * entry)
      if ((registerHigh & spec.RAH_AV) !== 0 && (registerHigh & 0xffff) === high && r.get(spec.RAL0 + 8 * entry) === low) return true
    }
    if (!group) return false
    const hash = high >> spec.MTA_SHIFTS[control >>> spec.RCTL_MO_SHIFT & 3]! & 0xfff
    return r.has(spec.MTA + 4 * (hash >> 5), 1 << (hash & 31))
  }

  #vlanPasses(tag: number, control: number): boolean {
    if (tag < 0 || (control & spec.RCTL_VFE) === 0) return true
    const id = tag & 0xfff
    return this.#registers.has(spec.VFTA + 4 * (id >> 5), 1 << (id & 31))
  }

  /** Into the device's buffer, padded to the least length, without its tag, with a zero in place of the FCS. Returns the length without FCS. */
  #take(frame: Uint8Array, strip: boolean): number {
    const from = 2 * MAC_LENGTH
    const skip = strip ? TAG_LENGTH : 0
    this.#frame.set(frame.subarray(0, from))
    this.#frame.set(frame.subarray(from + skip), from)
    const length = frame.length - skip
    const padded = Math.max(length, spec.FRAME_MIN)
    this.#frame.fill(0, length, padded + spec.FCS_LENGTH)
    return padded
  }

  /** 3.2.9: what the checksums came to. */
  #describe(length: number, strip: boolean): { status: number; errors: number; checksum: number } {
    const offload = this.#registers.get(spec.RXCSUM)
    const start = offload & spec.RXCSUM_PCSS_MASK
    const checksum = start < length ? sum16(this.#frame, start, length) : 0
    let status = spec.RD_STATUS_DD | (strip ? spec.RD_STATUS_VP : 0)
    let errors = 0
    const found = (offload & (spec.RXCSUM_IPOFL | spec.RXCSUM_TUOFL)) === 0 ? undefined : checkIpv4(this.#frame, length)
    if (found === undefined) return { status: status | spec.RD_STATUS_IXSM, errors, checksum }
    if ((offload & spec.RXCSUM_IPOFL) !== 0) {
      status |= spec.RD_STATUS_IPCS
      if (!found.headerGood) errors |= spec.RD_ERROR_IPE
    }
    if ((offload & spec.RXCSUM_TUOFL) !== 0 && found.segmentGood !== undefined && (found.protocol === PROTOCOL_TCP || found.protocol === PROTOCOL_UDP)) {
      status |= spec.RD_STATUS_TCPCS
      if (!found.segmentGood) errors |= spec.RD_ERROR_TCPE
    }
    return { status, errors, checksum }
  }

  #store(index: number, part: Uint8Array, status: number, errors: number, checksum: number, special: number): void {
    const at = dmaAddress(this.#registers.get(spec.RDBAL), this.#registers.get(spec.RDBAH)) + index * spec.DESCRIPTOR_SIZE
    this.#memory.write(dmaAddress(this.#memory.readU32(at as Gpa), this.#memory.readU32((at + 4) as Gpa)), part)
    const w = this.#writeBack
    w[0] = part.length
    w[1] = part.length >> 8
    w[2] = checksum >> 8
    w[3] = checksum
    w[4] = status
    w[5] = errors
    w[6] = special
    w[7] = special >> 8
    this.#memory.write((at + spec.RD_LENGTH) as Gpa, w)
  }
}
