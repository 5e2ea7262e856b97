import type { DeviceOptions, DriveOptions, NetdevOptions, NicOptions, ObjectOptions, ShareOptions } from './configuration.ts'
import { parseDevice } from './device.ts'
import type { Draft } from './draft.ts'
import { placeDrives } from './drive.ts'
import { badOption, suggestion } from './words.ts'

/** The devices of a machine and what stands behind them, every name in them known. */
export interface Connected {
  readonly drives: readonly DriveOptions[]
  readonly netdevs: readonly NetdevOptions[]
  readonly shares: readonly ShareOptions[]
  readonly objects: readonly ObjectOptions[]
  readonly devices: readonly DeviceOptions[]
}

function find<T extends { readonly id: string }>(option: string, what: string, id: string, all: readonly T[]): T {
  const found = all.find(one => one.id === id)
  if (!found) throw badOption(option, `there is no ${what} '${id}'${suggestion(id, all.map(one => one.id))}`)
  return found
}

function unique(what: string, all: readonly { readonly id: string }[]): void {
  const twice = all.find((one, i) => all.findIndex(other => other.id === one.id) !== i)
  if (twice) throw badOption(what, `the name '${twice.id}' is given twice`)
}

/** The cards of -nic, -net and, when nothing about the network was said, the default one. */
function cards(draft: Draft): { nics: NicOptions[]; netdevs: NetdevOptions[] } {
  const { nics, netdevs, netNics, netBackends } = draft
  const [card, ...moreCards] = netNics
  const [backend, ...moreBackends] = netBackends
  if (moreCards.length > 0 || moreBackends.length > 0) throw badOption('-net', 'only one card and one back-end can meet this way; use -netdev and -device, or -nic')
  if (card || backend) {
    if (card && !backend && card.netdev === undefined) throw badOption('-net', 'the card has no network; add -net user')
    const nic: NicOptions = card ?? { model: undefined, netdev: undefined, mac: undefined, address: undefined, option: '-net' }
    return { nics: [...nics, { ...nic, netdev: nic.netdev ?? backend!.id }], netdevs: backend ? [...netdevs, backend] : netdevs }
  }
  const silent = nics.length === 0 && netdevs.length === 0 && !draft.noNetwork && !draft.noDefaults && draft.machine.type === 'pc'
    && !draft.rawDevices.some(({ value }) => /^(virtio-net|e1000|rtl8139)/.test(value))
  if (!silent) return { nics, netdevs }
  return {
    nics: [{ model: undefined, netdev: 'net0', mac: undefined, address: undefined, option: '-nic user' }],
    netdevs: [{ kind: 'user', id: 'net0', network: {}, hostForwards: [], guestForwards: [] }]
  }
}

/** Ports and consoles go to the virtio-serial device before them, or the one they name. */
function withPorts(devices: readonly DeviceOptions[]): DeviceOptions[] {
  const result: DeviceOptions[] = []
  for (const device of devices) {
    if (device.driver !== 'virtserialport' && device.driver !== 'virtconsole') {
      result.push(device)
      continue
    }
    const name = device.bus?.replace(/\.0$/, '')
    const at = result.findLastIndex(other => other.driver === 'virtio-serial' && (name === undefined || other.id === name))
    const serial = result[at]
    if (serial?.driver !== 'virtio-serial') {
      throw badOption(device.option, name === undefined ? 'needs -device virtio-serial-pci before it' : `there is no virtio-serial device '${name}' before it`)
    }
    if (serial.ports.length >= serial.maxPorts) throw badOption(device.option, `no port is left; there are ${serial.maxPorts}`)
    result[at] = { ...serial, ports: [...serial.ports, { character: device.character, console: device.driver === 'virtconsole', name: device.name }] }
  }
  return result
}

/** Drives that a -device shows, each by one. */
function claimed(devices: readonly DeviceOptions[], drives: readonly DriveOptions[]): void {
  const owner = new Map<string, string>()
  for (const device of devices) {
    if (device.driver !== 'virtio-blk' && device.driver !== 'ide-hd' && device.driver !== 'ide-cd') continue
    const drive = find(device.option, '-drive', device.drive, drives)
    if (drive.interface !== 'none') throw badOption(device.option, `drive '${drive.id}' is in use already; its -drive needs if=none`)
    const other = owner.get(drive.id)
    if (other !== undefined) throw badOption(device.option, `drive '${drive.id}' is in use already by ${other}`)
    owner.set(drive.id, device.option)
  }
}

/** Drives that ide-hd and ide-cd show, as the IDE drives they are. */
function ideDrives(draft: Draft, devices: readonly DeviceOptions[]): DriveOptions[] {
  const shown = new Map(devices.flatMap(device => device.driver === 'ide-hd' || device.driver === 'ide-cd' ? [[device.drive, device] as const] : []))
  return placeDrives(draft.drives.map(drive => {
    const device = drive.id === undefined ? undefined : shown.get(drive.id)
    if (!device) return { ...drive, snapshot: drive.snapshot || draft.snapshot }
    const cdrom = device.driver === 'ide-cd'
    return {
      ...drive, interface: 'ide', media: cdrom ? 'cdrom' : 'disk', readOnly: drive.readOnly || cdrom, index: device.index, serial: device.serial ?? drive.serial,
      snapshot: drive.snapshot || draft.snapshot
    }
  }))
}

/** Resolves every name; what is plugged in without -device comes first, as in QEMU. */
export function connect(draft: Draft): Connected {
  const { chardevs, machine } = draft
  const context = { machine: machine.type, chardevs: new Map(chardevs.map(({ id, character }) => [id, character])) }
  const typed = draft.rawDevices.map(({ option, value }) => parseDevice(option, value, context))
  claimed(typed, placeDrives(draft.drives))
  const drives = ideDrives(draft, typed)
  const { nics, netdevs } = cards(draft)
  const { shares, objects } = draft
  for (const [what, all] of [['-netdev', netdevs], ['-chardev', chardevs], ['-fsdev', shares], ['-object', objects]] as const) unique(what, all)
  const pci = machine.type === 'pc'
  const plug = { id: undefined, address: undefined }
  const devices = withPorts([
    ...nics.map((nic): DeviceOptions => {
      const driver = nic.model ?? 'virtio-net'
      if (driver !== 'virtio-net' && !pci) throw badOption(nic.option, `model ${driver} needs PCI, which machine microvm has not; use virtio`)
      const card = { ...plug, netdev: nic.netdev, mac: nic.mac, address: nic.address, bootIndex: undefined, option: nic.option }
      return driver === 'virtio-net' ? { driver, ...card, queuePairs: 1 } : { driver, ...card }
    }),
    ...drives.filter(drive => drive.interface === 'virtio').map((drive): DeviceOptions => ({
      driver: 'virtio-blk', ...plug, drive: drive.id, serial: drive.serial, bootIndex: undefined, queues: undefined, queueSize: undefined, writeCache: undefined,
      discard: true, logicalBlockSize: undefined, physicalBlockSize: undefined, option: drive.option
    })),
    ...draft.mounts.map((mount): DeviceOptions => ({ driver: 'virtio-9p', ...plug, share: mount.share, mountTag: mount.mountTag, option: mount.option })),
    ...typed.filter(device => device.driver !== 'ide-hd' && device.driver !== 'ide-cd')
  ])
  check(devices, { drives, netdevs, shares, objects })
  if (!pci) {
    const ide = drives.find(drive => drive.interface === 'ide')
    if (ide) throw badOption(ide.option, 'machine microvm has no IDE; use -drive if=virtio')
  }
  return { drives, netdevs, shares, objects, devices }
}

function check(devices: readonly DeviceOptions[], { netdevs, shares, objects }: Omit<Connected, 'devices'>): void {
  const plugged = new Map<string, string>()
  const plugInto = (id: string, option: string): void => {
    const other = plugged.get(id)
    if (other !== undefined) throw badOption(option, `netdev '${id}' is in use already by ${other}`)
    plugged.set(id, option)
  }
  for (const device of devices) {
    switch (device.driver) {
      case 'virtio-net':
      case 'e1000':
      case 'rtl8139':
        if (device.netdev === undefined) break
        find(device.option, '-netdev', device.netdev, netdevs)
        plugInto(device.netdev, device.option)
        break
      case 'virtio-9p': find(device.option, '-fsdev', device.share, shares); break
      case 'virtio-rng':
        if (device.rng !== undefined && find(device.option, '-object', device.rng, objects).type === 'filter-dump') throw badOption(device.option, `object '${device.rng}' is no source of random numbers`)
        break
      default:
    }
  }
  for (const netdev of netdevs) {
    if (netdev.kind !== 'hubport' || netdev.netdev === undefined) continue
    find(`-netdev hubport,id=${netdev.id}`, '-netdev', netdev.netdev, netdevs)
    plugInto(netdev.netdev, `-netdev hubport,id=${netdev.id}`)
  }
  for (const object of objects) if (object.type === 'filter-dump') find(object.option, '-netdev', object.netdev, netdevs)
}
