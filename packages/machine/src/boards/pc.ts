import type { BusDevice, CharacterPort, Resettable } from '@entresol/interfaces'
import {
  acpiFwCfgFiles, AcpiPm, ApmControl, DebugPort, DualPic, EcamWindow, fillCmos, FwCfg, Hpet, I440fxHostBridge, I8042, InterruptRouter, IsaDebugExit,
  layOutAcpiTables, PciBus, PciConfigPorts, Piix3IsaBridge, Piix4Pm, PIRQ_GSI_BASE, Pit8254, Port92, ResetControl, Rtc, SpeakerPort, Uart16550,
} from '@entresol/io'
import type { AcpiMachine, CmosContents, Vga } from '@entresol/io'
import { CodedError } from '@entresol/kit'
import { loadKernel, memoryTypeNumber } from '@entresol/loader'
import type { BootEntry } from '@entresol/loader'
import type { Board, BoardEvents } from '../board.ts'
import type { TimerClock } from '../clock/timer-queue.ts'
import type { MachineOptions } from '../options.ts'
import { IOAPIC_BASE } from '../platform.ts'
import type { Platform } from '../platform.ts'
import { memoryMap, PCI_HOLE } from './memory-map.ts'
import { setMemoryTypes } from './memory-types.ts'
import { PcFirmware } from './pc-firmware.ts'
import { writeResetStub } from './reset-stub.ts'
import { attachDisplay, attachIde } from './pc-peripherals.ts'
import { attachPciDevices } from '../devices/attach-pci.ts'
import { type BootDevice, bootOrderFile } from '../devices/boot-order.ts'

export const ECAM_BASE = 0xe0000000
const ECAM_BUSES = 256
const ECAM = { base: ECAM_BASE, length: ECAM_BUSES << 20 }
export const HPET_BASE = 0xfed00000
const BOOT_DEVICES = { a: 'floppy', c: 'disk', d: 'cdrom', n: 'network' } as const

/** An IBM PC compatible around the 440FX and PIIX3/4 chips, with the PCI Express configuration window of later ones. */
export class Pc implements Board {
  readonly platform: Platform
  readonly display: Vga | undefined
  readonly #options: MachineOptions
  readonly #resets: Resettable[] = []
  readonly #router: InterruptRouter
  readonly #rtc: Rtc
  readonly #pm: AcpiPm
  readonly #pmFunction: Piix4Pm
  readonly #firmware: PcFirmware | undefined

  constructor(platform: Platform, clock: TimerClock, options: MachineOptions, serial: readonly CharacterPort[], events: BoardEvents) {
    this.platform = platform
    this.#options = options
    if (!options.kernel && !options.bios) throw new CodedError('nothing-to-boot', 'nothing to boot: give a kernel (-kernel) or a BIOS image (-bios)')
    const { ports, mmio, ioapic, apics, ram } = platform
    const map = (base: number, device: BusDevice): void => void ports.map(base, device)

    const pic = this.#keep(new DualPic({ set: (asserted) => apics[0]!.lint0.set(asserted) }))
    platform.pic = pic
    map(0x20, pic.masterPorts)
    map(0xa0, pic.slavePorts)
    map(0x4d0, pic.elcrPorts)
    const router = new InterruptRouter({ pic: (irq) => pic.line(irq), ioapic: (pin) => ioapic.line(pin) })
    this.#router = router

    this.#rtc = this.#timers(clock)
    this.#controls(clock, events)
    this.#serialPorts(clock, serial, events)

    this.#firmware = options.bios ? new PcFirmware(ram, options.bios) : undefined
    const pci = new PciBus(ports, mmio)
    map(0xcf8, this.#keep(new PciConfigPorts(pci, new ResetControl(() => events.reset()))))
    mmio.map(ECAM_BASE, new EcamWindow(pci, ECAM_BUSES))
    pci.attach(0, 0, this.#keep(new I440fxHostBridge((segments) => this.#firmware?.shadow(segments))))
    pci.attach(1, 0, this.#keep(new Piix3IsaBridge(pci, (irq) => router.isaLine(irq), (pirq) => router.gsiLine(PIRQ_GSI_BASE + pirq))))
    attachIde(platform, pci, router, options.drives ?? [], events, (device) => void this.#keep(device))
    this.#pm = this.#keep(new AcpiPm({ clock, sci: router.isaLine(9), onPowerOff: () => events.powerOff() }))
    map(0xb2, this.#keep(new ApmControl((on) => this.#pm.setAcpiMode(on))))
    this.#pmFunction = this.#keep(new Piix4Pm(this.#pm))
    pci.attach(1, 3, this.#pmFunction)
    if (!options.noDisplay) this.display = attachDisplay(platform, pci, clock, options.vgaBios, (device) => void this.#keep(device))
    const services = { clock, work: events, cpus: platform.allVcpus.length, ram: platform.ram }
    const bootDevices = attachPciDevices(platform, pci, options.devices ?? [], services, (device) => void this.#keep(device))
    if (this.#firmware) map(0x510, this.#keep(this.#fwCfg(bootDevices)).ports)
  }

  #keep<T extends Resettable>(device: T): T {
    this.#resets.push(device)
    return device
  }

  #timers(clock: TimerClock): Rtc {
    const { ports, mmio } = this.platform
    const router = this.#router
    const hpet = this.#keep(new Hpet({ clock, irq0: router.isaLine(0), irq8: router.isaLine(8), gsi: (gsi) => router.gsiLine(gsi) }))
    // Without it on the bus nobody can switch it on: its wires pass PIT and RTC through.
    if (this.#options.hpet !== false) mmio.map(HPET_BASE, hpet)
    const pit = this.#keep(new Pit8254(clock, hpet.pitLine))
    ports.map(0x40, pit)
    ports.map(0x61, this.#keep(new SpeakerPort(pit, clock)))
    const rtc = this.#keep(new Rtc(clock, hpet.rtcLine))
    ports.map(0x70, rtc)
    return rtc
  }

  /** Keyboard controller and port 92h: both can reset the machine, and A20 passes when either lets it. */
  #controls(clock: TimerClock, events: BoardEvents): void {
    const { ports, ram } = this.platform
    const a20 = { keyboard: true, port92: false }
    const gate = (source: keyof typeof a20) => (enabled: boolean): void => {
      const before = a20.keyboard || a20.port92
      a20[source] = enabled
      if (before !== (a20.keyboard || a20.port92)) ram.setA20(!before)
    }
    const onReset = (): void => events.reset()
    const i8042 = this.#keep(new I8042({
      keyboardLine: this.#router.isaLine(1), mouseLine: this.#router.isaLine(12), clock, onReset, onA20: gate('keyboard'),
    }))
    ports.map(0x60, i8042.dataPort)
    ports.map(0x64, i8042.commandPort)
    ports.map(0x92, this.#keep(new Port92({ onReset, onA20: gate('port92') })))
  }

  #serialPorts(clock: TimerClock, serial: readonly CharacterPort[], events: BoardEvents): void {
    const { ports } = this.platform
    const uart = (name: string, base: number, irq: number, port: CharacterPort): void =>
      void ports.map(base, this.#keep(new Uart16550({ name, line: this.#router.isaLine(irq), port, clock })))
    uart('serial0', 0x3f8, 4, serial[0]!)
    uart('serial1', 0x2f8, 3, serial[1]!)
    const { debugConsole, isaDebugExit: exit } = this.#options
    if (debugConsole) ports.map(this.#options.debugConsoleBase ?? 0xe9, new DebugPort({ port: debugConsole }))
    if (exit) ports.map(exit.iobase ?? 0x501, new IsaDebugExit({ iosize: exit.iosize ?? 2, onExit: (code) => events.exit(code) }))
  }

  #acpi(): AcpiMachine {
    return {
      apicIds: this.platform.allVcpus.map(({ id }) => id), ioapic: { id: 0, base: IOAPIC_BASE },
      ...(this.#options.hpet === false ? {} : { hpetBase: HPET_BASE }),
      ecam: { base: ECAM_BASE, buses: ECAM_BUSES }, pciWindows: [{ base: ECAM_BASE + 0x10000000, length: IOAPIC_BASE - ECAM_BASE - 0x10000000 }],
      i8042: true, serial: [{ port: 0x3f8, irq: 4 }, { port: 0x2f8, irq: 3 }],
    }
  }

  #fwCfg(bootDevices: readonly BootDevice[]): FwCfg {
    const { ram, allVcpus } = this.platform
    const fwCfg = new FwCfg({ memory: ram, cpus: allVcpus.length, noGraphic: this.#options.noDisplay ?? false })
    if (this.#options.acpi !== false) for (const [name, data] of acpiFwCfgFiles(this.#acpi())) fwCfg.setFile(name, data)
    if (bootDevices.length > 0) fwCfg.setFile('bootorder', bootOrderFile(bootDevices))
    // SeaBIOS's serial console: the port's base address.
    if (this.#options.firmwareOnSerial) fwCfg.setFile('etc/sercon-port', Uint8Array.of(0xf8, 0x03))
    const low = Math.min(ram.size, PCI_HOLE)
    const ranges = [
      { address: 0, length: low, type: memoryTypeNumber('ram') },
      { address: ECAM.base, length: ECAM.length, type: memoryTypeNumber('reserved') },
    ]
    if (ram.size > low) ranges.push({ address: 0x100000000, length: ram.size - low, type: memoryTypeNumber('ram') })
    fwCfg.setE820(ranges)
    return fwCfg
  }

  powerOn(first: boolean): BootEntry {
    for (const device of this.#resets) device.reset()
    this.platform.reset()
    const { ram, allVcpus, apics } = this.platform
    const boot = [...((first ? this.#options.bootOnce : undefined) ?? this.#options.bootOrder ?? 'cd')].map((letter) => BOOT_DEVICES[letter as keyof typeof BOOT_DEVICES])
    const cmos: CmosContents = { memoryBelow4G: Math.min(ram.size, PCI_HOLE), memoryAbove4G: Math.max(0, ram.size - PCI_HOLE), cpus: allVcpus.length, boot }
    fillCmos(this.#rtc, cmos)
    const { kernel, initrd, append } = this.#options
    if (!kernel) return this.#firmware!.entry
    // What firmware would have done for the kernel.
    this.display?.enterTextMode()
    if (!this.#firmware) writeResetStub(ram)
    for (const vcpu of allVcpus) setMemoryTypes(vcpu, PCI_HOLE)
    apics[0]!.enterVirtualWireMode()
    this.#pmFunction.configure()
    this.#pm.setAcpiMode(true)
    const acpi = this.#options.acpi === false ? {} : { rsdp: layOutAcpiTables(ram, this.#acpi()).rsdp }
    return loadKernel({
      memory: ram, map: memoryMap(ram.size, undefined, ECAM), kernel, memoryIsZero: first, ...acpi, ...(this.#options.noDisplay ? { screen: 'none' as const } : {}),
      ...(initrd ? { initrd } : {}), ...(append === undefined ? {} : { commandLine: append }),
    }).entry
  }
}
