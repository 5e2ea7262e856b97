import type { BootDevice, CharacterOptions, Configuration, DeviceOptions, DriveOptions, LogItem, Vocabulary } from './configuration.ts'
import { DEFAULT_MEMORY } from './configuration.ts'

/** A drive before indices are given out. */
export type DraftDrive = Omit<DriveOptions, 'index'> & { readonly index: number | undefined }

/** What options write into, in the order they are typed. */
export interface Draft {
  readonly vocabulary: Vocabulary
  machine: { type: 'pc' | 'microvm'; acpi: boolean; hpet: boolean }
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
  devices: DeviceOptions[]
  serial: (CharacterOptions | undefined)[]
  noGraphic: boolean
  monitor: CharacterOptions | 'none' | undefined
  debugConsole: CharacterOptions | undefined
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
    boot: { order: ['disk', 'cdrom', 'network'], once: undefined, menu: false }, drives: [], devices: [],
    serial: [], noGraphic: false, monitor: undefined, debugConsole: undefined, vga: undefined, rtc: { base: 'utc', clock: 'host' },
    name: undefined, noReboot: false, noShutdown: false, noDefaults: false, startPaused: false, logItems: [], logFile: undefined,
    symbols: undefined, profile: undefined, perfMap: false, print: undefined
  }
}
