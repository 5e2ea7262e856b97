import type { Clock, NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { AddressTable, macNumber } from '../switch/address-table.ts'
import { LinkPort } from '../links/link-port.ts'
import type { LinkCounters } from '../links/link-port.ts'
import type { HostDatagrams, HostSockets, SocketAddress } from '../nat/index.ts'

/** RFC 7348, section 5: eight bytes of header, the I flag says the VNI counts; 4789 is the port. */
export const VXLAN_PORT = 4789
export const VXLAN_HEADER = 8
const FLAG_I = 0x08
const VNI_MAX = 0xff_ffff
const ETHERNET_HEADER = 14

export interface VxlanOptions {
  readonly sockets: HostSockets
  readonly clock: Clock
  /** An address of this host; without one all of its IPv4 addresses. */
  readonly address?: string
  /** UDP port; default 4789. 0: the host chooses. */
  readonly port?: number
}

export interface VxlanPortOptions {
  /** Network identifier, 0 to 16,777,215. */
  readonly vni: number
  /** The other tunnel end points of the network. What nobody is known to want goes to all of them, and only they are listened to. */
  readonly remotes: readonly SocketAddress[]
  /** Seconds an inner address is remembered; default 300. */
  readonly ageingSeconds?: number
  /** Frames with VLAN tags pass; by default they are dropped in both directions (section 6.1). */
  readonly innerVlans?: boolean
}

/** One network of an end point, to be joined with a switch. */
export interface VxlanNetwork {
  readonly port: NetworkPort
  readonly counters: LinkCounters
  close(): void
}

/** A VXLAN tunnel end point (VTEP, RFC 7348): one UDP socket, a port for each network. */
export class Vxlan {
  readonly #clock: Clock
  readonly #networks: Map<number, Network> = new Map()
  #socket: HostDatagrams | undefined

  private constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rejects with `network-listen`. */
  static async open({ sockets, clock, address, port = VXLAN_PORT }: VxlanOptions): Promise<Vxlan> {
    const vxlan = new Vxlan(clock)
    vxlan.#socket = await sockets.bind(address, port, (bytes, from) => vxlan.#receive(bytes, from))
    return vxlan
  }

  /** The UDP port it has. */
  get port(): number {
    return this.#socket!.port
  }

  /** Throws `bad-vni`, `vni-taken`. */
  createPort(options: VxlanPortOptions): VxlanNetwork {
    const { vni } = options
    if (!(Number.isInteger(vni) && vni >= 0 && vni <= VNI_MAX)) throw new CodedError('bad-vni', `VNI ${vni}: network identifiers are 0 to 16777215`)
    if (this.#networks.has(vni)) throw new CodedError('vni-taken', `VNI ${vni} has a port already`)
    const network = new Network(this.#clock, options, (bytes, to) => this.#socket!.send(bytes, to))
    this.#networks.set(vni, network)
    return {
      port: network.port,
      get counters() { return network.port.counters },
      close: () => {
        network.port.wire = undefined
        this.#networks.delete(vni)
      }
    }
  }

  close(): void {
    for (const network of this.#networks.values()) network.port.wire = undefined
    this.#networks.clear()
    this.#socket!.close()
  }

  /** Reserved bits are ignored (section 5). */
  #receive(bytes: Uint8Array, from: SocketAddress): void {
    if (bytes.length < VXLAN_HEADER + ETHERNET_HEADER || (bytes[0]! & FLAG_I) === 0) return
    this.#networks.get((bytes[4]! << 16) | (bytes[5]! << 8) | bytes[6]!)?.receive(bytes.subarray(VXLAN_HEADER), from)
  }
}

const isTagged = (frame: Uint8Array): boolean => frame[12] === 0x81 && frame[13] === 0

class Network {
  readonly port: LinkPort
  readonly #options: VxlanPortOptions
  readonly #send: (bytes: Uint8Array, to: SocketAddress) => void
  readonly #addresses: AddressTable<SocketAddress>
  readonly #header: Uint8Array

  constructor(clock: Clock, options: VxlanPortOptions, send: (bytes: Uint8Array, to: SocketAddress) => void) {
    this.#options = options
    this.#send = send
    this.#addresses = new AddressTable({ clock, ...(options.ageingSeconds === undefined ? {} : { ageingSeconds: options.ageingSeconds }) })
    this.#header = Uint8Array.of(FLAG_I, 0, 0, 0, options.vni >> 16, options.vni >> 8, options.vni, 0)
    this.port = new LinkPort(clock)
    this.port.wire = { transmit: (frame) => this.#transmit(frame) }
  }

  /** Section 4.1: inner sources are learned. The outer source port is a hash of the flow, and says nothing. */
  receive(frame: Uint8Array, from: SocketAddress): void {
    const remote = this.#options.remotes.find(({ address }) => address === from.address)
    if (remote === undefined || (isTagged(frame) && this.#options.innerVlans !== true)) return this.port.drop()
    if ((frame[6]! & 1) === 0) this.#addresses.learn(0, macNumber(frame, 6), remote)
    this.port.deliver(frame)
  }

  #transmit(frame: Uint8Array): void {
    if (isTagged(frame) && this.#options.innerVlans !== true) return this.port.drop()
    const bytes = new Uint8Array(VXLAN_HEADER + frame.length)
    bytes.set(this.#header)
    bytes.set(frame, VXLAN_HEADER)
    const known = (frame[0]! & 1) === 0 ? this.#addresses.find(0, macNumber(frame, 0)) : undefined
    for (const remote of known === undefined ? this.#options.remotes : [known]) this.#send(bytes, remote)
  }
}
