import type { AccessSize, VirtioDevice, VirtioHost, Virtqueue } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { bool, bytes, type Check, list, record, u16 } from '@entresol/kit/saved-state'
import { ConsolePort, type ConsolePortOptions } from './port.ts'
import * as spec from './spec.ts'

export interface VirtioConsoleDeviceOptions {
  /** Default `virtio-console`. */
  readonly name?: string
  /** 1 to 31 ports. */
  readonly ports: readonly ConsolePortOptions[]
  /** Size of the first console, default 80 × 25. */
  readonly columns?: number
  readonly rows?: number
}

export interface VirtioConsoleState {
  columns: number
  rows: number
  open: boolean[]
  /** Control messages that wait for a buffer of the guest. */
  messages: Uint8Array[]
}

const MAX_PORTS = 31
const QUEUE_SIZE = 128
/** Control messages kept for a guest that gives no buffers: a hostile one asks for many. */
const MAX_MESSAGES = 4 * MAX_PORTS + 64

const checkState: Check<VirtioConsoleState> = record<VirtioConsoleState>({
  columns: u16, rows: u16, open: list(bool, MAX_PORTS), messages: list(bytes(spec.CONTROL_BYTES, spec.CONTROL_BYTES + 256), MAX_MESSAGES),
})

/** A console with any number of ports (virtio 1.2, 5.3). */
export class VirtioConsole implements VirtioDevice<VirtioConsoleState> {
  readonly name: string
  readonly snapshotVersion: number = 1
  readonly deviceId: number = spec.DEVICE_ID
  readonly features: bigint = spec.F_SIZE | spec.F_MULTIPORT | spec.F_EMERG_WRITE
  readonly queueSizes: readonly number[]
  readonly config: Uint8Array = new Uint8Array(spec.CONFIG_BYTES)
  readonly #view: DataView = new DataView(this.config.buffer)
  readonly #ports: readonly ConsolePort[]
  #host: VirtioHost | undefined
  #queues: readonly Virtqueue[] = []
  #isMultiport = false
  #messages: Uint8Array[] = []

  /** Throws `virtio-console-options`. */
  constructor(options: VirtioConsoleDeviceOptions) {
    this.name = options.name ?? 'virtio-console'
    const count = options.ports.length
    if (count < 1 || count > MAX_PORTS) throw new CodedError('virtio-console-options', `${this.name}: ${count} ports; there can be 1 to ${MAX_PORTS}`)
    this.#ports = options.ports.map((port) => new ConsolePort(port))
    this.queueSizes = new Array<number>(2 * count + 2).fill(QUEUE_SIZE)
    this.#setSize(options.columns ?? 80, options.rows ?? 25)
    this.#view.setUint32(spec.CONFIG_MAX_PORTS, count, true)
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  /** The host's terminal has another size now: what the guest sees for its first console. */
  resize(columns: number, rows: number): void {
    this.#setSize(columns, rows)
    this.#host?.configChanged()
    if (this.#isMultiport) this.#sendSize()
  }

  #setSize(columns: number, rows: number): void {
    this.#view.setUint16(spec.CONFIG_COLUMNS, columns, true)
    this.#view.setUint16(spec.CONFIG_ROWS, rows, true)
  }

  /** Emergency write: a character before any queue works (5.3.5, 5.3.6). */
  writeConfig(offset: number, _size: AccessSize, value: number): void {
    if (offset === spec.CONFIG_EMERGENCY_WRITE) this.#ports[0]!.options.port.write(Uint8Array.of(value & 0xff))
  }

  activate(features: bigint, queues: readonly Virtqueue[]): void {
    this.#queues = queues
    this.#isMultiport = (features & spec.F_MULTIPORT) !== 0n
    this.#ports.forEach((port, index) => {
      const { receive, transmit } = spec.queuesOfPort(index)
      if (index === 0 || this.#isMultiport) port.activate(queues[receive]!, queues[transmit]!)
    })
    if (!this.#isMultiport) this.#ports[0]!.isOpen = true
  }

  notified(index: number): void {
    if (index === spec.QUEUE_CONTROL_RECEIVE) return this.#sendMessages()
    if (index === spec.QUEUE_CONTROL_TRANSMIT) return this.#control(this.#queues[index]!)
    const port = this.#ports[index < 2 ? 0 : (index >> 1) - 1]!
    if ((index & 1) === 0) port.relieve()
    else port.transmit()
  }

  #control(queue: Virtqueue): void {
    for (let chain; (chain = queue.pop()); queue.push(chain, 0)) {
      // Longer messages may come from later drivers; what they add is not known here.
      if (!this.#isMultiport || chain.readableLength < spec.CONTROL_BYTES) continue
      this.#message(chain.readU32(0), chain.readU16(spec.CONTROL_EVENT), chain.readU16(spec.CONTROL_VALUE))
    }
    queue.publish()
  }

  #message(id: number, event: number, value: number): void {
    if (event === spec.EVENT_DEVICE_READY) {
      if (value === 1) this.#ports.forEach((_, port) => this.#send(port, spec.EVENT_DEVICE_ADD, 1))
      return
    }
    const port = this.#ports[id]
    if (!port) return
    if (event === spec.EVENT_PORT_READY && value === 1) this.#introduce(id, port)
    else if (event === spec.EVENT_PORT_OPEN) {
      port.isOpen = value === 1
      port.relieve()
    }
  }

  /** The guest has made the port: what it is (5.3.6.2.1). The host's end is always open. */
  #introduce(id: number, { options }: ConsolePort): void {
    const isConsole = id === 0 || options.console === true
    if (isConsole) this.#send(id, spec.EVENT_CONSOLE_PORT, 1)
    if (options.name !== undefined) this.#send(id, spec.EVENT_PORT_NAME, 1, new TextEncoder().encode(options.name).subarray(0, 256))
    this.#send(id, spec.EVENT_PORT_OPEN, 1)
    if (id === 0) this.#sendSize()
  }

  #sendSize(): void {
    this.#send(0, spec.EVENT_RESIZE, 0, this.config.slice(spec.CONFIG_COLUMNS, spec.CONFIG_MAX_PORTS))
  }

  #send(id: number, event: number, value: number, payload: Uint8Array = new Uint8Array(0)): void {
    if (this.#messages.length >= MAX_MESSAGES) return
    const message = new Uint8Array(spec.CONTROL_BYTES + payload.length)
    const view = new DataView(message.buffer)
    view.setUint32(0, id, true)
    view.setUint16(spec.CONTROL_EVENT, event, true)
    view.setUint16(spec.CONTROL_VALUE, value, true)
    message.set(payload, spec.CONTROL_BYTES)
    this.#messages.push(message)
    this.#sendMessages()
  }

  #sendMessages(): void {
    const queue = this.#queues[spec.QUEUE_CONTROL_RECEIVE]
    if (!queue || !this.#isMultiport) return
    while (this.#messages.length > 0) {
      const chain = queue.pop()
      if (!chain) break
      queue.push(chain, chain.write(0, this.#messages.shift()!))
    }
    queue.publish()
  }

  resetQueue(): void {}

  enabledQueue(): void {}

  reset(): void {
    this.#queues = []
    this.#isMultiport = false
    this.#messages = []
    for (const port of this.#ports) port.reset()
  }

  save(): VirtioConsoleState {
    return {
      columns: this.#view.getUint16(spec.CONFIG_COLUMNS, true), rows: this.#view.getUint16(spec.CONFIG_ROWS, true),
      open: this.#ports.map(({ isOpen }) => isOpen), messages: this.#messages.map((message) => message.slice()),
    }
  }

  restore(state: VirtioConsoleState): void {
    const { columns, rows, open, messages } = checkState(state, this.name)
    this.reset()
    this.#setSize(columns, rows)
    this.#messages = messages
    this.#ports.forEach((port, index) => { port.isOpen = open[index] ?? false })
  }
}
