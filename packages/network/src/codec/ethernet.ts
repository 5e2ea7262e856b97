import { put16, u16 } from './bytes.ts'

/** IEEE 802.3-2022, 3.2.6, and IANA's list: values of the type field. */
export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd } as const
export const ETHERNET_HEADER = 14
export const VLAN_TAG = 4
export const BROADCAST_MAC: Uint8Array = new Uint8Array(6).fill(0xff)

/** An Ethernet II frame, with or without one 802.1Q tag (IEEE 802.1Q-2022, 9.6). A view that can be put on one frame after another. */
export class EthernetView {
  bytes: Uint8Array = new Uint8Array()
  /** VLAN identifier, or -1 without a tag. */
  vlan = -1
  /** Priority of the tag, 0 without one. */
  priority = 0
  type = 0
  /** Where the payload starts. */
  payload = 0

  /** False when the frame is too short, or has an IEEE 802.3 length in place of a type. */
  read(frame: Uint8Array): boolean {
    if (frame.length < ETHERNET_HEADER) return false
    this.bytes = frame
    this.vlan = -1
    this.priority = 0
    this.payload = ETHERNET_HEADER
    this.type = u16(frame, 12)
    if (this.type === ETHERTYPE.VLAN) {
      if (frame.length < ETHERNET_HEADER + VLAN_TAG) return false
      this.vlan = u16(frame, 14) & 0xfff
      this.priority = frame[14]! >> 5
      this.type = u16(frame, 16)
      this.payload = ETHERNET_HEADER + VLAN_TAG
    }
    return this.type >= 0x600
  }

  get destination(): Uint8Array {
    return this.bytes.subarray(0, 6)
  }

  get source(): Uint8Array {
    return this.bytes.subarray(6, 12)
  }
}

/** Writes 14 bytes of header without tag at the start of `bytes`. */
export function putEthernet(bytes: Uint8Array, destination: Uint8Array, source: Uint8Array, type: number): void {
  bytes.set(destination, 0)
  bytes.set(source, 6)
  put16(bytes, 12, type)
}
