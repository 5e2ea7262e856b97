import type { DescriptorChain } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { ByteQueue } from './byte-queue.ts'
import * as spec from './spec.ts'

/** The host's end of a stream between a port of the host and one of the guest. */
export interface VsockConnection {
  readonly hostPort: number
  readonly guestPort: number
  /** What the guest sends. Ends when the guest shuts down; fails with `vsock-reset` when it breaks off. */
  readonly readable: ReadableStream<Uint8Array>
  /** What the guest receives; slow when the guest is. Fails with `vsock-reset` once the guest does not receive any more. */
  readonly writable: WritableStream<Uint8Array>
  /** Breaks off, at once and for both. */
  reset(): void
}

/** A packet the device is to send, but for addresses. */
export interface Packet {
  readonly op: number
  readonly flags: number
  readonly payload: Uint8Array | undefined
}

/** What a connection needs of its device. */
export interface ConnectionOwner {
  readonly bufferBytes: number
  /** It has packets to send. */
  ready(connection: Connection): void
  /** It is over: nothing comes and goes any more. */
  ended(connection: Connection): void
}

const reset = (): CodedError => new CodedError('vsock-reset', 'the vsock connection was reset')

/** State of a stream connection with its credit (virtio 1.2, 5.10.6.3 and 5.10.6.5). Counters are 32 bits and wrap. */
export class Connection implements VsockConnection {
  readonly hostPort: number
  readonly guestPort: number
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
  readonly #owner: ConnectionOwner
  readonly #received: ByteQueue = new ByteQueue()
  /** Settled when the guest answers a request of the host. */
  readonly opened: PromiseWithResolvers<VsockConnection> = Promise.withResolvers()
  /** OP_REQUEST was sent or is to be, and not answered. */
  #isConnecting: boolean
  #isOver = false
  /** Ops to send, each at most once. */
  readonly #pending: Set<number> = new Set()
  /** SHUTDOWN flags: said by the host's side, by the guest. */
  #hostShutdown = 0
  #guestShutdown = 0
  /** Payload bytes sent, and what the guest published about its buffer. */
  #sent = 0
  #peerBuffer = 0
  #peerForwarded = 0
  /** Payload bytes received, taken by the reader, and the latter as the guest was told. */
  #arrived = 0
  #forwarded = 0
  #published = 0
  #readController: ReadableStreamDefaultController<Uint8Array> | undefined
  #waitingReader: (() => void) | undefined
  #writeController: WritableStreamDefaultController | undefined
  #writing: { readonly chunk: Uint8Array; offset: number; readonly done: PromiseWithResolvers<void> } | undefined

  constructor(owner: ConnectionOwner, hostPort: number, guestPort: number, isConnecting: boolean) {
    this.#owner = owner
    this.hostPort = hostPort
    this.guestPort = guestPort
    this.#isConnecting = isConnecting
    this.#pending.add(isConnecting ? spec.OP_REQUEST : spec.OP_RESPONSE)
    this.opened.promise.catch(() => {})
    // Nothing is read ahead: what lies in the stream's own queue would be beyond the credit.
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => { this.#readController = controller },
      pull: () => this.#pull(),
      cancel: () => this.#shutdown(spec.SHUTDOWN_RECEIVE),
    }, { highWaterMark: 0 })
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => { this.#writeController = controller },
      write: (chunk) => this.#write(chunk),
      close: () => this.#shutdown(spec.SHUTDOWN_SEND),
      abort: () => this.reset(),
    })
  }

  get forwarded(): number {
    return this.#forwarded
  }

  reset(): void {
    if (this.#isOver) return
    this.#pending.clear()
    this.#pending.add(spec.OP_RST)
    this.#owner.ready(this)
    this.#break(reset())
  }

  /** The guest is gone, or broke off. */
  drop(): void {
    this.#pending.clear()
    this.#end(reset())
  }

  /** A packet of the guest. False: it broke the rules, and gets OP_RST. */
  receive(op: number, flags: number, buffer: number, forwarded: number, length: number, chain: DescriptorChain): boolean {
    this.#peerBuffer = buffer
    this.#peerForwarded = forwarded
    if (op === spec.OP_RST) return this.#receiveReset()
    if (this.#isOver) return true
    if (this.#isConnecting) {
      if (op !== spec.OP_RESPONSE) return this.#refuse()
      this.#isConnecting = false
      this.opened.resolve(this)
    } else if (op === spec.OP_SHUTDOWN) this.#receiveShutdown(flags & spec.SHUTDOWN_BOTH)
    else if (op === spec.OP_CREDIT_REQUEST) this.#pending.add(spec.OP_CREDIT_UPDATE)
    else if (op === spec.OP_RW) {
      if (!this.#receiveData(length, chain)) return this.#refuse()
    } else if (op !== spec.OP_CREDIT_UPDATE) return this.#refuse()
    if (this.hasPacket) this.#owner.ready(this)
    return true
  }

  get hasPacket(): boolean {
    return this.#pending.size > 0 || (this.#writing !== undefined && !this.#isConnecting && this.#credit > 0)
  }

  /** The next packet with at most `room` bytes of payload. After RST nothing follows. */
  nextPacket(room: number): Packet | undefined {
    for (const op of this.#pending) {
      this.#pending.delete(op)
      // Either the host broke off, and both streams know, or the guest has shut down for good.
      if (op === spec.OP_RST) this.#end(undefined)
      this.#published = this.#forwarded
      return { op, flags: op === spec.OP_SHUTDOWN ? this.#hostShutdown : 0, payload: undefined }
    }
    const writing = this.#writing
    const count = Math.min(room, this.#credit, writing === undefined ? 0 : writing.chunk.length - writing.offset)
    if (writing === undefined || count <= 0 || this.#isConnecting) return undefined
    const payload = writing.chunk.subarray(writing.offset, writing.offset + count)
    writing.offset += count
    this.#sent = (this.#sent + count) >>> 0
    this.#published = this.#forwarded
    if (writing.offset === writing.chunk.length) {
      this.#writing = undefined
      writing.done.resolve()
    } else if (this.#credit === 0) this.#pending.add(spec.OP_CREDIT_REQUEST)
    return { op: spec.OP_RW, flags: 0, payload }
  }

  /** Bytes the guest has room for; nothing when what it says contradicts what was sent. */
  get #credit(): number {
    const underway = (this.#sent - this.#peerForwarded) >>> 0
    return Math.max(0, this.#peerBuffer - underway)
  }

  #receiveReset(): boolean {
    this.#pending.clear()
    const isExpected = (this.#hostShutdown | this.#guestShutdown) === spec.SHUTDOWN_BOTH
    this.#end(isExpected ? undefined : reset())
    return true
  }

  /** The guest broke the rules. */
  #refuse(): boolean {
    this.#pending.clear()
    this.#end(reset())
    return false
  }

  #receiveShutdown(flags: number): void {
    this.#guestShutdown |= flags
    if ((this.#guestShutdown & spec.SHUTDOWN_RECEIVE) !== 0) this.#breakWriting(reset())
    if ((this.#guestShutdown & spec.SHUTDOWN_SEND) !== 0) this.#waitingReader?.()
    if (this.#guestShutdown === spec.SHUTDOWN_BOTH) {
      // Clean end (5.10.6.5): what it sent may still be read here.
      this.#pending.clear()
      this.#pending.add(spec.OP_RST)
    }
  }

  #receiveData(length: number, chain: DescriptorChain): boolean {
    if ((this.#guestShutdown & spec.SHUTDOWN_SEND) !== 0) return false
    if (((this.#arrived - this.#forwarded) >>> 0) + length > this.#owner.bufferBytes) return false
    this.#arrived = (this.#arrived + length) >>> 0
    if ((this.#hostShutdown & spec.SHUTDOWN_RECEIVE) !== 0) {
      this.#forward(length)
      return true
    }
    this.#received.append(length, (into, offset) => chain.read(spec.HDR_BYTES + offset, into))
    this.#waitingReader?.()
    return true
  }

  /** Called by the stream when somebody reads. */
  async #pull(): Promise<void> {
    if (this.#received.length === 0 && !this.#isFinished) await new Promise<void>((resolve) => { this.#waitingReader = resolve })
    this.#waitingReader = undefined
    const bytes = this.#received.take()
    if (bytes !== undefined) {
      this.#readController?.enqueue(bytes)
      this.#forward(bytes.length)
    } else if (this.#isFinished) this.#readController?.close()
  }

  get #isFinished(): boolean {
    return this.#isOver || (this.#guestShutdown & spec.SHUTDOWN_SEND) !== 0
  }

  /** The guest is told when half of the buffer became free since it was told last. */
  #forward(length: number): void {
    this.#forwarded = (this.#forwarded + length) >>> 0
    if (this.#isOver || ((this.#forwarded - this.#published) >>> 0) < this.#owner.bufferBytes / 2) return
    this.#pending.add(spec.OP_CREDIT_UPDATE)
    this.#owner.ready(this)
  }

  async #write(chunk: Uint8Array): Promise<void> {
    if (this.#isOver || (this.#guestShutdown & spec.SHUTDOWN_RECEIVE) !== 0) throw reset()
    if (chunk.length === 0) return
    const done = Promise.withResolvers<void>()
    this.#writing = { chunk, offset: 0, done }
    if (this.hasPacket) this.#owner.ready(this)
    else if (!this.#isConnecting) {
      this.#pending.add(spec.OP_CREDIT_REQUEST)
      this.#owner.ready(this)
    }
    return done.promise
  }

  #shutdown(flags: number): void {
    this.#hostShutdown |= flags
    if ((flags & spec.SHUTDOWN_RECEIVE) !== 0) {
      const unread = this.#received.length
      this.#received.clear()
      this.#forward(unread)
    }
    // Both have sent all: nobody will receive anything either.
    if ((this.#hostShutdown & spec.SHUTDOWN_SEND) !== 0 && (this.#guestShutdown & spec.SHUTDOWN_SEND) !== 0) this.#hostShutdown = spec.SHUTDOWN_BOTH
    if (this.#isOver) return
    this.#pending.add(spec.OP_SHUTDOWN)
    this.#owner.ready(this)
  }

  #end(error: CodedError | undefined): void {
    if (!this.#isOver) this.#break(error)
    this.#owner.ended(this)
  }

  /** Tells both streams. Without an error what was received stays to be read. */
  #break(error: CodedError | undefined): void {
    this.#isOver = true
    this.opened.reject(new CodedError('vsock-refused', 'the guest refused the vsock connection'))
    const isCleanEnd = error === undefined || this.#guestShutdown === spec.SHUTDOWN_BOTH
    this.#breakWriting(error ?? reset())
    if (!isCleanEnd) {
      this.#received.clear()
      this.#readController?.error(error)
    }
    this.#waitingReader?.()
  }

  #breakWriting(error: CodedError): void {
    const writing = this.#writing
    this.#writing = undefined
    writing?.done.promise.catch(() => {})
    writing?.done.reject(error)
    if ((this.#hostShutdown & spec.SHUTDOWN_SEND) === 0) this.#writeController?.error(error)
  }
}
