import type { AccessSize, DescriptorChain, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { type Check, record, u8 } from '@entresol/kit/saved-state'
import * as spec from './spec.ts'

export interface InputEvent {
  /** EV_ type, code and signed value of the Linux input layer. */
  readonly type: number
  readonly code: number
  readonly value: number
}

/** What a device tells about itself. */
export interface InputIdentity {
  readonly name: string
  /** As the guest shows it. */
  readonly title: string
  readonly product: number
  /** Codes by EV_ type. */
  readonly events: ReadonlyMap<number, readonly number[]>
  /** Largest value of each absolute axis; the smallest is 0. */
  readonly axes?: ReadonlyMap<number, number>
}

export interface VirtioInputState {
  select: number
  subsel: number
  /** A bit for each LED. */
  leds: number
}

const checkState: Check<VirtioInputState> = record<VirtioInputState>({ select: u8, subsel: u8, leds: u8 })

/** Events kept for a driver that gives no buffers; what comes on top of them is lost, whole updates at a time (5.8.6.2). */
const MAX_PENDING = 1024

/** A keyboard, mouse or tablet as the Linux input layer sees one (virtio 1.2, 5.8). The kinds are subclasses with the host's side. */
export class VirtioInput implements VirtioDevice<VirtioInputState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.VIRTIO_ID_INPUT
  readonly features: bigint = 0n
  readonly queueSizes: readonly number[] = [64, 64]
  readonly config: Uint8Array = new Uint8Array(spec.CONFIG_BYTES)
  readonly #identity: InputIdentity
  readonly #pending: InputEvent[] = []
  #host: VirtioHost | undefined
  #queues: readonly Virtqueue[] = []
  #leds = 0

  constructor(identity: InputIdentity) {
    this.name = identity.name
    this.#identity = identity
  }

  /** LEDs the guest has lit: bit 0 Num Lock, 1 Caps Lock, 2 Scroll Lock. */
  get leds(): number {
    return this.#leds
  }

  /** Sends one update, ended with EV_SYN. Lost when no driver is there, or when it does not keep up. */
  send(events: readonly InputEvent[]): void {
    if (this.#queues.length === 0 || events.length === 0 || this.#pending.length + events.length + 1 > MAX_PENDING) return
    this.#pending.push(...events, { type: spec.EV_SYN, code: 0, value: 0 })
    this.#flush()
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  /** Only `select` and `subsel` are the driver's (5.8.5.1). */
  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let byte = 0; byte < size && offset + byte <= spec.CONFIG_SUBSEL; byte++) this.config[offset + byte] = value >>> (8 * byte)
    this.#answer()
  }

  activate(_features: bigint, queues: readonly Virtqueue[]): void {
    this.#queues = queues
  }

  notified(index: number): void {
    if (index === spec.EVENTQ) return this.#flush()
    const queue = this.#queues[index]!
    for (let chain; (chain = queue.pop()) !== undefined;) {
      this.#takeStatus(chain)
      queue.push(chain, 0)
    }
    queue.publish()
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queues = []
    this.#pending.length = 0
    this.#leds = 0
    this.config.fill(0)
  }

  save(): VirtioInputState {
    return { select: this.config[spec.CONFIG_SELECT]!, subsel: this.config[spec.CONFIG_SUBSEL]!, leds: this.#leds }
  }

  restore(state: VirtioInputState): void {
    const { select, subsel, leds } = checkState(state, this.name)
    this.#pending.length = 0
    this.#leds = leds
    this.config[spec.CONFIG_SELECT] = select
    this.config[spec.CONFIG_SUBSEL] = subsel
    this.#answer()
  }

  #takeStatus(chain: DescriptorChain): void {
    const code = chain.readU16(2)
    if (chain.readableLength < spec.EVENT_BYTES || chain.readU16(0) !== spec.EV_LED || !spec.LEDS.includes(code)) return
    if (chain.readU32(4) !== 0) this.#leds |= 1 << code
    else this.#leds &= ~(1 << code)
  }

  #flush(): void {
    const queue = this.#queues[spec.EVENTQ]
    if (queue === undefined) return
    while (this.#pending.length > 0) {
      const chain = queue.pop()
      if (chain === undefined) break
      if (chain.writableLength < spec.EVENT_BYTES) return this.#host?.fail('an event buffer without room for an event')
      const { type, code, value } = this.#pending.shift()!
      chain.writeU16(0, type)
      chain.writeU16(2, code)
      chain.writeU32(4, value >>> 0)
      queue.push(chain, spec.EVENT_BYTES)
    }
    queue.publish()
  }

  /** Puts what `select` and `subsel` ask for into the configuration (5.8.4). */
  #answer(): void {
    const bytes = this.#told(this.config[spec.CONFIG_SELECT]!, this.config[spec.CONFIG_SUBSEL]!)
    this.config.fill(0, spec.CONFIG_SIZE)
    this.config[spec.CONFIG_SIZE] = bytes.length
    this.config.set(bytes, spec.CONFIG_DATA)
  }

  #told(select: number, subsel: number): Uint8Array {
    const { title, name, product, events, axes } = this.#identity
    const text = (value: string): Uint8Array => (subsel === 0 ? new TextEncoder().encode(value).subarray(0, 128) : new Uint8Array(0))
    switch (select) {
      case spec.CFG_ID_NAME: return text(title)
      case spec.CFG_ID_SERIAL: return text(name)
      case spec.CFG_ID_DEVIDS: return subsel === 0 ? new Uint8Array(Uint16Array.of(spec.BUS_VIRTUAL, spec.VENDOR, product, 1).buffer) : text('')
      case spec.CFG_EV_BITS: return bitmap(events.get(subsel) ?? [])
      case spec.CFG_ABS_INFO: {
        const maximum = axes?.get(subsel)
        return maximum === undefined ? new Uint8Array(0) : new Uint8Array(Uint32Array.of(0, maximum, 0, 0, 0).buffer)
      }
      default: return new Uint8Array(0)
    }
  }
}

function bitmap(codes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(codes.length === 0 ? 0 : (Math.max(...codes) >>> 3) + 1)
  for (const code of codes) bytes[code >>> 3]! |= 1 << (code & 7)
  return bytes
}
