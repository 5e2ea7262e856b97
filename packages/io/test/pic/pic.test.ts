import { beforeEach, describe, expect, test } from 'vitest'
import { DualPic, InterruptRouter } from '../../src/pic/index.ts'
import { read, RecordingLine, write } from '../support/device-fakes.ts'

let pic: DualPic
let int: RecordingLine
beforeEach(() => {
  int = new RecordingLine()
  pic = new DualPic(int)
  init()
})

/** As a PC BIOS does: vectors 08h and 70h, cascade, 8086 mode; all unmasked. */
function init(icw4 = 0x01): void {
  for (const [ports, base, cascade] of [[pic.masterPorts, 0x08, 4], [pic.slavePorts, 0x70, 2]] as const) {
    write(ports, 0, 0x11)
    write(ports, 1, base)
    write(ports, 1, cascade)
    write(ports, 1, icw4)
    write(ports, 1, 0)
  }
}
const irr = (ports = pic.masterPorts): number => (write(ports, 0, 0x0a), read(ports, 0))
const isr = (ports = pic.masterPorts): number => (write(ports, 0, 0x0b), read(ports, 0))

describe('fully nested mode', () => {
  test('an edge requests, the acknowledge moves it in service, and it blocks itself and what is below', () => {
    pic.line(4).set(true)
    expect([pic.pending(), int.level, irr()]).toEqual([true, true, 0x10])
    expect(pic.acknowledge()).toBe(0x0c)
    expect([pic.pending(), irr(), isr()]).toEqual([false, 0, 0x10])
    pic.line(5).set(true)
    expect(pic.pending()).toBe(false)
    pic.line(3).set(true)
    expect(pic.acknowledge()).toBe(0x0b)
    write(pic.masterPorts, 0, 0x20)
    expect(isr()).toBe(0x10)
    write(pic.masterPorts, 0, 0x20)
    expect(pic.acknowledge()).toBe(0x0d)
  })

  test('the slave answers through input 2 with its own vector and both are in service', () => {
    pic.line(12).set(true)
    expect(pic.acknowledge()).toBe(0x74)
    expect([isr(), isr(pic.slavePorts)]).toEqual([0x04, 0x10])
    pic.line(8).set(true)
    expect(pic.pending()).toBe(false)
    write(pic.slavePorts, 0, 0x20)
    write(pic.masterPorts, 0, 0x20)
    expect(pic.acknowledge()).toBe(0x70)
  })

  test('two requests waiting in the slave come out one after the other', () => {
    pic.line(9).set(true)
    pic.line(14).set(true)
    expect(pic.acknowledge()).toBe(0x71)
    write(pic.slavePorts, 0, 0x20)
    write(pic.masterPorts, 0, 0x20)
    expect(pic.pending()).toBe(true)
    expect(pic.acknowledge()).toBe(0x76)
  })
})

test('before initialization the mask can be probed and no interrupt is requested', () => {
  const fresh = new DualPic(int)
  write(fresh.masterPorts, 1, 0xfb)
  expect(read(fresh.masterPorts, 1)).toBe(0xfb)
  write(fresh.masterPorts, 1, 0)
  fresh.line(4).set(true)
  expect(fresh.pending()).toBe(false)
})

test('a masked input keeps its request and delivers it once unmasked', () => {
  write(pic.masterPorts, 1, 0x10)
  pic.line(4).set(true)
  expect([pic.pending(), irr()]).toEqual([false, 0x10])
  write(pic.masterPorts, 1, 0)
  expect(pic.pending()).toBe(true)
})

test('a request withdrawn before the acknowledge gives the spurious vector with nothing in service', () => {
  pic.line(4).set(true)
  pic.line(4).set(false)
  expect(pic.pending()).toBe(false)
  expect(pic.acknowledge()).toBe(0x0f)
  expect(isr()).toBe(0)
})

test('an edge input needs a new edge, a level input only its level', () => {
  pic.line(5).set(true)
  expect(pic.acknowledge()).toBe(0x0d)
  write(pic.masterPorts, 0, 0x65)
  expect(pic.pending()).toBe(false)
  pic.line(5).set(false)
  write(pic.elcrPorts, 0, 0xff)
  write(pic.elcrPorts, 1, 0xff)
  expect([read(pic.elcrPorts, 0), read(pic.elcrPorts, 1)]).toEqual([0xf8, 0xde])
  pic.line(5).set(true)
  expect(pic.acknowledge()).toBe(0x0d)
  write(pic.masterPorts, 0, 0x65)
  expect(pic.acknowledge()).toBe(0x0d)
  pic.line(5).set(false)
  write(pic.masterPorts, 0, 0x65)
  expect(pic.pending()).toBe(false)
})

test('automatic EOI leaves nothing in service', () => {
  init(0x03)
  pic.line(4).set(true)
  expect(pic.acknowledge()).toBe(0x0c)
  expect(isr()).toBe(0)
})

test('rotation on EOI makes the served input the lowest', () => {
  pic.line(4).set(true)
  pic.acknowledge()
  write(pic.masterPorts, 0, 0xa0)
  pic.line(3).set(true)
  pic.line(6).set(true)
  expect(pic.acknowledge()).toBe(0x0e)
})

test('set priority makes its input the lowest', () => {
  write(pic.masterPorts, 0, 0xc5)
  pic.line(4).set(true)
  pic.line(6).set(true)
  expect(pic.acknowledge()).toBe(0x0e)
})

test('special mask mode lets lower inputs through while the served one is masked', () => {
  pic.line(3).set(true)
  pic.acknowledge()
  pic.line(6).set(true)
  expect(pic.pending()).toBe(false)
  write(pic.masterPorts, 0, 0x68)
  write(pic.masterPorts, 1, 0x08)
  expect(pic.acknowledge()).toBe(0x0e)
})

test('special fully nested mode lets a higher request of the same slave interrupt', () => {
  init(0x11)
  pic.line(12).set(true)
  pic.acknowledge()
  pic.line(9).set(true)
  expect(pic.acknowledge()).toBe(0x71)
})

test('poll acknowledges by reading and says when there is nothing', () => {
  write(pic.masterPorts, 0, 0x0c)
  expect(read(pic.masterPorts, 0)).toBe(0)
  pic.line(4).set(true)
  write(pic.masterPorts, 0, 0x0c)
  expect(read(pic.masterPorts, 0)).toBe(0x84)
  expect(isr()).toBe(0x10)
})

test('save and restore round-trip, and bad state is refused whole', () => {
  pic.line(12).set(true)
  pic.acknowledge()
  const state = structuredClone(pic.save())
  const other = new DualPic(new RecordingLine())
  other.restore(state)
  expect(other.save()).toEqual(state)
  expect(() => other.restore({ ...state, master: { ...state.master, lowest: 8 } })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
  expect(other.save()).toEqual(state)
})

test('ISA wires reach both controllers, IRQ 0 on pin 2, drivers ORed', () => {
  const pins = Array.from({ length: 24 }, () => new RecordingLine())
  const router = new InterruptRouter({ pic: (irq) => pic.line(irq), ioapic: (pin) => pins[pin] })
  router.isaLine(0).set(true)
  expect([pins[0].level, pins[2].level, irr()]).toEqual([false, true, 1])
  const [a, b] = [router.isaLine(11), router.isaLine(11)]
  a.set(true)
  b.set(true)
  a.set(false)
  expect([pins[11].level, irr(pic.slavePorts)]).toEqual([true, 8])
  b.set(false)
  expect(pins[11].level).toBe(false)
  router.gsiLine(17).set(true)
  expect(pins[17].level).toBe(true)
})
