import { beforeEach, describe, expect, test } from 'vitest'
import { Pit8254 } from '../../src/pit/index.ts'
import { SpeakerPort } from '../../src/speaker/index.ts'
import { read, RecordingLine, write } from '../support/device-fakes.ts'
import { WallClock } from '../support/platform-fakes.ts'

let clock: WallClock
let irq: RecordingLine
let pit: Pit8254
let speaker: SpeakerPort
const NS = 88_000 / 105

beforeEach(() => {
  clock = new WallClock()
  irq = new RecordingLine()
  pit = new Pit8254(clock, irq)
  speaker = new SpeakerPort(pit, clock)
})

function program(channel: number, mode: number, count: number, access = 3, bcd = 0): void {
  write(pit, 3, (channel << 6) | (access << 4) | (mode << 1) | bcd)
  if (access & 1) write(pit, channel, count & 0xff)
  if (access & 2) write(pit, channel, count >> 8)
}
/** To the middle of clock `n` from now, so that rounding does not matter. */
const clocks = (n: number): void => clock.advance(n * NS)
function latched(channel: number): number {
  write(pit, 3, channel << 6)
  return read(pit, channel) | (read(pit, channel) << 8)
}
const status = (channel: number): number => (write(pit, 3, 0xe0 | (2 << channel)), read(pit, channel))

describe('channel 0', () => {
  test('mode 2 raises IRQ 0 once per period', () => {
    program(0, 2, 11932)
    expect(irq.edges).toBe(1)
    clock.advance(1e9)
    expect(irq.edges).toBe(1 + 99)
    clock.advance(0.1e9)
    expect(irq.edges).toBe(1 + 109)
  })

  test('mode 3 with the BIOS count ticks 18.2 times a second', () => {
    program(0, 3, 0)
    clock.advance(10e9)
    expect(irq.edges).toBe(1 + 182)
  })

  test('mode 0 raises its line once, at the terminal count, and a new count lowers it', () => {
    program(0, 0, 1000)
    expect([irq.level, status(0) & 0x80]).toEqual([false, 0])
    clocks(1000)
    expect(irq.level).toBe(false)
    clocks(2)
    expect([irq.level, irq.edges, status(0) & 0x80]).toEqual([true, 1, 0x80])
    clock.advance(1e9)
    expect(irq.edges).toBe(1)
    write(pit, 0, 0)
    write(pit, 0, 1)
    expect(status(0) & 0x80).toBe(0)
    clock.advance(1e6)
    expect(irq.edges).toBe(2)
  })

  test('a new count in mode 2 waits for the end of the period', () => {
    program(0, 2, 1000)
    clocks(500)
    write(pit, 0, 100 & 0xff)
    write(pit, 0, 0)
    const edges = irq.edges
    clocks(400)
    expect(irq.edges).toBe(edges)
    clocks(110)
    expect(irq.edges).toBe(edges + 1)
    clocks(100)
    expect(irq.edges).toBe(edges + 2)
  })

  test('a period of one clock does not make an event per clock', () => {
    program(0, 2, 1)
    clock.advance(1e6)
    expect(irq.edges).toBeLessThan(200)
  })
})

describe('reading', () => {
  test('the latched count stays until read, low byte first, while the counter goes on', () => {
    program(0, 2, 0x8000)
    clocks(0x101)
    write(pit, 3, 0)
    clocks(0x1000)
    const value = read(pit, 0) | (read(pit, 0) << 8)
    expect(Math.abs(value - (0x8000 - 0x100))).toBeLessThanOrEqual(1)
    expect(latched(0)).toBeLessThan(value - 0xf00)
  })

  test('mode 3 counts by two, BCD in decimal', () => {
    program(2, 3, 1000)
    write(speaker, 0, 1)
    clocks(101)
    expect(Math.abs(latched(2) - 800)).toBeLessThanOrEqual(2)
    program(0, 2, 0x1000, 3, 1)
    clocks(1.5)
    expect([0x0999, 0x1000]).toContain(latched(0))
    clocks(500)
    expect([0x0499, 0x0500]).toContain(latched(0))
  })

  test('read-back latches status before count, with mode, access, null count and OUT', () => {
    write(pit, 3, 0x34)
    expect(status(0)).toBe(0x80 | 0x40 | 0x34)
    write(pit, 0, 0)
    write(pit, 0, 0x10)
    clocks(2)
    write(pit, 3, 0xc2)
    expect(read(pit, 0)).toBe(0x80 | 0x34)
    expect(read(pit, 0) | (read(pit, 0) << 8)).toBeGreaterThan(0xff0)
  })

  test('one-byte access reads and writes its byte alone', () => {
    program(0, 2, 0x4000, 2)
    clocks(0x110)
    expect(read(pit, 0)).toBe(0x3e)
    expect(read(pit, 0)).toBe(0x3e)
  })
})

describe('channel 2 and port 61h', () => {
  test('the calibration loop of kernels works: gate on, mode 0, wait for OUT', () => {
    write(speaker, 0, (read(speaker, 0) & ~0x02) | 0x01)
    program(2, 0, 59659)
    expect(read(speaker, 0) & 0x20).toBe(0)
    clock.advance(49.9e6)
    expect(read(speaker, 0) & 0x20).toBe(0)
    clock.advance(0.2e6)
    expect(read(speaker, 0) & 0x20).toBe(0x20)
  })

  test('a low gate stops modes 0 and 4 where they are', () => {
    write(speaker, 0, 1)
    program(2, 0, 1000)
    clocks(501)
    write(speaker, 0, 0)
    clocks(10_000)
    expect(read(speaker, 0) & 0x20).toBe(0)
    write(speaker, 0, 1)
    clocks(490)
    expect(read(speaker, 0) & 0x20).toBe(0)
    clocks(20)
    expect(read(speaker, 0) & 0x20).toBe(0x20)
  })

  test('modes 1 and 5 start with a rising gate, and again with the next', () => {
    program(2, 1, 100)
    clocks(1000)
    expect(read(speaker, 0) & 0x20).toBe(0x20)
    write(speaker, 0, 1)
    clocks(50)
    expect(read(speaker, 0) & 0x20).toBe(0)
    write(speaker, 0, 0)
    write(speaker, 0, 1)
    clocks(90)
    expect(read(speaker, 0) & 0x20).toBe(0)
    clocks(20)
    expect(read(speaker, 0) & 0x20).toBe(0x20)
  })

  test('the refresh bit toggles every 15 microseconds', () => {
    const seen = new Set<number>()
    for (let i = 0; i < 4; i++) {
      seen.add(read(speaker, 0) & 0x10)
      clock.advance(15_085)
    }
    expect(seen.size).toBe(2)
  })

  test('the speaker tells its tone', () => {
    const tones: number[] = []
    const port = new SpeakerPort(pit, clock, (hz) => tones.push(Math.round(hz)))
    program(2, 3, 1193)
    write(port, 0, 3)
    write(port, 0, 0)
    expect(tones).toEqual([1000, 0])
  })
})

test('a restored timer ticks on as the saved one would have', () => {
  program(0, 2, 11932)
  clock.advance(5e6)
  const state = structuredClone(pit.save())
  const other = new Pit8254(clock, new RecordingLine())
  const line = new RecordingLine()
  const third = new Pit8254(clock, line)
  third.restore(state)
  expect(third.save()).toEqual(state)
  clock.advance(4e6)
  expect(line.edges).toBe(1)
  clock.advance(2e6)
  expect(line.edges).toBe(2)
  expect(() => other.restore({ channels: [] })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
})
