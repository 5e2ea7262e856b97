import type { Clock } from '@entresol/interfaces'

export interface AddressTableOptions {
  readonly clock: Clock
  /** Seconds after which an address that was not seen is forgotten; default 300 (IEEE 802.1Q-2018, table 8-6). */
  readonly ageingSeconds?: number
  /** Most addresses held; default 4096. */
  readonly capacity?: number
}

interface Entry<Place> {
  readonly vlan: number
  readonly address: number
  place: Place
  /** Virtual time (ns) it was last seen at, exact to REFRESH. */
  seen: number
}

/** An address seen again within this time (ns) is not moved to the young end again. */
const REFRESH = 1e9

/** A MAC address as a number: six bytes at `offset`, big-endian. */
export function macNumber(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! * 256 + bytes[offset + 1]!) * 2 ** 32
    + (((bytes[offset + 2]! << 24) | (bytes[offset + 3]! << 16) | (bytes[offset + 4]! << 8) | bytes[offset + 5]!) >>> 0)
}

/**
 * Where addresses are: learned from sources, per VLAN (IEEE 802.1Q-2018, 8.7 and 8.8), forgotten when they age. A full table takes the place
 * of the oldest address of whichever place holds most, so that one sender of invented addresses only pushes out its own.
 */
export class AddressTable<Place> {
  readonly #clock: Clock
  readonly #ageing: number
  readonly #capacity: number
  readonly #vlans: Map<number, Map<number, Entry<Place>>> = new Map()
  /** Entries of each place, oldest first. */
  readonly #places: Map<Place, Set<Entry<Place>>> = new Map()
  #size = 0

  constructor(options: AddressTableOptions) {
    this.#clock = options.clock
    this.#ageing = (options.ageingSeconds ?? 300) * 1e9
    this.#capacity = options.capacity ?? 4096
  }

  /** Addresses held, aged ones not yet noticed included. */
  get size(): number {
    return this.#size
  }

  learn(vlan: number, address: number, place: Place): void {
    const now = this.#clock.now()
    const known = this.#vlans.get(vlan)?.get(address)
    if (known !== undefined) {
      if (known.place === place && now - known.seen < REFRESH) return
      this.#placed(known).delete(known)
      known.place = place
      known.seen = now
      this.#placed(known).add(known)
      return
    }
    if (this.#size >= this.#capacity) this.#evict()
    const entry = { vlan, address, place, seen: now }
    let addresses = this.#vlans.get(vlan)
    if (addresses === undefined) this.#vlans.set(vlan, addresses = new Map())
    addresses.set(address, entry)
    this.#placed(entry).add(entry)
    this.#size++
  }

  find(vlan: number, address: number): Place | undefined {
    const entry = this.#vlans.get(vlan)?.get(address)
    if (entry === undefined) return undefined
    if (this.#clock.now() - entry.seen <= this.#ageing) return entry.place
    this.#remove(entry)
    return undefined
  }

  /** Forgets every address at `place`. */
  forget(place: Place): void {
    for (const entry of this.#places.get(place) ?? []) this.#remove(entry)
  }

  #placed(entry: Entry<Place>): Set<Entry<Place>> {
    let entries = this.#places.get(entry.place)
    if (entries === undefined) this.#places.set(entry.place, entries = new Set())
    return entries
  }

  #remove(entry: Entry<Place>): void {
    const addresses = this.#vlans.get(entry.vlan)!
    addresses.delete(entry.address)
    if (addresses.size === 0) this.#vlans.delete(entry.vlan)
    const entries = this.#placed(entry)
    entries.delete(entry)
    if (entries.size === 0) this.#places.delete(entry.place)
    this.#size--
  }

  #evict(): void {
    let most: Set<Entry<Place>> | undefined
    for (const entries of this.#places.values()) if (most === undefined || entries.size > most.size) most = entries
    for (const oldest of most ?? []) return this.#remove(oldest)
  }
}
