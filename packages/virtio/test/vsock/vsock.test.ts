import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { VirtioVsock } from '../../src/vsock/index.ts'
import type { VsockConnection } from '../../src/vsock/index.ts'
import * as spec from '../../src/vsock/spec.ts'
import { FakeChain } from '../support/fake-queue.ts'
import { Guest } from './guest.ts'

const { OP_REQUEST, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW, OP_CREDIT_UPDATE, OP_CREDIT_REQUEST } = spec

let guest: Guest
let accepted: VsockConnection[]
beforeEach(() => {
  guest = new Guest({ bufferBytes: 10_000, maxConnections: 3 })
  accepted = []
  guest.device.listen(1000, (connection) => accepted.push(connection))
  guest.room(50)
})

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
const text = (s: string): Uint8Array => new TextEncoder().encode(s)

function open(): VsockConnection {
  guest.send(OP_REQUEST)
  expect(guest.ops()).toEqual([OP_RESPONSE])
  return accepted.at(-1)!
}

describe('connections of the guest', () => {
  test('are accepted where somebody listens, refused elsewhere', () => {
    guest.send(OP_REQUEST)
    guest.send(OP_REQUEST, { hostPort: 1001 })
    expect(guest.received().map(({ op, hostPort, guestPort, buffer }) => [op, hostPort, guestPort, buffer])).toEqual([
      [OP_RESPONSE, 1000, 2000, 10_000], [OP_RST, 1001, 2000, 0],
    ])
    expect(accepted.map((c) => [c.hostPort, c.guestPort])).toEqual([[1000, 2000]])
    expect(() => guest.device.listen(1000, () => {})).toThrow('listener')
  })

  test('may be taken at any port', () => {
    const ports: number[] = []
    guest = new Guest({ listenerAt: (port) => (port % 2 === 0 ? (connection) => ports.push(connection.hostPort) : undefined) })
    guest.room(10)
    for (const hostPort of [1000, 1001, 1002]) guest.send(OP_REQUEST, { hostPort })
    expect([guest.ops(), ports]).toEqual([[OP_RESPONSE, OP_RST, OP_RESPONSE], [1000, 1002]])
  })

  test('are bounded in number', () => {
    for (let port = 0; port < 5; port++) guest.send(OP_REQUEST, { guestPort: port })
    expect(guest.ops()).toEqual([OP_RESPONSE, OP_RESPONSE, OP_RESPONSE, OP_RST, OP_RST])
    expect(guest.device.connections).toBe(3)
  })

  test('carry bytes both ways, in packets of the size of the buffers', async () => {
    const connection = open()
    guest.send(OP_RW, { payload: text('hello ') })
    guest.send(OP_RW, { payload: text('host') })
    const reader = connection.readable.getReader()
    expect((await reader.read()).value).toEqual(text('hello host'))
    const writer = connection.writable.getWriter()
    await writer.write(new Uint8Array(10_000).fill(7))
    expect(guest.received().map((p) => [p.op, p.payload.length, p.forwarded])).toEqual([[OP_RW, 4096, 10], [OP_RW, 4096, 10], [OP_RW, 1808, 10]])
  })

  test('wait for the credit of the guest', async () => {
    const connection = open()
    guest.send(OP_CREDIT_UPDATE, { buffer: 100 })
    const writer = connection.writable.getWriter()
    let isWritten = false
    const writing = writer.write(new Uint8Array(250)).then(() => { isWritten = true })
    await settled()
    expect(guest.received().map((p) => [p.op, p.payload.length])).toEqual([[OP_RW, 100], [OP_CREDIT_REQUEST, 0]])
    guest.send(OP_CREDIT_UPDATE, { buffer: 100, forwarded: 60 })
    expect(guest.received().filter((p) => p.op === OP_RW).map((p) => p.payload.length)).toEqual([60])
    expect(isWritten).toBe(false)
    guest.send(OP_CREDIT_UPDATE, { buffer: 200, forwarded: 160 })
    await writing
  })

  test('wait for buffers', async () => {
    guest = new Guest()
    guest.device.listen(1000, (connection) => accepted.push(connection))
    guest.send(OP_REQUEST)
    const writer = accepted[0]!.writable.getWriter()
    const writing = writer.write(text('abc'))
    expect(guest.ops()).toEqual([])
    guest.room(1)
    expect(guest.ops()).toEqual([OP_RESPONSE])
    guest.room(1, 2)
    guest.room(1, 2)
    await writing
    expect(guest.received().map((p) => p.payload.length)).toEqual([2, 1])
  })

  test('a guest that sends beyond its credit is broken off', async () => {
    const connection = open()
    for (let n = 0; n < 5; n++) guest.send(OP_RW, { payload: new Uint8Array(2000) })
    expect(guest.ops()).toEqual([])
    guest.send(OP_RW, { payload: new Uint8Array(1) })
    expect(guest.ops()).toEqual([OP_RST])
    await expect(connection.readable.getReader().read()).rejects.toMatchObject({ code: 'vsock-reset' })
    expect(guest.device.connections).toBe(0)
  })

  test('credit is given back as the host reads, told after half of it', async () => {
    const connection = open()
    const reader = connection.readable.getReader()
    let total = 0
    for (let n = 0; n < 10; n++) {
      guest.send(OP_RW, { payload: new Uint8Array(2500) })
      total += (await reader.read()).value!.length
    }
    const updates = guest.received()
    expect(total).toBe(25_000)
    expect(updates.map((p) => [p.op, p.forwarded])).toEqual([5000, 10_000, 15_000, 20_000, 25_000].map((n) => [OP_CREDIT_UPDATE, n]))
    guest.send(OP_CREDIT_REQUEST)
    expect(guest.ops()).toEqual([OP_CREDIT_UPDATE])
  })
})

describe('the end', () => {
  test('by the guest: what it sent is read, then RST', async () => {
    const connection = open()
    guest.send(OP_RW, { payload: text('last') })
    guest.send(OP_SHUTDOWN, { flags: spec.SHUTDOWN_BOTH })
    expect(guest.ops()).toEqual([OP_RST])
    const reader = connection.readable.getReader()
    expect((await reader.read()).value).toEqual(text('last'))
    expect((await reader.read()).done).toBe(true)
    await expect(connection.writable.getWriter().write(text('x'))).rejects.toMatchObject({ code: 'vsock-reset' })
    expect(guest.device.connections).toBe(0)
  })

  test('half by the guest: the host still writes', async () => {
    const connection = open()
    guest.send(OP_SHUTDOWN, { flags: spec.SHUTDOWN_SEND })
    expect((await connection.readable.getReader().read()).done).toBe(true)
    const writer = connection.writable.getWriter()
    await writer.write(text('still'))
    await writer.close()
    expect(guest.received().map((p) => [p.op, p.flags])).toEqual([[OP_RW, 0], [OP_SHUTDOWN, spec.SHUTDOWN_BOTH]])
    guest.send(OP_RST)
    expect([guest.device.connections, guest.ops()]).toEqual([0, []])
  })

  test('by the host: closing the writer says so, cancelling the reader too', async () => {
    const connection = open()
    await connection.writable.getWriter().close()
    expect(guest.received().map((p) => [p.op, p.flags])).toEqual([[OP_SHUTDOWN, spec.SHUTDOWN_SEND]])
    guest.send(OP_RW, { payload: text('x') })
    await connection.readable.cancel()
    expect(guest.received().map((p) => [p.op, p.flags, p.forwarded])).toEqual([[OP_SHUTDOWN, spec.SHUTDOWN_BOTH, 1]])
    guest.send(OP_RW, { payload: new Uint8Array(9000) })
    expect(guest.received().map((p) => [p.op, p.forwarded])).toEqual([[OP_CREDIT_UPDATE, 9001]])
    guest.send(OP_RST)
    expect(guest.device.connections).toBe(0)
  })

  test('breaking off, by either', async () => {
    const one = open()
    one.reset()
    expect(guest.ops()).toEqual([OP_RST])
    await expect(one.readable.getReader().read()).rejects.toMatchObject({ code: 'vsock-reset' })
    const two = open()
    const reading = two.readable.getReader().read()
    const writing = two.writable.getWriter().closed
    guest.send(OP_RST)
    await expect(reading).rejects.toMatchObject({ code: 'vsock-reset' })
    await expect(writing).rejects.toMatchObject({ code: 'vsock-reset' })
    expect([guest.ops(), guest.device.connections]).toEqual([[], 0])
  })

  test('with the driver', async () => {
    const connection = open()
    const reading = connection.readable.getReader().read()
    guest.start()
    await expect(reading).rejects.toMatchObject({ code: 'vsock-reset' })
    expect(guest.device.connections).toBe(0)
  })
})

describe('connections of the host', () => {
  test('are made when the guest answers', async () => {
    const connecting = guest.device.connect(5000)
    const [request] = guest.received()
    expect([request!.op, request!.guestPort]).toEqual([OP_REQUEST, 5000])
    guest.send(OP_RESPONSE, { hostPort: request!.hostPort, guestPort: 5000 })
    const connection = await connecting
    await connection.writable.getWriter().write(text('hi'))
    expect(guest.received()[0]!.payload).toEqual(text('hi'))
  })

  test('are refused by the guest, by its absence, and when something else is answered', async () => {
    const refused = guest.device.connect(5000)
    const { hostPort } = guest.received()[0]!
    guest.send(OP_RST, { hostPort, guestPort: 5000 })
    await expect(refused).rejects.toMatchObject({ code: 'vsock-refused' })
    const odd = guest.device.connect(5001)
    guest.send(OP_RW, { hostPort: guest.received()[0]!.hostPort, guestPort: 5001 })
    await expect(odd).rejects.toMatchObject({ code: 'vsock-refused' })
    expect(guest.ops()).toEqual([OP_RST])
    await expect(new VirtioVsock({ guestCid: 5 }).connect(1)).rejects.toMatchObject({ code: 'vsock-refused' })
    expect(guest.device.connections).toBe(0)
  })
})

describe('a driver that breaks the rules', () => {
  test('unknown types, ports and ops are answered with RST; RST with nothing', () => {
    guest.send(OP_REQUEST, { type: 2 })
    guest.send(OP_RW, { guestPort: 7 })
    guest.send(99, { guestPort: 7 })
    guest.send(OP_RST, { guestPort: 7 })
    expect(guest.received().map((p) => [p.op, p.type])).toEqual([[OP_RST, 2], [OP_RST, 1], [OP_RST, 1]])
    open()
    guest.send(OP_REQUEST)
    expect([guest.ops(), guest.device.connections]).toEqual([[OP_RST], 0])
  })

  test('addresses of others are not answered, nor what is no packet', () => {
    guest.send(OP_REQUEST, { source: 4 })
    guest.send(OP_REQUEST, { destination: 4 })
    guest.raw(new Uint8Array(43))
    expect([guest.ops(), accepted]).toEqual([[], []])
  })

  test('a length beyond the buffer breaks the connection off', () => {
    open()
    guest.send(OP_RW, { length: 100, payload: text('short') })
    expect([guest.ops(), guest.device.connections]).toEqual([[OP_RST], 0])
  })

  test('refusals without room are bounded: the driver is listened to again when it takes some', () => {
    guest = new Guest()
    for (let n = 0; n < 200; n++) guest.send(OP_RW)
    expect(guest.queues[spec.TX]!.available).toHaveLength(200 - 64)
    guest.room(100)
    expect(guest.ops()).toHaveLength(100)
  })

  test('a receive buffer without room fails the device', () => {
    guest = new Guest()
    guest.room(1, 0)
    guest.send(OP_RW)
    expect(guest.host.failures).toHaveLength(1)
  })

  test('bytes in packets of their own do not cost blocks of their own', async () => {
    const connection = open()
    for (let n = 0; n < 9000; n++) guest.send(OP_RW, { payload: Uint8Array.of(n) })
    const { value } = await connection.readable.getReader().read()
    expect(value).toHaveLength(4096)
  })
})

test('after a restore the driver is told once that connections are gone', () => {
  const state = guest.device.save()
  guest.device.restore(state)
  const events = [new FakeChain(undefined, 4), new FakeChain(undefined, 4)]
  guest.queues[spec.EVENT]!.available.push(...events)
  guest.device.notified(spec.EVENT)
  guest.device.notified(spec.EVENT)
  expect(events.map((event) => event.written)).toEqual([4, undefined])
  expect(() => guest.device.restore(7 as unknown as typeof state)).toThrow('saved state')
})

test('CIDs that are reserved are refused', () => {
  for (const guestCid of [0, 2, 0xffff_ffff, 3.5]) expect(() => new VirtioVsock({ guestCid })).toThrow('CID')
})

test('whatever a driver sends, buffers come back, memory and connections stay bounded', async () => {
  const packet = fc.record({
    op: fc.nat(8), guestPort: fc.nat(2), hostPort: fc.constantFrom(1000, 1000, 1001), flags: fc.nat(3), buffer: fc.nat(5000), forwarded: fc.nat(5000),
    payload: fc.uint8Array({ maxLength: 200 }), type: fc.constantFrom(1, 1, 1, 2),
  })
  await fc.assert(fc.asyncProperty(fc.array(packet, { maxLength: 80 }), fc.array(fc.nat(80)), async (packets, rooms) => {
    const fuzzed = new Guest({ bufferBytes: 1000, maxConnections: 4 })
    const failures: unknown[] = []
    fuzzed.device.listen(1000, (connection) => {
      void connection.readable.pipeTo(connection.writable).catch((error: unknown) => failures.push((error as { code?: string }).code))
    })
    for (const [n, { op, ...fields }] of packets.entries()) {
      if (rooms.includes(n)) fuzzed.room(5, 50)
      fuzzed.send(op, fields)
      if (n % 7 === 0) await settled()
      expect(fuzzed.device.connections).toBeLessThanOrEqual(4)
    }
    fuzzed.room(200, 50)
    await settled()
    expect(fuzzed.queues[spec.TX]!.used).toHaveLength(packets.length)
    expect(fuzzed.host.failures).toEqual([])
    fuzzed.received()
    fuzzed.start()
    await settled()
    expect(failures.filter((code) => code !== 'vsock-reset')).toEqual([])
  }), { numRuns: 100 })
})
