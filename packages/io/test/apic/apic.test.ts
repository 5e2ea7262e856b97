import { beforeEach, describe, expect, test } from 'vitest'
import { IoApic } from '../../src/ioapic/index.ts'
import { ApicBus, ApicPageBus, LocalApic } from '../../src/lapic/index.ts'
import { MmioBus } from '../../src/bus/index.ts'
import { DualPic } from '../../src/pic/index.ts'
import { read as readDevice, write as writeDevice } from '../support/device-fakes.ts'
import { RecordingSignals, WallClock } from '../support/platform-fakes.ts'

let clock: WallClock
let bus: ApicBus
let ioapic: IoApic
let pic: DualPic
let apics: LocalApic[]
let signals: RecordingSignals[]

beforeEach(() => {
  clock = new WallClock()
  bus = new ApicBus()
  ioapic = new IoApic(bus)
  bus.onEndOfInterrupt(ioapic)
  pic = new DualPic({ set: (level) => apics[0].lint0.set(level) })
  signals = []
  apics = []
  for (let id = 0; id < 4; id++) {
    signals.push(new RecordingSignals())
    apics.push(new LocalApic({
      id, bootstrap: id === 0, bus, clock, signals: signals[id], pic, tsc: () => BigInt(Math.floor(clock.time * 2)), tscFrequency: 2e9
    }))
  }
})

const rd = (cpu: number, offset: number): number => readDevice(apics[cpu], offset, 4)
const wr = (cpu: number, offset: number, value: number): void => writeDevice(apics[cpu], offset, value >>> 0, 4)
const enable = (...cpus: number[]): void => { for (const cpu of cpus) wr(cpu, 0xf0, 0x1ff) }
const eoi = (cpu: number): void => wr(cpu, 0xb0, 0)
const redirect = (pin: number, low: number, high = 0): void => {
  writeDevice(ioapic, 0, 0x11 + 2 * pin, 4)
  writeDevice(ioapic, 0x10, high, 4)
  writeDevice(ioapic, 0, 0x10 + 2 * pin, 4)
  writeDevice(ioapic, 0x10, low, 4)
}
const entry = (pin: number): number => (writeDevice(ioapic, 0, 0x10 + 2 * pin, 4), readDevice(ioapic, 0x10, 4))
const all = (): number[] => apics.map((apic) => apic.acknowledge())

describe('local APIC priorities', () => {
  test('power-on values are those of the manual (11.4.7.1)', () => {
    expect([0x20, 0x30, 0x80, 0xd0, 0xe0, 0xf0, 0x320, 0x350, 0x380].map((r) => rd(2, r)))
      .toEqual([0x0200_0000, 0x0105_0014, 0, 0, 0xffff_ffff, 0xff, 0x1_0000, 0x1_0000, 0])
    expect(apics[0].readMsr(0x1b)).toBe(true)
    expect([apics[0].msrLow, apics[0].msrHigh]).toEqual([0xfee0_0900, 0])
  })

  test('the highest vector comes first and blocks its class until EOI', () => {
    enable(0)
    for (const vector of [0x41, 0x52, 0x58]) bus.send(0xfee0_0000, 0, vector)
    expect(signals[0].interrupts).toBe(1)
    expect(apics[0].acknowledge()).toBe(0x58)
    expect([apics[0].pending(), rd(0, 0xa0), rd(0, 0x120)]).toEqual([false, 0x50, 1 << 24])
    bus.send(0xfee0_0000, 0, 0x61)
    expect(apics[0].acknowledge()).toBe(0x61)
    eoi(0)
    expect(apics[0].pending()).toBe(false)
    eoi(0)
    expect(apics[0].acknowledge()).toBe(0x52)
    eoi(0)
    expect(apics[0].acknowledge()).toBe(0x41)
    eoi(0)
    expect([apics[0].pending(), apics[0].acknowledge()]).toEqual([false, -1])
  })

  test('TPR, and CR8 which is its upper half, hold back vectors of their class and below', () => {
    enable(0)
    apics[0].writeCr8(5)
    expect(rd(0, 0x80)).toBe(0x50)
    bus.send(0xfee0_0000, 0, 0x5f)
    expect(apics[0].pending()).toBe(false)
    wr(0, 0x80, 0x4f)
    expect([apics[0].pending(), apics[0].readCr8(), signals[0].interrupts]).toEqual([true, 4, 1])
  })

  test('software-disabled: fixed messages are refused, LVT entries masked, NMI still accepted', () => {
    enable(0)
    wr(0, 0x350, 0x40)
    wr(0, 0xf0, 0xff)
    expect(rd(0, 0x350)).toBe(0x1_0040)
    wr(0, 0x350, 0x41)
    expect(rd(0, 0x350)).toBe(0x1_0041)
    bus.send(0xfee0_0000, 0, 0x50)
    bus.send(0xfee0_0000, 0, 0x400)
    expect([apics[0].pending(), signals[0].log]).toEqual([false, ['nmi']])
  })

  test('vectors below 16 are errors that ESR shows after it is written', () => {
    enable(0)
    wr(0, 0x370, 0xe0)
    bus.send(0xfee0_0000, 0, 0x0f)
    wr(0, 0x300, 0x0004_000f)
    rd(0, 0x40)
    expect(rd(0, 0x280)).toBe(0)
    wr(0, 0x280, 0)
    expect(rd(0, 0x280)).toBe(0xe0)
    expect(apics[0].acknowledge()).toBe(0xe0)
  })
})

describe('interprocessor interrupts', () => {
  test('INIT resets the APIC but its ID, and start-up carries the page', () => {
    enable(0, 1)
    wr(0, 0x310, 1 << 24)
    wr(0, 0x300, 0xc500)
    wr(0, 0x300, 0x8500)
    wr(0, 0x300, 0x0608)
    expect([signals[1].log, rd(1, 0xf0), rd(1, 0x20)]).toEqual([['init', 'sipi 8'], 0xff, 1 << 24])
    expect(rd(0, 0x300)).toBe(0x0608)
  })

  test('shorthands: self, all, all but self', () => {
    enable(0, 1, 2, 3)
    wr(1, 0x300, 0x4_0051)
    expect(all()).toEqual([-1, 0x51, -1, -1])
    wr(1, 0x300, 0x8_0062)
    expect(all()).toEqual([0x62, 0x62, 0x62, 0x62])
    wr(1, 0x300, 0xc_0073)
    expect(all()).toEqual([0x73, -1, 0x73, 0x73])
    wr(2, 0x300, 0xc_0400)
    expect(signals.map((s) => s.log.length)).toEqual([1, 1, 0, 1])
  })

  test('physical destinations, FFh is everyone', () => {
    enable(0, 1, 2, 3)
    wr(0, 0x310, 0x0300_0000)
    wr(0, 0x300, 0x51)
    expect(all()).toEqual([-1, -1, -1, 0x51])
    wr(0, 0x310, 0xff00_0000)
    wr(0, 0x300, 0x62)
    expect(all()).toEqual([0x62, 0x62, 0x62, 0x62])
  })

  test('logical destinations, flat and cluster', () => {
    enable(0, 1, 2, 3)
    for (let cpu = 0; cpu < 4; cpu++) wr(cpu, 0xd0, (1 << cpu) << 24)
    wr(0, 0x310, 0x0a00_0000)
    wr(0, 0x300, 0x851)
    expect(all()).toEqual([-1, 0x51, -1, 0x51])
    for (let cpu = 0; cpu < 4; cpu++) {
      wr(cpu, 0xe0, 0x0fff_ffff)
      wr(cpu, 0xd0, (((cpu >> 1) << 4) | (1 << (cpu & 1))) << 24)
    }
    wr(0, 0x310, 0x1200_0000)
    wr(0, 0x300, 0x862)
    expect(all()).toEqual([-1, -1, -1, 0x62])
    wr(0, 0x310, 0xf100_0000)
    wr(0, 0x300, 0x873)
    expect(all()).toEqual([0x73, -1, 0x73, -1])
  })

  test('lowest priority goes to the least busy, and round among equals', () => {
    enable(0, 1, 2, 3)
    wr(0, 0x80, 0x80)
    const taken: number[] = []
    for (let i = 0; i < 6; i++) {
      bus.send(0xfeef_f000, 0, 0x140)
      taken.push(apics.findIndex((apic) => apic.pending()))
      for (const [cpu, apic] of apics.entries()) if (apic.acknowledge() >= 0) eoi(cpu)
    }
    expect(taken).toEqual([1, 2, 3, 1, 2, 3])
  })
})

describe('x2APIC', () => {
  const rdmsr = (cpu: number, index: number): number[] | false => apics[cpu].readMsr(index) && [apics[cpu].msrLow, apics[cpu].msrHigh]
  test('modes change only as figure 11-27 allows', () => {
    const apic = apics[1]
    expect(apic.writeMsr(0x1b, 0xfee0_0400, 0)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee0_0c01, 0)).toBe(false)
    expect(rdmsr(1, 0x802)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee0_0c00, 0)).toBe(true)
    expect(apic.page).toBeUndefined()
    expect(apic.writeMsr(0x1b, 0xfee0_0800, 0)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee0_0000, 0)).toBe(true)
    expect(apic.writeMsr(0x1b, 0xfee0_0c00, 0)).toBe(false)
    expect(apic.writeMsr(0x1b, 0xfee0_0800, 0)).toBe(true)
    expect(apic.page).toBe(0xfee0_0000)
  })

  test('registers by MSR, 64-bit ICR, derived LDR, self IPI, #GP on reserved bits', () => {
    for (const apic of apics) {
      apic.writeMsr(0x1b, 0xfee0_0c00, 0)
      apic.writeMsr(0x80f, 0x1ff, 0)
    }
    expect(rdmsr(3, 0x802)).toEqual([3, 0])
    expect(rdmsr(3, 0x80d)).toEqual([8, 0])
    expect(apics[0].writeMsr(0x830, 0x51, 2)).toBe(true)
    expect(all()).toEqual([-1, -1, 0x51, -1])
    apics[0].writeMsr(0x830, 0x862, 0x0000_000a)
    expect(all()).toEqual([-1, 0x62, -1, 0x62])
    apics[0].writeMsr(0x830, 0x73, 0xffff_ffff)
    expect(all()).toEqual([0x73, 0x73, 0x73, 0x73])
    apics[1].writeMsr(0x83f, 0x84, 0)
    expect(all()).toEqual([-1, 0x84, -1, -1])
    expect(rdmsr(1, 0x830)).toEqual([0, 0])
    for (const [index, low, high] of [[0x80b, 1, 0], [0x808, 0x100, 0], [0x808, 0, 1], [0x802, 0, 0], [0x831, 0, 0], [0x83e, 4, 0], [0x832, 0x8_0000, 0]]) {
      expect(apics[0].writeMsr(index, low, high), index.toString(16)).toBe(false)
    }
    expect([rdmsr(0, 0x80b), rdmsr(0, 0x80e), rdmsr(0, 0x840)]).toEqual([false, false, false])
  })
})

describe('timer', () => {
  test('one-shot fires once after initial count times divider', () => {
    enable(0)
    wr(0, 0x3e0, 0x3)
    wr(0, 0x320, 0x40)
    wr(0, 0x380, 1000)
    clock.advance(8000)
    expect(rd(0, 0x390)).toBe(500)
    clock.advance(7999)
    expect(apics[0].pending()).toBe(false)
    clock.advance(1)
    expect([apics[0].acknowledge(), rd(0, 0x390)]).toEqual([0x40, 0])
    eoi(0)
    clock.advance(1e9)
    expect(apics[0].pending()).toBe(false)
  })

  test('periodic keeps its phase, masked it counts in silence', () => {
    enable(0)
    wr(0, 0x3e0, 0xb)
    wr(0, 0x320, 0x2_0040)
    wr(0, 0x380, 1_000_000)
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000_000)
      expect(apics[0].acknowledge()).toBe(0x40)
      eoi(0)
    }
    wr(0, 0x320, 0x3_0040)
    clock.advance(1_250_000)
    expect([apics[0].pending(), rd(0, 0x390)]).toEqual([false, 750_000])
    wr(0, 0x320, 0x2_0040)
    clock.advance(749_999)
    expect(apics[0].pending()).toBe(false)
    clock.advance(1)
    expect(apics[0].pending()).toBe(true)
  })

  test('TSC deadline fires when the counter gets there, at once when it is past, and reads zero after', () => {
    enable(0)
    apics[0].writeMsr(0x6e0, 1000, 0)
    expect(apics[0].readMsr(0x6e0) && apics[0].msrLow).toBe(0)
    wr(0, 0x320, 0x4_0040)
    apics[0].writeMsr(0x6e0, 10_000, 0)
    expect(apics[0].readMsr(0x6e0) && apics[0].msrLow).toBe(10_000)
    clock.advance(4999)
    expect(apics[0].pending()).toBe(false)
    clock.advance(1)
    expect(apics[0].acknowledge()).toBe(0x40)
    expect(apics[0].readMsr(0x6e0) && apics[0].msrLow).toBe(0)
    eoi(0)
    apics[0].writeMsr(0x6e0, 5, 0)
    clock.advance(0)
    expect(apics[0].acknowledge()).toBe(0x40)
  })
})

describe('8259A', () => {
  const initPic = (): void => {
    for (const value of [0x08, 0x04, 0x01, 0x00]) {
      if (value === 0x08) writeDevice(pic.masterPorts, 0, 0x11)
      writeDevice(pic.masterPorts, 1, value)
    }
  }
  test('reaches the vCPU while the APIC is off, and in virtual wire mode, and not past a masked LINT0', () => {
    initPic()
    pic.line(1).set(true)
    expect(apics[0].pending()).toBe(false)
    apics[0].enterVirtualWireMode()
    expect(apics[0].acknowledge()).toBe(0x09)
    writeDevice(pic.masterPorts, 0, 0x20)
    wr(0, 0x350, 0x1_0700)
    pic.line(3).set(true)
    expect(apics[0].pending()).toBe(false)
    apics[0].writeMsr(0x1b, 0xfee0_0100, 0)
    expect(apics[0].acknowledge()).toBe(0x0b)
  })

  test('LINT1 is NMI', () => {
    apics[0].enterVirtualWireMode()
    apics[0].lint1.set(true)
    apics[0].lint1.set(true)
    expect(signals[0].log).toEqual(['nmi'])
  })
})

describe('I/O APIC', () => {
  test('reads its version and redirection entries, masked at power-on', () => {
    writeDevice(ioapic, 0, 1, 4)
    expect(readDevice(ioapic, 0x10, 4)).toBe(0x0017_0020)
    expect(entry(23)).toBe(0x1_0000)
    redirect(3, 0xffff_ffff, 0xffff_ffff)
    expect(entry(3)).toBe(0x1_afff)
  })

  test('an edge is delivered once; an edge on a masked pin is lost', () => {
    enable(0)
    ioapic.line(4).set(true)
    redirect(4, 0x44)
    expect(apics[0].pending()).toBe(false)
    ioapic.line(4).set(false)
    ioapic.line(4).set(true)
    expect(apics[0].acknowledge()).toBe(0x44)
    eoi(0)
    expect(apics[0].pending()).toBe(false)
  })

  test('a level sets remote IRR, comes again after EOI while high, and TMR says level', () => {
    enable(1)
    redirect(10, 0x8055, 0x0100_0000)
    ioapic.line(10).set(true)
    expect([entry(10), apics[1].acknowledge(), rd(1, 0x180 + 0x20)]).toEqual([0xc055, 0x55, 1 << 21])
    eoi(1)
    expect([entry(10), apics[1].acknowledge()]).toEqual([0xc055, 0x55])
    ioapic.line(10).set(false)
    eoi(1)
    expect([entry(10), apics[1].pending()]).toEqual([0x8055, false])
  })

  test('with EOI broadcast suppressed the EOI register ends the interrupt', () => {
    wr(1, 0xf0, 0x11ff)
    redirect(10, 0x8055, 0x0100_0000)
    ioapic.line(10).set(true)
    apics[1].acknowledge()
    ioapic.line(10).set(false)
    eoi(1)
    expect(entry(10)).toBe(0xc055)
    writeDevice(ioapic, 0x40, 0x55, 4)
    expect(entry(10)).toBe(0x8055)
  })

  test('a pin in logical lowest-priority mode reaches one of the set', () => {
    enable(0, 1)
    wr(0, 0xd0, 0x0100_0000)
    wr(1, 0xd0, 0x0200_0000)
    wr(0, 0x80, 0x20)
    redirect(4, 0x944, 0x0300_0000)
    ioapic.line(4).set(true)
    expect(all()).toEqual([-1, 0x44, -1, -1])
  })

  test('ExtINT asks the 8259A for the vector', () => {
    enable(0)
    for (const value of [0x08, 0x04, 0x01, 0x00]) {
      if (value === 0x08) writeDevice(pic.masterPorts, 0, 0x11)
      writeDevice(pic.masterPorts, 1, value)
    }
    redirect(0, 0x700)
    pic.line(1).set(true)
    expect(apics[0].pending()).toBe(false)
    ioapic.line(0).set(true)
    expect(apics[0].acknowledge()).toBe(0x09)
  })
})

test('state round-trips with a running timer and pending interrupts, and refused state changes nothing', () => {
  enable(0)
  wr(0, 0x320, 0x2_0040)
  wr(0, 0x380, 100_000)
  bus.send(0xfee0_0000, 0, 0x58)
  const state = structuredClone(apics[0].save())
  const other = new LocalApic({ id: 9, bootstrap: false, bus: new ApicBus(), clock, signals: signals[1], tsc: () => 0n, tscFrequency: 1e9 })
  other.restore(state)
  expect(other.save()).toEqual(state)
  expect(other.acknowledge()).toBe(0x58)
  other.write(0xb0, 4, 0)
  clock.advance(200_000)
  expect(other.acknowledge()).toBe(0x40)
  const before = other.save()
  expect(() => other.restore({ ...state, base: 1n })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
  expect(other.save()).toEqual(before)
  const io = structuredClone(ioapic.save())
  const second = new IoApic(bus)
  second.restore(io)
  expect(second.save()).toEqual(io)
})

test('each vCPU sees its own page on top of the shared bus, where IA32_APIC_BASE puts it', () => {
  const views = apics.map((apic) => new ApicPageBus(apic, new MmioBus()))
  expect(views.map((view) => view.read(0xfee0_0020, 4) >>> 24)).toEqual([0, 1, 2, 3])
  apics[1].writeMsr(0x1b, 0xfed0_0800, 0)
  expect([views[1].read(0xfee0_0020, 4), views[1].read(0xfed0_0020, 4)]).toEqual([0xffff_ffff, 1 << 24])
})
