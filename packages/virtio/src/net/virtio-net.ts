import type { DescriptorChain, NetworkPort, UnfinishedFrame, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { type Check, integer, record, u16, u64 } from '@entresol/kit/saved-state'
import { FlowTable } from './flows.ts'
import { readHeader, writeHeader } from './header.ts'
import { acceptedOffloads, netParameters } from './options.ts'
import type { VirtioNetDeviceOptions } from './options.ts'
import { addressAt, checkReceiveFilterState, ReceiveFilter } from './rx-filter.ts'
import type { ReceiveFilterState } from './rx-filter.ts'
import { ReceiveQueue } from './receive-queue.ts'
import * as spec from './spec.ts'

export interface VirtioNetState {
  address: number
  /** S_ANNOUNCE. */
  announce: number
  pairs: number
  guestOffloads: bigint
  filter: ReceiveFilterState
}

/** Longest command: two full tables of addresses are far below. */
const MAX_COMMAND = 65_536

/** A network card (virtio 1.2, 5.1) on a NetworkPort. */
export class VirtioNet implements VirtioDevice<VirtioNetState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.VIRTIO_ID_NET
  readonly features: bigint
  readonly queueSizes: readonly number[]
  readonly config: Uint8Array
  /** Frames dropped because the driver made a mistake in what it sent, or had no room where it cannot be asked to wait. */
  dropped = 0
  readonly #port: NetworkPort
  readonly #maxPairs: number
  readonly #address: number
  readonly #configView: DataView
  readonly #checkState: Check<VirtioNetState>
  readonly #filter: ReceiveFilter = new ReceiveFilter()
  readonly #flows: FlowTable = new FlowTable()
  /** Where a transmitted frame is gathered: whoever takes it copies what it keeps. */
  readonly #scratch: Uint8Array = new Uint8Array(spec.HDR_BYTES + spec.MAX_FRAME)
  readonly #header: Uint8Array = new Uint8Array(spec.HDR_BYTES)
  #host: VirtioHost | undefined
  #queues: readonly Virtqueue[] = []
  #receivers: ReceiveQueue[] = []
  #negotiated = 0n
  #guestOffloads = 0n
  #pairs = 1
  /** Set while frames are being transmitted: receive queues to be published then. */
  #unpublished: Set<Virtqueue> | undefined

  /** Throws `virtio-net-options`. */
  constructor(options: VirtioNetDeviceOptions) {
    const { name, pairs, features, queueSizes, config } = netParameters(options)
    this.name = name
    this.features = features
    this.queueSizes = queueSizes
    this.config = config
    this.#configView = new DataView(config.buffer)
    this.#maxPairs = pairs
    this.#address = addressAt(config, spec.CONFIG_MAC)
    this.#checkState = record<VirtioNetState>({
      address: integer(0, 2 ** 48 - 1), announce: u16, pairs: integer(1, pairs), guestOffloads: u64, filter: checkReceiveFilterState,
    })
    this.#port = options.port
    this.#port.onLinkChange((up) => this.#setStatus(spec.S_LINK_UP, up))
    this.#setAccepted()
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  writeConfig(): void {}

  activate(features: bigint, queues: readonly Virtqueue[]): void {
    this.#negotiated = features
    this.#queues = queues
    this.#receivers = []
    const isMergeable = (features & spec.F_MRG_RXBUF) !== 0n
    const pairs = (features & spec.F_MQ) !== 0n ? this.#maxPairs : 1
    for (let pair = 0; pair < pairs; pair++) this.#receivers.push(new ReceiveQueue(queues[2 * pair]!, isMergeable))
    this.#filter.negotiate(features)
    // Those of a driver that had its say before a restore; all that were negotiated otherwise (5.1.6.5.7.1).
    this.#guestOffloads &= features
    this.#setAccepted()
    this.#port.resume()
  }

  notified(index: number): void {
    if (index === this.#controlIndex) return this.#control(this.#queues[index]!)
    if (index > this.#controlIndex) return
    if ((index & 1) !== 0) return this.#transmit(this.#queues[index]!, index >>> 1)
    if (this.#receivers[index >>> 1]!.hasRoomAgain()) this.#port.resume()
  }

  resetQueue(index: number): void {
    this.#receivers[index >>> 1]?.restart(index)
    // What waited for this queue may go to another.
    this.#port.resume()
  }

  enabledQueue(index: number): void {
    this.#receivers[index >>> 1]?.restart(index)
    this.#port.resume()
  }

  reset(): void {
    this.#queues = []
    this.#receivers = []
    this.#negotiated = 0n
    this.#guestOffloads = spec.GUEST_OFFLOADS
    this.#pairs = 1
    this.#filter.reset()
    this.#flows.clear()
    this.#setAddress(this.#address)
    this.#configView.setUint16(spec.CONFIG_STATUS, this.#port.linkUp ? spec.S_LINK_UP : 0, true)
    this.#setAccepted()
    // Nobody waits for a driver that is gone.
    this.#port.resume()
  }

  save(): VirtioNetState {
    return {
      address: this.#filter.address, announce: this.#status & spec.S_ANNOUNCE, pairs: this.#pairs, guestOffloads: this.#guestOffloads,
      filter: this.#filter.save(),
    }
  }

  restore(state: VirtioNetState): void {
    const { address, announce, pairs, guestOffloads, filter } = this.#checkState(state, this.name)
    this.#pairs = pairs
    this.#guestOffloads = guestOffloads & spec.GUEST_OFFLOADS
    this.#filter.restore(filter)
    this.#setAddress(address)
    this.#configView.setUint16(spec.CONFIG_STATUS, (this.#port.linkUp ? spec.S_LINK_UP : 0) | (announce & spec.S_ANNOUNCE), true)
  }

  /** Asks the driver to make itself known on the network, as after a migration (5.1.6.5.4). */
  announce(): void {
    if ((this.#negotiated & spec.F_GUEST_ANNOUNCE) !== 0n) this.#setStatus(spec.S_ANNOUNCE, true)
  }

  get #status(): number {
    return this.#configView.getUint16(spec.CONFIG_STATUS, true)
  }

  #setStatus(bit: number, on: boolean): void {
    const status = on ? this.#status | bit : this.#status & ~bit
    if (status === this.#status) return
    this.#configView.setUint16(spec.CONFIG_STATUS, status, true)
    this.#host?.configChanged()
  }

  #setAddress(address: number): void {
    this.#filter.address = address
    this.#configView.setUint16(spec.CONFIG_MAC, Math.floor(address / 2 ** 32))
    this.#configView.setUint32(spec.CONFIG_MAC + 2, address % 2 ** 32)
  }

  #setAccepted(): void {
    this.#port.onReceive((frame, unfinished) => this.#receive(frame, unfinished), acceptedOffloads(this.#guestOffloads & this.#negotiated))
  }

  /** 5.1.2: behind the pairs the driver knows of. */
  get #controlIndex(): number {
    return (this.#negotiated & spec.F_MQ) !== 0n ? 2 * this.#maxPairs : 2
  }

  #transmit(queue: Virtqueue, pair: number): void {
    const unpublished = (this.#unpublished = new Set())
    for (let chain; (chain = queue.pop()) !== undefined;) {
      this.#send(chain, pair)
      queue.push(chain, 0)
    }
    queue.publish()
    this.#unpublished = undefined
    for (const receiver of unpublished) receiver.publish()
  }

  #send(chain: DescriptorChain, pair: number): void {
    const length = chain.readableLength
    const end = Math.min(length, this.#scratch.length)
    const frame = this.#scratch.subarray(spec.HDR_BYTES, end)
    if (length < spec.HDR_BYTES + spec.ETH_HEADER || length > end || chain.read(0, this.#scratch.subarray(0, end)) < end) {
      this.dropped++
      return
    }
    const unfinished = readHeader(this.#scratch, frame, this.#negotiated)
    if (unfinished === false) {
      this.dropped++
      return
    }
    if (this.#pairs > 1) this.#flows.sent(frame, pair)
    this.#port.send(frame, unfinished)
  }

  /** The listener of the port: true also for what nobody wants. */
  #receive(frame: Uint8Array, unfinished: UnfinishedFrame | undefined): boolean {
    if (this.#receivers.length === 0 || frame.length < spec.ETH_HEADER || !this.#filter.wants(frame)) return true
    if ((this.#negotiated & spec.F_MTU) !== 0n && unfinished?.segmentation === undefined && frame.length > this.#longest) {
      this.dropped++
      return true
    }
    const receiver = this.#receiverOf(frame)
    if (receiver === undefined) return true
    const chains = receiver.take(spec.HDR_BYTES + frame.length)
    if (chains === 'later') return false
    if (chains === 'never') {
      this.dropped++
      return true
    }
    if (chains[0]!.writableLength < spec.HDR_BYTES) {
      this.#host?.fail('a receive buffer without room for the header')
      return true
    }
    writeHeader(this.#header, unfinished, chains.length)
    let start = chains[0]!.write(0, this.#header)
    let sent = 0
    for (const chain of chains) {
      const written = chain.write(start, frame.subarray(sent, sent + chain.writableLength - start))
      receiver.queue.push(chain, start + written)
      sent += written
      start = 0
    }
    if (this.#unpublished === undefined) receiver.queue.publish()
    else this.#unpublished.add(receiver.queue)
    return true
  }

  /** Bytes of a whole frame, with a VLAN tag. */
  get #longest(): number {
    return this.#configView.getUint16(spec.CONFIG_MTU, true) + spec.ETH_HEADER + spec.VLAN_TAG
  }

  /** 5.1.6.5.6: where the flow was sent on, if that is in use and enabled; else any that is. */
  #receiverOf(frame: Uint8Array): ReceiveQueue | undefined {
    const chosen = this.#receivers[this.#pairs > 1 ? this.#flows.pairOf(frame) % this.#pairs : 0]
    if (chosen !== undefined && chosen.queue.size > 0) return chosen
    return this.#receivers.slice(0, this.#pairs).find(({ queue }) => queue.size > 0)
  }

  #control(queue: Virtqueue): void {
    for (let chain; (chain = queue.pop()) !== undefined;) {
      if (chain.writableLength === 0) return this.#host?.fail('a control command without room for its answer')
      const command = new Uint8Array(Math.min(chain.readableLength, MAX_COMMAND))
      chain.read(0, command)
      chain.writeU8(0, this.#execute(command) ? spec.OK : spec.ERR)
      queue.push(chain, 1)
    }
    queue.publish()
  }

  /** 5.1.6.5; false: not understood, or not allowed. */
  #execute(bytes: Uint8Array): boolean {
    if (bytes.length < 2) return false
    const [kind, command] = [bytes[0]!, bytes[1]!]
    const data = new DataView(bytes.buffer, 2)
    const has = (feature: bigint): boolean => (this.#negotiated & feature) !== 0n
    switch (kind) {
      case spec.CTRL_RX: {
        const feature = command <= spec.CTRL_RX_ALLMULTI ? spec.F_CTRL_RX : spec.F_CTRL_RX_EXTRA
        return has(feature) && data.byteLength >= 1 && this.#filter.setMode(command, data.getUint8(0) !== 0)
      }
      case spec.CTRL_MAC:
        if (command === spec.CTRL_MAC_TABLE_SET) return has(spec.F_CTRL_RX) && this.#filter.setTables(bytes.subarray(2))
        if (command !== spec.CTRL_MAC_ADDR_SET || !has(spec.F_CTRL_MAC_ADDR) || data.byteLength !== 6) return false
        this.#setAddress(addressAt(bytes, 2))
        return true
      case spec.CTRL_VLAN:
        if (command > spec.CTRL_VLAN_DEL || !has(spec.F_CTRL_VLAN) || data.byteLength < 2) return false
        return this.#filter.setVlan(data.getUint16(0, true), command === spec.CTRL_VLAN_ADD)
      case spec.CTRL_ANNOUNCE:
        if (command !== spec.CTRL_ANNOUNCE_ACK || !has(spec.F_GUEST_ANNOUNCE)) return false
        // The driver's own doing: no notification.
        this.#configView.setUint16(spec.CONFIG_STATUS, this.#status & ~spec.S_ANNOUNCE, true)
        return true
      case spec.CTRL_MQ: {
        if (command !== spec.CTRL_MQ_VQ_PAIRS_SET || !has(spec.F_MQ) || data.byteLength < 2) return false
        const pairs = data.getUint16(0, true)
        if (pairs < 1 || pairs > this.#maxPairs) return false
        this.#pairs = pairs
        return true
      }
      case spec.CTRL_GUEST_OFFLOADS: {
        if (command !== spec.CTRL_GUEST_OFFLOADS_SET || !has(spec.F_CTRL_GUEST_OFFLOADS) || data.byteLength < 8) return false
        const offloads = data.getBigUint64(0, true)
        if ((offloads & ~(this.#negotiated & spec.GUEST_OFFLOADS)) !== 0n) return false
        this.#guestOffloads = offloads
        this.#setAccepted()
        return true
      }
      default: return false
    }
  }
}
