import type { BusDevice, Snapshotable } from '@entresol/interfaces'
import { AcpiPm, ApmControl, Piix4Pm } from '../../src/acpi/index.ts'
import { MmioBus, PortBus } from '../../src/bus/index.ts'
import { Hpet } from '../../src/hpet/index.ts'
import { IoApic } from '../../src/ioapic/index.ts'
import { ApicBus, ApicPageBus, LocalApic } from '../../src/lapic/index.ts'
import { MsiCapability, MsixCapability } from '../../src/msi/index.ts'
import { EcamWindow, I440fxHostBridge, PciBus, PciConfigPorts, PciDevice, Piix3IsaBridge, ResetControl } from '../../src/pci/index.ts'
import { DualPic, InterruptRouter, PIRQ_GSI_BASE } from '../../src/pic/index.ts'
import { Pit8254 } from '../../src/pit/index.ts'
import { Rtc } from '../../src/rtc/index.ts'
import { SpeakerPort } from '../../src/speaker/index.ts'
import { RecordingSignals, Scratch } from './platform-fakes.ts'
import type { WallClock } from './platform-fakes.ts'

export interface Platform {
  readonly ports: PortBus
  readonly memory: MmioBus
  readonly cpu: ApicPageBus
  readonly apics: readonly LocalApic[]
  readonly host: I440fxHostBridge
  /** In the order to restore them: devices, then what they drive. */
  readonly parts: readonly (Snapshotable<unknown> & { readonly name: string })[]
  readonly devices: readonly { readonly base: number; readonly device: BusDevice; readonly port: boolean }[]
  readonly events: string[]
  reset(): void
}

/** The platform core wired as a PC: the example the board follows. */
export function buildPlatform(clock: WallClock): Platform {
  const events: string[] = []
  const ports = new PortBus()
  const memory = new MmioBus()
  const apicBus = new ApicBus()
  const ioapic = new IoApic(apicBus)
  apicBus.onEndOfInterrupt(ioapic)
  const apics: LocalApic[] = []
  const pic = new DualPic({ set: (asserted) => apics[0].lint0.set(asserted) })
  for (let id = 0; id < 2; id++) {
    apics.push(new LocalApic({
      id, bootstrap: id === 0, bus: apicBus, clock, signals: new RecordingSignals(), pic, tsc: () => BigInt(Math.floor(clock.time * 2)), tscFrequency: 2e9
    }))
  }
  const router = new InterruptRouter({ pic: (irq) => pic.line(irq), ioapic: (pin) => ioapic.line(pin) })
  const hpet = new Hpet({ clock, irq0: router.isaLine(0), irq8: router.isaLine(8), gsi: (gsi) => router.gsiLine(gsi) })
  const pit = new Pit8254(clock, hpet.pitLine)
  const rtc = new Rtc(clock, hpet.rtcLine)
  const speaker = new SpeakerPort(pit, clock)

  const pci = new PciBus(ports, memory)
  const host = new I440fxHostBridge()
  const pm = new AcpiPm({ clock, sci: router.isaLine(9), onPowerOff: () => { events.push('power-off') } })
  const apm = new ApmControl((on) => pm.setAcpiMode(on))
  const piix4 = new Piix4Pm(pm)
  const piix3 = new Piix3IsaBridge(pci, (irq) => router.isaLine(irq), (pirq) => router.gsiLine(PIRQ_GSI_BASE + pirq))
  const toy = new PciDevice({ name: 'toy', vendorId: 0x1af4, deviceId: 0x1000, classCode: 0xff0000, interruptPin: 1, extended: true })
  const msix = new MsixCapability(toy, apicBus, 4, 1)
  const msi = new MsiCapability(toy, apicBus, 4)
  const scratch = new Scratch('toy-registers', 0x1000)
  toy.addBar(0, { kind: 'memory64', device: { ...scratch, name: scratch.name, length: scratch.length, read: (o, s) => scratch.read(o, s), write: (o, s, v) => {
    toy.setInterrupt((v & 1) !== 0)
    msi.signal(v & 3)
    msix.signal(v & 3)
    return scratch.write(o, s, v)
  } } })
  toy.addBar(2, { kind: 'memory', device: msix.window })
  toy.addBar(3, { kind: 'io', device: new Scratch('toy-ports', 0x10, [1, 2]) })
  pci.attach(0, 0, host)
  pci.attach(1, 0, piix3)
  pci.attach(1, 3, piix4)
  pci.attach(2, 0, toy)
  const configPorts = new PciConfigPorts(pci, new ResetControl((hard) => { events.push(hard ? 'reset' : 'cpu-reset') }))

  const devices = [
    { base: 0x20, device: pic.masterPorts, port: true }, { base: 0xa0, device: pic.slavePorts, port: true }, { base: 0x4d0, device: pic.elcrPorts, port: true },
    { base: 0x40, device: pit, port: true }, { base: 0x61, device: speaker, port: true }, { base: 0x70, device: rtc, port: true },
    { base: 0xb2, device: apm, port: true }, { base: 0xcf8, device: configPorts, port: true },
    { base: 0xfec0_0000, device: ioapic, port: false }, { base: 0xfed0_0000, device: hpet, port: false }, { base: 0xe000_0000, device: new EcamWindow(pci), port: false }
  ]
  for (const { base, device, port } of devices) (port ? ports : memory).map(base, device)
  piix4.configure()

  const parts = [host, piix3, piix4, piix4.smbus, toy, msix, configPorts, pm, apm, rtc, pit, speaker, hpet, pic, ioapic, ...apics, apicBus]
  return {
    ports, memory, cpu: new ApicPageBus(apics[0], memory), apics, host, parts: parts as unknown as Platform['parts'],
    devices: [...devices, { base: 0xfee0_0000, device: apics[0], port: false }, { base: 0x600, device: pm, port: true }], events,
    reset: () => { for (const part of [...parts].reverse()) if ('reset' in part) part.reset() }
  }
}
