import { openSync, writeSync } from 'node:fs'
import { Machine, SerialConsole } from '@entresol/machine'
import type { DriveOptions as MachineDrive, MachineOptions } from '@entresol/machine'
import { FileBackend, SnapshotBackend } from './file-backend.ts'
import { fileError, load } from './files.ts'
import { findFirmware } from './firmware.ts'
import type { BootDevice, CharacterOptions, Configuration, DriveOptions } from './options/index.ts'
import { loadSymbols, ProfileFile } from './profile-file.ts'
import { TraceFile } from './trace-file.ts'

/** A machine and the ends of its character devices that talk to the terminal. */
export interface BuiltMachine {
  readonly machine: Machine
  /** The serial port on the terminal, if one is. */
  readonly terminalSerial: SerialConsole | undefined
  readonly close: () => Promise<void>
}

const BOOT_LETTERS = { floppy: 'a', disk: 'c', cdrom: 'd', network: 'n' } as const
const letters = (order: readonly BootDevice[]): string => order.map((device) => BOOT_LETTERS[device]).join('')

/** Loads files and makes the machine the configuration describes. Throws CodedError with one line for the user. */
export async function buildMachine(c: Configuration): Promise<BuiltMachine> {
  const drives = await Promise.all(c.drives.filter((d) => d.interface === 'ide').map(openDrive))
  const serial = c.serial.map((options) => options && character(options))
  const terminalIndex = c.serial.findIndex((options) => options?.kind === 'stdio')
  const exit = c.devices.find((d) => d.driver === 'isa-debug-exit')
  const cpu = [c.cpu.model, ...c.cpu.add.map((f) => `+${f}`), ...c.cpu.remove.map((f) => `-${f}`)].join(',')
  const firmware = c.kernel === undefined && c.machine.type === 'pc' ? await findFirmware(c.bios) : undefined
  const bios = firmware?.bios ?? c.bios
  const trace = c.log.items.length > 0 ? new TraceFile(c.log.file) : undefined
  const symbols = c.symbols === undefined ? undefined : await loadSymbols(c.symbols)
  const profile = c.profile === undefined ? undefined : new ProfileFile(c.profile, symbols)
  const options: MachineOptions = {
    board: c.machine.type, acpi: c.machine.acpi, hpet: c.machine.hpet, memory: c.memory, cpus: c.smp.cpus, cpu, serial,
    ...(c.accelerator.threads ? { threads: c.accelerator.threads } : {}),
    bootOrder: letters(c.boot.order), ...(c.boot.once ? { bootOnce: letters(c.boot.once) } : {}),
    noDisplay: c.vga === 'none', noReboot: c.noReboot, noShutdown: c.noShutdown, ...rtcBase(c.rtc.base), drives: drives.filter((d) => d !== undefined),
    ...(c.kernel === undefined ? {} : { kernel: await load('-kernel', c.kernel), append: c.append }),
    ...(c.initrd === undefined ? {} : { initrd: await load('-initrd', c.initrd) }),
    ...(bios === undefined ? {} : { bios: await load('-bios', bios) }),
    ...(firmware?.vgaBios === undefined ? {} : { vgaBios: await load('-bios', firmware.vgaBios) }),
    // The terminal is all there is to look at: a BIOS that says there is nothing to boot must be heard.
    firmwareOnSerial: c.serial[0]?.kind === 'stdio' && c.serial[0].monitor,
    ...(c.debugConsole ? { debugConsole: debugConsole(c.debugConsole) } : {}),
    ...(trace ? { trace: { items: c.log.items, write: trace.write } } : {}),
    ...(symbols ? { symbols } : {}), ...(profile ? { profile: profile.profile } : {}),
    ...(exit ? { isaDebugExit: { iobase: exit.iobase, iosize: exit.iosize } } : {}),
  }
  return {
    machine: new Machine(options),
    terminalSerial: terminalIndex < 0 ? undefined : serial[terminalIndex],
    close: async () => {
      trace?.close()
      profile?.close()
      await Promise.allSettled(drives.flatMap((d) => d ? [d.backend.close()] : []))
    },
  }
}

async function openDrive(drive: DriveOptions): Promise<MachineDrive | undefined> {
  if (drive.file === undefined) return undefined
  const file = await FileBackend.open(drive.file, drive.readOnly || drive.snapshot || drive.media === 'cdrom', drive.option)
  return { backend: drive.snapshot && drive.media === 'disk' ? new SnapshotBackend(file) : file, media: drive.media, index: drive.index }
}

/** The terminal's own port is connected later; a file takes the output. */
function character(options: CharacterOptions): SerialConsole {
  const port = new SerialConsole()
  if (options.kind === 'file') {
    try {
      const file = openSync(options.path, 'w')
      port.onOutput((bytes) => void writeSync(file, bytes))
    } catch (error) {
      throw fileError('-serial', options.path, error)
    }
  }
  return port
}

/** Has no input: on the terminal it only prints. */
function debugConsole(options: CharacterOptions): SerialConsole {
  const port = character(options)
  if (options.kind === 'stdio') port.onOutput((bytes) => void process.stdout.write(bytes.slice()))
  return port
}

/** The RTC shows UTC unless told otherwise; local time is UTC moved by the host's zone. */
function rtcBase(base: Configuration['rtc']['base']): { rtcBase?: number } {
  if (base === 'utc') return {}
  return { rtcBase: base === 'localtime' ? Date.now() - new Date().getTimezoneOffset() * 60_000 : base }
}
