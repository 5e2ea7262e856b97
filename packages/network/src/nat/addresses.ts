import { DNS_PORT, formatIp, tryParseIp } from '../codec/index.ts'
import type { UserNetwork } from './config.ts'
import type { HostSockets, SocketAddress } from './host-sockets.ts'
import type { NatDestination, NatPolicy } from './policy.ts'

/** What becomes of something that a guest sends to an address: goes to the host address, or is refused. */
export type Route = { readonly to: SocketAddress } | { readonly refused: 'prohibited' | 'port' | 'host' }

const PROHIBITED: Route = { refused: 'prohibited' }

/** Translates between addresses as guests see them and as the host does, and asks the policy. */
export class AddressMap {
  readonly #network: UserNetwork
  readonly #sockets: HostSockets
  readonly #policy: NatPolicy

  constructor(network: UserNetwork, sockets: HostSockets, policy: NatPolicy) {
    this.#network = network
    this.#sockets = sockets
    this.#policy = policy
  }

  isGateway(address: Uint8Array): boolean {
    const { host, host6, local6 } = this.#network
    return same(address, host) || same(address, host6) || same(address, local6)
  }

  isResolver(address: Uint8Array): boolean {
    return same(address, this.#network.dns) || same(address, this.#network.dns6)
  }

  /** Where the guests' `address` leads. `attempt` picks among the resolvers. */
  route(protocol: NatDestination['protocol'], address: Uint8Array, port: number, attempt = 0): Route {
    const { restrict, net, net6 } = this.#network
    if (restrict) return PROHIBITED
    if (this.isResolver(address)) {
      const servers = port === DNS_PORT ? this.#sockets.nameservers() : []
      return servers.length === 0 ? { refused: 'port' } : { to: servers[attempt % servers.length]! }
    }
    if (this.isGateway(address)) return this.#allowed({ protocol, address: address.length === 4 ? '127.0.0.1' : '::1', port, host: true })
    if (net.has(address) || net6.has(address)) return { refused: 'host' }
    if (!isDestination(address)) return PROHIBITED
    const text = formatIp(address)
    return this.#allowed({ protocol, address: text, port, host: this.#sockets.isOwn(text) })
  }

  #allowed(destination: NatDestination): Route {
    return this.#policy(destination) ? { to: { address: destination.address, port: destination.port } } : PROHIBITED
  }

  /** How guests see an address of the host's side: the host itself is the gateway. Undefined: they cannot see it. */
  seen(address: string, version: 4 | 6): Uint8Array | undefined {
    const parsed = tryParseIp(address)
    if (parsed === undefined) return undefined
    const own = this.#sockets.isOwn(address) || this.#network.net.has(parsed) || this.#network.net6.has(parsed)
    if (own || (parsed.length === 4) !== (version === 4)) return version === 4 ? this.#network.host : this.#network.host6
    return parsed
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index])

/** Whether an address can be that of one other machine at all (RFC 1122, 3.2.1.3; RFC 4291, 2.5 to 2.7). */
function isDestination(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] !== 0 && address[0] !== 127 && address[0]! < 224
  if (address[0] === 0xff || (address[0] === 0xfe && (address[1]! & 0xc0) === 0x80)) return false
  // ::/96, with the unspecified address and loopback, and ::ffff:0:0/96, which means IPv4, are not for a wire.
  const marker = (address[10]! << 8) | address[11]!
  return address.subarray(0, 10).some((byte) => byte !== 0) || (marker !== 0 && marker !== 0xffff)
}
