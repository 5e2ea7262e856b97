import * as spec from './spec.ts'

const TABLE = 1024

const word = (bytes: Uint8Array, at: number): number => (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!

/** The same number for both directions of a flow: addresses, and ports where TCP or UDP has them. */
function flowOf(frame: Uint8Array): number {
  let at = 12
  let type = (frame[at]! << 8) | frame[at + 1]!
  if (type === spec.ETHERTYPE_VLAN) type = (frame[at += spec.VLAN_TAG]! << 8) | frame[at + 1]!
  at += 2
  let hash = type
  let transport: number
  let protocol: number
  if (type === spec.ETHERTYPE_IPV4 && at + 24 <= frame.length) {
    hash ^= word(frame, at + 12) ^ word(frame, at + 16)
    // Fragments have ports in the first one only.
    const isFragment = ((frame[at + 6]! & 0x3f) | frame[at + 7]!) !== 0
    protocol = isFragment ? 0 : frame[at + 9]!
    transport = at + (frame[at]! & 0xf) * 4
  } else if (type === spec.ETHERTYPE_IPV6 && at + 44 <= frame.length) {
    for (let part = 8; part < 40; part += 4) hash ^= word(frame, at + part)
    protocol = frame[at + 6]!
    transport = at + 40
  } else {
    return 0
  }
  if ((protocol === spec.PROTOCOL_TCP || protocol === spec.PROTOCOL_UDP) && transport + 4 <= frame.length) {
    const ports = word(frame, transport)
    hash ^= (ports >>> 16) ^ (ports & 0xffff)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b)
  return (hash ^ (hash >>> 16)) & (TABLE - 1)
}

/** Automatic receive steering (5.1.6.5.6): a flow comes in on the queue pair it went out on. */
export class FlowTable {
  readonly #pairs: Uint16Array = new Uint16Array(TABLE)

  sent(frame: Uint8Array, pair: number): void {
    this.#pairs[flowOf(frame)] = pair
  }

  /** A pair it was last sent on, which may be more than are in use now. */
  pairOf(frame: Uint8Array): number {
    return this.#pairs[flowOf(frame)]!
  }

  clear(): void {
    this.#pairs.fill(0)
  }
}
