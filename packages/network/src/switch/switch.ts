import type { Clock, FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { AddressTable, macNumber } from './address-table.ts'
import type { AddressTableOptions } from './address-table.ts'
import { Inbox } from './inbox.ts'
import { ALL_OFFLOADS, FRAME_MAX, FRAME_MIN, Packet } from './packet.ts'
import { PacketQueue } from './packet-queue.ts'
import type { QueueLimits } from './packet-queue.ts'
import { TokenBucket } from './token-bucket.ts'
import type { RateLimit } from './token-bucket.ts'
import { TRANSPARENT, VlanRules } from './vlan.ts'
import type { PortVlan, VlanPacket } from './vlan.ts'

export interface SwitchPortOptions {
  /** Default: a trunk that lets everything through as it is. */
  readonly vlan?: PortVlan
  /** Limit of what the device sends, and of what it gets. */
  readonly fromDevice?: RateLimit
  readonly toDevice?: RateLimit
  /** Isolated ports exchange nothing with each other. */
  readonly isolated?: boolean
  /** Gets a copy of every frame the other ports bring in, as it came; what its device sends goes nowhere. */
  readonly mirror?: boolean
  /** Bounds of what waits for a slow device. */
  readonly queue?: QueueLimits
}

/** From power-on; in frames and bytes, dropped for want of room or by a rate limit, refused as malformed or by the VLAN's rules. */
export interface PortCounters {
  readonly fromDeviceFrames: number
  readonly fromDeviceBytes: number
  readonly fromDeviceDropped: number
  readonly fromDeviceRefused: number
  readonly toDeviceFrames: number
  readonly toDeviceBytes: number
  readonly toDeviceDropped: number
}

/** The device's side of a switch port. */
export interface SwitchPort extends NetworkPort {
  readonly counters: PortCounters
  /** Pulls the cable, or puts it back. */
  setLink(up: boolean): void
  /** Takes the port off the switch for good. */
  close(): void
}

/** Frames forwarded in one go; what comes in answer to them and is more than this waits for the clock. */
const BUDGET = 256
const BROADCAST = 0xffff_ffff_ffff
const GROUP_BIT = 1
/** IEEE 802.1Q-2018, table 8-1: 01-80-C2-00-00-00 to -0F are for the bridge itself and never forwarded. */
const RESERVED_FIRST = 0x0180_c200_0000
const RESERVED_LAST = 0x0180_c200_000f

/** A learning Ethernet switch. No spanning tree: loops between switches are the caller's, and cost bounded work only. */
export class EthernetSwitch {
  readonly #clock: Clock
  readonly #addresses: AddressTable<Port>
  readonly #ports: Set<Port> = new Set()
  readonly #pending: PacketQueue<Port> = new PacketQueue()
  #busy = false
  #scheduled = false

  constructor(options: AddressTableOptions) {
    this.#clock = options.clock
    this.#addresses = new AddressTable(options)
  }

  /** Throws `bad-vlan`, `bad-rate`. */
  createPort(options: SwitchPortOptions = {}): SwitchPort {
    const port: Port = new Port(this.#clock, options, {
      forward: (packet) => this.#enter(packet, port),
      forget: () => this.#addresses.forget(port),
      close: () => {
        this.#addresses.forget(port)
        this.#ports.delete(port)
      }
    })
    this.#ports.add(port)
    return port
  }

  /** Addresses learned. */
  get addresses(): number {
    return this.#addresses.size
  }

  /** A packet sent while another is being forwarded waits for its turn. False when there is no room. */
  #enter(packet: Packet, from: Port): boolean {
    if (this.#busy || this.#scheduled) return this.#pending.push(packet, from)
    this.#busy = true
    try {
      this.#forward(packet, from)
      this.#drain()
    } finally {
      this.#busy = false
    }
    return true
  }

  #drain(): void {
    for (let count = 0; count < BUDGET; count++) {
      const next = this.#pending.shift()
      if (next === undefined) return
      this.#forward(next.packet, next.tag)
    }
    this.#scheduled = true
    this.#clock.schedule(this.#clock.now(), () => {
      this.#scheduled = false
      this.#busy = true
      try {
        this.#drain()
      } finally {
        this.#busy = false
      }
    })
  }

  #forward(packet: Packet, from: Port): void {
    if (!from.linkUp) return
    const { frame } = packet
    const classified = from.classify(packet)
    // A group address is nobody's source (IEEE 802.3-2018, 3.2.3).
    if (classified === undefined || (frame[6]! & GROUP_BIT) !== 0) return from.refuse()
    for (const port of this.#ports) if (port.mirror && port !== from) port.transmit(packet)
    const { vlan } = classified
    this.#addresses.learn(vlan, macNumber(frame, 6), from)
    const destination = macNumber(frame, 0)
    if (destination >= RESERVED_FIRST && destination <= RESERVED_LAST) return
    const group = destination === BROADCAST || (frame[0]! & GROUP_BIT) !== 0
    const known = group ? undefined : this.#addresses.find(vlan, destination)
    if (known !== undefined) {
      if (known.takes(vlan, from)) known.transmitVlan(classified)
    } else for (const port of this.#ports) if (port.takes(vlan, from)) port.transmitVlan(classified)
  }
}

interface PortEvents {
  forward(packet: Packet): boolean
  forget(): void
  close(): void
}

class Port implements SwitchPort {
  readonly offloads: FrameOffloads = ALL_OFFLOADS
  readonly mirror: boolean
  readonly #rules: VlanRules
  readonly #isolated: boolean
  readonly #events: PortEvents
  readonly #inbox: Inbox
  readonly #fromDevice: TokenBucket | undefined
  readonly #toDevice: TokenBucket | undefined
  readonly #counters = {
    fromDeviceFrames: 0, fromDeviceBytes: 0, fromDeviceDropped: 0, fromDeviceRefused: 0, toDeviceFrames: 0, toDeviceBytes: 0, toDeviceDropped: 0
  }
  #linkListener: ((up: boolean) => void) | undefined
  #linkUp = true
  #closed = false

  constructor(clock: Clock, options: SwitchPortOptions, events: PortEvents) {
    this.#rules = new VlanRules(options.vlan ?? TRANSPARENT)
    this.mirror = options.mirror ?? false
    this.#isolated = options.isolated ?? false
    this.#events = events
    this.#inbox = new Inbox({
      clock,
      ...(options.queue && { limits: options.queue }),
      onTaken: (bytes) => {
        this.#counters.toDeviceFrames++
        this.#counters.toDeviceBytes += bytes
      },
      onDropped: () => void this.#counters.toDeviceDropped++
    })
    this.#fromDevice = options.fromDevice && new TokenBucket(clock, options.fromDevice, (packet) => this.#enter(packet), options.queue)
    this.#toDevice = options.toDevice && new TokenBucket(clock, options.toDevice, (packet) => this.#inbox.deliver(packet), options.queue)
  }

  get counters(): PortCounters {
    return { ...this.#counters }
  }

  get linkUp(): boolean {
    return this.#linkUp
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    if (!this.#linkUp) return void this.#counters.fromDeviceDropped++
    this.#counters.fromDeviceFrames++
    this.#counters.fromDeviceBytes += frame.length
    if (this.mirror || frame.length < FRAME_MIN || frame.length > FRAME_MAX) return this.refuse()
    const packet = new Packet(frame, unfinished)
    if (this.#fromDevice === undefined) this.#enter(packet)
    else if (!this.#fromDevice.offer(packet)) this.#counters.fromDeviceDropped++
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#inbox.onReceive(listener, accepts)
  }

  resume(): void {
    this.#inbox.resume()
  }

  onLinkChange(listener: (up: boolean) => void): void {
    this.#linkListener = listener
  }

  setLink(up: boolean): void {
    if (up === this.#linkUp || this.#closed) return
    this.#linkUp = up
    if (!up) {
      this.#inbox.clear()
      this.#fromDevice?.clear()
      this.#toDevice?.clear()
      this.#events.forget()
    }
    this.#linkListener?.(up)
  }

  close(): void {
    this.setLink(false)
    this.#closed = true
    this.#events.close()
  }

  /** For the switch: the VLAN of a packet from this port's device. */
  classify(packet: Packet): VlanPacket | undefined {
    return this.#rules.classify(packet)
  }

  refuse(): void {
    this.#counters.fromDeviceRefused++
  }

  takes(vlan: number, from: Port): boolean {
    return this !== from && !this.mirror && this.#rules.member(vlan) && !(this.#isolated && from.#isolated)
  }

  transmitVlan(packet: VlanPacket): void {
    this.transmit(this.#rules.form(packet))
  }

  transmit(packet: Packet): void {
    if (!this.#linkUp) return
    if (this.#toDevice === undefined) this.#inbox.deliver(packet)
    else if (!this.#toDevice.offer(packet)) this.#counters.toDeviceDropped++
  }

  #enter(packet: Packet): void {
    if (!this.#events.forward(packet)) this.#counters.fromDeviceDropped++
  }
}
