import { bool, type Check, integer, list, record, u32 } from '@entresol/kit/saved-state'
import * as spec from './spec.ts'

/** Addresses of a table that are kept; with more of them all of that kind pass (5.1.6.5.2 allows it). */
const TABLE_ENTRIES = 64

const address: Check<number> = integer(0, 2 ** 48 - 1)

export interface ReceiveFilterState {
  /** Of CTRL_RX, by the number of the command. */
  modes: boolean[]
  /** The tables overflowed: unicast, multicast. */
  anyUnicast: boolean
  anyMulticast: boolean
  addresses: number[]
  /** A bit for each VLAN. */
  vlans: number[]
}

export const checkReceiveFilterState: Check<ReceiveFilterState> = record<ReceiveFilterState>({
  modes: list(bool, 6, true), anyUnicast: bool, anyMulticast: bool, addresses: list(address, 2 * TABLE_ENTRIES), vlans: list(u32, 128, true),
})

/** The six bytes at `at` as a number. */
export function addressAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 256 + bytes[at + 1]!) * 2 ** 32 + bytes[at + 2]! * 2 ** 24 + ((bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!)
}

const BROADCAST = 2 ** 48 - 1

/** Which frames a driver wants (5.1.6.5.1 to 5.1.6.5.3). Where it has no commands to say so, all. */
export class ReceiveFilter {
  /** The device's address. */
  address = 0
  #modes: boolean[] = []
  #anyUnicast = false
  #anyMulticast = false
  #addresses: Set<number> = new Set()
  #vlans: Uint32Array = new Uint32Array(128)
  #byAddress = false
  #byVlan = false

  constructor() {
    this.reset()
  }

  reset(): void {
    this.#modes = new Array<boolean>(6).fill(false)
    this.#anyUnicast = this.#anyMulticast = false
    this.#addresses.clear()
    this.#vlans.fill(0)
  }

  negotiate(features: bigint): void {
    this.#byAddress = (features & spec.F_CTRL_RX) !== 0n
    this.#byVlan = (features & spec.F_CTRL_VLAN) !== 0n
  }

  wants(frame: Uint8Array): boolean {
    if (this.#byVlan && frame[12] === 0x81 && frame[13] === 0x00) {
      const vlan = ((frame[14]! & 0xf) << 8) | frame[15]!
      if ((this.#vlans[vlan >>> 5]! & (1 << (vlan & 31))) === 0) return false
    }
    const modes = this.#modes
    if (!this.#byAddress || modes[spec.CTRL_RX_PROMISC] === true) return true
    const to = addressAt(frame, 0)
    if (to === BROADCAST) return !modes[spec.CTRL_RX_NOBCAST]
    if ((frame[0]! & 1) !== 0) {
      return !modes[spec.CTRL_RX_NOMULTI] && (modes[spec.CTRL_RX_ALLMULTI]! || this.#anyMulticast || this.#addresses.has(to))
    }
    return !modes[spec.CTRL_RX_NOUNI] && (to === this.address || modes[spec.CTRL_RX_ALLUNI]! || this.#anyUnicast || this.#addresses.has(to))
  }

  /** CTRL_RX; false: no such command. */
  setMode(command: number, on: boolean): boolean {
    if (command >= this.#modes.length) return false
    this.#modes[command] = on
    return true
  }

  /** CTRL_MAC_TABLE_SET: two tables of a count and addresses. False: they do not fit `data`, and nothing changes. */
  setTables(data: Uint8Array): boolean {
    const tables: number[][] = []
    let at = 0
    for (let table = 0; table < 2; table++) {
      if (at + 4 > data.length) return false
      const count = data[at]! + data[at + 1]! * 2 ** 8 + data[at + 2]! * 2 ** 16 + data[at + 3]! * 2 ** 24
      at += 4
      if (count * 6 > data.length - at) return false
      const addresses: number[] = []
      for (let entry = 0; entry < count; entry++, at += 6) addresses.push(addressAt(data, at))
      tables.push(addresses)
    }
    const [unicast, multicast] = tables as [number[], number[]]
    this.#anyUnicast = unicast.length > TABLE_ENTRIES
    this.#anyMulticast = multicast.length > TABLE_ENTRIES
    this.#addresses = new Set([...(this.#anyUnicast ? [] : unicast), ...(this.#anyMulticast ? [] : multicast)])
    return true
  }

  /** CTRL_VLAN; false: no such VLAN. */
  setVlan(vlan: number, on: boolean): boolean {
    if (vlan >= 4096) return false
    if (on) this.#vlans[vlan >>> 5]! |= 1 << (vlan & 31)
    else this.#vlans[vlan >>> 5]! &= ~(1 << (vlan & 31))
    return true
  }

  save(): ReceiveFilterState {
    return {
      modes: [...this.#modes], anyUnicast: this.#anyUnicast, anyMulticast: this.#anyMulticast, addresses: [...this.#addresses], vlans: [...this.#vlans],
    }
  }

  /** `state` was checked. */
  restore(state: ReceiveFilterState): void {
    this.#modes = state.modes
    this.#anyUnicast = state.anyUnicast
    this.#anyMulticast = state.anyMulticast
    this.#addresses = new Set(state.addresses)
    this.#vlans = Uint32Array.from(state.vlans)
  }
}
