import { beforeEach, describe, expect, it } from 'vitest'
import { I8042 } from '../../src/i8042/i8042.ts'
import { KEY_NAMES } from '../../src/i8042/keys.ts'
import { ManualClock, read, RecordingLine, write } from '../support/device-fakes.ts'

let clock: ManualClock
let irq1: RecordingLine
let irq12: RecordingLine
let a20: boolean[]
let resets: number
let kbc: I8042

function make(): I8042 {
  return new I8042({ keyboardLine: irq1, mouseLine: irq12, clock, onA20: (on) => a20.push(on), onReset: () => resets++ })
}
beforeEach(() => {
  clock = new ManualClock()
  irq1 = new RecordingLine()
  irq12 = new RecordingLine()
  a20 = []
  resets = 0
  kbc = make()
})
const status = (): number => read(kbc.commandPort, 0)
const command = (value: number): void => write(kbc.commandPort, 0, value)
const data = (value: number): void => write(kbc.dataPort, 0, value)
function drain(): number[] {
  const out: number[] = []
  for (let i = 0; i < 2000; i++) {
    if (status() & 1) out.push(read(kbc.dataPort, 0))
    else if (clock.timers.length > 0 && clock.timers.some((t) => t.at <= clock.time + 1e6)) clock.advance(1e6)
    else break
  }
  return out
}
const aux = (...bytes: number[]): number[] => bytes.flatMap((b) => { command(0xd4); data(b); return drain() })
const untranslated = (): void => { command(0x60); data(0x03) }

describe('controller', () => {
  it('passes its tests and finds both interfaces good', () => {
    command(0xaa); expect(drain()).toEqual([0x55])
    command(0xab); expect(drain()).toEqual([0])
    command(0xa9); expect(drain()).toEqual([0])
  })
  it('keeps the command byte and its RAM', () => {
    command(0x60); data(0x65)
    command(0x20); expect(drain()).toEqual([0x65])
    command(0x7f); data(0x12)
    command(0x3f); expect(drain()).toEqual([0x12])
  })
  it('answers the AUX loop through the auxiliary side with IRQ12, as Linux tests it', () => {
    command(0xd3); data(0x5a)
    expect(status() & 0x21).toBe(0x21)
    expect(irq12.level).toBe(true)
    expect(irq1.level).toBe(false)
    expect(drain()).toEqual([0x5a])
    expect(irq12.level).toBe(false)
  })
  it('pulses reset on exactly the commands F0-FF with bit 0 clear', () => {
    const seen: number[] = []
    for (let c = 0; c < 256; c++) {
      resets = 0
      command(c)
      if (resets) seen.push(c)
      kbc.reset()
    }
    expect(seen).toEqual([0xf0, 0xf2, 0xf4, 0xf6, 0xf8, 0xfa, 0xfc, 0xfe])
  })
  it('gates A20 by D1, DD and DF and shows it in D0', () => {
    command(0xd1); data(0xdd)
    command(0xd0); expect(drain()[0] & 2).toBe(0)
    command(0xdf)
    command(0xdd)
    expect(a20).toEqual([false, true, false])
    command(0xd1); data(0x02)
    expect(resets).toBe(1)
  })
  it('holds keys back while the keyboard interface is disabled', () => {
    command(0xad)
    kbc.keyboard.key('a', true)
    expect(status() & 1).toBe(0)
    command(0xae)
    expect(drain()).toEqual([0x1e])
  })
  it('shows in status bit 3 which port was written last', () => {
    command(0xa8); expect(status() & 8).toBe(8)
    data(0xf4); expect(status() & 8).toBe(0)
  })
  it('gives one edge of IRQ1 per byte, and the same byte to a second read', () => {
    kbc.keyboard.key('home', true)
    expect(irq1.edges).toBe(1)
    expect(read(kbc.dataPort, 0)).toBe(0xe0)
    expect(read(kbc.dataPort, 0)).toBe(0xe0)
    expect(irq1.level).toBe(false)
    clock.advance(1e6)
    expect(irq1.edges).toBe(2)
    expect(drain()).toEqual([0x47])
  })
})

describe('keyboard', () => {
  it('types in set 1 through translation', () => {
    kbc.keyboard.key('shift', true)
    kbc.keyboard.key('a', true)
    kbc.keyboard.key('a', false)
    kbc.keyboard.key('shift', false)
    kbc.keyboard.key('f7', true)
    kbc.keyboard.key('f7', false)
    kbc.keyboard.key('delete', true)
    kbc.keyboard.key('delete', false)
    expect(drain()).toEqual([0x2a, 0x1e, 0x9e, 0xaa, 0x41, 0xc1, 0xe0, 0x53, 0xe0, 0xd3])
  })
  it('types in sets 2, 1 and 3 untranslated', () => {
    untranslated()
    kbc.keyboard.key('ctrl_r', true); kbc.keyboard.key('ctrl_r', false)
    expect(drain()).toEqual([0xe0, 0x14, 0xe0, 0xf0, 0x14])
    data(0xf0); data(0x01); drain()
    kbc.keyboard.key('up', true); kbc.keyboard.key('up', false)
    expect(drain()).toEqual([0xe0, 0x48, 0xe0, 0xc8])
    data(0xf0); drain(); data(0x03); drain()
    data(0xf8); drain()
    kbc.keyboard.key('up', true); kbc.keyboard.key('up', false)
    expect(drain()).toEqual([0x63, 0xf0, 0x63])
    data(0xf0); drain(); data(0)
    expect(drain()).toEqual([0xfa, 3])
  })
  it('sends Pause whole on press and Print Screen with its fake shift', () => {
    kbc.keyboard.key('pause', true); kbc.keyboard.key('pause', false)
    expect(drain()).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5])
    kbc.keyboard.key('print', true); kbc.keyboard.key('print', false)
    expect(drain()).toEqual([0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa])
  })
  it('resets to ACK and BAT, identifies, echoes, sets LEDs, resends, and refuses the unknown', () => {
    untranslated()
    data(0xff); expect(drain()).toEqual([0xfa, 0xaa])
    data(0xf2); expect(drain()).toEqual([0xfa, 0xab, 0x83])
    data(0xfe); expect(drain()).toEqual([0x83])
    data(0xee); expect(drain()).toEqual([0xee])
    data(0xed); expect(drain()).toEqual([0xfa]); data(0x07); expect(drain()).toEqual([0xfa])
    expect(kbc.keyboard.leds).toBe(7)
    data(0x12); expect(drain()).toEqual([0xfe])
  })
  it('translates its identity as the controller does', () => {
    data(0xf2)
    expect(drain()).toEqual([0xfa, 0xab, 0x41])
  })
  it('repeats a held key after 500 ms and stops when it is released', () => {
    kbc.keyboard.key('a', true)
    expect(drain()).toEqual([0x1e])
    clock.advance(490e6); expect(drain()).toEqual([])
    clock.advance(20e6); expect(drain()).toEqual([0x1e])
    clock.advance(95e6); expect(drain()).toEqual([0x1e])
    kbc.keyboard.key('a', false)
    expect(drain()).toEqual([0x9e])
    clock.advance(2e9); expect(drain()).toEqual([])
    expect(clock.timers.length).toBe(0)
  })
  it('bounds its queue, and never loses the release of a key whose press it took', () => {
    let taken = 0
    for (let round = 0; round < 300; round++) if (kbc.keyboard.key('x', round % 2 === 0)) taken++
    expect(taken).toBeLessThan(300)
    const codes = drain()
    expect(codes.filter((c) => c === 0x2d).length).toBe(codes.filter((c) => c === 0xad).length)
  })
  it('knows every key name in sets 1 and 2 and refuses others', () => {
    for (const name of KEY_NAMES) {
      expect(kbc.keyboard.key(name, true)).toBe(true)
      expect(drain().length).toBeGreaterThan(0)
      kbc.keyboard.key(name, false)
      drain()
    }
    expect(() => kbc.keyboard.key('constructor', true)).toThrow(expect.objectContaining({ code: 'unknown-key' }))
  })
})

describe('mouse', () => {
  it('resets to ACK, BAT, ID 0 and reports three-byte packets once enabled', () => {
    expect(aux(0xff)).toEqual([0xfa, 0xaa, 0x00])
    kbc.mouse.move(5, 5)
    expect(drain()).toEqual([])
    expect(aux(0xf4)).toEqual([0xfa])
    clock.advance(1e6)
    kbc.mouse.move(5, 3)
    expect(irq12.level).toBe(true)
    expect(drain()).toEqual([0x28, 5, 0xfd])
    kbc.mouse.buttons(1); kbc.mouse.buttons(0)
    expect(drain()).toEqual([9, 0, 0, 8, 0, 0])
  })
  it('becomes an IntelliMouse by the knock 200, 100, 80 and then carries the wheel', () => {
    aux(0xf3, 200, 0xf3, 100, 0xf3, 80)
    expect(aux(0xf2)).toEqual([0xfa, 3])
    aux(0xf4)
    kbc.mouse.move(0, 0, -1)
    expect(drain()).toEqual([8, 0, 0, 0xff])
    aux(0xf3, 200, 0xf3, 200, 0xf3, 80)
    expect(aux(0xf2)).toEqual([0xfa, 4])
    kbc.mouse.buttons(0x10)
    expect(drain()).toEqual([8, 0, 0, 0x20])
  })
  it('splits a long movement over packets without losing counts', () => {
    aux(0xf4)
    for (let i = 0; i < 10; i++) kbc.mouse.move(100, -100)
    const bytes = drain()
    let [x, y] = [0, 0]
    for (let i = 0; i < bytes.length; i += 3) {
      x += bytes[i + 1] - (bytes[i] & 0x10 ? 256 : 0)
      y += bytes[i + 2] - (bytes[i] & 0x20 ? 256 : 0)
    }
    expect([x, y]).toEqual([1000, 1000])
  })
  it('reports status, wraps, and is read in remote mode', () => {
    aux(0xe8, 3, 0xf3, 40)
    expect(aux(0xe9)).toEqual([0xfa, 0, 3, 40])
    expect(aux(0xee, 0x55, 0xec)).toEqual([0xfa, 0x55, 0xfa])
    aux(0xf0)
    kbc.mouse.move(2, 0)
    expect(drain()).toEqual([])
    expect(aux(0xeb)).toEqual([0xfa, 8, 2, 0])
    expect(aux(0x01)).toEqual([0xfe])
  })
})

describe('snapshot', () => {
  it('carries queued keys, a held key and a packet half read', () => {
    aux(0xf4)
    kbc.mouse.move(1, 1)
    read(kbc.dataPort, 0)
    kbc.keyboard.key('left', true)
    const saved = structuredClone(kbc.save())
    const copy = make()
    copy.restore(saved)
    expect(copy.save()).toEqual(saved)
    const rest = drain()
    expect(rest.length).toBe(5)
    kbc = copy
    expect(drain()).toEqual(rest)
    expect(() => copy.restore({ ...saved, keyboard: { ...saved.keyboard, held: ['nokey'] } })).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
  })
})
