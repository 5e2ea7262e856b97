import { beforeEach, describe, expect, it } from 'vitest'
import { Uart16550 } from '../../src/uart16550/uart16550.ts'
import { FakePort, ManualClock, read, RecordingLine, write } from '../support/device-fakes.ts'

let clock: ManualClock
let line: RecordingLine
let port: FakePort
let uart: Uart16550
beforeEach(() => {
  clock = new ManualClock()
  line = new RecordingLine()
  port = new FakePort()
  uart = new Uart16550({ line, port, clock })
})
const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7]

describe('transmission', () => {
  it('sends a character at once and never shows a busy transmitter', () => {
    for (const c of 'Hi') {
      expect(read(uart, LSR) & 0x60).toBe(0x60)
      write(uart, RBR, c.charCodeAt(0))
    }
    expect(port.text).toBe('Hi')
  })
  it('gives one rising edge of the wire per character when ETBEI is set', () => {
    write(uart, MCR, 0x08)
    write(uart, IER, 0x02)
    expect(line.edges).toBe(1)
    write(uart, RBR, 0x41)
    write(uart, RBR, 0x42)
    expect(line.edges).toBe(3)
  })
  it('identifies THR empty once: reading IIR takes the interrupt away', () => {
    write(uart, MCR, 0x08)
    write(uart, IER, 0x02)
    expect(read(uart, IIR)).toBe(0x02)
    expect(line.level).toBe(false)
    expect(read(uart, IIR)).toBe(0x01)
    write(uart, IER, 0)
    write(uart, IER, 2)
    expect(read(uart, IIR)).toBe(0x02)
  })
  it('drives the IRQ wire only while OUT2 is set', () => {
    write(uart, IER, 0x02)
    expect(line.level).toBe(false)
    expect(read(uart, IIR)).toBe(0x02)
    write(uart, IER, 0)
    write(uart, IER, 0x02)
    write(uart, MCR, 0x08)
    expect(line.level).toBe(true)
    write(uart, MCR, 0x00)
    expect(line.level).toBe(false)
  })
})

describe('reception', () => {
  it('holds one character without FIFOs and asks for more when it is read', () => {
    port.type(1, 2, 3)
    expect(port.kept).toEqual([2, 3])
    expect([read(uart, RBR), read(uart, RBR), read(uart, RBR)]).toEqual([1, 2, 3])
    expect(read(uart, LSR) & 1).toBe(0)
  })
  it('takes sixteen characters into the FIFO and leaves the rest with the port', () => {
    write(uart, 2, 0x01)
    port.type(...Array.from({ length: 40 }, (_, i) => i))
    expect(port.kept.length).toBe(24)
    const got: number[] = []
    while (read(uart, LSR) & 1) got.push(read(uart, RBR))
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })
  it('announces data at the trigger level, and below it after four character times', () => {
    write(uart, LCR, 0x83)
    write(uart, 0, 1) // 115200 baud
    write(uart, LCR, 0x03)
    write(uart, 2, 0x81) // trigger at 8
    write(uart, MCR, 0x08)
    write(uart, IER, 0x01)
    port.type(1, 2, 3)
    expect(line.level).toBe(false)
    clock.advance(340_000) // 4 × 10 bits at 115200 baud are 347 µs
    expect(line.level).toBe(false)
    clock.advance(8_000)
    expect(read(uart, IIR)).toBe(0xcc)
    read(uart, RBR)
    expect(line.level).toBe(false)
    port.type(4, 5, 6, 7, 8, 9)
    expect(read(uart, IIR)).toBe(0xc4)
    read(uart, RBR)
    expect(read(uart, IIR)).toBe(0xc1)
  })
  it('puts line status above data, data above THR empty, THR empty above modem status', () => {
    write(uart, LCR, 3)
    write(uart, MCR, 0x10)
    write(uart, RBR, 1)
    write(uart, RBR, 2) // overrun
    write(uart, IER, 0x0f)
    const seen: number[] = []
    seen.push(read(uart, IIR)); expect(read(uart, LSR) & 2).toBe(2)
    seen.push(read(uart, IIR)); expect(read(uart, RBR)).toBe(2)
    seen.push(read(uart, IIR))
    seen.push(read(uart, IIR)); read(uart, MSR)
    seen.push(read(uart, IIR))
    expect(seen).toEqual([6, 4, 2, 0, 1])
  })
})

describe('registers', () => {
  it('passes the loopback test of Linux autoconfig: MCR 1A shows as MSR 9x', () => {
    write(uart, MCR, 0x1a)
    expect(read(uart, MSR) & 0xf0).toBe(0x90)
    write(uart, MCR, 0)
    expect(read(uart, MSR) & 0xf0).toBe(0xb0)
    expect(read(uart, MSR) & 0x0f).toBe(0)
  })
  it('shows as a 16550A: IIR bits 7..6 follow FCR bit 0, SCR keeps a byte, IER keeps four bits', () => {
    expect(read(uart, IIR) >> 6).toBe(0)
    write(uart, 2, 0x01)
    expect(read(uart, IIR) >> 6).toBe(3)
    write(uart, SCR, 0xa5)
    expect(read(uart, SCR)).toBe(0xa5)
    write(uart, IER, 0xff)
    expect(read(uart, IER)).toBe(0x0f)
  })
  it('keeps the divisor latch behind DLAB', () => {
    write(uart, LCR, 0x80)
    write(uart, 0, 0x0c)
    write(uart, 1, 0x34)
    expect([read(uart, 0), read(uart, 1)]).toEqual([0x0c, 0x34])
    write(uart, LCR, 0)
    expect(read(uart, 1)).toBe(0)
    expect(port.sent).toEqual([])
  })
})

describe('snapshot', () => {
  it('restores a half-full FIFO with its running timeout', () => {
    write(uart, 2, 0x81)
    write(uart, MCR, 8)
    write(uart, IER, 1)
    port.type(7, 8)
    const saved = structuredClone(uart.save())
    const line2 = new RecordingLine()
    const copy = new Uart16550({ line: line2, port: new FakePort(), clock })
    copy.restore(saved)
    expect(copy.save()).toEqual(saved)
    clock.advance(1e9)
    expect(line2.level).toBe(true)
    expect([read(copy, RBR), read(copy, RBR)]).toEqual([7, 8])
  })
  it('refuses a state that is not one, and keeps its own', () => {
    write(uart, SCR, 9)
    const good = uart.save()
    expect(() => uart.restore({ ...good, receive: new Uint8Array(17) })).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
    expect(() => uart.restore({ ...good, ier: 1.5 })).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
    expect(uart.save()).toEqual(good)
  })
})
