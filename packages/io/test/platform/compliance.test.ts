import { busDeviceSuite, describeSuite, type DeviceUnderTest, interruptSourceSuite } from '@entresol/compliance'
import { describe, it } from 'vitest'
import { AcpiPm, ApmControl, EmptySmbus } from '../../src/acpi/index.ts'
import { NO_LINE, MmioBus, PortBus } from '../../src/bus/index.ts'
import { Hpet } from '../../src/hpet/index.ts'
import { IoApic } from '../../src/ioapic/index.ts'
import { ApicBus, LocalApic } from '../../src/lapic/index.ts'
import { EcamWindow, I440fxHostBridge, PciBus, PciConfigPorts } from '../../src/pci/index.ts'
import { DualPic } from '../../src/pic/index.ts'
import { Pit8254 } from '../../src/pit/index.ts'
import { Rtc } from '../../src/rtc/index.ts'
import { SpeakerPort } from '../../src/speaker/index.ts'
import { RecordingSignals, WallClock } from '../support/platform-fakes.ts'

const apic = (bus = new ApicBus(), pic?: DualPic): LocalApic => new LocalApic({
  id: 0, bootstrap: true, bus, clock: new WallClock(), signals: new RecordingSignals(), tsc: () => 0n, tscFrequency: 1e9, ...(pic === undefined ? {} : { pic })
})
const pci = (): PciBus => {
  const bus = new PciBus(new PortBus(), new MmioBus())
  bus.attach(0, 0, new I440fxHostBridge())
  return bus
}
const devices: [make: () => DeviceUnderTest, vocabulary: number[]][] = [
  [() => new DualPic(NO_LINE).masterPorts, [0x11, 0x0a, 0x0b, 0x0c, 0x20, 0x68, 0xa0]],
  [() => new DualPic(NO_LINE).elcrPorts, []],
  [() => new Pit8254(new WallClock(), NO_LINE), [0x34, 0x36, 0xb0, 0xc2, 0xe8, 0x31]],
  [() => new SpeakerPort(new Pit8254(new WallClock(), NO_LINE), new WallClock()), [1, 2, 3]],
  [() => new Hpet({ clock: new WallClock(), irq0: NO_LINE, irq8: NO_LINE, gsi: () => NO_LINE }), [1, 3, 0x4c, 0x14c, 0x2a4c]],
  [() => new IoApic(new ApicBus()), [0x10, 0x11, 0x12, 0x8055, 0x944]],
  [() => apic(), [0x1ff, 0xff, 0x20040, 0x40040, 0x700, 0xc0041, 0x40051, 0x4500]],
  // On an empty bus: what the ports reach is saved by the functions.
  [() => new PciConfigPorts(new PciBus(new PortBus(), new MmioBus())), [0x8000_0000, 0x8000_0058, 0x33]],
  [() => new EcamWindow(pci(), 1), []],
  [() => new AcpiPm({ clock: new WallClock(), sci: NO_LINE, onPowerOff: () => {} }), [1, 0x100, 0x2000, 0x2001]],
  [() => new ApmControl(() => {}), [0xf0, 0xf1]],
  [() => new EmptySmbus(), [0x40, 0x1e]]
]
for (const [create, vocabulary] of devices) describe(create().name, () => describeSuite(busDeviceSuite, () => ({ create, vocabulary }), { describe, it }))

// The RTC keeps its memory and time over reset, as a battery makes it: every law but that one is for it.
describe('rtc', () => describeSuite({ ...busDeviceSuite, laws: busDeviceSuite.laws.filter((law) => !law.name.includes('after reset')) },
  () => ({ create: () => new Rtc(new WallClock(), NO_LINE), vocabulary: [10, 11, 12, 0x80, 0x86, 0x02, 0x26] }), { describe, it }))

describe('local-apic as interrupt source', () => describeSuite(interruptSourceSuite, () => {
  const bus = new ApicBus()
  const source = apic(bus)
  source.write(0xf0, 4, 0x1ff)
  return { source, vector: 0x51, request: () => bus.send(0xfee0_0000, 0, 0x51), endOfInterrupt: () => { source.write(0xb0, 4, 0) } }
}, { describe, it }))
