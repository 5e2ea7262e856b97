import type { GuestMemory } from '@entresol/interfaces'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { VirtioGpu } from '../../src/gpu/index.ts'
import * as spec from '../../src/gpu/spec.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'

const ram = new Uint8Array(2 ** 20)
/** Only what the device uses. */
const memory = {
  read: (gpa: number, into: Uint8Array) => { into.set(ram.subarray(gpa, gpa + into.length)) },
} as unknown as GuestMemory

let device: VirtioGpu
let host: FakeHost
let queues: FakeQueue[]
beforeEach(() => {
  host = new FakeHost()
  device = new VirtioGpu({ memory, width: 800, height: 600, maxBytes: 100_000 })
  device.attach(host)
  device.reset()
  queues = [new FakeQueue(0), new FakeQueue(1)]
  device.activate(device.features, queues)
  ram.forEach((_, at) => { ram[at] = at >> 2 })
})

function send(queue: number, type: number, fields: number[], { fence = 0, room = 2000 } = {}): FakeChain {
  const words = Uint32Array.of(type, fence ? 1 : 0, fence, 0, 0, 0, ...fields)
  const chain = new FakeChain(new Uint8Array(words.buffer), room)
  queues[queue]!.available.push(chain)
  device.notified(queue)
  return chain
}

const words = (chain: FakeChain): Uint32Array => new Uint32Array(chain.answer.slice().buffer)
const command = (type: number, ...fields: number[]): number => words(send(0, type, fields))[0]!
const create = (id: number, width: number, height: number, format = 2): number => command(spec.CMD_RESOURCE_CREATE_2D, id, format, width, height)
const attach = (id: number, ...pieces: [number, number][]): number =>
  command(spec.CMD_RESOURCE_ATTACH_BACKING, id, pieces.length, ...pieces.flatMap(([gpa, length]) => [gpa, 0, length, 0]))
const transfer = (id: number, x: number, y: number, width: number, height: number, offset: number): number =>
  command(spec.CMD_TRANSFER_TO_HOST_2D, x, y, width, height, offset, 0, id, 0)
const scanout = (id: number, x: number, y: number, width: number, height: number): number => command(spec.CMD_SET_SCANOUT, x, y, width, height, 0, id)
function pixels(): Uint8ClampedArray {
  const into = new Uint8ClampedArray(device.width * device.height * 4)
  device.render(into)
  return into
}

const OK = spec.RESP_OK_NODATA

describe('a picture', () => {
  test('goes from scattered memory into a resource and from there to the screen', () => {
    expect([create(1, 16, 8), attach(1, [0x1000, 64], [0x1040, 100], [0x8000, 400])]).toEqual([OK, OK])
    expect([transfer(1, 0, 0, 16, 8, 0), scanout(1, 0, 0, 16, 8), command(spec.CMD_RESOURCE_FLUSH, 0, 0, 16, 8, 1, 0)]).toEqual([OK, OK, OK])
    expect([device.width, device.height]).toEqual([16, 8])
    const seen = pixels()
    for (let pixel = 0; pixel < 128; pixel++) {
      const gpa = pixel * 4 < 164 ? 0x1000 + pixel * 4 : 0x8000 + pixel * 4 - 164
      const value = pixel * 4 < 564 ? (gpa >> 2) & 0xff : 0
      expect([...seen.subarray(4 * pixel, 4 * pixel + 4)]).toEqual([value, value, value, 255])
    }
  })

  test('in part: the rectangle lies at its offset, rows a whole row apart', () => {
    create(1, 16, 8)
    attach(1, [0, 4096])
    transfer(1, 4, 2, 2, 3, 2 * 64 + 4 * 4)
    scanout(1, 3, 1, 5, 6)
    const red = pixels().filter((_, at) => at % 4 === 0)
    const at = (x: number, y: number): number => (x >= 4 && x < 6 && y >= 2 && y < 5 ? y * 16 + x : 0)
    expect([...red]).toEqual(Array.from({ length: 30 }, (_, n) => at(3 + n % 5, 1 + Math.floor(n / 5))))
  })

  test('in every format', () => {
    ram.set([1, 2, 3, 4])
    const seen = Object.keys(spec.FORMATS).map((format, n) => {
      create(n + 1, 1, 1, Number(format))
      attach(n + 1, [0, 4])
      transfer(n + 1, 0, 0, 1, 1, 0)
      scanout(n + 1, 0, 0, 1, 1)
      return [...pixels()]
    })
    expect(seen).toEqual([[3, 2, 1, 255], [3, 2, 1, 255], [2, 3, 4, 255], [2, 3, 4, 255], [1, 2, 3, 255], [4, 3, 2, 255], [4, 3, 2, 255], [1, 2, 3, 255]])
  })

  test('goes when it is hidden, or its resource ends, or the driver', () => {
    for (const end of [() => scanout(0, 0, 0, 0, 0), () => command(spec.CMD_RESOURCE_UNREF, 1, 0), () => device.reset()]) {
      device.reset()
      device.activate(device.features, queues)
      create(1, 10, 10)
      scanout(1, 0, 0, 10, 10)
      expect(device.width).toBe(10)
      end()
      expect([device.width, device.height]).toEqual([800, 600])
      expect(pixels().every((value, at) => value === (at % 4 === 3 ? 255 : 0))).toBe(true)
    }
  })

  test('the cursor lies on top', () => {
    create(1, 4, 1)
    scanout(1, 0, 0, 4, 1)
    create(2, 2, 1, 1)
    ram.set([10, 20, 30, 255, 0, 0, 50, 127])
    attach(2, [0, 8])
    transfer(2, 0, 0, 2, 1, 0)
    const red = (): number[] => [...pixels().filter((_, at) => at % 4 === 0)]
    send(1, spec.CMD_UPDATE_CURSOR, [0, 1, 0, 0, 2, 0, 0, 0])
    expect(red()).toEqual([0, 30, 50, 0])
    send(1, spec.CMD_MOVE_CURSOR, [0, -1 >>> 0, 0, 0, 0, 0, 0, 0])
    expect(red()).toEqual([50, 0, 0, 0])
    send(1, spec.CMD_MOVE_CURSOR, [0, 3, 0, 0, 0, 0, 0, 0])
    expect(red()).toEqual([0, 0, 0, 30])
    send(1, spec.CMD_UPDATE_CURSOR, [0, 0, 0, 0, 0, 0, 0, 0])
    expect(red()).toEqual([0, 0, 0, 0])
    expect(queues[1]!.used.map((chain) => chain.written)).toEqual([0, 0, 0, 0])
  })
})

describe('the display', () => {
  test('tells its size and changes it', () => {
    const info = words(send(0, spec.CMD_GET_DISPLAY_INFO, []))
    expect([info[0], [...info.subarray(6, 12)], info.length]).toEqual([spec.RESP_OK_DISPLAY_INFO, [0, 0, 800, 600, 1, 0], 102])
    device.resize(1024, 768)
    expect([device.config[0], host.configChanges, words(send(0, spec.CMD_GET_DISPLAY_INFO, []))[8]]).toEqual([1, 1, 1024])
    device.writeConfig(4, 4, 1)
    expect([...device.config]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    expect(() => device.resize(0, 5)).toThrow('side')
  })

  test('has an EDID with its size as the native mode', () => {
    const answer = send(0, spec.CMD_GET_EDID, [0, 0]).answer
    const edid = answer.subarray(32, 160)
    expect(new DataView(answer.buffer, answer.byteOffset).getUint32(24, true)).toBe(128)
    expect(edid.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0)
    expect([edid[56]! | (edid[58]! >> 4) << 8, edid[59]! | (edid[61]! >> 4) << 8]).toEqual([800, 600])
    expect(command(spec.CMD_GET_EDID, 1, 0)).toBe(spec.RESP_ERR_INVALID_SCANOUT_ID)
  })
})

test('fences are answered', () => {
  const answer = words(send(0, spec.CMD_RESOURCE_UNREF, [9, 0], { fence: 77 }))
  expect([...answer]).toEqual([spec.RESP_ERR_INVALID_RESOURCE_ID, 1, 77, 0, 0, 0])
})

describe('a driver that breaks the rules', () => {
  test('gets the error that says which', () => {
    create(1, 10, 10)
    const errors = [
      create(0, 1, 1), create(1, 1, 1), create(2, 1, 1, 5), create(2, 0, 1), create(2, 20_000, 1), create(2, 200, 200),
      command(spec.CMD_RESOURCE_UNREF, 5, 0), transfer(1, 0, 0, 1, 1, 0), scanout(1, 0, 0, 11, 1), scanout(1, 0xffff_ffff, 0, 1, 1), scanout(1, 0, 0, 0, 0),
      command(spec.CMD_SET_SCANOUT, 0, 0, 1, 1, 1, 1), command(spec.CMD_RESOURCE_FLUSH, 0, 0, 11, 1, 1, 0), command(0x10b), command(0x999),
      command(spec.CMD_RESOURCE_ATTACH_BACKING, 1, 20_000), command(spec.CMD_RESOURCE_ATTACH_BACKING, 1, 2, 0, 0, 4096, 0),
    ]
    const { RESP_ERR_INVALID_RESOURCE_ID: ID, RESP_ERR_INVALID_PARAMETER: BAD, RESP_ERR_OUT_OF_MEMORY: FULL, RESP_ERR_UNSPEC: ODD } = spec
    expect(errors).toEqual([ID, ID, BAD, BAD, BAD, FULL, ID, BAD, BAD, BAD, BAD, spec.RESP_ERR_INVALID_SCANOUT_ID, BAD, ODD, ODD, BAD, BAD])
  })

  test('has bounded memory, which comes back', () => {
    expect([create(1, 100, 200), create(2, 100, 200), command(spec.CMD_RESOURCE_UNREF, 1, 0), create(2, 1, 1), create(3, 100, 200)])
      .toEqual([OK, spec.RESP_ERR_OUT_OF_MEMORY, OK, OK, OK])
  })

  test('commands cut short, answers without room', () => {
    expect(words(send(0, spec.CMD_SET_SCANOUT, [1, 2]))[0]).toBe(spec.RESP_ERR_UNSPEC)
    expect(send(0, spec.CMD_GET_DISPLAY_INFO, [], { room: 30 }).written).toBe(30)
    expect(send(0, spec.CMD_GET_DISPLAY_INFO, [], { room: 0 }).written).toBe(0)
    const nothing = new FakeChain()
    queues[0]!.available.push(nothing)
    device.notified(0)
    expect(nothing.written).toBe(0)
    expect([send(1, spec.CMD_MOVE_CURSOR, []).written, send(1, 0, []).written, send(1, spec.CMD_GET_DISPLAY_INFO, []).written]).toEqual([0, 0, 0])
  })

  test('whatever it sends, each command is answered and what is shown can be drawn', () => {
    const small = fc.nat(40)
    const field = fc.oneof({ weight: 6, arbitrary: small }, { weight: 1, arbitrary: fc.constantFrom(0xffff_ffff, 0x8000_0000, 4096) })
    const one = fc.tuple(fc.constantFrom(...Object.keys(spec.REQUEST_BYTES).map(Number), 7), fc.array(field, { minLength: 2, maxLength: 12 }))
    fc.assert(fc.property(fc.array(one, { maxLength: 40 }), (commands) => {
      device.reset()
      device.activate(device.features, queues)
      for (const [type, fields] of commands) {
        const chain = send(type >= 0x300 ? 1 : 0, type, fields)
        expect(chain.written).toBeDefined()
        queues.forEach((queue) => { queue.used.length = 0 })
      }
      if (device.width < 100) expect(pixels()).toHaveLength(device.width * device.height * 4)
      const copy = new VirtioGpu({ memory })
      copy.restore(device.save())
      expect(copy.save()).toEqual(device.save())
    }), { numRuns: 60 })
  })
})

test('saved state that contradicts itself is refused', () => {
  create(1, 10, 10)
  attach(1, [0, 400])
  scanout(1, 0, 0, 10, 10)
  const state = structuredClone(device.save())
  for (const wrong of [
    { ...state, scanout: 2 }, { ...state, rectangle: { x: 1, y: 0, width: 10, height: 10 } }, { ...state, resources: [{ ...state.resources[0]!, pixels: new Uint8Array(3) }] },
    { ...state, resources: [{ ...state.resources[0]!, format: 9 }] }, { ...state, width: 0 },
  ]) expect(() => device.restore(wrong)).toThrow('saved state')
  expect(device.save()).toEqual(state)
})
