import { VIRTIO_FEATURE as F, VIRTIO_MMIO as R } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import * as spec from '../../src/blk/spec.ts'
import { VirtioBlk } from '../../src/blk/virtio-blk.ts'
import type { VirtioBlkDeviceOptions } from '../../src/blk/options.ts'
import { plug, settle, TestDisk } from '../support/plug.ts'
import { request, segment } from './request.ts'

/** A disk with a driver that accepted everything but `without`, and a way to make one request. */
function started(options: Partial<VirtioBlkDeviceOptions> & { backend?: TestDisk } = {}, without = 0n) {
  const backend = options.backend ?? new TestDisk()
  const { driver, mmio, line } = plug(new VirtioBlk({ ...options, backend }))
  const queues = driver.open(driver.offered & ~(without | F.packed))
  const ask = async (...args: Parameters<typeof request>): Promise<{ data: Uint8Array; status: number; written: number }> => {
    queues[0]!.add(request(...args))
    driver.notify(queues[0]!)
    await settle()
    const [used] = queues[0]!.collect()
    return { data: used!.data.subarray(0, -1), status: used!.data.at(-1)!, written: used!.written }
  }
  return { backend, driver, mmio, line, queues, ask }
}

describe('virtio-blk (virtio 1.2, 5.2)', () => {
  it('reads and writes sectors', async () => {
    const { backend, ask } = started()
    const data = Uint8Array.from({ length: 1536 }, (_, i) => i)
    expect(await ask(spec.T_OUT, 4, { data })).toMatchObject({ status: spec.S_OK, written: 1 })
    expect(backend.bytes.subarray(2048, 3584)).toEqual(data)
    expect(await ask(spec.T_IN, 5, { room: 1024 })).toEqual({ data: data.subarray(512), status: spec.S_OK, written: 1025 })
  })

  it('carries a request longer than a piece out piece by piece, in order', async () => {
    const { backend, ask } = started({ backend: new TestDisk(4 << 20) })
    backend.bytes.fill(9)
    const { data, status } = await ask(spec.T_IN, 0, { room: (1 << 20) + 512 })
    expect([status, data.length, data.every((byte) => byte === 9)]).toEqual([spec.S_OK, (1 << 20) + 512, true])
    expect(backend.log).toEqual(['read 0 1048576', 'read 1048576 512'])
  })

  it.each([
    ['beyond the end', 2047, { room: 1024 }], ['far beyond the end', 2n ** 63n, { room: 512 }], ['half a sector', 0, { room: 100 }],
  ] as const)('answers IOERR to a read %s', async (_what, sector, room) => {
    const { ask, backend } = started()
    expect((await ask(spec.T_IN, sector, room)).status).toBe(spec.S_IOERR)
    expect(backend.log).toEqual([])
  })

  it('answers IOERR when the disk fails, and goes on', async () => {
    const { ask, backend } = started()
    backend.failing = true
    expect((await ask(spec.T_IN, 0, { room: 512 })).status).toBe(spec.S_IOERR)
    expect((await ask(spec.T_OUT, 0, { data: new Uint8Array(512) })).status).toBe(spec.S_IOERR)
    expect((await ask(spec.T_FLUSH)).status).toBe(spec.S_IOERR)
    backend.failing = false
    expect((await ask(spec.T_IN, 0, { room: 512 })).status).toBe(spec.S_OK)
  })

  it('answers UNSUPP to requests it does not know, and gives buffers without a header back', async () => {
    const { ask, queues, driver } = started()
    expect((await ask(99)).status).toBe(spec.S_UNSUPP)
    queues[0]!.add([{ readable: new Uint8Array(8) }, { writable: 1 }])
    queues[0]!.add([{ readable: new Uint8Array(16) }])
    driver.notify(queues[0]!)
    await settle()
    expect(queues[0]!.collect().map(({ written }) => written)).toEqual([1, 0])
    expect(driver.needsReset).toBe(false)
  })

  it('tells its serial number', async () => {
    const { ask } = started({ serial: 'disk 7' })
    const { data, status } = await ask(spec.T_GET_ID, 0, { room: 20 })
    expect([status, new TextDecoder().decode(data).replace(/\0+$/, '')]).toEqual([spec.S_OK, 'disk 7'])
  })

  it('discards and writes zeroes, unmapping where it may', async () => {
    const { ask, backend } = started()
    const list = new Uint8Array([...segment(8, 8), ...segment(32, 16)])
    expect((await ask(spec.T_DISCARD, 0, { data: list })).status).toBe(spec.S_OK)
    expect((await ask(spec.T_WRITE_ZEROES, 0, { data: segment(0, 2, spec.SEGMENT_F_UNMAP) })).status).toBe(spec.S_OK)
    expect((await ask(spec.T_WRITE_ZEROES, 0, { data: segment(2, 2) })).status).toBe(spec.S_OK)
    expect(backend.log).toEqual(['discard 4096 4096', 'discard 16384 8192', 'zero 0 1024 true', 'zero 1024 1024 false'])
  })

  it.each([
    ['unmap on a discard', spec.T_DISCARD, segment(0, 1, spec.SEGMENT_F_UNMAP), spec.S_UNSUPP],
    ['reserved flags', spec.T_WRITE_ZEROES, segment(0, 1, 2), spec.S_UNSUPP],
    ['a range beyond the end', spec.T_DISCARD, segment(2040, 9), spec.S_IOERR],
    ['more sectors than it allows', spec.T_WRITE_ZEROES, segment(0, 0xffff_ffff), spec.S_IOERR],
    ['half a segment', spec.T_DISCARD, new Uint8Array(8), spec.S_IOERR],
    ['too many segments', spec.T_DISCARD, new Uint8Array(16 * 17), spec.S_IOERR],
    ['a bad segment behind a good one', spec.T_DISCARD, new Uint8Array([...segment(0, 1), ...segment(4000, 1)]), spec.S_IOERR],
  ])('refuses %s and does nothing', async (_what, type, data, status) => {
    const { ask, backend } = started()
    expect((await ask(type, 0, { data })).status).toBe(status)
    expect(backend.log).toEqual([])
  })

  it('a read-only disk says so and refuses writes', async () => {
    const { ask, backend, driver } = started({ backend: new TestDisk(1 << 20, true) })
    expect(driver.offered & spec.F_RO).toBe(spec.F_RO)
    for (const type of [spec.T_OUT, spec.T_DISCARD, spec.T_WRITE_ZEROES]) {
      expect((await ask(type, 0, { data: new Uint8Array(512) })).status).toBe(spec.S_IOERR)
    }
    expect(backend.log).toEqual([])
  })

  it('has a write-back cache that the driver can turn off: then each write is flushed', async () => {
    const { ask, backend, driver, mmio } = started()
    await ask(spec.T_OUT, 0, { data: new Uint8Array(512) })
    mmio.write(R.config + spec.CONFIG_WRITEBACK, 1, 0)
    await ask(spec.T_OUT, 0, { data: new Uint8Array(512) })
    expect(backend.log).toEqual(['write 0 512', 'write 0 512', 'flush'])
    driver.set(R.status, 0)
    expect(mmio.read(R.config + spec.CONFIG_WRITEBACK, 1)).toBe(1)
  })

  it('without FLUSH there is no cache', async () => {
    const { ask, backend, mmio } = started({}, spec.F_FLUSH)
    expect(mmio.read(R.config + spec.CONFIG_WRITEBACK, 1)).toBe(0)
    await ask(spec.T_OUT, 0, { data: new Uint8Array(512) })
    expect(backend.log).toEqual(['write 0 512', 'flush'])
  })

  it('describes its size, blocks and queues', () => {
    const { driver, mmio } = started({ backend: new TestDisk(1 << 20), logicalBlockSize: 512, physicalBlockSize: 4096, queues: 4 })
    expect(driver.get(R.config + spec.CONFIG_CAPACITY)).toBe(2048)
    expect(driver.get(R.config + spec.CONFIG_BLK_SIZE)).toBe(512)
    expect(mmio.read(R.config + spec.CONFIG_PHYSICAL_BLOCK_EXP, 1)).toBe(3)
    expect(mmio.read(R.config + spec.CONFIG_NUM_QUEUES, 2)).toBe(4)
    expect(driver.queueCount).toBe(4)
    expect(driver.offered & spec.F_MQ).toBe(spec.F_MQ)
  })

  it('runs requests at the same time, and shows those that end together with one interrupt', async () => {
    const { backend, driver, queues } = started({}, F.inOrder | F.eventIdx)
    backend.held = true
    for (let i = 0; i < 8; i++) queues[0]!.add(request(spec.T_IN, i, { room: 512 }))
    driver.notify(queues[0]!)
    await settle()
    expect(backend.log.length).toBe(8)
    expect(queues[0]!.collect()).toEqual([])
    backend.release()
    await settle()
    expect(driver.interrupts()).toBe(1)
    expect(queues[0]!.collect().length).toBe(8)
    expect(driver.interrupts()).toBe(0)
  })

  it('does not let new requests overtake those of a driver before the reset', async () => {
    const { backend, driver, queues } = started()
    backend.held = true
    queues[0]!.add(request(spec.T_OUT, 0, { data: new Uint8Array(512).fill(1) }))
    driver.notify(queues[0]!)
    const [queue] = driver.open(driver.offered & ~F.packed)
    queue!.add(request(spec.T_OUT, 0, { data: new Uint8Array(512).fill(2) }))
    driver.notify(queue!)
    await settle()
    expect(backend.log.length).toBe(1)
    backend.held = false
    backend.release()
    await settle()
    expect([backend.log.length, backend.bytes[0]]).toEqual([2, 2])
    expect(queue!.collect().length).toBe(1)
  })

  it('makes requests again that were under way when it was saved', async () => {
    const { backend, queues, driver, mmio } = started()
    backend.held = true
    queues[0]!.add(request(spec.T_OUT, 3, { data: new Uint8Array(512).fill(5) }))
    queues[0]!.add(request(spec.T_GET_ID, 0, { room: 20 }))
    driver.notify(queues[0]!)
    const state = structuredClone(mmio.save())
    const other = new TestDisk()
    const copy = plug(new VirtioBlk({ backend: other }), driver.memory as never).mmio
    copy.restore(state)
    await settle()
    expect(other.bytes[3 * 512]).toBe(5)
    expect(queues[0]!.collect().length).toBeGreaterThan(0)
  })

  it.each([
    { queues: 0 }, { queues: 65 }, { queueSize: 100 }, { serial: 'x'.repeat(21) }, { logicalBlockSize: 1000 },
    { logicalBlockSize: 4096, physicalBlockSize: 512 }, { readOnly: false, backend: new TestDisk(512, true) },
  ])('refuses options %j', (options) => {
    expect(() => new VirtioBlk({ backend: new TestDisk(), ...options })).toThrow(expect.objectContaining({ code: 'virtio-blk-options' }) as Error)
  })
})
