import { beforeEach, describe, expect, test } from 'vitest'
import { VirtioKeyboard, VirtioMouse, VirtioTablet } from '../../src/input/index.ts'
import type { VirtioInput } from '../../src/input/index.ts'
import * as spec from '../../src/input/spec.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'

let queues: FakeQueue[]
let host: FakeHost
beforeEach(() => {
  queues = [new FakeQueue(0), new FakeQueue(1)]
  host = new FakeHost()
})

function plug<T extends VirtioInput>(device: T): T {
  device.attach(host)
  device.reset()
  device.activate(0n, queues)
  return device
}

/** Gives room for events, and returns what came. */
function events(device: VirtioInput, room = 64): number[][] {
  for (let n = 0; n < room; n++) queues[0]!.available.push(new FakeChain(undefined, 8))
  device.notified(0)
  queues[0]!.available.length = 0
  return queues[0]!.used.splice(0).map(({ answer }) => {
    const view = new DataView(answer.buffer, answer.byteOffset, 8)
    return [view.getUint16(0, true), view.getUint16(2, true), view.getInt32(4, true)]
  })
}

function ask(device: VirtioInput, select: number, subsel = 0): Uint8Array {
  device.writeConfig(0, 1, select)
  device.writeConfig(1, 1, subsel)
  return device.config.slice(spec.CONFIG_DATA, spec.CONFIG_DATA + device.config[spec.CONFIG_SIZE]!)
}

const bits = (bytes: Uint8Array): number[] => [...bytes].flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => 8 * at + bit))
const SYN = [0, 0, 0]

describe('what a device tells', () => {
  test('names, numbers, codes and axes, by select and subsel', () => {
    const tablet = plug(new VirtioTablet({ name: 'pen' }))
    expect(new TextDecoder().decode(ask(tablet, spec.CFG_ID_NAME))).toContain('tablet')
    expect(new TextDecoder().decode(ask(tablet, spec.CFG_ID_SERIAL))).toBe('pen')
    expect([...ask(tablet, spec.CFG_ID_DEVIDS)]).toEqual([6, 0, 0xf4, 0x1a, 3, 0, 1, 0])
    expect(bits(ask(tablet, spec.CFG_EV_BITS, spec.EV_KEY))).toEqual([0x110, 0x111, 0x112, 0x113, 0x114])
    expect(bits(ask(tablet, spec.CFG_EV_BITS, spec.EV_ABS))).toEqual([0, 1])
    expect([...new Uint32Array(ask(tablet, spec.CFG_ABS_INFO, 1).buffer)]).toEqual([0, 0x7fff, 0, 0, 0])
    expect(bits(ask(plug(new VirtioKeyboard()), spec.CFG_EV_BITS, spec.EV_KEY))).toEqual([...new Set(Object.values(spec.KEYS))].sort((a, b) => a - b))
  })

  test('nothing where there is nothing', () => {
    const mouse = plug(new VirtioMouse())
    for (const [select, subsel] of [[0, 0], [1, 1], [2, 9], [3, 1], [0x10, 0], [0x11, 3], [0x11, 255], [0x12, 0], [255, 255]]) {
      expect(ask(mouse, select!, subsel)).toHaveLength(0)
      expect(mouse.config.subarray(spec.CONFIG_SIZE).every((byte) => byte === 0)).toBe(true)
    }
    mouse.writeConfig(0, 4, 0xffff_0001)
    expect([mouse.config[0], mouse.config[2]! > 0, mouse.config[3]]).toEqual([1, true, 0])
    mouse.writeConfig(8, 4, 0)
    expect(mouse.config[8]).not.toBe(0)
  })
})

test('keys by name, each an update of its own', () => {
  const keyboard = plug(new VirtioKeyboard())
  keyboard.key('shift', true)
  keyboard.key('a', true)
  keyboard.key('a', false)
  expect(events(keyboard)).toEqual([[1, 42, 1], SYN, [1, 30, 1], SYN, [1, 30, 0], SYN])
  expect(() => keyboard.key('constructor', true)).toThrow('no key')
})

test('a mouse moves, clicks and turns its wheels in one update', () => {
  const mouse = plug(new VirtioMouse())
  mouse.move(-5, 0, { buttons: { left: true, right: false }, wheel: -1 })
  expect(events(mouse)).toEqual([[2, 0, -5], [1, 0x110, 1], [1, 0x111, 0], [2, 8, -1], SYN])
  mouse.move(0, 0)
  expect(events(mouse)).toEqual([])
})

test('a tablet stays on its surface', () => {
  const tablet = plug(new VirtioTablet())
  tablet.moveTo(-1, 1e9)
  expect(events(tablet)).toEqual([[3, 0, 0], [3, 1, 0x7fff], SYN])
})

test('updates wait for buffers, in bounds, and are lost whole', () => {
  const mouse = plug(new VirtioMouse())
  for (let n = 0; n < 1000; n++) mouse.move(1, 1)
  const all = [...events(mouse, 7), ...events(mouse, 2000)]
  expect(all).toHaveLength(1023)
  expect(all.at(-1)).toEqual(SYN)
  mouse.reset()
  mouse.move(1, 1)
  mouse.activate(0n, queues)
  expect(events(mouse)).toEqual([])
})

test('the guest lights LEDs', () => {
  const keyboard = plug(new VirtioKeyboard())
  const status = (...bytes: number[]): void => {
    queues[1]!.available.push(new FakeChain(Uint8Array.from(bytes)))
    keyboard.notified(1)
  }
  status(0x11, 0, 1, 0, 1, 0, 0, 0)
  status(0x11, 0, 0, 0, 1, 0, 0, 0)
  status(0x11, 0, 9, 0, 1, 0, 0, 0)
  status(0x11)
  status()
  expect([keyboard.leds, queues[1]!.used.length]).toEqual([3, 5])
  status(0x11, 0, 1, 0, 0, 0, 0, 0)
  expect(keyboard.leds).toBe(1)
  const state = structuredClone(keyboard.save())
  const other = new VirtioKeyboard()
  other.restore(state)
  expect([other.leds, other.save()]).toEqual([1, state])
  expect(() => other.restore({ ...state, leds: -1 })).toThrow('saved state')
})

test('an event buffer that is too short fails the device', () => {
  const mouse = plug(new VirtioMouse())
  queues[0]!.available.push(new FakeChain(undefined, 7))
  mouse.move(1, 1)
  expect(host.failures).toHaveLength(1)
})
