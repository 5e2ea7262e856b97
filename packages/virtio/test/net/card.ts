import type { FrameListener, FrameOffloads, NetworkPort, UnfinishedFrame } from '@entresol/interfaces'
import { VirtioNet } from '../../src/net/index.ts'
import type { VirtioNetDeviceOptions } from '../../src/net/index.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'

export const ALL: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }
export const MAC: Uint8Array = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56)

/** The far end of the link is the test. */
export class FakePort implements NetworkPort {
  readonly offloads: FrameOffloads
  readonly sent: { frame: Uint8Array; unfinished: UnfinishedFrame | undefined }[] = []
  readonly waiting: { frame: Uint8Array; unfinished?: UnfinishedFrame }[] = []
  accepts: FrameOffloads | undefined
  linkUp = true
  answer: ((frame: Uint8Array) => void) | undefined
  #listener: FrameListener = () => true
  #onLink: (up: boolean) => void = () => {}

  constructor(offloads: FrameOffloads = ALL) {
    this.offloads = offloads
  }

  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void {
    this.sent.push({ frame: frame.slice(), unfinished })
    this.answer?.(frame)
  }

  onReceive(listener: FrameListener, accepts: FrameOffloads): void {
    this.#listener = listener
    this.accepts = accepts
  }

  onLinkChange(listener: (up: boolean) => void): void {
    this.#onLink = listener
  }

  setLink(up: boolean): void {
    this.linkUp = up
    this.#onLink(up)
  }

  /** A frame comes in; waits when the device says so. */
  deliver(frame: Uint8Array, unfinished?: UnfinishedFrame): boolean {
    const taken = this.#listener(frame, unfinished)
    if (!taken) this.waiting.push({ frame, ...(unfinished && { unfinished }) })
    return taken
  }

  resume(): void {
    for (const { frame, unfinished } of this.waiting.splice(0)) this.deliver(frame, unfinished)
  }
}

export class Card {
  readonly port: FakePort
  readonly device: VirtioNet
  readonly host: FakeHost = new FakeHost()
  readonly queues: FakeQueue[]

  constructor(options: Partial<VirtioNetDeviceOptions> & { offloads?: FrameOffloads } = {}, without: bigint = 0n) {
    this.port = new FakePort(options.offloads)
    this.device = new VirtioNet({ mac: MAC, port: this.port, ...options })
    this.device.attach(this.host)
    this.device.reset()
    this.queues = this.device.queueSizes.map((_, index) => new FakeQueue(index))
    this.device.activate(this.device.features & ~without, this.queues)
  }

  get config(): DataView {
    return new DataView(this.device.config.buffer)
  }

  /** Gives the device a buffer. */
  give(index: number, chain: FakeChain): FakeChain {
    this.queues[index]!.available.push(chain)
    this.device.notified(index)
    return chain
  }

  transmit(header: number[], frame: Uint8Array, queue = 1): void {
    this.give(queue, new FakeChain(new Uint8Array([...header, ...frame])))
  }

  /** The answer's first byte: 0 for OK. */
  command(...bytes: number[]): number {
    return this.give(this.queues.length - 1, new FakeChain(Uint8Array.from(bytes), 1)).answer[0]!
  }
}

export const HEADER: number[] = new Array<number>(12).fill(0)

/** flags 1, GSO type and size, checksum start and offset. */
export const header = (type: number, size: number, start: number, offset: number): number[] =>
  [1, type, 0, 0, size & 0xff, size >> 8, start & 0xff, start >> 8, offset & 0xff, offset >> 8, 0, 0]

/** An Ethernet frame with IPv4 and TCP headers, 54 bytes of headers in all. */
export function tcp4(payload: number, { to = MAC, sourcePort = 1000, port = 80, from = 1 } = {}): Uint8Array {
  const frame = new Uint8Array(54 + payload)
  frame.set(to)
  frame.set([2, 0, 0, 0, 0, from, 8, 0, 0x45, 0, (40 + payload) >> 8, 40 + payload, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, 3 - from], 6)
  frame.set([sourcePort >> 8, sourcePort, port >> 8, port], 34)
  frame[46] = 5 << 4
  for (let at = 54; at < frame.length; at++) frame[at] = at
  return frame
}
