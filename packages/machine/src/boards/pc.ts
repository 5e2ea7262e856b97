import type { BusDevice, CharacterPort, Resettable } from '@entresol/interfaces'
import {
  DebugPort, DualPic, EcamWindow, fillCmos, Hpet, I440fxHostBridge, I8042, InterruptRouter, IsaDebugExit, PciBus, PciConfigPorts, Piix3IsaBridge,
  Pit8254, Port92, ResetControl, Rtc, SpeakerPort, Uart16550,
} from '@entresol/io'
import { CodedError } from '@entresol/kit'
import { loadKernel } from '@entresol/loader'
import type { BootEntry } from '@entresol/loader'
import type { Board, BoardEvents } from '../board.ts'
import type { TimerClock } from '../clock/timer-queue.ts'
import type { MachineOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import { memoryMap, PCI_HOLE } from './memory-map.ts'

export const ECAM_BASE = 0xe0000000
export const HPET_BASE = 0xfed00000

/** An IBM PC compatible around the 440FX and PIIX3 chips, with the PCI Express configuration window of later ones. */
export class Pc implements Board {
  readonly platform: Platform
  readonly #options: MachineOptions
  readonly #resets: Resettable[] = []
  readonly #rtc: Rtc

  constructor(platform: Platform, clock: TimerClock, options: MachineOptions, serial: readonly CharacterPort[], events: BoardEvents) {
    this.platform = platform
    this.#options = options
    if (!options.kernel && !options.bios) throw new CodedError('nothing-to-boot', 'nothing to boot: give a kernel (-kernel) or a BIOS image (-bios)')
    const { ports, mmio, ioapic, apics } = platform
    const keep = <T extends Resettable>(device: T): T => {
      this.#resets.push(device)
      return device
    }
    const map = (base: number, device: BusDevice): void => void ports.map(base, device)

    const pic = keep(new DualPic({ set: (asserted) => apics[0]!.lint0.set(asserted) }))
    platform.pic = pic
    map(0x20, pic.masterPorts)
    map(0xa0, pic.slavePorts)
    map(0x4d0, pic.elcrPorts)
    const router = new InterruptRouter({ pic: (irq) => pic.line(irq), ioapic: (pin) => ioapic.line(pin) })

    const hpet = keep(new Hpet({ clock, irq0: router.isaLine(0), irq8: router.isaLine(8), gsi: (gsi) => router.gsiLine(gsi) }))
    mmio.map(HPET_BASE, hpet)
    const pit = keep(new Pit8254(clock, hpet.pitLine))
    map(0x40, pit)
    map(0x61, keep(new SpeakerPort(pit, clock)))
    this.#rtc = keep(new Rtc(clock, hpet.rtcLine))
    map(0x70, this.#rtc)

    const a20 = { keyboard: true, port92: false }
    const updateA20 = (): void => platform.ram.setA20(a20.keyboard || a20.port92)
    const i8042 = keep(new I8042({
      keyboardLine: router.isaLine(1), mouseLine: router.isaLine(12), clock, onReset: () => events.reset(),
      onA20: (enabled) => {
        a20.keyboard = enabled
        updateA20()
      },
    }))
    map(0x60, i8042.dataPort)
    map(0x64, i8042.commandPort)
    map(0x92, keep(new Port92({
      onReset: () => events.reset(),
      onA20: (enabled) => {
        a20.port92 = enabled
        updateA20()
      },
    })))

    const uart = (name: string, base: number, irq: number, port: CharacterPort): void =>
      map(base, keep(new Uart16550({ name, line: router.isaLine(irq), port, clock })))
    uart('serial0', 0x3f8, 4, serial[0]!)
    uart('serial1', 0x2f8, 3, serial[1]!)
    if (options.debugConsole) map(0xe9, new DebugPort({ port: options.debugConsole }))
    const exit = options.isaDebugExit
    if (exit) map(exit.iobase ?? 0x501, new IsaDebugExit({ iosize: exit.iosize ?? 2, onExit: (code) => events.exit(code) }))

    const pci = new PciBus(ports, mmio)
    map(0xcf8, keep(new PciConfigPorts(pci, new ResetControl(() => events.reset()))))
    mmio.map(ECAM_BASE, new EcamWindow(pci))
    pci.attach(0, 0, keep(new I440fxHostBridge()))
    pci.attach(1, 0, keep(new Piix3IsaBridge(pci, (irq) => router.isaLine(irq), (pirq) => router.gsiLine(16 + pirq))))
  }

  powerOn(first: boolean): BootEntry {
    for (const device of this.#resets) device.reset()
    this.platform.reset()
    const { ram } = this.platform
    fillCmos(this.#rtc, { memoryBelow4G: Math.min(ram.size, PCI_HOLE), memoryAbove4G: Math.max(0, ram.size - PCI_HOLE), cpus: this.platform.vcpus.length })
    const { kernel, initrd, append } = this.#options
    this.platform.apics[0]!.enterVirtualWireMode()
    return loadKernel({
      memory: ram, map: memoryMap(ram.size), kernel: kernel!, memoryIsZero: first,
      ...(initrd ? { initrd } : {}), ...(append === undefined ? {} : { commandLine: append }),
    }).entry
  }
}
