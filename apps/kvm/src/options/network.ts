import { parseGuestForward, parseHostForward } from '@entresol/network'
import { CodedError } from '@entresol/kit'
import type { NetdevOptions, NicModel, NicOptions } from './configuration.ts'
import { Properties } from './properties.ts'
import { badOption, oneOf } from './words.ts'

/** Back-ends of -netdev, and their parameters beside `id`. */
export const NETDEVS: Readonly<Record<NetdevOptions['kind'], readonly string[]>> = {
  user: [
    'net', 'host', 'dns', 'dhcpstart', 'hostname', 'domainname', 'dnssearch', 'restrict', 'hostfwd', 'guestfwd', 'ipv4', 'ipv6', 'ipv6-net', 'ipv6-prefix',
    'ipv6-prefixlen', 'ipv6-host', 'ipv6-dns'
  ],
  socket: ['listen', 'connect', 'udp', 'localaddr'],
  tap: ['ifname', 'script', 'downscript', 'vnet_hdr', 'br'],
  hubport: ['hubid', 'netdev', 'vlan', 'rate'],
  vxlan: ['vni', 'remote', 'local']
}
const KINDS = Object.keys(NETDEVS) as NetdevOptions['kind'][]
const MISSING = ['bridge', 'l2tpv3', 'vde', 'netmap', 'vhost-user', 'vhost-vdpa', 'stream', 'dgram', 'passt', 'af-xdp']

/** Models of -nic, by QEMU's names; the first is the default. */
export const NIC_MODELS: Readonly<Record<string, NicModel>> = {
  'virtio-net-pci': 'virtio-net', virtio: 'virtio-net', 'virtio-net': 'virtio-net', 'virtio-net-device': 'virtio-net', e1000: 'e1000', 'e1000-82540em': 'e1000',
  rtl8139: 'rtl8139'
}
const MISSING_MODELS = ['e1000e', 'ne2k_pci', 'ne2k_isa', 'pcnet', 'i82551', 'i82557b', 'i82559er', 'vmxnet3', 'igb', 'tulip', 'usb-net']

function kindOf(option: string, text: string): NetdevOptions['kind'] {
  const kind = text.split(',')[0]!
  if (MISSING.includes(kind)) throw badOption(option, `'${kind}' is not supported; valid: ${KINDS.join(', ')}`)
  return oneOf(option, 'back-end', kind, KINDS)
}

export function nicModel(option: string, name: string): NicModel {
  if (MISSING_MODELS.includes(name)) throw badOption(option, `model '${name}' is not supported; valid: virtio, e1000, rtl8139`)
  return NIC_MODELS[oneOf(option, 'model', name, Object.keys(NIC_MODELS))]!
}

/** HOST:PORT; without a host on all addresses, or the own. */
function address(p: Properties, key: string): { host: string | undefined; port: number } | undefined {
  const text = p.text(key)
  if (text === undefined) return undefined
  const match = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text)
  const port = match ? Number(match[2]) : 0
  if (!match || port < 1 || port > 65535) throw badOption(p.option, `${key} '${text}' is no address; write ${key}=HOST:PORT`)
  return { host: match[1]!.replace(/^\[|\]$/g, '') || undefined, port }
}

function forwards<Forward>(p: Properties, key: string, parse: (text: string) => Forward): Forward[] {
  try {
    return p.all(key).map(parse)
  } catch (error) {
    throw error instanceof CodedError ? badOption(p.option, error.message) : error
  }
}

function user(p: Properties, id: string): NetdevOptions {
  const prefix = p.text('ipv6-prefix')
  const text = (key: string, name: string = key): Record<string, string> => {
    const value = p.text(key)
    return value === undefined ? {} : { [name]: value }
  }
  const flag = (key: string): Record<string, boolean> => {
    const value = p.flag(key)
    return value === undefined ? {} : { [key]: value }
  }
  return {
    kind: 'user', id, network: {
      ...text('net'), ...text('host'), ...text('dns'), ...text('dhcpstart'), ...text('hostname'), ...text('domainname'),
      ...(prefix === undefined ? text('ipv6-net', 'ipv6Net') : { ipv6Net: `${prefix}/${p.integer('ipv6-prefixlen', 0, 126) ?? 64}` }),
      ...text('ipv6-host', 'ipv6Host'), ...text('ipv6-dns', 'ipv6Dns'), ...flag('restrict'), ...flag('ipv4'), ...flag('ipv6'),
      ...(p.text('dnssearch') === undefined ? {} : { dnssearch: p.all('dnssearch') })
    },
    hostForwards: forwards(p, 'hostfwd', parseHostForward), guestForwards: forwards(p, 'guestfwd', parseGuestForward)
  }
}

function socket(p: Properties, id: string): NetdevOptions {
  const given = (['listen', 'connect', 'udp'] as const).filter(key => p.text(key) !== undefined)
  const [mode] = given
  if (mode === undefined || given.length > 1) throw badOption(p.option, 'needs exactly one of listen=, connect= and udp=')
  const local = address(p, 'localaddr')
  if (mode === 'udp' && local === undefined) throw badOption(p.option, 'udp= needs localaddr=, where the other end sends to')
  return { kind: 'socket', id, mode, address: address(p, mode)!, ...(local ? { local } : {}) }
}

function netdev(p: Properties, kind: NetdevOptions['kind'], id: string): NetdevOptions {
  switch (kind) {
    case 'user': return user(p, id)
    case 'socket': return socket(p, id)
    case 'tap': {
      for (const key of ['script', 'downscript']) {
        if ((p.text(key) ?? 'no') !== 'no') throw badOption(p.option, `${key} is not supported: make the interface ready beforehand`)
      }
      p.flag('vnet_hdr')
      return { kind, id, interface: p.need('ifname') }
    }
    case 'hubport': {
      const vlan = p.integer('vlan', 1, 4094)
      const rate = p.bytes('rate')
      const link = p.text('netdev')
      return {
        kind, id, hub: p.integer('hubid', 0, 0x7fffffff) ?? 0, ...(link === undefined ? {} : { netdev: link }), ...(vlan === undefined ? {} : { vlan }),
        ...(rate === undefined ? {} : { rate })
      }
    }
    case 'vxlan': {
      const remote = address(p, 'remote')
      if (!remote) throw badOption(p.option, 'needs remote=HOST:PORT')
      return { kind, id, vni: p.integer('vni', 0, 0xffffff) ?? 0, remote, local: address(p, 'local') ?? { host: undefined, port: 4789 } }
    }
  }
}

/** -netdev kind,id=…[,…] */
export function parseNetdev(option: string, text: string): NetdevOptions {
  const kind = kindOf(option, text)
  const p = new Properties(option, text, ['type', 'id', ...NETDEVS[kind]], 'type')
  return netdev(p, kind, p.need('id'))
}

const NIC_KEYS = ['model', 'mac', 'macaddr', 'addr', 'id', 'netdev']

/** -nic none | kind[,model=…][,mac=…][,parameters of the back-end]: a card and what it is plugged into, which is called `id`. */
export function parseNic(option: string, text: string, id: string): { nic: NicOptions; netdev: NetdevOptions } {
  const kind = kindOf(option, text)
  const p = new Properties(option, text, ['type', ...NIC_KEYS, ...NETDEVS[kind]], 'type')
  return { nic: nic(p, p.text('id') ?? id), netdev: netdev(p, kind, p.text('id') ?? id) }
}

function nic(p: Properties, netdevId: string | undefined): NicOptions {
  const model = p.text('model')
  return {
    model: model === undefined ? undefined : nicModel(p.option, model), netdev: netdevId, mac: p.mac('mac') ?? p.mac('macaddr'), address: p.address('addr'),
    option: p.option
  }
}

/** The older -net nic[,model=…][,macaddr=…] and -net user|socket|tap[,…]. */
export function parseNet(option: string, text: string): { nic: NicOptions } | { netdev: NetdevOptions } {
  const kind = text.split(',')[0]!
  if (kind === 'nic') {
    const card = new Properties(option, text, ['type', 'name', ...NIC_KEYS], 'type')
    return { nic: nic(card, card.text('netdev')) }
  }
  const backend = kindOf(option, text)
  const p = new Properties(option, text, ['type', 'name', 'id', ...NETDEVS[backend]], 'type')
  return { netdev: netdev(p, backend, p.text('id') ?? 'net') }
}
