import type {
  BootDevice, CharacterOptions, Configuration, DriveOptions, LogItem, MachineType, NetdevOptions, NicOptions, ObjectOptions, ShareOptions, Vocabulary
} from './configuration.ts'
import { DEFAULT_MEMORY } from './configuration.ts'

/** A drive before places and names are given out. */
export type DraftDrive = Omit<DriveOptions, 'index' | 'id'> & { readonly index: number | undefined; readonly id: string | undefined }

/** An option whose value is read when all others are known: it may speak of what comes behind it. */
export interface LaterOption {
  readonly option: string
  readonly value: string
}

/** What options write into, in the order they are typed. */
export interface Draft {
  readonly vocabulary: Vocabulary
  machine: { type: MachineType; acpi: boolean; hpet: boolean }
  accelerator: Configuration['accelerator']
  cpu: { model: string; add: readonly string[]; remove: readonly string[] }
  memory: number
  smp: Configuration['smp']
  kernel: string | undefined
  initrd: string | undefined
  append: string | undefined
  bios: string | undefined
  boot: { order: readonly BootDevice[]; once: readonly BootDevice[] | undefined; menu: boolean }
  drives: DraftDrive[]
  snapshot: boolean
  netdevs: NetdevOptions[]
  nics: NicOptions[]
  /** Of -net. */
  netNics: NicOptions[]
  netBackends: NetdevOptions[]
  noNetwork: boolean
  chardevs: { readonly id: string; readonly character: CharacterOptions }[]
  objects: ObjectOptions[]
  shares: ShareOptions[]
  /** Of -virtfs. */
  mounts: { readonly share: string; readonly mountTag: string; readonly option: string }[]
  rawDevices: LaterOption[]
  serial: LaterOption[]
  noGraphic: boolean
  monitor: LaterOption | undefined
  debugConsole: LaterOption | undefined
  vga: 'std' | 'none' | undefined
  rtc: Configuration['rtc']
  name: string | undefined
  noReboot: boolean
  noShutdown: boolean
  noDefaults: boolean
  startPaused: boolean
  logItems: LogItem[]
  logFile: string | undefined
  symbols: string | undefined
  profile: string | undefined
  perfMap: boolean
  print: string | undefined
}

export function newDraft(vocabulary: Vocabulary): Draft {
  return {
    vocabulary, machine: { type: 'pc', acpi: true, hpet: true }, accelerator: { name: 'soft', threads: undefined },
    cpu: { model: vocabulary.cpuModels[0] ?? 'max', add: [], remove: [] },
    memory: DEFAULT_MEMORY, smp: { cpus: 1, sockets: 1, cores: 1, threads: 1 },
    kernel: undefined, initrd: undefined, append: undefined, bios: undefined,
    boot: { order: ['disk', 'cdrom', 'network'], once: undefined, menu: false }, drives: [], snapshot: false, netdevs: [], nics: [],
    netNics: [], netBackends: [], noNetwork: false, chardevs: [], objects: [], shares: [], mounts: [], rawDevices: [], serial: [], noGraphic: false, monitor: undefined, debugConsole: undefined, vga: undefined, rtc: { base: 'utc', clock: 'host' },
    name: undefined, noReboot: false, noShutdown: false, noDefaults: false, startPaused: false, logItems: [], logFile: undefined,
    symbols: undefined, profile: undefined, perfMap: false, print: undefined
  }
}
