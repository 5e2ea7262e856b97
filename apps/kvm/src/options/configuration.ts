import type { CacheMode, ThrottleLimits } from '@entresol/block'
import type { GuestForward, HostForward, UserNetworkOptions } from '@entresol/network'
import type { DeviceAddress } from './properties.ts'

export type MachineType = 'pc' | 'microvm'

export type SocketAddress = { readonly path: string } | { readonly host: string | undefined; readonly port: number }

/** Where a serial port, the monitor or a port of virtio-serial is connected. `monitor`: Ctrl-A C switches between the port and the monitor. */
export type CharacterOptions =
  | { readonly kind: 'stdio'; readonly monitor: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'file'; readonly path: string; readonly append: boolean }
  /** Named pipes PATH.in and PATH.out, or one that is called PATH. */
  | { readonly kind: 'pipe'; readonly path: string }
  /** `wait`: a server does not start the machine before somebody has connected. */
  | { readonly kind: 'socket'; readonly address: SocketAddress; readonly server: boolean; readonly wait: boolean }

/** An image and how it is used. */
export interface DriveOptions {
  /** Given, or as QEMU calls it: ide0-hd0, virtio0. */
  readonly id: string
  /** A path, nbd:// or http(s)://. Undefined: an empty drive (a CD-ROM without a disc). */
  readonly file: string | undefined
  readonly interface: 'ide' | 'virtio' | 'none'
  /** Undefined: by content. */
  readonly format: string | undefined
  readonly media: 'disk' | 'cdrom'
  /** IDE: 0 and 1 are master and slave of the first channel, 2 and 3 of the second. Else: order of appearance. */
  readonly index: number
  readonly readOnly: boolean
  /** Writes are kept in memory and thrown away at the end. */
  readonly snapshot: boolean
  readonly serial: string | undefined
  readonly cache: CacheMode
  /** Discards of the guest reach the file. */
  readonly discard: boolean
  /** Writes of zeroes become holes (`unmap`) or zeroes without data (`on`) where the image can. */
  readonly detectZeroes: 'off' | 'on' | 'unmap'
  readonly throttling: ThrottleLimits | undefined
  /** The option as it was typed, for messages. */
  readonly option: string
}

/** Host by name or address; undefined: all addresses, or the loopback. */
export interface HostAddress {
  readonly host: string | undefined
  readonly port: number
}

export type NetdevOptions = { readonly id: string } & (
  | {
    readonly kind: 'user'
    /** With QEMU's names and defaults. */
    readonly network: UserNetworkOptions
    readonly hostForwards: readonly HostForward[]
    readonly guestForwards: readonly GuestForward[]
  }
  | { readonly kind: 'socket'; readonly mode: 'listen' | 'connect' | 'udp'; readonly address: HostAddress; readonly local?: HostAddress }
  | { readonly kind: 'tap'; readonly interface: string }
  /** A port of a switch; `netdev`: what it is connected to instead of a card. `rate`: bytes per second. */
  | { readonly kind: 'hubport'; readonly hub: number; readonly netdev?: string; readonly vlan?: number; readonly rate?: number }
  | { readonly kind: 'vxlan'; readonly vni: number; readonly remote: HostAddress; readonly local: HostAddress }
)

export type NicModel = 'virtio-net' | 'e1000' | 'rtl8139'

/** A card before it is a device. */
export interface NicOptions {
  readonly model: NicModel | undefined
  readonly netdev: string | undefined
  readonly mac: Uint8Array | undefined
  readonly address: DeviceAddress | undefined
  readonly option: string
}

/** A folder of the host for virtio-9p. */
export interface ShareOptions {
  readonly id: string
  readonly path: string
  readonly readOnly: boolean
  /** security_model=passthrough: owners that the guest sets are set on the host. */
  readonly passOwners: boolean
}

export type ObjectOptions = { readonly id: string } & (
  | { readonly type: 'rng-builtin' }
  | { readonly type: 'rng-random'; readonly file: string }
  | { readonly type: 'filter-dump'; readonly netdev: string; readonly file: string; readonly snapLength: number; readonly option: string }
)

interface Plugged {
  readonly id: string | undefined
  readonly address: DeviceAddress | undefined
  /** The option as it was typed, for messages. */
  readonly option: string
}

interface Bootable {
  readonly bootIndex: number | undefined
}

interface Card extends Plugged, Bootable {
  readonly netdev: string | undefined
  readonly mac: Uint8Array | undefined
}

export interface SerialPortOptions {
  readonly character: CharacterOptions
  readonly console: boolean
  readonly name: string | undefined
}

/** A device that was asked for. Undefined: the device's own default. */
export type DeviceOptions =
  /** Writing v to it ends the process with (v << 1) | 1. */
  | { readonly driver: 'isa-debug-exit'; readonly iobase: number; readonly iosize: number }
  | Plugged & Bootable & {
    readonly driver: 'virtio-blk'
    readonly drive: string
    readonly serial: string | undefined
    readonly queues: number | undefined
    readonly queueSize: number | undefined
    readonly writeCache: boolean | undefined
    readonly discard: boolean
    readonly logicalBlockSize: number | undefined
    readonly physicalBlockSize: number | undefined
  }
  | Plugged & Bootable & { readonly driver: 'ide-hd' | 'ide-cd'; readonly drive: string; readonly serial: string | undefined; readonly index: number | undefined }
  | Card & { readonly driver: 'virtio-net'; readonly queuePairs: number | 'cpus' }
  | Card & { readonly driver: 'e1000' | 'rtl8139' }
  | Plugged & { readonly driver: 'virtio-rng'; readonly rng: string | undefined; readonly limit: { readonly bytes: number; readonly period: number } | undefined }
  | Plugged & { readonly driver: 'virtio-balloon' }
  | Plugged & { readonly driver: 'virtio-serial'; readonly ports: readonly SerialPortOptions[]; readonly maxPorts: number }
  | Plugged & SerialPortOptionsOf<'virtserialport' | 'virtconsole'>
  | Plugged & { readonly driver: 'virtio-vsock'; readonly cid: number; readonly socket: string | undefined }
  | Plugged & { readonly driver: 'virtio-keyboard' | 'virtio-mouse' | 'virtio-tablet' }
  | Plugged & { readonly driver: 'virtio-gpu'; readonly width: number; readonly height: number }
  | Plugged & { readonly driver: 'virtio-9p'; readonly share: string; readonly mountTag: string }

interface SerialPortOptionsOf<Driver> {
  readonly driver: Driver
  readonly character: CharacterOptions
  readonly name: string | undefined
  readonly bus: string | undefined
  readonly number: number | undefined
}

export type BootDevice = 'floppy' | 'disk' | 'cdrom' | 'network'

export const LOG_ITEMS = ['exec', 'int', 'mmu', 'translate', 'invalidate'] as const
export type LogItem = typeof LOG_ITEMS[number]

/** Everything the command line says, checked and with defaults filled in. Paths are as typed. */
export interface Configuration {
  readonly machine: { readonly type: MachineType; readonly acpi: boolean; readonly hpet: boolean }
  /** `threads`: for the CPUs; undefined: as the host can. */
  readonly accelerator: { readonly name: 'soft'; readonly threads: 'single' | 'multi' | undefined }
  /** `add` and `remove` are feature names in the order given; the last word on a feature counts. */
  readonly cpu: { readonly model: string; readonly add: readonly string[]; readonly remove: readonly string[] }
  /** Bytes. */
  readonly memory: number
  readonly smp: { readonly cpus: number; readonly sockets: number; readonly cores: number; readonly threads: number }
  readonly kernel: string | undefined
  readonly initrd: string | undefined
  readonly append: string
  readonly bios: string | undefined
  readonly boot: { readonly order: readonly BootDevice[]; readonly once: readonly BootDevice[] | undefined; readonly menu: boolean }
  readonly drives: readonly DriveOptions[]
  readonly netdevs: readonly NetdevOptions[]
  readonly shares: readonly ShareOptions[]
  readonly objects: readonly ObjectOptions[]
  /** Character devices that -chardev named. */
  readonly chardevs: ReadonlyMap<string, CharacterOptions>
  /** Every name in them is one of those above. */
  readonly devices: readonly DeviceOptions[]
  /** Serial ports from COM1 on; undefined is a port that is not there. */
  readonly serial: readonly (CharacterOptions | undefined)[]
  /** The monitor on its own; it may also share the terminal with a serial port (`monitor` there). */
  readonly monitor: CharacterOptions | undefined
  /** What the guest writes to port E9h. */
  readonly debugConsole: CharacterOptions | undefined
  readonly display: 'none'
  readonly vga: 'std' | 'none'
  /** `base`: what the RTC shows at start; a number is milliseconds since the epoch, shown as it is. */
  readonly rtc: { readonly base: 'utc' | 'localtime' | number; readonly clock: 'host' | 'vm' }
  readonly name: string | undefined
  readonly noReboot: boolean
  readonly noShutdown: boolean
  readonly noDefaults: boolean
  /** -S: do not start the processors. */
  readonly startPaused: boolean
  readonly log: { readonly items: readonly LogItem[]; readonly file: string | undefined }
  /** Symbols of the guest's kernel: System.map, kallsyms or vmlinux. */
  readonly symbols: string | undefined
  /** Where the profile of the guest goes at the end. */
  readonly profile: string | undefined
  /** The engine writes /tmp/perf-PID.map. */
  readonly perfMap: boolean
  /** Print this instead of running: -help, -version, or the list that `-cpu help` and the like ask for. */
  readonly print: string | undefined
}

/** Words that come from other packages and that the command line checks against. */
export interface Vocabulary {
  readonly cpuModels: readonly string[]
  /** Feature names; undefined: not checked here. */
  readonly cpuFeatures?: readonly string[]
  readonly version: string
}

export const DEFAULT_VOCABULARY: Vocabulary = { cpuModels: ['x86-64-v2', 'x86-64-v3', 'qemu64', 'max'], version: '0.0.0' }

/** Boards have this until a 64-bit WebAssembly memory exists. */
export const MAX_MEMORY: number = 3584 * 2 ** 20
export const MIN_MEMORY: number = 2 ** 20
export const DEFAULT_MEMORY: number = 128 * 2 ** 20
export const MAX_CPUS = 64
