import { openSync, readSync } from 'node:fs'
import type { BlockBackend, CharacterPort, NetworkPort, VirtioDevice } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { DeviceOptions as MachineDevice } from '@entresol/machine'
import { VirtioNineP } from '@entresol/virtio/9p'
import { HostFileTree } from '@entresol/virtio/9p-node'
import { VirtioBalloon } from '@entresol/virtio/balloon'
import { VirtioGpu } from '@entresol/virtio/gpu'
import { VirtioKeyboard, VirtioMouse, VirtioTablet } from '@entresol/virtio/input'
import { VirtioVsock } from '@entresol/virtio/vsock'
import { fileError } from '../files.ts'
import type { CharacterOptions, Configuration, DeviceOptions, DriveOptions, ShareOptions } from '../options/index.ts'
import { bridgeVsock } from './vsock-bridge.ts'

/** Devices that the monitor steers, the last of each kind. */
export interface Steered {
  /** Bytes of the guest's memory. */
  readonly memory: number
  balloon?: VirtioBalloon
  gpu?: VirtioGpu
  keyboard?: VirtioKeyboard
  mouse?: VirtioMouse
  tablet?: VirtioTablet
}

/** Where what stands behind the devices comes from. */
export interface Backends {
  readonly cpus: number
  /** Opens a drive for a device. */
  disk(drive: DriveOptions, option: string): Promise<BlockBackend>
  character(options: CharacterOptions, option: string): CharacterPort
  /** A netdev's end for a card. */
  network(id: string): NetworkPort
  /** Remembers a device for the monitor; returns it. */
  keep<Kind extends Exclude<keyof Steered, 'memory'>>(kind: Kind, device: NonNullable<Steered[Kind]>): NonNullable<Steered[Kind]>
  closing(close: () => void): void
}

type VirtioMaker = Exclude<Extract<MachineDevice, { type: 'virtio' }>['device'], VirtioDevice>

type Driver<Name extends DeviceOptions['driver']> = DeviceOptions & { readonly driver: Name }

/** The machine's devices for those of the command line, in its order. Throws CodedError with one line that starts with the option. */
export async function createDevices(c: Configuration, backends: Backends): Promise<MachineDevice[]> {
  const result: MachineDevice[] = []
  for (const device of c.devices) if (device.driver !== 'isa-debug-exit') result.push(await create(device, c, backends))
  return result
}

const given = <Key extends string, Value>(key: Key, value: Value | undefined): Partial<Record<Key, Value>> =>
  value === undefined ? {} : { [key]: value } as Record<Key, Value>

/** Name and place, as the machine takes them. */
function plug(device: { readonly id: string | undefined; readonly address: { readonly slot: number; readonly function?: number } | undefined }): Pick<MachineDevice, 'id' | 'address'> {
  return { ...given('id', device.id), ...given('address', device.address) }
}

async function create(device: DeviceOptions, c: Configuration, backends: Backends): Promise<MachineDevice> {
  switch (device.driver) {
    case 'virtio-net':
    case 'e1000':
    case 'rtl8139': return card(device, backends)
    case 'virtio-blk': return disk(device, c, backends)
    case 'virtio-rng': return {
      type: 'virtio-rng', ...plug(device), ...given('limit', device.limit), ...given('fill', randomSource(c, device))
    }
    case 'virtio-serial': return serial(device, backends)
    case 'virtio-9p': return folder(c.shares.find(({ id }) => id === device.share)!, device)
    case 'virtio-balloon': return made(device, (name, ram) => backends.keep('balloon', new VirtioBalloon({ name, pages: ram })))
    case 'virtio-gpu': return made(device, (name, memory) => backends.keep('gpu', new VirtioGpu({ name, memory, width: device.width, height: device.height })))
    case 'virtio-keyboard': return made(device, (name) => backends.keep('keyboard', new VirtioKeyboard({ name })))
    case 'virtio-mouse': return made(device, (name) => backends.keep('mouse', new VirtioMouse({ name })))
    case 'virtio-tablet': return made(device, (name) => backends.keep('tablet', new VirtioTablet({ name })))
    case 'virtio-vsock': {
      const vsock = new VirtioVsock({ ...given('name', device.id), guestCid: device.cid })
      if (device.socket !== undefined) backends.closing(await bridgeVsock(vsock, device.socket, device.option.split(' ')[0]!))
      return { type: 'virtio', ...plug(device), device: vsock }
    }
    case 'isa-debug-exit':
    case 'ide-hd':
    case 'ide-cd':
    case 'virtserialport':
    case 'virtconsole': throw new CodedError('not-plugged', `${device.driver} is part of another device`)
  }
}

/** A device that is made when its name and the guest's memory are there. */
function made(device: Parameters<typeof plug>[0], make: VirtioMaker): MachineDevice {
  return { type: 'virtio', ...plug(device), device: make }
}

async function disk(device: Driver<'virtio-blk'>, c: Configuration, backends: Backends): Promise<MachineDevice> {
  const drive = c.drives.find(({ id }) => id === device.drive)!
  const backend = await backends.disk(drive, device.option)
  return {
    type: 'virtio-blk', ...plug(device), backend, readOnly: drive.readOnly, discard: device.discard, writeBack: device.writeCache ?? !/writethrough|directsync/.test(drive.cache),
    ...given('serial', device.serial ?? drive.serial), ...given('queues', device.queues), ...given('queueSize', device.queueSize),
    ...given('logicalBlockSize', device.logicalBlockSize), ...given('physicalBlockSize', device.physicalBlockSize), ...given('bootIndex', device.bootIndex)
  }
}

function card(device: Driver<'virtio-net' | 'e1000' | 'rtl8139'>, backends: Backends): MachineDevice {
  const port = device.netdev === undefined ? UNPLUGGED : backends.network(device.netdev)
  const common = { ...plug(device), port, ...given('mac', device.mac), ...given('bootIndex', device.bootIndex) }
  if (device.driver !== 'virtio-net') return { type: device.driver, ...common }
  const queuePairs = device.queuePairs === 'cpus' ? Math.min(backends.cpus, 16) : device.queuePairs
  return { type: 'virtio-net', ...common, queuePairs }
}

/** A card's cable that leads nowhere. */
const UNPLUGGED: NetworkPort = {
  offloads: { checksum: false, tso4: false, tso6: false, uso: false }, linkUp: false, send: () => undefined, onReceive: () => undefined, resume: () => undefined,
  onLinkChange: () => undefined
}

/** Ports in order; the first of the device is a console in any case, so that a plain port is never that. */
function serial(device: Driver<'virtio-serial'>, backends: Backends): MachineDevice {
  const ports = device.ports.map(({ character, console, name }) => ({
    port: backends.character(character, device.option), console, ...given('name', name)
  }))
  const first = ports[0]?.console === true ? [] : [{ port: backends.character({ kind: 'null' }, device.option), console: true }]
  return { type: 'virtio-console', ...plug(device), ports: [...first, ...ports] }
}

function randomSource(c: Configuration, device: Driver<'virtio-rng'>): ((into: Uint8Array<ArrayBuffer>) => void) | undefined {
  const object = c.objects.find(({ id }) => id === device.rng)
  if (object?.type !== 'rng-random') return undefined
  try {
    const file = openSync(object.file, 'r')
    return (into) => void readSync(file, into)
  } catch (error) {
    throw fileError(`-object rng-random,id=${object.id}`, object.file, error)
  }
}

async function folder(share: ShareOptions, device: Driver<'virtio-9p'>): Promise<MachineDevice> {
  try {
    const tree = await HostFileTree.open(share.path, { wallClock: () => Date.now() })
    return made(device, (name) => new VirtioNineP({ name, tree, tag: device.mountTag, readOnly: share.readOnly }))
  } catch (error) {
    throw error instanceof CodedError ? new CodedError(error.code, `${device.option}: ${error.message}`, { cause: error }) : fileError(device.option.split(' ')[0]!, share.path, error)
  }
}
