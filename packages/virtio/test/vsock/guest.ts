import { VirtioVsock } from '../../src/vsock/index.ts'
import type { VirtioVsockOptions } from '../../src/vsock/index.ts'
import * as spec from '../../src/vsock/spec.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'

export interface Packet {
  readonly hostPort: number
  readonly guestPort: number
  readonly op: number
  readonly flags: number
  readonly type: number
  readonly buffer: number
  readonly forwarded: number
  readonly payload: Uint8Array
}

export const CID = 3

/** A driver that sends and receives what the test says. */
export class Guest {
  readonly device: VirtioVsock
  readonly host: FakeHost = new FakeHost()
  queues: FakeQueue[] = []

  constructor(options: Partial<VirtioVsockOptions> = {}) {
    this.device = new VirtioVsock({ guestCid: CID, ...options })
    this.device.attach(this.host)
    this.start()
  }

  start(): void {
    for (const queue of this.queues) queue.kill()
    this.device.reset()
    this.queues = this.device.queueSizes.map((_, index) => new FakeQueue(index))
    this.device.activate(this.device.features, this.queues)
  }

  room(count = 1, bytes = 4096): void {
    for (let n = 0; n < count; n++) this.queues[spec.RX]!.available.push(new FakeChain(undefined, spec.HDR_BYTES + bytes))
    this.device.notified(spec.RX)
  }

  send(op: number, fields: Partial<Packet> & { length?: number; source?: number; destination?: number } = {}): void {
    const { hostPort = 1000, guestPort = 2000, flags = 0, type = 1, buffer = 65_536, forwarded = 0, payload = new Uint8Array(0) } = fields
    const bytes = new Uint8Array(spec.HDR_BYTES + payload.length)
    const view = new DataView(bytes.buffer)
    view.setBigUint64(0, BigInt(fields.source ?? CID), true)
    view.setBigUint64(8, BigInt(fields.destination ?? spec.CID_HOST), true)
    ;[guestPort, hostPort, fields.length ?? payload.length].forEach((value, n) => view.setUint32(16 + 4 * n, value, true))
    view.setUint16(spec.HDR_TYPE, type, true)
    view.setUint16(spec.HDR_OP, op, true)
    ;[flags, buffer, forwarded].forEach((value, n) => view.setUint32(32 + 4 * n, value, true))
    bytes.set(payload, spec.HDR_BYTES)
    this.raw(bytes)
  }

  raw(bytes: Uint8Array): void {
    this.queues[spec.TX]!.available.push(new FakeChain(bytes))
    this.device.notified(spec.TX)
  }

  /** What the device sent since the last time. */
  received(): Packet[] {
    const queue = this.queues[spec.RX]!
    return queue.used.splice(0).map((chain) => {
      const view = new DataView(chain.answer.buffer, chain.answer.byteOffset, chain.answer.byteLength)
      if (view.getBigUint64(0, true) !== 2n || view.getBigUint64(8, true) !== BigInt(CID)) throw new Error('wrong addresses')
      const payload = chain.answer.slice(spec.HDR_BYTES)
      if (view.getUint32(spec.HDR_LEN, true) !== payload.length) throw new Error('wrong length')
      const u32 = (at: number): number => view.getUint32(at, true)
      return {
        hostPort: u32(16), guestPort: u32(20), type: view.getUint16(spec.HDR_TYPE, true), op: view.getUint16(spec.HDR_OP, true),
        flags: u32(32), buffer: u32(36), forwarded: u32(40), payload,
      }
    })
  }

  ops(): number[] {
    return this.received().map((packet) => packet.op)
  }
}
