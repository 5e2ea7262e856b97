import type { DescriptorChain, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { type Check, record } from '@entresol/kit/saved-state'
import { Connection } from './connection.ts'
import type { ConnectionOwner, VsockConnection } from './connection.ts'
import * as spec from './spec.ts'

export interface VirtioVsockOptions {
  readonly name?: string
  /** The guest's address, 3 to FFFFFFFEh. */
  readonly guestCid: number
  /** Bytes a connection holds for a host that does not read. Default 256 KiB. */
  readonly bufferBytes?: number
  /** Connections at a time; beyond it they are refused. Default 256. */
  readonly maxConnections?: number
  /** Asked for ports without a listener of their own: who takes a connection there, if anybody does. */
  readonly listenerAt?: (port: number) => ((connection: VsockConnection) => void) | undefined
}

/** Nothing: connections end with a snapshot, and the driver is told. */
export type VirtioVsockState = Record<never, never>

const checkState: Check<VirtioVsockState> = record<VirtioVsockState>({})

/** Refusals that wait for room. While there are so many, the driver has to take some before it is listened to again (5.10.6.1). */
const MAX_REFUSALS = 64
/** Ports given to connections of the host, from here up. */
const FIRST_DYNAMIC_PORT = 0x4000_0000

type Header = DataView<ArrayBuffer>

/** Stream sockets between host and guest (virtio 1.2, 5.10). The host's side listens and connects here. */
export class VirtioVsock implements VirtioDevice<VirtioVsockState>, ConnectionOwner {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.VIRTIO_ID_VSOCK
  readonly features: bigint = spec.F_STREAM
  readonly queueSizes: readonly number[] = [128, 128, 16]
  readonly config: Uint8Array = new Uint8Array(8)
  readonly bufferBytes: number
  readonly #guestCid: number
  readonly #maxConnections: number
  readonly #listenerAt: (port: number) => ((connection: VsockConnection) => void) | undefined
  readonly #listeners: Map<number, (connection: VsockConnection) => void> = new Map()
  /** By host and guest port. */
  readonly #connections: Map<string, Connection> = new Map()
  /** Connections with packets to send, who waited longest first. */
  readonly #ready: Set<Connection> = new Set()
  readonly #refusals: { readonly hostPort: number; readonly guestPort: number; readonly type: number }[] = []
  #host: VirtioHost | undefined
  #queues: readonly Virtqueue[] = []
  #nextPort: number = FIRST_DYNAMIC_PORT
  /** Connections the driver may still believe in are gone. */
  #mustTellReset = false

  /** Throws `virtio-vsock-options`. */
  constructor(options: VirtioVsockOptions) {
    this.name = options.name ?? 'virtio-vsock'
    this.#guestCid = options.guestCid
    this.bufferBytes = options.bufferBytes ?? 256 * 1024
    this.#maxConnections = options.maxConnections ?? 256
    this.#listenerAt = options.listenerAt ?? (() => undefined)
    if (!(Number.isInteger(this.#guestCid) && this.#guestCid >= spec.MIN_GUEST_CID && this.#guestCid <= spec.MAX_GUEST_CID)) {
      throw new CodedError('virtio-vsock-options', `${this.name}: the guest's CID is 3 to 4294967294`)
    }
    new DataView(this.config.buffer).setBigUint64(0, BigInt(this.#guestCid), true)
  }

  /** Connections there are. */
  get connections(): number {
    return this.#connections.size
  }

  /** Takes connections of the guest to `port`, until the function returned is called. Throws `vsock-port-in-use`. */
  listen(port: number, accept: (connection: VsockConnection) => void): () => void {
    if (this.#listeners.has(port)) throw new CodedError('vsock-port-in-use', `${this.name}: port ${port} has a listener`)
    this.#listeners.set(port, accept)
    return () => {
      if (this.#listeners.get(port) === accept) this.#listeners.delete(port)
    }
  }

  /** Connects to a port the guest listens on. Fails with `vsock-refused`, also where there is no driver. */
  async connect(guestPort: number): Promise<VsockConnection> {
    if (this.#queues.length === 0 || this.#connections.size >= this.#maxConnections) {
      throw new CodedError('vsock-refused', `${this.name}: no driver, or too many connections`)
    }
    let hostPort: number
    do {
      hostPort = this.#nextPort
      this.#nextPort = hostPort === 0xffff_fffe ? FIRST_DYNAMIC_PORT : hostPort + 1
    } while (this.#connections.has(`${hostPort}:${guestPort}`))
    return this.#add(hostPort, guestPort, true).opened.promise
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  writeConfig(): void {}

  activate(_features: bigint, queues: readonly Virtqueue[]): void {
    this.#queues = queues
  }

  notified(index: number): void {
    if (index === spec.EVENT) return this.#tellReset()
    if (index === spec.TX) this.#take()
    this.#pump()
    // What was left because of refusals that had no room.
    if (index === spec.RX) {
      this.#take()
      this.#pump()
    }
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queues = []
    this.#dropAll()
    this.#mustTellReset = false
  }

  save(): VirtioVsockState {
    return {}
  }

  restore(state: VirtioVsockState): void {
    checkState(state, this.name)
    this.#dropAll()
    this.#mustTellReset = true
  }

  ready(connection: Connection): void {
    this.#ready.add(connection)
    this.#pump()
  }

  ended(connection: Connection): void {
    this.#ready.delete(connection)
    const key = `${connection.hostPort}:${connection.guestPort}`
    if (this.#connections.get(key) === connection) this.#connections.delete(key)
  }

  #dropAll(): void {
    this.#refusals.length = 0
    for (const connection of [...this.#connections.values()]) connection.drop()
  }

  #add(hostPort: number, guestPort: number, isConnecting: boolean): Connection {
    const connection = new Connection(this, hostPort, guestPort, isConnecting)
    this.#connections.set(`${hostPort}:${guestPort}`, connection)
    this.ready(connection)
    return connection
  }

  /** Packets of the driver. */
  #take(): void {
    const queue = this.#queues[spec.TX]
    if (queue === undefined) return
    const header: Header = new DataView(new ArrayBuffer(spec.HDR_BYTES))
    while (this.#refusals.length < MAX_REFUSALS) {
      const chain = queue.pop()
      if (chain === undefined) break
      if (chain.read(0, new Uint8Array(header.buffer)) === spec.HDR_BYTES) this.#receive(header, chain)
      queue.push(chain, 0)
    }
    queue.publish()
  }

  #receive(header: Header, chain: DescriptorChain): void {
    const cid = (at: number): bigint => header.getBigUint64(at, true)
    if (cid(spec.HDR_SRC_CID) !== BigInt(this.#guestCid) || cid(spec.HDR_DST_CID) !== BigInt(spec.CID_HOST)) return
    const u32 = (at: number): number => header.getUint32(at, true)
    const [guestPort, hostPort, length] = [u32(spec.HDR_SRC_PORT), u32(spec.HDR_DST_PORT), u32(spec.HDR_LEN)]
    const [type, op] = [header.getUint16(spec.HDR_TYPE, true), header.getUint16(spec.HDR_OP, true)]
    const known = this.#connections.get(`${hostPort}:${guestPort}`)
    const [buffer, forwarded] = [u32(spec.HDR_BUF_ALLOC), u32(spec.HDR_FWD_CNT)]
    const isWhole = length <= chain.readableLength - spec.HDR_BYTES
    let isAccepted: boolean
    if (type !== spec.TYPE_STREAM) isAccepted = false
    else if (known !== undefined) {
      isAccepted = isWhole && known.receive(op, u32(spec.HDR_FLAGS), buffer, forwarded, length, chain)
      if (!isWhole) known.drop()
    } else isAccepted = op === spec.OP_REQUEST && this.#accept(hostPort, guestPort, buffer, forwarded, chain)
    if (!isAccepted && op !== spec.OP_RST) this.#refusals.push({ hostPort, guestPort, type })
  }

  #accept(hostPort: number, guestPort: number, buffer: number, forwarded: number, chain: DescriptorChain): boolean {
    if (this.#connections.size >= this.#maxConnections) return false
    const listener = this.#listeners.get(hostPort) ?? this.#listenerAt(hostPort)
    if (listener === undefined) return false
    const connection = this.#add(hostPort, guestPort, false)
    connection.receive(spec.OP_CREDIT_UPDATE, 0, buffer, forwarded, 0, chain)
    listener(connection)
    return true
  }

  /** Sends what there is, as far as the driver gave buffers. */
  #pump(): void {
    const queue = this.#queues[spec.RX]
    if (queue === undefined) return
    while (this.#hasPacket) {
      const chain = queue.pop()
      if (chain === undefined) break
      const room = chain.writableLength - spec.HDR_BYTES
      if (room <= 0) return this.#host?.fail('a receive buffer without room for payload')
      queue.push(chain, this.#send(chain, room))
    }
    queue.publish()
  }

  /** Leaves only connections that have something to say in `#ready`. */
  get #hasPacket(): boolean {
    if (this.#refusals.length > 0) return true
    for (const connection of this.#ready) {
      if (connection.hasPacket) return true
      this.#ready.delete(connection)
    }
    return false
  }

  #send(chain: DescriptorChain, room: number): number {
    const refusal = this.#refusals.shift()
    if (refusal !== undefined) return this.#write(chain, refusal.hostPort, refusal.guestPort, refusal.type, { op: spec.OP_RST, flags: 0, payload: undefined }, 0, 0)
    const [connection] = this.#ready
    const packet = connection?.nextPacket(room)
    if (connection === undefined || packet === undefined) return 0
    // To the end of the line.
    this.#ready.delete(connection)
    if (connection.hasPacket) this.#ready.add(connection)
    return this.#write(chain, connection.hostPort, connection.guestPort, spec.TYPE_STREAM, packet, this.bufferBytes, connection.forwarded)
  }

  #write(
    chain: DescriptorChain, hostPort: number, guestPort: number, type: number, packet: { op: number; flags: number; payload: Uint8Array | undefined },
    buffer: number, forwarded: number,
  ): number {
    const header = new DataView(new ArrayBuffer(spec.HDR_BYTES))
    header.setBigUint64(spec.HDR_SRC_CID, BigInt(spec.CID_HOST), true)
    header.setBigUint64(spec.HDR_DST_CID, BigInt(this.#guestCid), true)
    header.setUint32(spec.HDR_SRC_PORT, hostPort, true)
    header.setUint32(spec.HDR_DST_PORT, guestPort, true)
    header.setUint32(spec.HDR_LEN, packet.payload?.length ?? 0, true)
    header.setUint16(spec.HDR_TYPE, type, true)
    header.setUint16(spec.HDR_OP, packet.op, true)
    header.setUint32(spec.HDR_FLAGS, packet.flags, true)
    header.setUint32(spec.HDR_BUF_ALLOC, buffer, true)
    header.setUint32(spec.HDR_FWD_CNT, forwarded, true)
    const written = chain.write(0, new Uint8Array(header.buffer))
    return written + (packet.payload === undefined ? 0 : chain.write(spec.HDR_BYTES, packet.payload))
  }

  /** 5.10.6.7 */
  #tellReset(): void {
    const queue = this.#queues[spec.EVENT]
    if (!this.#mustTellReset || queue === undefined) return
    const chain = queue.pop()
    if (chain === undefined) return
    this.#mustTellReset = false
    chain.writeU32(0, spec.EVENT_TRANSPORT_RESET)
    queue.push(chain, Math.min(chain.writableLength, spec.EVENT_BYTES))
    queue.publish()
  }
}
