import { CodedError } from '@entresol/kit'
import { tryParseIp } from '../codec/index.ts'
import type { SocketAddress, StreamOpener } from './host-sockets.ts'

/** A port of the host that leads to a guest. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp'
  /** Undefined: all addresses of the host. */
  readonly hostAddress: string | undefined
  /** 0: the host chooses. */
  readonly hostPort: number
  /** Undefined: the first address that DHCP gives. */
  readonly guestAddress: string | undefined
  readonly guestPort: number
}

/** A TCP service at an address of the guests' network, which leads to a host address or into this process. */
export interface GuestForward {
  readonly address: string
  readonly port: number
  readonly target: SocketAddress | StreamOpener
}

/** QEMU's `hostfwd`: `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`, IPv6 addresses in brackets. Throws `network-bad-forward`. */
export function parseHostForward(text: string): HostForward {
  const parts = /^(tcp|udp)?:(\[[^\]]*\]|[^:[\]-]*):(\d+)-(\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text)
  const forward = parts && {
    protocol: parts[1] === 'udp' ? 'udp' as const : 'tcp' as const, hostAddress: address(parts[2]!), hostPort: Number(parts[3]),
    guestAddress: address(parts[4]!), guestPort: Number(parts[5]),
  }
  if (!forward || forward.hostAddress === null || forward.guestAddress === null || forward.hostPort > 0xffff || !isPort(forward.guestPort)) {
    throw new CodedError('network-bad-forward', `hostfwd=${text}: expected [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`)
  }
  return { ...forward, hostAddress: forward.hostAddress, guestAddress: forward.guestAddress }
}

/** The part of QEMU's `guestfwd` that is ours: `[tcp]:server:port-tcp:host:port`. Throws `network-bad-forward`. */
export function parseGuestForward(text: string): GuestForward & { readonly target: SocketAddress } {
  const parts = /^(?:tcp)?:(\[[^\]]*\]|[^:[\]-]*):(\d+)-tcp:(\[[^\]]*\]|[^:[\]]*):(\d+)$/.exec(text)
  const server = parts && address(parts[1]!)
  const target = parts && address(parts[3]!)
  if (!server || !target || !isPort(Number(parts[2])) || !isPort(Number(parts[4]))) {
    throw new CodedError('network-bad-forward', `guestfwd=${text}: expected tcp:server:port-tcp:address:port`)
  }
  return { address: server, port: Number(parts[2]), target: { address: target, port: Number(parts[4]) } }
}

/** Null: none. */
function address(text: string): string | undefined | null {
  if (text === '') return undefined
  const bare = text.startsWith('[') ? text.slice(1, -1) : text
  return tryParseIp(bare) === undefined ? null : bare
}

const isPort = (port: number): boolean => port > 0 && port <= 0xffff
