import { beforeEach, describe, expect, test } from 'vitest'
import { Hpet } from '../../src/hpet/index.ts'
import { read, RecordingLine, write } from '../support/device-fakes.ts'
import { WallClock } from '../support/platform-fakes.ts'

let clock: WallClock
let gsi: RecordingLine[]
let irq0: RecordingLine
let irq8: RecordingLine
let hpet: Hpet
const rd = (offset: number): number => read(hpet, offset, 4)
const wr = (offset: number, value: number): void => write(hpet, offset, value >>> 0, 4)
const make = (): Hpet => new Hpet({ clock, irq0, irq8, gsi: (pin) => gsi[pin] })

beforeEach(() => {
  clock = new WallClock()
  gsi = Array.from({ length: 24 }, () => new RecordingLine())
  irq0 = new RecordingLine()
  irq8 = new RecordingLine()
  hpet = make()
})

test('capabilities: three 64-bit timers, legacy replacement, 10 ns', () => {
  expect([rd(0), rd(4)]).toEqual([0x8086_a201, 10_000_000])
  expect([rd(0x100) & 0x30, rd(0x104)]).toEqual([0x30, 0x00f0_0000])
})

test('the counter runs only while enabled, can be set, and carries into its high half', () => {
  clock.advance(1000)
  expect(rd(0xf0)).toBe(0)
  wr(0xf0, 0xffff_ff00)
  wr(0xf4, 7)
  wr(0x10, 1)
  clock.advance(2550)
  expect([rd(0xf0), rd(0xf4)]).toEqual([0xffff_ffff, 7])
  expect(rd(0xf0)).toBe(0xffff_ffff)
  clock.advance(10)
  expect(rd(0xf4)).toBe(7)
  expect([rd(0xf0), rd(0xf4)]).toEqual([0, 8])
  wr(0x10, 0)
  clock.advance(1000)
  expect([rd(0xf0), rd(0xf4)]).toEqual([0, 8])
})

describe('comparators', () => {
  test('one-shot edge fires once when the counter gets there', () => {
    wr(0x10, 1)
    wr(0x140, 0x0004 | (21 << 9))
    wr(0x148, 100)
    wr(0x14c, 0)
    clock.advance(990)
    expect(gsi[21].edges).toBe(0)
    clock.advance(20)
    expect(gsi[21].edges).toBe(1)
    clock.advance(1e9)
    expect(gsi[21].edges).toBe(1)
  })

  test('level holds its wire until the status bit is written', () => {
    wr(0x10, 1)
    wr(0x120, 0x0006 | (20 << 9))
    wr(0x128, 100)
    wr(0x12c, 0)
    clock.advance(2000)
    expect([gsi[20].level, rd(0x20)]).toEqual([true, 2])
    wr(0x20, 2)
    expect([gsi[20].level, rd(0x20)]).toEqual([false, 0])
  })

  test('periodic the way Linux programs it: VAL_SET, first match, period', () => {
    wr(0x10, 0)
    wr(0x100, 0x014c | (20 << 9))
    wr(0x108, 50_000)
    wr(0x108, 10_000)
    wr(0x10, 1)
    expect(rd(0x100) & 0x40).toBe(0)
    clock.advance(499_999)
    expect(gsi[20].edges).toBe(0)
    clock.advance(1)
    expect(gsi[20].edges).toBe(1)
    clock.advance(1_000_000)
    expect(gsi[20].edges).toBe(11)
    expect(rd(0x108)).toBe(160_000)
  })

  test('a 64-bit write with VAL_SET reaches both halves', () => {
    wr(0x100, 0x004c | (20 << 9))
    wr(0x108, 5)
    wr(0x10c, 1)
    expect([rd(0x108), rd(0x10c)]).toEqual([5, 1])
    wr(0x108, 9)
    wr(0x10c, 0)
    expect([rd(0x108), rd(0x10c)]).toEqual([5, 1])
  })

  test('a period of one count does not make an event per count', () => {
    wr(0x100, 0x014c | (20 << 9))
    wr(0x108, 1)
    wr(0x108, 1)
    wr(0x10, 1)
    clock.advance(1e6)
    expect(gsi[20].edges).toBeGreaterThan(10)
    expect(gsi[20].edges).toBeLessThan(200)
  })
})

test('legacy replacement takes IRQ 0 and 8 away from the PIT and the RTC and gives them back', () => {
  hpet.pitLine.set(true)
  expect(irq0.level).toBe(true)
  wr(0x100, 0x010c)
  wr(0x10, 3)
  expect(irq0.level).toBe(false)
  hpet.pitLine.set(false)
  hpet.pitLine.set(true)
  expect(irq0.edges).toBe(1)
  wr(0x100, 0x014c)
  wr(0x108, 100_000)
  wr(0x108, 100_000)
  clock.advance(1_000_000)
  expect(irq0.edges).toBe(2)
  wr(0x10, 1)
  expect(irq0.level).toBe(true)
})

test('a restored timer goes on', () => {
  wr(0x100, 0x014c | (20 << 9))
  wr(0x108, 50_000)
  wr(0x108, 50_000)
  wr(0x10, 1)
  clock.advance(200_000)
  const state = structuredClone(hpet.save())
  gsi = Array.from({ length: 24 }, () => new RecordingLine())
  const other = make()
  other.restore(state)
  expect(other.save()).toEqual(state)
  clock.advance(300_000)
  expect(gsi[20].edges).toBe(1)
  expect(() => other.restore({ ...state, counter: -1n })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
})
