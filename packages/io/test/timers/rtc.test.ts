import { beforeEach, describe, expect, test } from 'vitest'
import { fillCmos, Rtc } from '../../src/rtc/index.ts'
import { read, RecordingLine, write } from '../support/device-fakes.ts'
import { WallClock } from '../support/platform-fakes.ts'

let clock: WallClock
let irq: RecordingLine
let rtc: Rtc
beforeEach(() => {
  clock = new WallClock()
  irq = new RecordingLine()
  rtc = new Rtc(clock, irq)
})
const rd = (index: number): number => (write(rtc, 0, index), read(rtc, 1))
const wr = (index: number, value: number): void => {
  write(rtc, 0, index)
  write(rtc, 1, value)
}
const time = (): number[] => [0x32, 9, 8, 7, 6, 4, 2, 0].map(rd)

test('shows the wall clock in UTC: BCD and 24 hours, or binary and 12', () => {
  expect(time()).toEqual([0x20, 0x26, 0x11, 0x21, 7, 0x12, 0x34, 0x56])
  wr(11, 0x06)
  expect(time()).toEqual([0x20, 26, 11, 21, 7, 12, 34, 56])
  wr(11, 0x00)
  expect(rd(4)).toBe(0x92)
  clock.advance(12 * 3600e9)
  expect(rd(4)).toBe(0x12)
  clock.advance(3600e9)
  expect(rd(4)).toBe(0x01)
})

test('time set under SET runs on from there when SET is cleared, leap day included', () => {
  wr(11, 0x82)
  for (const [index, value] of [[0x32, 0x20], [9, 0x24], [8, 0x02], [7, 0x28], [4, 0x23], [2, 0x59], [0, 0x59]]) wr(index, value)
  clock.advance(5e9)
  expect(rd(0)).toBe(0x59)
  wr(11, 0x02)
  clock.advance(1e9)
  expect(time()).toEqual([0x20, 0x24, 0x02, 0x29, 5, 0, 0, 0])
})

test('a released divider updates half a second later', () => {
  wr(10, 0x76)
  const second = rd(0)
  clock.advance(3e9)
  expect(rd(0)).toBe(second)
  wr(10, 0x26)
  clock.advance(0.49e9)
  expect(rd(0)).toBe(second)
  clock.advance(0.02e9)
  expect(rd(0)).toBe(second + 1)
})

test('UIP announces the update and never shows under SET', () => {
  clock.advance(0.9e9)
  expect(rd(10) & 0x80).toBe(0)
  clock.advance(0.099e9)
  expect(rd(10) & 0x80).toBe(0x80)
  wr(11, 0x82)
  expect(rd(10) & 0x80).toBe(0)
})

describe('interrupts', () => {
  test('update-ended: once a second, held until C is read', () => {
    wr(11, 0x12)
    clock.advance(0.999e9)
    expect(irq.level).toBe(false)
    clock.advance(0.002e9)
    expect(irq.level).toBe(true)
    clock.advance(5e9)
    expect(irq.edges).toBe(1)
    expect(rd(12) & 0xb0).toBe(0x90)
    expect([irq.level, rd(12)]).toEqual([false, 0])
    clock.advance(1e9)
    expect(irq.edges).toBe(2)
  })

  test('periodic at the chosen rate', () => {
    wr(10, 0x2a)
    wr(11, 0x42)
    let interrupts = 0
    for (let i = 0; i < 1000; i++) {
      clock.advance(1e6)
      if (irq.level) {
        interrupts++
        expect(rd(12) & 0xc0).toBe(0xc0)
      }
    }
    expect(interrupts).toBe(64)
  })

  test('alarm at its time, with wildcards', () => {
    wr(1, 0x00)
    wr(3, 0x36)
    wr(5, 0xff)
    wr(11, 0x22)
    clock.advance(63e9)
    expect(irq.level).toBe(false)
    clock.advance(2e9)
    expect([irq.level, rd(12) & 0xa0]).toEqual([true, 0xa0])
    clock.advance(3600e9)
    expect(irq.level).toBe(true)
  })

  test('without enables the flags are there to be polled and no event is scheduled', () => {
    expect(clock.timers.length).toBe(0)
    rd(12)
    clock.advance(1.5e9)
    expect(rd(12)).toBe(0x50)
  })
})

test('memory bytes hold, reset keeps them and switches interrupts off', () => {
  wr(0x20, 0x5a)
  wr(11, 0x72)
  rtc.reset()
  expect([rd(0x20), rd(11), rd(13)]).toEqual([0x5a, 0x02, 0x80])
})

test('fills the bytes SeaBIOS reads', () => {
  fillCmos(rtc, { memoryBelow4G: 0xc000_0000, memoryAbove4G: 0x1_4000_0000, cpus: 4, boot: ['cdrom', 'disk', 'network'] })
  const word = (index: number): number => rd(index) | (rd(index + 1) << 8)
  expect([word(0x15), word(0x30), word(0x34) * 65536 + 16 * 2 ** 20, (word(0x5b) | (rd(0x5d) << 16)) * 65536]).toEqual([640, 0xffff, 0xc000_0000, 0x1_4000_0000])
  expect([rd(0x5f), rd(0x3d), rd(0x38)]).toEqual([3, 0x23, 0x41])
})

test('state round-trips', () => {
  wr(11, 0x32)
  clock.advance(1.7e9)
  const state = structuredClone(rtc.save())
  const other = new Rtc(clock, new RecordingLine())
  other.restore(state)
  expect(other.save()).toEqual(state)
  expect(() => other.restore({ ...state, cmos: new Uint8Array(3) })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
})
