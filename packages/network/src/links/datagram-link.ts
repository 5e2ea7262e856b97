import type { Clock } from '@entresol/interfaces'
import type { HostSockets, SocketAddress } from '../nat/index.ts'
import { LinkPort } from './link-port.ts'
import type { HostLink } from './stream-link.ts'

export interface DatagramLinkOptions {
  readonly sockets: HostSockets
  readonly clock: Clock
  /** Where this end listens: an address of this host (without one all of them) and a port, 0 for one of the host's choice. */
  readonly local: { readonly address?: string; readonly port: number }
  /** The other end: frames go there, and only those from there are taken. */
  readonly remote: SocketAddress
}

/** A frame in each UDP datagram (`-netdev socket,udp=`, `-netdev dgram`). Rejects with `network-listen`. */
export async function datagramLink({ sockets, clock, local, remote }: DatagramLinkOptions): Promise<HostLink & { readonly localPort: number }> {
  const port = new LinkPort(clock)
  const socket = await sockets.bind(local.address, local.port, (bytes, from) => {
    if (from.address === remote.address && from.port === remote.port) port.deliver(bytes)
    else port.drop()
  })
  port.wire = { transmit: (frame) => socket.send(frame, remote) }
  return {
    port,
    localPort: socket.port,
    get counters() { return port.counters },
    close: () => {
      port.wire = undefined
      socket.close()
    }
  }
}
