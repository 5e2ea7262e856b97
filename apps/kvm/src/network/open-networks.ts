import { randomFillSync } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import type { NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { capturePort, connectLink, datagramLink, EthernetSwitch, joinPorts, listenLink, openPolicy, UserNat, Vxlan } from '@entresol/network'
import type { HostLink, SocketAddress } from '@entresol/network'
import { nodeSockets, openCaptureFile, openTap } from '@entresol/network/node'
import type { Configuration, HostAddress, NetdevOptions, ObjectOptions } from '../options/index.ts'
import { timerClock as clock } from '../timer-clock.ts'

/** Random numbers of the host. */
const random = {
  nextU32: (): number => randomFillSync(new Uint32Array(1))[0]!
}

const sockets = nodeSockets

/** What closes with the machine, and where lines for the user go. */
interface Surroundings {
  closing(close: () => Promise<void> | void): void
  warn(line: string): void
}

type Netdev<Kind extends NetdevOptions['kind']> = NetdevOptions & { readonly kind: Kind }
type Filter = ObjectOptions & { readonly type: 'filter-dump' }

/** Opens the netdevs of the command line; a card gets the end of the one it names. Throws CodedError with one line that starts with the option. */
export async function openNetworks(c: Configuration, around: Surroundings): Promise<(id: string) => NetworkPort> {
  const ports = new Map<string, NetworkPort>()
  const hubs = new Map<number, EthernetSwitch>()
  for (const netdev of c.netdevs) {
    const option = `-netdev ${netdev.kind},id=${netdev.id}`
    ports.set(netdev.id, await named(option, () => open(netdev, hubs, around)))
  }
  for (const object of c.objects) {
    if (object.type === 'filter-dump') ports.set(object.netdev, await named(object.option, () => dump(object, ports.get(object.netdev)!, around)))
  }
  for (const netdev of c.netdevs) if (netdev.kind === 'hubport' && netdev.netdev !== undefined) joinPorts(ports.get(netdev.id)!, ports.get(netdev.netdev)!)
  return (id) => ports.get(id)!
}

async function named<Result>(option: string, action: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    throw error instanceof CodedError ? new CodedError(error.code, `${option}: ${error.message}`, { cause: error }) : error
  }
}

async function open(netdev: NetdevOptions, hubs: Map<number, EthernetSwitch>, around: Surroundings): Promise<NetworkPort> {
  const linked = (link: HostLink): NetworkPort => {
    around.closing(() => link.close())
    return link.port
  }
  switch (netdev.kind) {
    case 'user': return user(netdev, around)
    case 'socket': return linked(await socket(netdev))
    case 'tap': return linked(await openTap({ clock, interface: netdev.interface }))
    case 'vxlan': {
      const tunnel = await Vxlan.open({ sockets, clock, ...listenAt(netdev.local) })
      around.closing(() => tunnel.close())
      return tunnel.createPort({ vni: netdev.vni, remotes: [await resolved(netdev.remote)] }).port
    }
    case 'hubport': return hubPort(netdev, hubs)
  }
}

/** A guest's own network. Whoever types the command line trusts its guest as far as QEMU's users do: it reaches the host, unless restrict=on. */
async function user(netdev: Netdev<'user'>, around: Surroundings): Promise<NetworkPort> {
  const nat = new UserNat({ ...netdev.network, clock, random, sockets, policy: openPolicy })
  around.closing(() => nat.close())
  for (const forward of netdev.guestForwards) nat.forwardFromGuest(forward)
  for (const forward of netdev.hostForwards) await nat.forwardToGuest(forward)
  return nat.port
}

async function socket({ mode, address, local }: Netdev<'socket'>): Promise<HostLink> {
  switch (mode) {
    case 'listen': return listenLink({ sockets, clock, ...listenAt(address) })
    case 'connect': return connectLink({ sockets, clock, to: await resolved(address), reconnectSeconds: 1 })
    case 'udp': return datagramLink({ sockets, clock, local: listenAt(local!), remote: await resolved(address) })
  }
}

/** An end of a new port; the far end is the switch. */
function hubPort({ hub, vlan, rate }: Netdev<'hubport'>, hubs: Map<number, EthernetSwitch>): NetworkPort {
  const ethernet = hubs.get(hub) ?? new EthernetSwitch({ clock })
  hubs.set(hub, ethernet)
  const limit = rate === undefined ? {} : { fromDevice: { bitsPerSecond: rate * 8 }, toDevice: { bitsPerSecond: rate * 8 } }
  return ethernet.createPort({ ...limit, ...(vlan === undefined ? {} : { vlan: { mode: 'access', id: vlan } }) })
}

function dump({ file, snapLength }: Filter, port: NetworkPort, around: Surroundings): NetworkPort {
  const capture = openCaptureFile(file, (error) => around.warn(`-object filter-dump: ${error.message}`))
  around.closing(() => capture.close())
  return capturePort(port, { clock, write: capture.write, snaplen: snapLength })
}

const listenAt = ({ host, port }: HostAddress): { address?: string; port: number } => ({ ...(host === undefined ? {} : { address: host }), port })

/** Sockets take IP addresses only: names are looked up here, once. */
async function resolved({ host, port }: HostAddress): Promise<SocketAddress> {
  try {
    return { address: (await lookup(host ?? '127.0.0.1')).address, port }
  } catch (error) {
    throw new CodedError('no-such-host', `${host}: no such host`, { cause: error })
  }
}
