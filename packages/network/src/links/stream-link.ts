import type { Clock, NetworkPort, Timer } from '@entresol/interfaces'
import type { HostSockets, HostStream, HostStreamEvents, SocketAddress, StreamOpener } from '../nat/index.ts'
import { FrameStream, FrameWriter } from './frame-stream.ts'
import { LinkPort } from './link-port.ts'
import type { LinkCounters } from './link-port.ts'

/** A link to another process, and its end. */
export interface HostLink {
  readonly port: NetworkPort
  readonly counters: LinkCounters
  close(): void
}

/** Bytes waiting for the peer, beyond which frames are lost, as on any full link. */
const MAX_PENDING = 4 << 20

/** Frames on one byte stream at a time: the link is up while there is one. */
class StreamLink implements HostLink {
  readonly port: LinkPort
  readonly #writer = new FrameWriter()
  readonly #onClose: () => void
  /** Connected, or on the way. */
  #stream: HostStream | undefined

  constructor(clock: Clock, onClose: () => void) {
    this.port = new LinkPort(clock)
    this.#onClose = onClose
  }

  get counters(): LinkCounters {
    return this.port.counters
  }

  get busy(): boolean {
    return this.#stream !== undefined
  }

  /** `lost` is called once when the stream is gone, or did not come about. */
  connect(open: StreamOpener, lost: () => void): void {
    const stream = open(this.#events(() => stream, lost))
    this.#stream = stream
  }

  /** A stream that is there already; returns who hears of it. */
  accept(stream: HostStream): HostStreamEvents {
    this.#stream = stream
    this.#raise(stream)
    return this.#events(() => stream, () => undefined)
  }

  close(): void {
    this.#onClose()
    const stream = this.#stream
    const up = this.port.linkUp
    this.#detach()
    // What the peer has not taken goes with it: it must not be able to keep the connection.
    if (stream?.pending === 0 && up) stream.end()
    else stream?.reset()
  }

  #events(stream: () => HostStream, lost: () => void): HostStreamEvents {
    const frames = new FrameStream((frame) => this.port.deliver(frame))
    const gone = (): void => {
      if (this.#stream !== stream()) return
      this.#detach()
      lost()
    }
    return {
      opened: () => this.#raise(stream()),
      data: (bytes) => {
        if (this.#stream !== stream() || frames.push(bytes)) return
        stream().reset()
        gone()
      },
      ended: () => {
        stream().end()
        gone()
      },
      drained: () => undefined,
      failed: gone
    }
  }

  #raise(stream: HostStream): void {
    this.port.wire = {
      transmit: (frame) => stream.pending > MAX_PENDING ? this.port.drop() : stream.write(this.#writer.framed(frame)),
      pressure: (waiting) => waiting ? stream.pause() : stream.resume()
    }
  }

  #detach(): void {
    this.#stream = undefined
    this.port.wire = undefined
  }
}

export interface ListenLinkOptions {
  readonly sockets: HostSockets
  readonly clock: Clock
  /** An address of this host; without one all of them. */
  readonly address?: string
  /** 0: the host chooses. */
  readonly port: number
}

/**
 * Waits for peers on TCP, one at a time (`-netdev socket,listen=`, `-netdev stream,server=on`): others are turned away while one is there.
 * Anybody who reaches the port is on the network. Rejects with `network-listen`.
 */
export async function listenLink({ sockets, clock, address, port }: ListenLinkOptions): Promise<HostLink & { readonly localPort: number }> {
  const link = new StreamLink(clock, () => listener.close())
  const listener = await sockets.listen(address, port, (stream) => {
    if (!link.busy) return link.accept(stream)
    stream.reset()
    return DEAF
  })
  return Object.assign(link, { localPort: listener.port })
}

const nothing = (): void => undefined
/** Hears nothing of a stream that was turned away. */
const DEAF: HostStreamEvents = { opened: nothing, data: nothing, ended: nothing, drained: nothing, failed: nothing }

export interface ConnectLinkOptions {
  readonly sockets: HostSockets
  readonly clock: Clock
  readonly to: SocketAddress
  /** Seconds after which a lost or refused connection is tried again; without it, it is not. */
  readonly reconnectSeconds?: number
}

/** A link to who listens on TCP (`-netdev socket,connect=`, `-netdev stream`). The link is up once it is connected. */
export function connectLink({ sockets, clock, to, reconnectSeconds }: ConnectLinkOptions): HostLink {
  let timer: Timer | undefined
  const link = new StreamLink(clock, () => timer?.cancel())
  const open = (): void => link.connect((events) => sockets.connect(to, events), () => {
    if (reconnectSeconds !== undefined) timer = clock.schedule(clock.now() + reconnectSeconds * 1e9, open)
  })
  open()
  return link
}
