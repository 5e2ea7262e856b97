import type { BlockBackend } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { Machine } from '@entresol/machine'
import type { DriveOptions as MachineDrive, MachineOptions, SerialConsole } from '@entresol/machine'
import { openCharacter } from './characters/open-character.ts'
import type { OpenCharacter } from './characters/open-character.ts'
import { createDevices } from './devices/create-devices.ts'
import type { Steered } from './devices/create-devices.ts'
import { openDrive } from './drives/open-drive.ts'
import { load } from './files.ts'
import { findFirmware } from './firmware.ts'
import { openNetworks } from './network/open-networks.ts'
import type { BootDevice, CharacterOptions, Configuration, DriveOptions } from './options/index.ts'
import { loadSymbols, ProfileFile } from './profile-file.ts'
import { TraceFile } from './trace-file.ts'

/** A machine, and the end of its character device that talks to the terminal. */
export interface BuiltMachine {
  readonly machine: Machine
  /** The port on the terminal, if one is; `monitor`: they share it with the monitor. */
  readonly terminal: { readonly port: SerialConsole; readonly monitor: boolean } | undefined
  /** Devices for the monitor's commands. */
  readonly steered: Steered
  readonly close: () => Promise<void>
}

const BOOT_LETTERS = { floppy: 'a', disk: 'c', cdrom: 'd', network: 'n' } as const
const letters = (order: readonly BootDevice[]): string => order.map((device) => BOOT_LETTERS[device]).join('')

const warn = (line: string): void => void process.stderr.write(`entresol-kvm: ${line}\n`)

/** What was opened for a machine, to be closed with it, last first. */
class Opened {
  readonly #closers: (() => Promise<void> | void)[] = []
  readonly #characters = new Map<CharacterOptions, OpenCharacter>()

  closing(close: () => Promise<void> | void): void {
    this.#closers.push(close)
  }

  async disk(drive: DriveOptions & { readonly file: string }, writeThrough: boolean): Promise<BlockBackend> {
    const backend = await openDrive(drive, warn, { writeThrough })
    this.closing(() => backend.close())
    return backend
  }

  character(options: CharacterOptions, option: string): SerialConsole {
    if (this.#characters.has(options)) throw new CodedError('bad-option', `${option}: its character device is in use already`)
    const character = openCharacter(options, option)
    this.#characters.set(options, character)
    this.closing(() => character.close())
    return character.port
  }

  /** The port that the terminal is for, if one is. */
  get terminal(): { readonly port: SerialConsole; readonly monitor: boolean } | undefined {
    for (const [options, { port }] of this.#characters) if (options.kind === 'stdio') return { port, monitor: options.monitor }
    return undefined
  }

  /** Settles when every peer that the machine is to wait for is there. */
  async ready(): Promise<void> {
    await Promise.all([...this.#characters.values()].map(({ ready }) => ready))
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await Promise.resolve(close()).catch(() => undefined)
  }
}

/** Loads files and makes the machine the configuration describes. Throws CodedError with one line for the user. */
export async function buildMachine(c: Configuration): Promise<BuiltMachine> {
  const opened = new Opened()
  try {
    return await build(c, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

async function build(c: Configuration, opened: Opened): Promise<BuiltMachine> {
  const drives = await Promise.all(c.drives.filter((d) => d.interface === 'ide' && d.file !== undefined).map((d) => openIde(d as DriveOptions & { file: string }, opened)))
  const serial = c.serial.map((options) => options && opened.character(options, '-serial'))
  const debugConsole = c.debugConsole && opened.character(c.debugConsole, '-debugcon')
  const networks = await openNetworks(c, { closing: (close) => opened.closing(close), warn })
  const steered: Steered = { memory: c.memory }
  const devices = await createDevices(c, {
    keep: (kind, device) => steered[kind] = device, closing: (close) => opened.closing(close),
    cpus: c.smp.cpus, network: networks, character: (options, option) => opened.character(options, option),
    disk: (drive, option) => {
      if (drive.file === undefined) throw new CodedError('bad-option', `${option}: drive '${drive.id}' has no file`)
      return opened.disk({ ...drive, file: drive.file }, true)
    },
  })
  const exit = c.devices.find((d) => d.driver === 'isa-debug-exit')
  const cpu = [c.cpu.model, ...c.cpu.add.map((f) => `+${f}`), ...c.cpu.remove.map((f) => `-${f}`)].join(',')
  const firmware = c.kernel === undefined && c.machine.type === 'pc' ? await findFirmware(c.bios) : undefined
  const bios = firmware?.bios ?? c.bios
  const trace = c.log.items.length > 0 ? new TraceFile(c.log.file) : undefined
  if (trace) opened.closing(() => trace.close())
  const symbols = c.symbols === undefined ? undefined : await loadSymbols(c.symbols)
  const profile = c.profile === undefined ? undefined : new ProfileFile(c.profile, symbols)
  if (profile) opened.closing(() => profile.close())
  const options: MachineOptions = {
    board: c.machine.type, acpi: c.machine.acpi, hpet: c.machine.hpet, memory: c.memory, cpus: c.smp.cpus, cpu, serial, devices, drives,
    ...(c.accelerator.threads ? { threads: c.accelerator.threads } : {}),
    bootOrder: letters(c.boot.order), ...(c.boot.once ? { bootOnce: letters(c.boot.once) } : {}),
    noDisplay: c.vga === 'none', noReboot: c.noReboot, noShutdown: c.noShutdown, ...rtcBase(c.rtc.base),
    ...(c.kernel === undefined ? {} : { kernel: await load('-kernel', c.kernel), append: c.append }),
    ...(c.initrd === undefined ? {} : { initrd: await load('-initrd', c.initrd) }),
    ...(bios === undefined ? {} : { bios: await load('-bios', bios) }),
    ...(firmware?.vgaBios === undefined ? {} : { vgaBios: await load('-bios', firmware.vgaBios) }),
    // The terminal is all there is to look at: a BIOS that says there is nothing to boot must be heard.
    firmwareOnSerial: c.serial[0]?.kind === 'stdio' && c.serial[0].monitor,
    ...(debugConsole ? { debugConsole } : {}),
    ...(trace ? { trace: { items: c.log.items, write: trace.write } } : {}),
    ...(symbols ? { symbols } : {}), ...(profile ? { profile: profile.profile } : {}),
    ...(exit ? { isaDebugExit: { iobase: exit.iobase, iosize: exit.iosize } } : {}),
  }
  const machine = new Machine(options)
  await opened.ready()
  return { machine, steered, terminal: opened.terminal, close: () => opened.close() }
}

async function openIde(drive: DriveOptions & { readonly file: string }, opened: Opened): Promise<MachineDrive> {
  return { backend: await opened.disk(drive, false), media: drive.media, index: drive.index }
}

/** The RTC shows UTC unless told otherwise; local time is UTC moved by the host's zone. */
function rtcBase(base: Configuration['rtc']['base']): { rtcBase?: number } {
  if (base === 'utc') return {}
  return { rtcBase: base === 'localtime' ? Date.now() - new Date().getTimezoneOffset() * 60_000 : base }
}
