import { getServers } from 'node:dns'
import { networkInterfaces } from 'node:os'
import type { SocketAddress } from '../nat/index.ts'

/** Without the zone of a link-local address, and IPv4 as IPv4 where a socket of both versions says ::ffff:192.0.2.1. */
export const plainAddress = (address: string): string => address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '')

/** Loopback, unspecified, or an address of one of the interfaces as they are now. */
export function isOwnAddress(address: string): boolean {
  if (address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::') return true
  return Object.values(networkInterfaces()).some((list) => list?.some((each) => plainAddress(each.address) === address))
}

/** The resolvers of the host's configuration as Node reads it. */
export function hostNameservers(): SocketAddress[] {
  return getServers().map((text) => {
    const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [undefined, undefined, text]
    return { address: plainAddress(bracketed ?? plain ?? text), port: port === undefined ? 53 : Number(port) }
  })
}
