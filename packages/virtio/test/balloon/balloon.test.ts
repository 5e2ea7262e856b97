import type { Gpa } from '@entresol/interfaces'
import { createMachineMemory, GuestPhysicalMemory } from '@entresol/mmu'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { VirtioBalloon } from '../../src/balloon/index.ts'
import * as spec from '../../src/balloon/spec.ts'
import { FakeChain, FakeHost, FakeQueue } from '../support/fake-queue.ts'

let discarded: [number, number][]
let device: VirtioBalloon
let host: FakeHost
let queues: FakeQueue[]

function start(without = 0n): void {
  device.reset()
  queues = device.queueSizes.map((_, index) => new FakeQueue(index))
  device.activate(device.features & ~without, queues)
}

beforeEach(() => {
  discarded = []
  host = new FakeHost()
  device = new VirtioBalloon({ pages: { discard: (gpa, bytes) => discarded.push([gpa, bytes]) } })
  device.attach(host)
  start()
})

const numbers = (...pages: number[]): Uint8Array => new Uint8Array(Uint32Array.from(pages).buffer)
const config = (at: number): number => new DataView(device.config.buffer).getUint32(at, true)

function give(index: number, chain: FakeChain): FakeChain {
  queues[index]!.available.push(chain)
  device.notified(index)
  return chain
}

const pieces = (...ranges: [number, number][]): FakeChain => new FakeChain(undefined, 0, ranges.map(([gpa, length]) => ({ gpa, length })))

test('the target is told in pages, what the driver gave is read in bytes', () => {
  device.target = 10 * 2 ** 20 + 5
  expect([config(0), device.target, host.configChanges]).toEqual([2560, 10 * 2 ** 20, 1])
  device.target = 10 * 2 ** 20
  expect(host.configChanges).toBe(1)
  device.writeConfig(spec.CONFIG_ACTUAL, 4, 100)
  device.writeConfig(spec.CONFIG_NUM_PAGES, 4, 7)
  device.writeConfig(spec.CONFIG_FREE_PAGE_HINT_CMD_ID, 4, 7)
  expect([device.actual, config(0), config(8)]).toEqual([409_600, 2560, 1])
  start()
  expect([device.actual, device.target]).toEqual([0, 10 * 2 ** 20])
})

test('inflation gives pages up, neighbours together; deflation asks nothing', () => {
  const chain = give(spec.INFLATEQ, new FakeChain(numbers(5, 6, 7, 100, 99, 0xfffff)))
  expect(discarded).toEqual([[0x5000, 0x3000], [0x64000, 0x1000], [0x63000, 0x1000], [0xfffff000, 0x1000]])
  expect(chain.written).toBe(0)
  give(spec.DEFLATEQ, new FakeChain(numbers(5)))
  expect([discarded.length, queues[spec.DEFLATEQ]!.published]).toEqual([4, 1])
})

test('a frame of the guest goes back to the machine and reads as zeros', () => {
  const machine = createMachineMemory({ bytes: 32 * 2 ** 20 })
  const guest = new GuestPhysicalMemory(machine)
  guest.addRam(8 * 2 ** 20)
  guest.writeU32(0x5000 as Gpa, 1)
  guest.writeU32(0x6000 as Gpa, 2)
  device = new VirtioBalloon({ pages: guest })
  start()
  const before = guest.touchedBytes()
  give(spec.INFLATEQ, new FakeChain(numbers(5, 0xffffffff)))
  expect(before - guest.touchedBytes()).toBe(4096)
  expect([guest.readU32(0x5000 as Gpa), guest.readU32(0x6000 as Gpa)]).toEqual([0, 2])
})

test('a buffer that would keep the host busy fails the device', () => {
  give(spec.INFLATEQ, new FakeChain(new Uint8Array(4 * 65_537)))
  give(spec.REPORTING_VQ, pieces([0, 2 ** 31]))
  give(spec.FREE_PAGE_VQ, pieces([0, 2 ** 31]))
  expect(host.failures).toHaveLength(3)
  expect(discarded).toEqual([])
})

describe('reporting', () => {
  test('free pages are given up before the buffer goes back', () => {
    const chain = give(spec.REPORTING_VQ, pieces([0x400000, 0x400000], [0x1000, 0x2000]))
    expect(discarded).toEqual([[0x400000, 0x400000], [0x1000, 0x2000]])
    expect(chain.written).toBe(0)
  })

  test('pages that are to keep a poison stay', () => {
    device.writeConfig(spec.CONFIG_POISON_VAL, 4, 0xaaaaaaaa)
    give(spec.REPORTING_VQ, pieces([0x400000, 0x400000]))
    expect(discarded).toEqual([])
    device.writeConfig(spec.CONFIG_POISON_VAL, 4, 0)
    give(spec.REPORTING_VQ, pieces([0x400000, 0x400000]))
    expect(discarded).toHaveLength(1)
  })
})

describe('statistics', () => {
  const stats = (...entries: [number, bigint][]): FakeChain => {
    const view = new DataView(new ArrayBuffer(10 * entries.length))
    entries.forEach(([tag, value], n) => {
      view.setUint16(10 * n, tag, true)
      view.setBigUint64(10 * n + 2, value, true)
    })
    return new FakeChain(new Uint8Array(view.buffer))
  }

  test('are asked for with the buffer the driver left', async () => {
    await expect(device.readStatistics()).rejects.toMatchObject({ code: 'balloon-no-statistics' })
    const first = give(spec.STATSQ, stats())
    const [one, two] = [device.readStatistics(), device.readStatistics()]
    expect(first.written).toBe(0)
    give(spec.STATSQ, stats([5, 1000n], [4, 10n], [77, 1n], [0, 0xffff_ffff_ffff_ffffn]))
    expect(await one).toEqual({ total: 1000n, free: 10n })
    expect(await two).toEqual({ total: 1000n, free: 10n })
  })

  test('end with the driver', async () => {
    give(spec.STATSQ, stats())
    const asked = device.readStatistics()
    device.reset()
    await expect(asked).rejects.toMatchObject({ code: 'balloon-no-statistics' })
  })

  test('several buffers, long ones, cut ones', () => {
    const first = give(spec.STATSQ, stats())
    const second = give(spec.STATSQ, new FakeChain(new Uint8Array(100_003)))
    expect([first.written, second.written]).toEqual([0, undefined])
  })
})

describe('hints at free pages', () => {
  const command = (id: number): FakeChain => new FakeChain(numbers(id))

  test('come between the command and the stop, and only for the current command', async () => {
    const hints: [number, number][] = []
    const asked = device.hintFreePages((gpa, bytes) => hints.push([gpa, bytes]))
    const id = config(8)
    expect([id >= 2, host.configChanges]).toEqual([true, 1])
    give(spec.FREE_PAGE_VQ, pieces([0x1000, 0x1000]))
    give(spec.FREE_PAGE_VQ, command(id + 1))
    give(spec.FREE_PAGE_VQ, pieces([0x2000, 0x1000]))
    give(spec.FREE_PAGE_VQ, command(id))
    give(spec.FREE_PAGE_VQ, pieces([0x400000, 0x400000]))
    give(spec.FREE_PAGE_VQ, command(spec.CMD_ID_STOP))
    await asked
    give(spec.FREE_PAGE_VQ, pieces([0x3000, 0x1000]))
    expect(hints).toEqual([[0x400000, 0x400000]])
    expect([config(8), discarded]).toEqual([spec.CMD_ID_DONE, []])
    void device.hintFreePages(() => {}).catch(() => {})
    expect(config(8)).not.toBe(id)
    await expect(device.hintFreePages(() => {})).rejects.toMatchObject({ code: 'balloon-no-hints' })
  })

  test('end with the driver, or never begin', async () => {
    const asked = device.hintFreePages(() => {})
    device.resetQueue(spec.FREE_PAGE_VQ)
    await expect(asked).rejects.toMatchObject({ code: 'balloon-no-hints' })
    start(spec.F_FREE_PAGE_HINT)
    await expect(device.hintFreePages(() => {})).rejects.toMatchObject({ code: 'balloon-no-hints' })
  })
})

test('offers what it is asked to', () => {
  const { features } = new VirtioBalloon({ pages: { discard: () => {} }, deflateOnOom: true, freePageHint: false, freePageReporting: false })
  expect(features).toBe(spec.F_STATS_VQ | spec.F_DEFLATE_ON_OOM | spec.F_PAGE_POISON)
})

test('saved state', () => {
  device.target = 2 ** 20
  device.writeConfig(spec.CONFIG_ACTUAL, 4, 3)
  const state = structuredClone(device.save())
  const other = new VirtioBalloon({ pages: { discard: () => {} } })
  other.reset()
  other.restore(state)
  expect(other.save()).toEqual(state)
  expect([other.target, other.actual]).toEqual([2 ** 20, 12_288])
  expect(() => other.restore({ ...state, actual: -1 })).toThrow('saved state')
})

test('whatever a driver puts into the queues, each buffer comes back or is the one kept', () => {
  fc.assert(fc.property(fc.array(fc.record({ index: fc.nat(4), readable: fc.uint8Array({ maxLength: 50 }), gpa: fc.nat(), length: fc.nat(1 << 20) })), (buffers) => {
    start()
    host.failures.length = 0
    for (const { index, readable, gpa, length } of buffers) give(index, new FakeChain(readable, 0, [{ gpa, length }]))
    expect(host.failures).toEqual([])
    queues.forEach((queue) => expect(buffers.filter((b) => b.index === queue.index).length - queue.used.length).toBeLessThanOrEqual(queue.index === spec.STATSQ ? 1 : 0))
  }))
})
