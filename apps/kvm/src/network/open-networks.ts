import { randomFillSync } from 'node:crypto'
import type { NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { capturePort, connectLink, datagramLink, EthernetSwitch, joinPorts, listenLink, openPolicy, UserNat, Vxlan } from '@entresol/network'
import type { HostLink } from '@entresol/network'
import { nodeSockets, openCaptureFile, openTap } from '@entresol/network/node'
import type { Configuration, NetdevOptions } from '../options/index.ts'
import { timerClock } from '../timer-clock.ts'
import { resolved } from './resolve.ts'

/** Random numbers of the host. */
const random = {
  nextU32: (): number => randomFillSync(new Uint32Array(1))[0]!
}

/** What closes with the machine. */
interface Opened {
  closing(close: () => Promise<void> | void): void
}

const clock = timerClock
const sockets = nodeSockets

/** Opens the netdevs of the command line; a card gets the end of the one it names. Throws CodedError with one line that starts with the option. */
export async function openNetworks(c: Configuration, opened: Opened): Promise<(id: string) => NetworkPort> {
  const ports = new Map<string, NetworkPort>()
  const hubs = new Map<number, EthernetSwitch>()
  for (const netdev of c.netdevs) {
    try {
      ports.set(netdev.id, await openNetdev(netdev, hubs, opened))
    } catch (error) {
      throw error instanceof CodedError ? new CodedError(error.code, `-netdev ${netdev.kind},id=${netdev.id}: ${error.message}`, { cause: error }) : error
    }
  }
  for (const object of c.objects) {
    if (object.type !== 'filter-dump') continue
    const file = openCaptureFile(object.file, ({ message }) => process.stderr.write(`entresol-kvm: ${object.option}: ${message}\n`))
    opened.closing(() => file.close())
    ports.set(object.netdev, capturePort(ports.get(object.netdev)!, { clock, write: file.write, snaplen: object.snapLength }))
  }
  // Last: what is captured is captured between a hub and its link too.
  for (const netdev of c.netdevs) if (netdev.kind === 'hubport' && netdev.netdev !== undefined) joinPorts(ports.get(netdev.id)!, ports.get(netdev.netdev)!)
  return (id) => ports.get(id)!
}

async function openNetdev(netdev: NetdevOptions, hubs: Map<number, EthernetSwitch>, opened: Opened): Promise<NetworkPort> {
  const link = (open: HostLink): NetworkPort => {
    opened.closing(() => open.close())
    return open.port
  }
  switch (netdev.kind) {
    case 'user': {
      // Whoever types the command line trusts its guest as far as QEMU's users do.
      const nat = new UserNat({ ...netdev.network, clock, random, sockets, policy: openPolicy })
      opened.closing(() => nat.close())
      for (const forward of netdev.guestForwards) nat.forwardFromGuest(forward)
      for (const forward of netdev.hostForwards) await nat.forwardToGuest(forward)
      return nat.port
    }
    case 'socket': return link(await openSocket(netdev))
    case 'tap': return link(await openTap({ clock, interface: netdev.interface }))
    case 'hubport': {
      const hub = hubs.get(netdev.hub) ?? new EthernetSwitch({ clock })
      hubs.set(netdev.hub, hub)
      const rate = netdev.rate === undefined ? {} : { fromDevice: { bitsPerSecond: 8 * netdev.rate }, toDevice: { bitsPerSecond: 8 * netdev.rate } }
      return hub.createPort({ ...rate, ...(netdev.vlan === undefined ? {} : { vlan: { mode: 'access', id: netdev.vlan } }) })
    }
    case 'vxlan': {
      const vxlan = await Vxlan.open({ sockets, clock, ...await resolved(netdev.local) })
      opened.closing(() => vxlan.close())
      return vxlan.createPort({ vni: netdev.vni, remotes: [{ address: '127.0.0.1', ...await resolved(netdev.remote) }] }).port
    }
  }
}

async function openSocket({ mode, address, local }: NetdevOptions & { readonly kind: 'socket' }): Promise<HostLink> {
  const there = await resolved(address)
  switch (mode) {
    case 'listen': return listenLink({ sockets, clock, ...there })
    case 'connect': return connectLink({ sockets, clock, to: { address: '127.0.0.1', ...there } })
    case 'udp': return datagramLink({ sockets, clock, local: await resolved(local!), remote: { address: '127.0.0.1', ...there } })
    case 'mcast': throw new CodedError('no-such-netdev', 'mcast= is not supported; use udp=, or hubport and vxlan')
  }
}
