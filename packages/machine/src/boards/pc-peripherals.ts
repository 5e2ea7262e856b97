import type { Resettable } from '@entresol/interfaces'
import { IDE_PCI_IDENTITY, IdeController, MemoryWindow, PciDevice, Vga, VGA_PCI_IDENTITY } from '@entresol/io'
import type { IdeDriveOptions, InterruptRouter, PciBus } from '@entresol/io'
import { CodedError } from '@entresol/kit'
import type { TimerClock } from '../clock/timer-queue.ts'
import type { DriveOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import type { HostWork } from '../drives/tracked-backend.ts'
import { TrackedBackend } from '../drives/tracked-backend.ts'

type Keep = (device: Resettable) => void

const IDE_PLACES = 4
/** Index of the expansion ROM among base address registers. */
const ROM_BAR = 6
const VGA_WINDOW = 0xa0000

/** Puts each drive into its place, or the next free one. Throws `ide-place-taken`, `too-many-drives`. */
function placeDrives(drives: readonly DriveOptions[], work: HostWork): (IdeDriveOptions | undefined)[] {
  const places: (IdeDriveOptions | undefined)[] = new Array<undefined>(IDE_PLACES).fill(undefined)
  const put = (drive: DriveOptions, index: number): void => {
    places[index] = { kind: drive.media === 'cdrom' ? 'cdrom' : 'disk', backend: new TrackedBackend(drive.backend, work) }
  }
  for (const drive of drives) {
    if (drive.index === undefined) continue
    if (drive.index < 0 || drive.index >= IDE_PLACES) throw new CodedError('too-many-drives', `IDE has places 0 to 3, not ${drive.index}`)
    if (places[drive.index]) throw new CodedError('ide-place-taken', `two drives want IDE place ${drive.index}`)
    put(drive, drive.index)
  }
  for (const drive of drives) {
    if (drive.index !== undefined) continue
    const free = places.indexOf(undefined)
    if (free < 0) throw new CodedError('too-many-drives', 'IDE has places for four drives')
    put(drive, free)
  }
  return places
}

/** PIIX3 function 1: two channels at their legacy ports, the bus master where BAR 4 says. */
export function attachIde(platform: Platform, pci: PciBus, router: InterruptRouter, drives: readonly DriveOptions[], work: HostWork, keep: Keep): void {
  const ide = new IdeController({ drives: placeDrives(drives, work), lines: [router.isaLine(14), router.isaLine(15)], memory: platform.ram })
  keep(ide)
  const [primary, secondary] = ide.channels
  platform.ports.map(0x1f0, primary.commandBlock)
  platform.ports.map(0x3f6, primary.controlBlock)
  platform.ports.map(0x170, secondary.commandBlock)
  platform.ports.map(0x376, secondary.controlBlock)
  const device = new PciDevice({ name: 'piix3-ide', ...IDE_PCI_IDENTITY })
  for (const { offset, size, value, writable } of IDE_PCI_IDENTITY.config) device.config.define(offset, size, value, writable)
  device.addBar(4, { kind: 'io', device: ide.busMaster })
  keep(device)
  pci.attach(1, 1, device)
}

/** A standard VGA in slot 2, in 80×25 text as its BIOS would leave it. Returns it as a picture source. */
export function attachDisplay(platform: Platform, pci: PciBus, clock: TimerClock, rom: Uint8Array | undefined, keep: Keep): Vga {
  const vga = new Vga({ clock })
  keep(vga)
  platform.ports.map(0x3b0, vga.ports)
  platform.ports.map(0x1ce, vga.dispiPorts)
  platform.ram.unmap(VGA_WINDOW, vga.legacyWindow.length)
  platform.mmio.map(VGA_WINDOW, vga.legacyWindow)
  const device = new PciDevice({ name: 'vga', ...VGA_PCI_IDENTITY })
  device.addBar(0, { kind: 'memory', device: vga.linearFramebuffer, prefetchable: true })
  device.addBar(2, { kind: 'memory', device: vga.mmio })
  if (rom) device.addBar(ROM_BAR, { kind: 'memory', device: new MemoryWindow('vga-rom', rom, false) })
  keep(device)
  pci.attach(2, 0, device)
  return vga
}
