import { beforeEach, describe, expect, test } from 'vitest'
import { MmioBus, PortBus } from '../../src/bus/index.ts'
import { MsiCapability, MsixCapability } from '../../src/msi/index.ts'
import { EcamWindow, I440fxHostBridge, type PamSegment, PciBus, PciConfigPorts, PciDevice, Piix3IsaBridge, ResetControl } from '../../src/pci/index.ts'
import { InterruptRouter } from '../../src/pic/index.ts'
import { RecordingLine } from '../support/device-fakes.ts'
import { RecordingSink, Scratch } from '../support/platform-fakes.ts'

let ports: PortBus
let memory: MmioBus
let bus: PciBus
let resets: boolean[]
const address = (slot: number, fn: number, register: number): number => (0x8000_0000 | (slot << 11) | (fn << 8) | (register & 0xfc)) >>> 0

beforeEach(() => {
  ports = new PortBus()
  memory = new MmioBus()
  bus = new PciBus(ports, memory)
  resets = []
  ports.map(0xcf8, new PciConfigPorts(bus, new ResetControl((hard) => resets.push(hard))))
  memory.map(0xe000_0000, new EcamWindow(bus))
})

function configRead(slot: number, register: number, size: 1 | 2 | 4 = 4): number {
  ports.write(0xcf8, 4, address(slot, 0, register))
  return ports.read(0xcfc + (register & 3), size)
}
function configWrite(slot: number, register: number, value: number, size: 1 | 2 | 4 = 4): void {
  ports.write(0xcf8, 4, address(slot, 0, register))
  ports.write(0xcfc + (register & 3), size, value)
}
const device = (name: string, pin: 0 | 1 = 0): PciDevice => new PciDevice({ name, vendorId: 0x1234, deviceId: 0x1111, classCode: 0x030000, interruptPin: pin })

describe('configuration mechanism 1', () => {
  test('absent functions read as ones, present ones by dword, word and byte', () => {
    bus.attach(2, 0, device('a'))
    expect(configRead(3, 0)).toBe(0xffff_ffff)
    expect(configRead(2, 0)).toBe(0x1111_1234)
    expect(configRead(2, 2, 2)).toBe(0x1111)
    expect(configRead(2, 0x0b, 1)).toBe(0x03)
  })

  test('with the enable bit clear CONFIG_DATA is no register', () => {
    bus.attach(0, 0, device('a'))
    ports.write(0xcf8, 4, 0)
    expect(ports.read(0xcfc, 4)).toBe(0xffff_ffff)
  })

  test('only 32-bit accesses reach CONFIG_ADDRESS; a byte at 0xCF9 is the reset control register', () => {
    ports.write(0xcf8, 4, 0xffff_ffff)
    expect(ports.read(0xcf8, 4)).toBe(0x80ff_fffc)
    ports.write(0xcf9, 1, 0x02)
    expect(resets).toEqual([])
    ports.write(0xcf9, 1, 0x06)
    ports.write(0xcf9, 1, 0x04)
    expect(resets).toEqual([true, false])
    expect(ports.read(0xcf8, 4)).toBe(0x80ff_fffc)
  })

  test('ECAM sees the same registers', () => {
    bus.attach(2, 0, device('a'))
    expect(memory.read(0xe000_0000 + (2 << 15), 4)).toBe(0x1111_1234)
    memory.write(0xe000_0000 + (2 << 15) + 4, 2, 0x0002)
    expect(configRead(2, 4, 2)).toBe(0x0002)
    expect(memory.read(0xe000_0000 + (2 << 15) + 0x100, 4)).toBe(0xffff_ffff)
    expect(memory.read(0xe000_0000 + (1 << 20), 4)).toBe(0xffff_ffff)
  })
})

describe('base address registers', () => {
  test('sizing with all ones gives the size mask and the type bits', () => {
    const a = device('a')
    a.addBar(0, { kind: 'memory', device: new Scratch('m', 0x1000), prefetchable: true })
    a.addBar(1, { kind: 'io', device: new Scratch('i', 0x20) })
    a.addBar(2, { kind: 'memory64', device: new Scratch('q', 0x10000) })
    bus.attach(2, 0, a)
    for (const register of [0x10, 0x14, 0x18, 0x1c, 0x20]) configWrite(2, register, 0xffff_ffff)
    expect([0x10, 0x14, 0x18, 0x1c, 0x20].map((r) => configRead(2, r))).toEqual([0xffff_f008, 0xffff_ffe1, 0xffff_0004, 0xffff_ffff, 0])
  })

  test('a BAR is decoded where it points, only while the command register enables it, and moves', () => {
    const a = device('a')
    const moves: (number | undefined)[] = []
    a.addBar(0, { kind: 'memory', device: new Scratch('m', 0x1000), onMove: (base) => moves.push(base) })
    a.addBar(1, { kind: 'io', device: new Scratch('i', 0x20) })
    bus.attach(2, 0, a)
    configWrite(2, 0x10, 0xfebf_0000)
    configWrite(2, 0x14, 0xc000)
    expect(memory.deviceAt(0xfebf_0000)).toBeUndefined()
    configWrite(2, 4, 3, 2)
    expect(memory.deviceAt(0xfebf_0fff)?.name).toBe('m')
    expect(ports.deviceAt(0xc01f)?.name).toBe('i')
    configWrite(2, 0x10, 0xfebe_0000)
    expect(memory.deviceAt(0xfebf_0000)).toBeUndefined()
    expect(memory.deviceAt(0xfebe_0000)?.name).toBe('m')
    configWrite(2, 4, 1, 2)
    expect(moves).toEqual([0xfebf_0000, undefined, 0xfebe_0000, undefined])
  })

  test('a BAR put over another device waits until the addresses are free', () => {
    const [a, b] = [device('a'), device('b')]
    a.addBar(0, { kind: 'memory', device: new Scratch('ma', 0x1000) })
    b.addBar(0, { kind: 'memory', device: new Scratch('mb', 0x1000) })
    bus.attach(2, 0, a)
    bus.attach(3, 0, b)
    for (const slot of [2, 3]) {
      configWrite(slot, 0x10, 0xfebf_0000)
      configWrite(slot, 4, 2, 2)
    }
    expect(memory.deviceAt(0xfebf_0000)?.name).toBe('ma')
    configWrite(2, 0x10, 0xfebe_0000)
    expect(memory.deviceAt(0xfebf_0000)?.name).toBe('mb')
    expect(memory.deviceAt(0xfebe_0000)?.name).toBe('ma')
  })

  test('an expansion ROM is decoded only with its own enable bit', () => {
    const a = device('a')
    a.addBar(6, { kind: 'memory', device: new Scratch('rom', 0x9000) })
    bus.attach(2, 0, a)
    configWrite(2, 0x30, 0xffff_fffe)
    expect(configRead(2, 0x30)).toBe(0xffff_0000)
    configWrite(2, 4, 2, 2)
    configWrite(2, 0x30, 0xfeb0_0000)
    expect(memory.deviceAt(0xfeb0_0000)).toBeUndefined()
    configWrite(2, 0x30, 0xfeb0_0001)
    expect(memory.deviceAt(0xfeb0_0000)?.name).toBe('rom')
  })
})

describe('interrupts', () => {
  test('INTA# of slot 1..4 reaches PIRQA..PIRQD, is ORed, and follows the route registers', () => {
    const isa = Array.from({ length: 16 }, () => new RecordingLine())
    const gsi = Array.from({ length: 4 }, () => new RecordingLine())
    bus.attach(1, 0, new Piix3IsaBridge(bus, (irq) => isa[irq], (pirq) => gsi[pirq]))
    const [a, b] = [device('a', 1), device('b', 1)]
    bus.attach(3, 0, a)
    bus.attach(7, 0, b)
    a.setInterrupt(true)
    expect(gsi.map((line) => line.level)).toEqual([false, false, true, false])
    expect(isa.some((line) => line.level)).toBe(false)
    configWrite(1, 0x62, 11, 1)
    expect(isa[11].level).toBe(true)
    b.setInterrupt(true)
    a.setInterrupt(false)
    expect(isa[11].level).toBe(true)
    configWrite(1, 0x62, 10, 1)
    expect([isa[10].level, isa[11].level]).toEqual([true, false])
    configWrite(1, 0x62, 8, 1)
    expect(isa[8].level).toBe(false)
    configWrite(7, 4, 0x400, 2)
    expect(gsi[2].level).toBe(false)
    expect(configRead(7, 6, 2) & 8).toBe(8)
  })

  test('the wire of a PIRQ falls again where every asking makes a driver of its own', () => {
    const pin = new RecordingLine()
    const router = new InterruptRouter({ ioapic: (gsi) => gsi === 18 ? pin : { set: () => undefined } })
    bus.attach(1, 0, new Piix3IsaBridge(bus, (irq) => router.isaLine(irq), (pirq) => router.gsiLine(16 + pirq)))
    const a = device('a', 1)
    bus.attach(3, 0, a)
    a.setInterrupt(true)
    expect(pin.level).toBe(true)
    a.setInterrupt(false)
    expect(pin.level).toBe(false)
  })

  test('MSI sends address and data with the vector in the granted bits, and holds masked vectors pending', () => {
    const sink = new RecordingSink()
    const a = device('a', 1)
    const msi = new MsiCapability(a, sink, 4)
    bus.attach(2, 0, a)
    expect(configRead(2, 6, 2) & 0x10).toBe(0x10)
    expect(configRead(2, 0x34, 1)).toBe(0x40)
    expect(configRead(2, 0x40, 2)).toBe(0x0005)
    msi.signal(0)
    expect(sink.messages).toEqual([])
    configWrite(2, 4, 4, 2)
    configWrite(2, 0x44, 0xfee0_1000)
    configWrite(2, 0x4c, 0x0040, 2)
    configWrite(2, 0x42, 0x0021, 2)
    msi.signal(3)
    expect(sink.messages.pop()).toEqual([0xfee0_1000, 0, 0x43])
    configWrite(2, 0x50, 2)
    msi.signal(1)
    expect(sink.messages).toEqual([])
    expect(configRead(2, 0x54)).toBe(2)
    configWrite(2, 0x50, 0)
    expect(sink.messages.pop()).toEqual([0xfee0_1000, 0, 0x41])
    expect(configRead(2, 0x54)).toBe(0)
  })

  test('MSI-X sends the table entry, keeps masked vectors pending, and survives save and restore', () => {
    const sink = new RecordingSink()
    const make = (): [PciDevice, MsixCapability] => {
      const a = device('a')
      const msix = new MsixCapability(a, sink, 3, 4)
      a.addBar(4, { kind: 'memory', device: msix.window })
      return [a, msix]
    }
    const [a, msix] = make()
    bus.attach(2, 0, a)
    configWrite(2, 0x20, 0xfebf_0000)
    configWrite(2, 4, 6, 2)
    configWrite(2, 0x42, 0x8000, 2)
    memory.write(0xfebf_0010, 4, 0xfee0_0000)
    memory.write(0xfebf_0018, 4, 0x55)
    msix.signal(1)
    expect(sink.messages).toEqual([])
    expect(memory.read(0xfebf_0030, 4)).toBe(2)
    const [b, other] = make()
    b.restore(structuredClone(a.save()))
    other.restore(structuredClone(msix.save()))
    expect(other.save()).toEqual(msix.save())
    memory.write(0xfebf_001c, 4, 0)
    expect(sink.messages).toEqual([[0xfee0_0000, 0, 0x55]])
  })
})

test('every PAM nibble rules its own segment and the board is told the whole map', () => {
  let seen: readonly PamSegment[] = []
  const host = new I440fxHostBridge((segments) => { seen = segments })
  bus.attach(0, 0, host)
  host.reset()
  expect(seen.length).toBe(13)
  expect(seen.every((segment) => !segment.readDram && !segment.writeDram)).toBe(true)
  configWrite(0, 0x59, 0x30, 1)
  configWrite(0, 0x5a, 0x21, 1)
  expect(seen.filter((s) => s.readDram || s.writeDram)).toEqual([
    { base: 0xc0000, length: 0x4000, readDram: true, writeDram: false },
    { base: 0xc4000, length: 0x4000, readDram: false, writeDram: true },
    { base: 0xf0000, length: 0x10000, readDram: true, writeDram: true }
  ])
})

test('a restore of another device\'s configuration is refused and changes nothing', () => {
  const a = device('a')
  const state = device('b').save()
  state.config[0] ^= 1
  const before = a.save()
  expect(() => a.restore(state)).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
  expect(a.save()).toEqual(before)
})
