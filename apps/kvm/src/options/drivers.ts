/** How a driver's device reaches the guest. `virtio`: over PCI on pc (name-pci), over MMIO on microvm (name-device). */
export type Bus = 'virtio' | 'PCI' | 'ISA' | 'IDE' | 'virtio-serial'

/** A driver of -device: help, suggestions and checks come from this table; device.ts reads the values. */
export interface Driver {
  /** Without -pci or -device. */
  readonly name: string
  readonly bus: Bus
  readonly help: string
  /** Properties beside those of the bus, with what they are. */
  readonly properties: Readonly<Record<string, string>>
  /** Names that mean the same. */
  readonly aliases?: readonly string[]
}

const BUS_PROPERTIES: Readonly<Record<Bus, Readonly<Record<string, string>>>> = {
  virtio: { id: 'name', addr: 'PCI slot[.function] in hexadecimal, e.g. 5.0', bus: 'pci.0', 'disable-legacy': 'on, as always', 'disable-modern': 'off, as always' },
  PCI: { id: 'name', addr: 'PCI slot[.function] in hexadecimal, e.g. 5.0', bus: 'pci.0' },
  ISA: { id: 'name' },
  IDE: { id: 'name', bus: 'ide.0 or ide.1', unit: '0 master, 1 slave' },
  'virtio-serial': { id: 'name', bus: 'which virtio-serial: its id with .0 behind; default the last before it', nr: 'number of the port' },
}

const BOOT_INDEX = { bootindex: 'lower numbers are tried first for booting' }
const NIC = { netdev: 'id of the -netdev it is plugged into', mac: 'MAC address', ...BOOT_INDEX }
const DISK = {
  drive: 'id of the -drive or node-name of the -blockdev it shows', serial: 'serial number, 20 characters at most', ...BOOT_INDEX,
}
const PORT = { chardev: 'id of the -chardev behind it', name: '/dev/virtio-ports/NAME in the guest' }

export const DRIVERS: readonly Driver[] = [
  {
    name: 'virtio-blk', bus: 'virtio', help: 'disk', properties: {
      ...DISK, 'num-queues': 'request queues, 1 to 16; default one for each CPU', 'queue-size': 'entries of each, a power of two; default 256',
      'write-cache': 'on or off; default as the cache mode of the drive', discard: 'on or off: offered to the guest; default on',
      'logical_block_size': 'bytes, default 512', 'physical_block_size': 'bytes, default 512', 'share-rw': 'on or off, no matter',
    },
  },
  { name: 'virtio-net', bus: 'virtio', help: 'network card', properties: { ...NIC, mq: 'on: a pair of queues for each CPU', queues: 'pairs of queues' } },
  { name: 'virtio-rng', bus: 'virtio', help: 'source of random numbers', properties: { rng: 'id of the -object; default the host\'s generator', 'max-bytes': 'bytes in each period', period: 'milliseconds' } },
  {
    name: 'virtio-balloon', bus: 'virtio', help: 'gives memory back to the host (monitor: balloon)',
    properties: { 'free-page-reporting': 'on, as always', 'free-page-hint': 'on, as always' },
  },
  { name: 'virtio-serial', bus: 'virtio', help: 'ports and consoles: virtserialport, virtconsole', properties: { max_ports: 'ports at most, default 31' }, aliases: ['virtio-serial-bus'] },
  {
    name: 'virtio-vsock', bus: 'virtio', help: 'sockets between host and guest', aliases: ['vhost-vsock'],
    properties: { 'guest-cid': 'context id of the guest, 3 or more', uds: 'Unix socket of the host: "CONNECT PORT" reaches the guest; its connections to port P go to PATH_P' },
  },
  { name: 'virtio-keyboard', bus: 'virtio', help: 'keyboard', properties: {} },
  { name: 'virtio-mouse', bus: 'virtio', help: 'mouse', properties: {} },
  { name: 'virtio-tablet', bus: 'virtio', help: 'pointer with absolute coordinates', properties: {} },
  { name: 'virtio-gpu', bus: 'virtio', help: '2D display', properties: { xres: 'width offered, default 1280', yres: 'height offered, default 800' } },
  { name: 'virtio-9p', bus: 'virtio', help: 'folder of the host', properties: { fsdev: 'id of the -fsdev', mount_tag: 'what the guest mounts it by' } },
  { name: 'e1000', bus: 'PCI', help: 'network card Intel 82540EM', properties: NIC, aliases: ['e1000-82540em'] },
  { name: 'rtl8139', bus: 'PCI', help: 'network card Realtek RTL8139C+', properties: NIC },
  { name: 'ide-hd', bus: 'IDE', help: 'disk', properties: DISK },
  { name: 'ide-cd', bus: 'IDE', help: 'CD-ROM drive', properties: DISK },
  { name: 'virtserialport', bus: 'virtio-serial', help: 'port', properties: PORT },
  { name: 'virtconsole', bus: 'virtio-serial', help: 'console /dev/hvcN', properties: PORT },
  { name: 'isa-debug-exit', bus: 'ISA', help: 'writing to it ends the process', properties: { iobase: 'port, default 0x501', iosize: 'ports, default 2' } },
]

/** Families of QEMU's devices that are not there, so that whoever types one learns that it is missing and not misspelt. */
const MISSING = [
  /^(virtio-)?scsi/, /^usb-/, /usb$|xhci|ehci|uhci/, /^nvme/, /^vfio/, /^(qxl|cirrus|vmware|bochs|ramfb|VGA)/, /^(ich9|ahci|megasas|lsi|mptsas|pvscsi|sdhci)/,
  /^(e1000e|igb|ne2k|pcnet|i825|vmxnet3|tulip)/, /^(intel-hda|AC97|hda-|sb16|ES1370|virtio-sound)/, /^(pcie?-|ioh3420|i82801|pxb|x3130)/, /^(tpm|pvpanic|edu|ivshmem|vhost-)/,
  /^virtio-(crypto|pmem|mem|iommu|vga|fs|gpu-gl|multitouch)/, /^(isa-(applesmc|cirrus|debugcon|fdc|ide|ipmi|parallel|serial|vga)|i8042|i6300esb|ib700|floppy|kvm)/, /^(nvdimm|pc-dimm|cxl)/,
]
export const isMissing = (name: string): boolean => MISSING.some((pattern) => pattern.test(name))

/** Names one can type for a driver, the usual one on each kind of machine first. */
export function namesOf({ name, bus, aliases = [] }: Driver): string[] {
  const plain = [name, ...aliases]
  return bus === 'virtio' ? [...plain.flatMap((each) => [`${each}-pci`, `${each}-device`]), ...plain] : plain
}

export const propertiesOf = (driver: Driver): Readonly<Record<string, string>> => ({ ...driver.properties, ...BUS_PROPERTIES[driver.bus] })

/** The list of -device help. */
export function driverList(): string {
  const lines = DRIVERS.map((driver) => {
    const [first, second] = namesOf(driver)
    return `  ${(driver.bus === 'virtio' ? `${first} (microvm: ${second})` : first!).padEnd(54)}${driver.help}\n`
  })
  return `Devices:\n${lines.join('')}Properties: -device NAME,help\n`
}

/** The list of -device NAME,help. */
export function propertyList(name: string, driver: Driver): string {
  const lines = Object.entries(propertiesOf(driver)).map(([key, help]) => `  ${key.padEnd(22)}${help}\n`)
  return `${name}: ${driver.help}\n${lines.join('')}`
}
