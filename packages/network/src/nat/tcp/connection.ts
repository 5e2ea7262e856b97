import type { Clock, Timer } from '@entresol/interfaces'
import { TCP_FLAG } from '../../codec/index.ts'
import type { TcpOptions, TcpView } from '../../codec/index.ts'
import type { MemoryBudget } from './byte-ring.ts'
import { NEVER, bufferLimit } from './limits.ts'
import { TcpReceiver, WINDOW_SCALE } from './receiver.ts'
import { SegmentWriter } from './segment-writer.ts'
import type { TcpPath } from './segment-writer.ts'
import { TcpSender } from './sender.ts'
import type { SegmentOutput } from './sender.ts'
import type { GuestLink } from '../guest-link.ts'
import type { HostStream, HostStreamEvents, StreamFailure } from '../host-sockets.ts'

/** RFC 9293, 3.7.1: what a guest that names none takes. Below the smaller number is no honest wish, and would make frames of headers only. */
const DEFAULT_MSS = 536
const MIN_MSS = 64
/** Nanoseconds that a finished connection answers a repeated FIN. Nothing lingers on a wire in this process, so it is no 2 MSL. */
const TIME_WAIT = 1e9
/** How often it waits once more for a host that does not take the last bytes. */
const MAX_LINGER = 60

export type TcpState = 'connecting' | 'syn-received' | 'syn-sent' | 'established' | 'time-wait' | 'closed'

/** What the connections of one NAT share. */
export interface TcpContext {
  readonly clock: Clock
  readonly link: GuestLink
  readonly budget: MemoryBudget
  /** Payload of the largest segment we take. */
  mss(path: TcpPath): number
  /** The guest's MAC, or undefined while it is asked for; the connection is `ready` again when it is known. */
  resolve(address: Uint8Array): Uint8Array | undefined
  /** The connection has something to send. */
  ready(connection: TcpConnection): void
  /** It has become `closed`. */
  closed(connection: TcpConnection): void
  /** The host could not be connected, and not because it refused. */
  unreachable(connection: TcpConnection): void
  random(): number
}

/**
 * One TCP connection of a guest, seen from the far side of the NAT: the peer that the guest believes to talk to (RFC 9293), joined to a stream
 * of the host. Bytes are acknowledged when the host's stream has them; both directions stop when the other side does not take more.
 */
export class TcpConnection implements HostStreamEvents {
  readonly path: TcpPath
  /** For TcpTable: its hash, and the next connection with the same. */
  hash = 0
  next: TcpConnection | undefined
  /** When a segment of the guest last came, in ns; who has waited longest goes first when the table is full. */
  lastHeard: number
  /** It stands in the queue of those that have something to send. */
  queued = false
  state: TcpState
  readonly #context: TcpContext
  readonly #writer: SegmentWriter
  readonly #sender: TcpSender
  readonly #receiver: TcpReceiver
  readonly #output: SegmentOutput
  #stream: HostStream | undefined
  #paused = false
  #synUnsent = false
  #closeAt: number = NEVER
  #lingered = 0
  #timer: Timer | undefined
  #timerAt: number = NEVER

  /** `mac`: of the guest that connects; undefined when it is the host that does. */
  constructor(context: TcpContext, path: TcpPath, mac?: Uint8Array) {
    this.#context = context
    this.path = path
    this.#writer = new SegmentWriter(context.link, path)
    this.#sender = new TcpSender(context.random(), context.budget)
    this.#receiver = new TcpReceiver(context.budget)
    this.#output = (sequence, flags, data, offset, length) => {
      const receiver = this.#receiver
      const field = receiver.windowField
      // The guest may answer before the link returns.
      receiver.announce(receiver.scaling ? field * 2 ** WINDOW_SCALE : field)
      if (this.#writer.write(sequence, receiver.next, flags, field, data, offset, length)) return true
      receiver.ackNow = true
      return false
    }
    this.lastHeard = context.clock.now()
    this.state = mac === undefined ? 'syn-sent' : 'connecting'
    if (mac !== undefined) this.#writer.destination = mac
  }

  /** The guest's first sequence number. */
  get initialSequence(): number {
    return this.#receiver.initial
  }

  get halfOpen(): boolean {
    return this.state === 'connecting' || this.state === 'syn-received' || this.state === 'syn-sent'
  }

  /** The guest connects: its SYN, and how to open the host's stream. */
  accept(syn: TcpView, open: (events: HostStreamEvents) => HostStream): void {
    this.#takeSyn(syn)
    this.#stream = this.#receiver.stream = open(this)
  }

  /** The host connects. */
  connect(stream: HostStream): void {
    this.#stream = this.#receiver.stream = stream
    this.#sendSyn()
  }

  #takeSyn(syn: TcpView): void {
    const options = syn.options()
    const mss = Math.max(MIN_MSS, Math.min(options.mss ?? DEFAULT_MSS, this.#context.mss(this.path)))
    this.#writer.mss = mss
    this.#sender.start(syn, options.windowScale ?? 0, mss)
    this.#receiver.start(syn.sequence, options.windowScale !== undefined, mss)
  }

  // What the host does.

  opened(): void {
    if (this.state !== 'connecting') return
    this.state = 'syn-received'
    this.#sendSyn()
  }

  data(bytes: Uint8Array): void {
    if (this.state === 'closed' || this.state === 'time-wait') return
    this.#sender.ring.append(bytes)
    if (this.#sender.ring.length >= bufferLimit(this.#context.budget) && !this.#paused) {
      this.#paused = true
      this.#stream!.pause()
    }
    this.#context.ready(this)
  }

  ended(): void {
    this.#sender.ending = true
    this.#context.ready(this)
  }

  drained(): void {
    this.#receiver.countPending()
    if (this.state === 'established' && this.#receiver.opened) this.#acknowledge()
  }

  failed(reason: StreamFailure): void {
    this.#stream = this.#receiver.stream = undefined
    if (this.state === 'closed' || this.state === 'time-wait') return
    if (this.state === 'connecting' && reason !== 'refused') {
      this.#context.unreachable(this)
      this.#close()
    } else this.abort()
  }

  // What the guest does.

  /** A segment of the guest, but the SYN that made the connection. */
  segment(tcp: TcpView): void {
    const now = this.lastHeard = this.#context.clock.now()
    const { flags } = tcp
    if (this.state === 'syn-sent') return this.#whileSynSent(tcp, now)
    if ((flags & TCP_FLAG.RST) !== 0) return this.#reset(tcp)
    if (this.state === 'connecting') return
    if ((flags & TCP_FLAG.SYN) !== 0) {
      if (this.state === 'syn-received' && tcp.sequence === this.#receiver.initial) return this.#sendSyn()
      return this.#acknowledge()
    }
    // What lies outside the window is answered with where we are; its acknowledgment may still be good (keep-alives, crossing segments).
    const acceptable = this.#receiver.acceptable(tcp.sequence, tcp.sequenceLength)
    if (!acceptable) this.#acknowledge()
    if ((flags & TCP_FLAG.ACK) === 0 || !this.#takeAcknowledgment(tcp, now)) return
    if (acceptable && tcp.sequenceLength > 0) {
      this.#receiver.receive(tcp, now)
      if (this.#receiver.ackNow) this.#context.ready(this)
      else this.#arm(this.#receiver.ackAt)
    }
    if (this.#receiver.finReceived && this.#sender.finAcknowledged && this.state === 'established') this.#timeWait()
  }

  /** RFC 5961, 3.2: only the exact sequence number resets; one in the window asks for a proof. */
  #reset(tcp: TcpView): void {
    if (tcp.sequence === this.#receiver.next) this.#drop()
    else if (this.state !== 'connecting' && this.#receiver.acceptable(tcp.sequence, 0)) this.#acknowledge()
  }

  #whileSynSent(tcp: TcpView, now: number): void {
    const expected = this.#sender.expected
    if ((tcp.flags & TCP_FLAG.ACK) === 0 || this.#synUnsent || tcp.acknowledgment !== expected) return
    if ((tcp.flags & TCP_FLAG.RST) !== 0) return this.#drop()
    if ((tcp.flags & TCP_FLAG.SYN) === 0) return
    this.#takeSyn(tcp)
    this.#established(now)
    this.#acknowledge()
  }

  #established(now: number): void {
    this.state = 'established'
    this.#sender.synAcknowledged(now)
    this.#context.ready(this)
  }

  /** False: the segment is not to be looked at further. */
  #takeAcknowledgment(tcp: TcpView, now: number): boolean {
    if (this.state === 'syn-received') {
      if (this.#synUnsent || tcp.acknowledgment !== this.#sender.expected) return false
      this.#established(now)
    }
    if (!this.#sender.acknowledge(tcp, now)) {
      this.#acknowledge()
      return false
    }
    this.#arm(this.#sender.deadline)
    if (this.#sender.busy) this.#context.ready(this)
    if (this.#paused && this.#sender.ring.length <= bufferLimit(this.#context.budget) / 2) {
      this.#paused = false
      this.#stream?.resume()
    }
    return true
  }

  // What goes to the guest.

  /** Sends what may be sent now. False: the link has no room, and there is more. */
  transmit(): boolean {
    if (this.state === 'closed') return true
    const now = this.#context.clock.now()
    if (this.#synUnsent) return this.#transmitSyn(now)
    if (this.halfOpen) return true
    const { link } = this.#context
    const capacity = this.#writer.capacity
    let outcome: string
    do {
      if (!link.open) return false
      outcome = this.#sender.transmit(now, capacity, this.#output)
    } while (outcome === 'more' && (this.state as TcpState) !== 'closed')
    this.#arm(this.#sender.deadline)
    if (outcome === 'refused') return false
    return !this.#receiver.ackNow || (link.open && this.#output(this.#sender.next, TCP_FLAG.ACK, this.#sender.ring, 0, 0))
  }

  #transmitSyn(now: number): boolean {
    const active = this.state === 'syn-sent'
    const mac = active ? this.#context.resolve(this.path.guest) : undefined
    this.#sender.waitForSyn(now)
    this.#arm(this.#sender.deadline)
    if (mac !== undefined) this.#writer.destination = mac
    else if (active) return true
    const scale = active || this.#receiver.scaling ? { windowScale: WINDOW_SCALE } : {}
    const options: TcpOptions = { mss: this.#context.mss(this.path), ...scale }
    // The window of a SYN is not scaled (RFC 7323, 2.2).
    const window = Math.min(this.#receiver.window, 0xffff)
    const flags = TCP_FLAG.SYN | (active ? 0 : TCP_FLAG.ACK)
    if (!this.#context.link.open) return false
    this.#synUnsent = false
    this.#receiver.announce(window)
    this.#sender.synSent(now)
    if (this.#writer.write(this.#sender.synSequence, this.#receiver.next, flags, window, undefined, 0, 0, options)) return true
    this.#synUnsent = true
    return false
  }

  #sendSyn(): void {
    this.#synUnsent = true
    this.#context.ready(this)
  }

  #acknowledge(): void {
    this.#receiver.ackNow = true
    this.#context.ready(this)
  }

  // Time.

  #arm(at: number): void {
    if (at >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#context.clock.schedule(at, () => this.#expired())
  }

  /** Deadlines move away all the time; the timer finds that out when it fires. */
  #expired(): void {
    const now = this.#context.clock.now()
    this.#timer = undefined
    this.#timerAt = NEVER
    if (this.#closeAt <= now) return this.#linger(now)
    if (this.#receiver.ackAt <= now) this.#acknowledge()
    if (this.#sender.deadline <= now) {
      if (!this.#sender.expire(!this.halfOpen)) return this.abort()
      if (this.halfOpen) this.#sendSyn()
      else this.#context.ready(this)
    }
    this.#arm(Math.min(this.#sender.deadline, this.#receiver.ackAt <= now ? NEVER : this.#receiver.ackAt, this.#closeAt))
  }

  // Ends.

  /** Both directions have ended. */
  #timeWait(): void {
    this.state = 'time-wait'
    this.#sender.ring.clear()
    this.#arm(this.#closeAt = this.lastHeard + TIME_WAIT)
  }

  /** The host may still be taking the last bytes. */
  #linger(now: number): void {
    this.#receiver.countPending()
    if (this.#receiver.pending === 0) this.#close()
    else if (this.#lingered++ < MAX_LINGER) this.#arm(this.#closeAt = now + TIME_WAIT)
    else this.#drop()
  }

  /** Resets both sides. */
  abort(): void {
    if (this.state === 'closed') return
    // A SYN without an answer is answered with its acknowledgment (RFC 9293, 3.10.7.1).
    const sequence = this.state === 'connecting' ? 0 : this.#sender.next
    if (this.state !== 'syn-sent' && this.state !== 'time-wait') this.#writer.push(sequence, this.#receiver.next, TCP_FLAG.RST | TCP_FLAG.ACK)
    this.#drop()
  }

  /** Resets the host's side; the guest knows, or need not. */
  #drop(): void {
    const stream = this.#stream
    this.#close()
    stream?.reset()
  }

  #close(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.#stream = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sender.ring.clear()
    this.#receiver.clear()
    this.#context.closed(this)
  }
}
