import type { DeviceOptions, MachineType } from './configuration.ts'
import { chardev, type Chardevs } from './character.ts'
import { type Driver, DRIVERS, isMissing, namesOf, propertiesOf } from './drivers.ts'
import { Properties } from './properties.ts'
import { badOption, suggestion } from './words.ts'

const BY_NAME: ReadonlyMap<string, Driver> = new Map(DRIVERS.flatMap(driver => namesOf(driver).map(name => [name, driver] as const)))

/** The driver someone typed, whatever the machine. */
export function driverNamed(option: string, name: string): Driver {
  const driver = BY_NAME.get(name)
  if (driver) return driver
  if (isMissing(name)) throw badOption(option, `device '${name}' is not supported; -device help lists what there is`)
  throw badOption(option, `unknown device '${name}'${suggestion(name, [...BY_NAME.keys()])}`)
}

/** Refuses a device that the machine has no bus for. */
function checkBus(option: string, name: string, driver: Driver, machine: MachineType): void {
  const wrong = machine === 'microvm' ? driver.bus !== 'virtio' || name.endsWith('-pci') : name.endsWith('-device')
  if (!wrong || driver.bus === 'virtio-serial' || driver.bus === 'ISA') return
  const other = driver.bus === 'virtio' ? `; did you mean ${name.replace(/-(pci|device)$/, '')}-${machine === 'microvm' ? 'device' : 'pci'}?` : ''
  throw badOption(option, `${name}: machine ${machine} has no ${machine === 'microvm' ? driver.bus === 'IDE' ? 'IDE' : 'PCI' : 'virtio-mmio slots'}${other}`)
}

/** What a -device may speak of. */
export interface DeviceContext {
  readonly machine: MachineType
  readonly chardevs: Chardevs
}

/** -device driver[,property=value…] */
export function parseDevice(option: string, text: string, context: DeviceContext): DeviceOptions {
  const name = text.split(',')[0]!.replace(/^driver=/, '')
  const driver = driverNamed(option, name)
  checkBus(option, name, driver, context.machine)
  const p = new Properties(option, text, ['driver', ...Object.keys(propertiesOf(driver))], 'driver')
  if (p.flag('disable-legacy') === false || p.flag('disable-modern') === true) throw badOption(option, `${name}: there are only modern virtio devices`)
  const address = p.address('addr')
  if (address && context.machine === 'microvm') throw badOption(option, 'addr is a PCI address; there is no PCI on machine microvm')
  const plug = { id: p.text('id'), address, option: `${option} ${text}` }
  const bootIndex = p.integer('bootindex', 0, 0x7fffffff)
  switch (driver.name) {
    case 'isa-debug-exit': {
      const iosize = p.integer('iosize', 1, 4) ?? 2
      if (iosize === 3) throw badOption(option, 'iosize 3 is not 1, 2 or 4')
      return { driver: 'isa-debug-exit', iobase: p.integer('iobase', 0, 0x10000 - iosize) ?? 0x501, iosize }
    }
    case 'virtio-blk': {
      const serial = serialNumber(p)
      p.flag('share-rw')
      return {
        driver: 'virtio-blk', ...plug, drive: p.need('drive'), serial, bootIndex, queues: p.integer('num-queues', 1, 16), queueSize: p.powerOf2('queue-size', 2, 1024),
        writeCache: p.flag('write-cache'), discard: p.flag('discard') ?? true, logicalBlockSize: p.powerOf2('logical_block_size', 512, 4096),
        physicalBlockSize: p.powerOf2('physical_block_size', 512, 4096)
      }
    }
    case 'ide-hd':
    case 'ide-cd': {
      const bus = p.word('bus', ['ide.0', 'ide.1'])
      const unit = p.integer('unit', 0, 1)
      const index = bus === undefined && unit === undefined ? undefined : (bus === 'ide.1' ? 2 : 0) + (unit ?? 0)
      return { driver: driver.name, ...plug, drive: p.need('drive'), serial: serialNumber(p), bootIndex, index }
    }
    case 'virtio-net':
      return { driver: 'virtio-net', ...plug, netdev: p.text('netdev'), mac: p.mac('mac'), bootIndex, queuePairs: p.flag('mq') === true ? 'cpus' : p.integer('queues', 1, 16) ?? 1 }
    case 'e1000':
    case 'rtl8139': return { driver: driver.name, ...plug, netdev: p.text('netdev'), mac: p.mac('mac'), bootIndex }
    case 'virtio-rng': {
      const bytes = p.bytes('max-bytes')
      return { driver: 'virtio-rng', ...plug, rng: p.text('rng'), limit: bytes === undefined ? undefined : { bytes, period: p.integer('period', 1, 0x7fffffff) ?? 65536 } }
    }
    case 'virtio-balloon':
      for (const key of ['free-page-reporting', 'free-page-hint']) if (p.flag(key) === false) throw badOption(option, `${key} cannot be off`)
      return { driver: 'virtio-balloon', ...plug }
    case 'virtio-serial': return { driver: 'virtio-serial', ...plug, ports: [], maxPorts: p.integer('max_ports', 1, 31) ?? 31 }
    case 'virtserialport':
    case 'virtconsole': {
      const id = p.text('chardev')
      return {
        driver: driver.name, ...plug, character: id === undefined ? { kind: 'null' } : chardev(option, id, context.chardevs), name: p.text('name'), bus: p.text('bus'),
        number: p.integer('nr', 0, 30)
      }
    }
    case 'virtio-vsock': {
      const cid = p.integer('guest-cid', 3, 0xfffffffe)
      if (cid === undefined) throw badOption(option, 'needs guest-cid=, 3 or more')
      return { driver: 'virtio-vsock', ...plug, cid, socket: p.text('uds') }
    }
    case 'virtio-gpu': return { driver: 'virtio-gpu', ...plug, width: p.integer('xres', 64, 16384) ?? 1280, height: p.integer('yres', 64, 16384) ?? 800 }
    case 'virtio-9p': return { driver: 'virtio-9p', ...plug, share: p.need('fsdev'), mountTag: p.need('mount_tag') }
    default: return { driver: driver.name as 'virtio-keyboard' | 'virtio-mouse' | 'virtio-tablet', ...plug }
  }
}

function serialNumber(p: Properties): string | undefined {
  const serial = p.text('serial')
  if (serial !== undefined && !/^[\x20-\x7e]{1,20}$/.test(serial)) throw badOption(p.option, `serial '${serial}' is not at most 20 ASCII characters`)
  return serial
}
