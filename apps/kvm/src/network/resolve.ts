import { lookup } from 'node:dns/promises'
import { CodedError } from '@entresol/kit'

/** HOST:PORT as the sockets want it: the name's first address, IPv4 before IPv6, none without a name. Throws `unknown-host`. */
export async function resolved({ host, port }: { readonly host: string | undefined; readonly port: number }): Promise<{ address?: string; port: number }> {
  if (host === undefined) return { port }
  try {
    return { address: (await lookup(host, { order: 'ipv4first' })).address, port }
  } catch (cause) {
    throw new CodedError('unknown-host', `there is no host '${host}'`, { cause })
  }
}
