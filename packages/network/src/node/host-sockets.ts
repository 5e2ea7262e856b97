import type { HostSockets } from '../nat/index.ts'
import { hostNameservers, isOwnAddress } from './addresses.ts'
import { bindDatagrams, openDatagrams } from './datagrams.ts'
import { connectTcp, listenTcp } from './tcp-streams.ts'

/** The host's sockets by Node. Node has no ICMP: pings beyond the gateway are unreachable. */
export const nodeSockets: HostSockets = {
  connect: connectTcp,
  listen: listenTcp,
  datagrams: openDatagrams,
  bind: bindDatagrams,
  isOwn: isOwnAddress,
  nameservers: hostNameservers,
  echo: undefined,
}
