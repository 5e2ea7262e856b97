/** Where a serial port or the monitor is connected. `monitor`: Ctrl-A C switches between the port and the monitor. */
export type CharacterOptions =
  | { readonly kind: 'stdio'; readonly monitor: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'file'; readonly path: string }

export interface DriveOptions {
  /** Undefined: an empty drive (a CD-ROM without a disc). */
  readonly file: string | undefined
  readonly interface: 'ide' | 'none'
  readonly format: 'raw'
  readonly media: 'disk' | 'cdrom'
  /** IDE: 0 and 1 are master and slave of the first channel, 2 and 3 of the second. With interface 'none': order of appearance. */
  readonly index: number
  readonly readOnly: boolean
  /** Writes are kept in memory and thrown away at the end. */
  readonly snapshot: boolean
  readonly id: string | undefined
  /** The option as it was typed, for messages. */
  readonly option: string
}

export type DeviceOptions =
  /** Writing v to it ends the process with (v << 1) | 1. */
  | { readonly driver: 'isa-debug-exit'; readonly iobase: number; readonly iosize: number }

export type BootDevice = 'floppy' | 'disk' | 'cdrom' | 'network'

export const LOG_ITEMS = ['exec', 'int', 'mmu', 'translate', 'invalidate'] as const
export type LogItem = typeof LOG_ITEMS[number]

/** Everything the command line says, checked and with defaults filled in. Paths are as typed. */
export interface Configuration {
  readonly machine: { readonly type: 'pc' | 'microvm'; readonly acpi: boolean; readonly hpet: boolean }
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
