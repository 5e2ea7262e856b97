import type { UnfinishedFrame } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { Packet } from './packet.ts'

/** IEEE 802.1Q-2018, 9.5 and 9.6: tag protocol identifier behind the addresses, then priority (3 bits), DEI and VLAN identifier (12 bits). */
const TPID = 0x8100
const TAG_OFFSET = 12
const TAG_LENGTH = 4
const VID_MASK = 0xfff
/** Table 9-2: priority-tagged only; reserved. */
const VID_NULL = 0
const VID_RESERVED = 0xfff
const VID_DEFAULT = 1

/** What a port does with VLANs; identifiers are 1 to 4094. */
export type PortVlan =
  /** A device that knows nothing of VLANs: tagged frames are refused, those it gets have no tag. */
  | { readonly mode: 'access'; readonly id: number }
  /** Frames carry tags. Those without one belong to `native` (none: refused) and go out without one. `allowed`: default all. */
  | { readonly mode: 'trunk'; readonly native?: number; readonly allowed?: readonly number[] }

/** Everything passes as it is: untagged frames are VLAN 1's. */
export const TRANSPARENT: PortVlan = { mode: 'trunk', native: VID_DEFAULT }

function checkId(id: number): number {
  if (Number.isInteger(id) && id > VID_NULL && id < VID_RESERVED) return id
  throw new CodedError('bad-vlan', `VLAN ${id}: identifiers are 1 to 4094`)
}

const shifted = (unfinished: UnfinishedFrame | undefined, by: number): UnfinishedFrame | undefined => unfinished && {
  checksum: unfinished.checksum && { ...unfinished.checksum, start: unfinished.checksum.start + by },
  segmentation: unfinished.segmentation && { ...unfinished.segmentation, headerLength: unfinished.segmentation.headerLength + by }
}

/** A packet that belongs to a VLAN, with and without its tag; each form is made at most once. */
export class VlanPacket {
  readonly vlan: number
  /** As it came. */
  readonly packet: Packet
  /** Tag control information it came with, -1 without a tag. */
  readonly #tci: number
  #tagged: Packet | undefined
  #untagged: Packet | undefined

  constructor(packet: Packet, tci: number, vlan: number) {
    this.packet = packet
    this.vlan = vlan
    this.#tci = tci
    if (tci < 0) this.#untagged = packet
    else if ((tci & VID_MASK) === vlan) this.#tagged = packet
  }

  get untagged(): Packet {
    return this.#untagged ??= this.#remove()
  }

  get tagged(): Packet {
    return this.#tagged ??= this.#insert()
  }

  #remove(): Packet {
    const { frame, unfinished } = this.packet
    const out = new Uint8Array(frame.length - TAG_LENGTH)
    out.set(frame.subarray(0, TAG_OFFSET))
    out.set(frame.subarray(TAG_OFFSET + TAG_LENGTH), TAG_OFFSET)
    return new Packet(out, shifted(unfinished, -TAG_LENGTH))
  }

  #insert(): Packet {
    const { frame, unfinished } = this.untagged
    const out = new Uint8Array(frame.length + TAG_LENGTH)
    out.set(frame.subarray(0, TAG_OFFSET))
    const tci = (this.#tci < 0 ? 0 : this.#tci & ~VID_MASK) | this.vlan
    out.set([TPID >> 8, TPID & 0xff, tci >> 8, tci & 0xff], TAG_OFFSET)
    out.set(frame.subarray(TAG_OFFSET), TAG_OFFSET + TAG_LENGTH)
    return new Packet(out, shifted(unfinished, TAG_LENGTH))
  }
}

/** The rules of one port (8.6.2 ingress, 8.6.4 egress). */
export class VlanRules {
  readonly #native: number | undefined
  readonly #allowed: ReadonlySet<number> | undefined
  readonly #trunk: boolean

  /** Throws `bad-vlan`. */
  constructor(vlan: PortVlan) {
    this.#trunk = vlan.mode === 'trunk'
    const native = vlan.mode === 'trunk' ? vlan.native : vlan.id
    this.#native = native === undefined ? undefined : checkId(native)
    this.#allowed = vlan.mode === 'access' ? new Set([vlan.id]) : vlan.allowed && new Set(vlan.allowed.map(checkId))
  }

  /** Which VLAN a packet from the device belongs to; undefined when the port refuses it. */
  classify(packet: Packet): VlanPacket | undefined {
    const { frame } = packet
    const tagged = frame.length >= TAG_OFFSET + TAG_LENGTH + 2 && frame[TAG_OFFSET]! * 256 + frame[TAG_OFFSET + 1]! === TPID
    const tci = tagged ? frame[TAG_OFFSET + 2]! * 256 + frame[TAG_OFFSET + 3]! : -1
    const id = tagged ? tci & VID_MASK : VID_NULL
    if (id === VID_RESERVED || (id !== VID_NULL && !this.#trunk)) return undefined
    const vlan = id === VID_NULL ? this.#native : id
    return vlan !== undefined && this.member(vlan) ? new VlanPacket(packet, tci, vlan) : undefined
  }

  /** The native VLAN is always a member. */
  member(vlan: number): boolean {
    return vlan === this.#native || this.#allowed === undefined || this.#allowed.has(vlan)
  }

  /** How a packet of a VLAN that is a member leaves towards the device. */
  form(packet: VlanPacket): Packet {
    return packet.vlan === this.#native ? packet.untagged : packet.tagged
  }
}
