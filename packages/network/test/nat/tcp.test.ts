import { describe, expect, it } from 'vitest'
import { ETHERNET_HEADER, IP_PROTOCOL, TCP_FLAG, finishFrame, pseudoSum, put16, putTcp } from '../../src/codec/index.ts'
import { natPolicy } from '../../src/index.ts'
import { bytes, setUp } from './set-up.ts'
import type { Setup } from './set-up.ts'
import { numbers } from './test-clock.ts'
import type { TestClock } from './test-clock.ts'
import { ALL, NONE } from './tiny-guest.ts'
import type { ConnectionOptions, GuestConnection, Wire } from './tiny-guest.ts'

function established({ guest, host }: Setup, to = '10.0.2.2', options: ConnectionOptions = { scale: 7 }): GuestConnection {
  const connection = guest.connect(to, 80, options)
  host.last.events!.opened()
  expect(connection.state).toBe('established')
  return connection
}

describe('a connection of a guest', () => {
  it.each([['10.0.2.2', '127.0.0.1'], ['fec0::2', '::1'], ['93.184.216.34', '93.184.216.34'], ['2606:2800:21f::1', '2606:2800:21f::1']])('to %s reaches %s', (seen, real) => {
    const setup = setUp()
    established(setup, seen)
    expect(setup.host.last.to).toEqual({ address: real, port: 80 })
  })

  it('gets its SYN answered when the host is connected, and not before', () => {
    const { guest, host } = setUp()
    const connection = guest.connect('10.0.2.2', 80)
    expect(connection.state).toBe('syn-sent')
    host.last.events!.opened()
    expect(connection.state).toBe('established')
    expect(connection.peerOptions).toEqual({ mss: 1460 })
  })

  it('agrees on window scaling when the guest offers it', () => {
    const setup = setUp()
    const connection = established(setup)
    expect(connection.peerOptions).toEqual({ mss: 1460, windowScale: 7 })
    setup.guest.connections.get(connection.port)!.write(bytes(10_000))
    expect(connection.peerWindow).toBeGreaterThan(0xffff)
  })

  it('is reset when the host refuses', () => {
    const { guest, host, nat } = setUp()
    const connection = guest.connect('10.0.2.2', 80)
    host.last.fail('refused')
    expect(connection.state).toBe('reset')
    expect(nat.statistics.connections).toBe(0)
  })

  it.each(['10.99.0.1', '2606::1'])('hears by ICMP when %s is unreachable', (to) => {
    const { guest, host } = setUp()
    guest.connect(to, 80)
    host.last.fail('unreachable')
    expect(guest.icmp).toHaveLength(1)
    expect(guest.icmp[0]).toMatchObject(to.includes(':') ? { type: 1, code: 3 } : { type: 3, code: 1 })
  })

  it('carries bytes in both directions, with and without offloads', () => {
    for (const accepts of [NONE, ALL]) {
      for (const to of ['10.0.2.2', 'fec0::2']) {
        const setup = setUp({}, accepts)
        const connection = established(setup, to)
        const [up, down] = [bytes(300_000), bytes(400_000, 2)]
        connection.write(up)
        for (let at = 0; at < down.length; at += 50_000) setup.host.last.events!.data(down.subarray(at, at + 50_000))
        setup.clock.advance(5e9)
        expect(Buffer.compare(setup.host.last.received, up)).toBe(0)
        expect(Buffer.compare(connection.bytes, down)).toBe(0)
        expect(setup.guest.unfinished.some((each) => each?.segmentation !== undefined)).toBe(accepts === ALL)
      }
    }
  })

  it('takes a guest’s unfinished segments of 64 KiB', () => {
    const setup = setUp()
    const connection = established(setup)
    const data = bytes(60_000)
    const frame = setup.guest.packet(connection.to, IP_PROTOCOL.TCP, 20 + data.length, (into, at, addresses, size) => {
      putTcp(into, at, { sourcePort: connection.port, destinationPort: 80, sequence: connection.sequence, acknowledgment: 0, flags: TCP_FLAG.ACK, window: 1000, length: 20 })
      into.set(data, at + 20)
      put16(into, at + 16, pseudoSum(into, addresses, size, IP_PROTOCOL.TCP, 20 + data.length))
      // The number the guest has acknowledged stands in its last segment.
      into.set(setup.guest.seen.at(-1)!.subarray(38, 42), at + 8)
    })
    const ack = new DataView(frame.buffer).getUint32(42)
    new DataView(frame.buffer).setUint32(42, ack + 1)
    const unfinished = { checksum: { start: 34, offset: 16 }, segmentation: { kind: 'tcp4', size: 1460, headerLength: 54 } } as const
    setup.guest.send(frame, unfinished)
    expect(Buffer.compare(setup.host.last.received, data)).toBe(0)
    expect(finishFrame(frame, unfinished)).toHaveLength(Math.ceil(60_000 / 1460))
  })

  it('keeps half-closed directions open until both have ended', () => {
    const setup = setUp()
    const connection = established(setup)
    const stream = setup.host.last
    connection.write(bytes(10))
    connection.end()
    expect(stream.ended).toBe(true)
    expect(connection.finAcknowledged).toBe(true)
    stream.events!.data(bytes(5000, 3))
    expect(connection.received).toHaveLength(5000)
    stream.events!.ended()
    expect(connection.finReceived).toBe(true)
    setup.clock.advance(2e9)
    expect(setup.nat.statistics).toMatchObject({ connections: 0, memory: 0 })
  })

  it('can be ended by the host first', () => {
    const setup = setUp()
    const connection = established(setup)
    setup.host.last.events!.data(bytes(5000, 3))
    setup.host.last.events!.ended()
    expect(connection.finReceived).toBe(true)
    connection.write(bytes(100))
    expect(setup.host.last.received).toHaveLength(100)
    connection.end()
    expect(setup.host.last.ended).toBe(true)
    setup.clock.advance(2e9)
    expect(setup.nat.statistics).toMatchObject({ connections: 0, memory: 0 })
  })

  it('passes resets on, both ways', () => {
    const setup = setUp()
    const one = established(setup)
    one.reset()
    expect(setup.host.last.wasReset).toBe(true)
    const two = established(setup)
    setup.host.last.fail('reset')
    expect(two.state).toBe('reset')
    expect(setup.nat.statistics.connections).toBe(0)
  })

  it('is not reset by a number that is only near', () => {
    const setup = setUp()
    const connection = established(setup)
    connection.send(TCP_FLAG.RST | TCP_FLAG.ACK, (connection.sequence + 10) >>> 0)
    expect(setup.host.last.wasReset).toBe(false)
    connection.write(bytes(10))
    expect(setup.host.last.received).toHaveLength(10)
  })

  it('stops the host while the guest does not read, asks again, and goes on', () => {
    const setup = setUp()
    const connection = established(setup, '10.0.2.2', { buffer: 20_000, slow: true })
    const stream = setup.host.last
    const data = bytes(3 << 20)
    let sent = 0
    const fill = () => {
      for (; sent < data.length && !stream.paused; sent += 65536) stream.events!.data(data.subarray(sent, sent + 65536))
    }
    fill()
    expect(stream.paused).toBe(true)
    expect(sent).toBeLessThan(2 << 20)
    const seen = setup.guest.seen.length
    setup.clock.advance(10e9)
    expect(setup.guest.seen.length).toBeGreaterThan(seen)
    for (let turn = 0; turn < 2000 && connection.received.length < data.length; turn++) {
      connection.read(20_000 - connection.window)
      fill()
      if (connection.window > 0 && turn % 10 === 9) setup.clock.advance(1e9)
    }
    expect(Buffer.compare(connection.bytes, data)).toBe(0)
  })

  it('stops the guest while the host does not take what it wrote', () => {
    const setup = setUp()
    const connection = established(setup)
    const stream = setup.host.last
    stream.stalled = true
    const data = bytes(3 << 20)
    connection.write(data)
    setup.clock.advance(3e9)
    expect(stream.pending).toBeLessThanOrEqual(1 << 20)
    expect(stream.pending).toBeGreaterThan(900_000)
    expect(connection.peerWindow).toBe(0)
    stream.unstall()
    for (let turn = 0; turn < 20; turn++) setup.clock.advance(1e9)
    expect(Buffer.compare(stream.received, data)).toBe(0)
  })

  it('waits while the guest’s end has no room, and loses nothing', () => {
    const setup = setUp({}, ALL)
    const connection = established(setup)
    setup.guest.room = false
    const data = bytes(500_000)
    for (let at = 0; at < data.length; at += 50_000) setup.host.last.events!.data(data.subarray(at, at + 50_000))
    expect(connection.received).toHaveLength(0)
    setup.guest.room = true
    setup.nat.port.resume()
    expect(Buffer.compare(connection.bytes, data)).toBe(0)
  })

  it('acknowledges sparsely', () => {
    const setup = setUp()
    const connection = established(setup)
    connection.write(bytes(1 << 20))
    expect(connection.acks).toBeLessThan((1 << 20) / 1460 / 1.5)
  })

  it('acknowledges a single small segment in time', () => {
    const setup = setUp()
    const connection = established(setup)
    const before = connection.acks
    connection.write(bytes(10))
    expect(connection.acks).toBe(before)
    setup.clock.advance(50e6)
    expect(connection.acks).toBe(before + 1)
  })

  it('gives up on a guest that vanished', () => {
    const setup = setUp()
    established(setup)
    setup.guest.wire = { toNat: () => undefined, toGuest: () => undefined }
    setup.host.last.events!.data(bytes(1000))
    setup.clock.advance(1200e9)
    expect(setup.host.last.wasReset).toBe(true)
    expect(setup.nat.statistics).toMatchObject({ connections: 0, memory: 0 })
    expect(setup.clock.pending).toBe(0)
  })
})

describe('a wire that loses, repeats and reorders', () => {
  const lossy = (seed: number, percent: number, clock: TestClock): Wire => {
    const random = numbers(seed)
    const pass = (frame: Uint8Array, go: (frame: Uint8Array) => void): void => {
      const copy = frame.slice()
      const dice = random(100)
      if (dice < percent) return
      if (dice < percent * 2) clock.schedule(clock.now() + (1 + random(30)) * 1e6, () => go(copy))
      else if (dice < percent * 3) {
        go(copy)
        go(copy)
      } else go(copy)
    }
    return { toNat: pass, toGuest: pass }
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('delivers every byte once, in order (%i)', (seed) => {
    const setup = setUp({}, seed % 2 === 0 ? ALL : NONE)
    setup.guest.wire = lossy(seed, seed % 3 === 0 ? 15 : 5, setup.clock)
    const connection = setup.guest.connect(seed % 4 < 2 ? '10.0.2.2' : 'fec0::2', 80, { scale: seed % 5, buffer: 50_000 })
    for (let turn = 0; turn < 100 && setup.host.streams.length === 0; turn++) setup.clock.step()
    const stream = setup.host.streams[0]!
    stream.events!.opened()
    const [up, down] = [bytes(100_000, seed), bytes(150_000, seed + 100)]
    connection.write(up)
    connection.end()
    let sent = 0
    const random = numbers(seed + 50)
    for (let turn = 0; turn < 100_000 && !(connection.finReceived && connection.finAcknowledged && stream.ended); turn++) {
      if (sent < down.length && !stream.paused) {
        const length = 1 + random(9000)
        stream.events!.data(down.subarray(sent, sent + length))
        sent += length
        if (sent >= down.length) stream.events!.ended()
      }
      setup.clock.step()
    }
    expect(Buffer.compare(stream.received, up)).toBe(0)
    expect(Buffer.compare(connection.bytes, down)).toBe(0)
    setup.clock.advance(100e9)
    expect(setup.nat.statistics).toMatchObject({ connections: 0, memory: 0 })
  })
})

describe('bounds', () => {
  it('a flood of SYNs leaves a bounded number of half-open connections, and the established one alone', () => {
    const setup = setUp({ limits: { connections: 64, halfOpen: 16 } })
    const connection = established(setup)
    const stream = setup.host.last
    for (let index = 0; index < 5000; index++) setup.guest.connect(`93.184.${index >> 8}.${index & 255}`, 80)
    expect(setup.nat.statistics.connections).toBeLessThanOrEqual(17)
    expect(setup.host.streams.filter((each) => !each.wasReset)).toHaveLength(17)
    connection.write(bytes(100))
    expect(stream.received).toHaveLength(100)
  })

  it('too many connections cost those silent for longest', () => {
    const setup = setUp({ limits: { connections: 32, halfOpen: 16 } })
    const first = established(setup)
    const second = established(setup)
    for (let index = 0; index < 40; index++) {
      setup.clock.advance(1e6)
      second.write(bytes(3000))
      established(setup)
    }
    expect(first.state).toBe('reset')
    expect(second.state).toBe('established')
    expect(setup.nat.statistics.connections).toBe(32)
  })

  it('many slow readers share the memory there is', () => {
    const setup = setUp({ limits: { memory: 4 << 20 } })
    const streams = Array.from({ length: 64 }, () => {
      established(setup, '10.0.2.2', { buffer: 1000, slow: true })
      return setup.host.last
    })
    const data = bytes(65536)
    for (let turn = 0; turn < 40; turn++) for (const stream of streams) if (!stream.paused) stream.events!.data(data)
    expect(setup.nat.statistics.memory).toBeLessThan(16 << 20)
    expect(streams.every((stream) => stream.paused)).toBe(true)
  })

  it('many hosts that take nothing share it too', () => {
    const setup = setUp({ limits: { memory: 1 << 20 } })
    for (let index = 0; index < 16; index++) {
      const connection = established(setup)
      setup.host.last.stalled = true
      connection.write(bytes(300_000, index))
    }
    setup.clock.advance(1e9)
    expect(setup.nat.statistics.memory).toBeLessThan(2 << 20)
  })

  it('a segment without a connection is answered with a reset, a reset with nothing', () => {
    const { guest } = setUp()
    const lost = guest.connect('127.0.0.1', 80)
    expect(guest.icmp).toHaveLength(1)
    lost.to = Uint8Array.of(10, 0, 2, 2)
    const seen = guest.seen.length
    lost.send(TCP_FLAG.ACK)
    expect(guest.seen[seen]![ETHERNET_HEADER + 20 + 13]).toBe(TCP_FLAG.RST)
    lost.send(TCP_FLAG.RST)
    expect(guest.seen).toHaveLength(seen + 1)
  })
})

describe('forwards', () => {
  it('a port of the host leads to the guest, whose MAC is asked for', async () => {
    const setup = setUp()
    await setup.nat.forwardToGuest({ protocol: 'tcp', hostAddress: undefined, hostPort: 2222, guestAddress: undefined, guestPort: 22 })
    const server = setup.guest.listen(22, { scale: 3 })
    const stream = setup.host.dial(2222)
    expect(server.state).toBe('established')
    expect([...server.to, server.remotePort]).toEqual([10, 0, 2, 2, 50000])
    stream.events!.data(bytes(5000))
    server.write(bytes(7000, 2))
    setup.clock.advance(1e9)
    expect(server.received).toHaveLength(5000)
    expect(stream.received).toHaveLength(7000)
  })

  it('asks again for a guest that does not answer yet', async () => {
    const setup = setUp()
    await setup.nat.forwardToGuest({ protocol: 'tcp', hostAddress: undefined, hostPort: 2222, guestAddress: undefined, guestPort: 22 })
    const server = setup.guest.listen(22)
    const { wire } = setup.guest
    setup.guest.wire = { toNat: () => undefined, toGuest: () => undefined }
    setup.host.dial(2222)
    setup.guest.wire = wire
    setup.clock.advance(5e9)
    expect(server.state).toBe('established')
  })

  it('gives up when nobody is there', async () => {
    const setup = setUp()
    await setup.nat.forwardToGuest({ protocol: 'tcp', hostAddress: undefined, hostPort: 2222, guestAddress: '10.0.2.77', guestPort: 22 })
    const stream = setup.host.dial(2222)
    setup.clock.advance(300e9)
    expect(stream.wasReset).toBe(true)
    expect(setup.nat.statistics.connections).toBe(0)
  })

  it('an address of the network leads into this process, even when all else is forbidden', () => {
    const setup = setUp({ restrict: true })
    const opened: string[] = []
    setup.nat.forwardFromGuest({ address: '10.0.2.100', port: 80, target: (events) => {
      opened.push('opened')
      return setup.host.connect({ address: 'inside', port: 0 }, events)
    } })
    const connection = established(setup, '10.0.2.100')
    expect(opened).toHaveLength(1)
    connection.write(bytes(10))
    expect(setup.host.last.received).toHaveLength(10)
    setup.guest.connect('10.0.2.2', 80)
    setup.guest.connect('93.184.216.34', 80)
    expect(setup.host.streams).toHaveLength(1)
    expect(setup.guest.icmp).toHaveLength(2)
  })
})

describe('the default policy', () => {
  it.each(['10.0.2.2', 'fec0::2', '192.168.1.1', '10.1.1.1', '169.254.169.254', '172.16.0.1', '100.64.0.1', '198.51.100.7', 'fe80::1', 'fd00::1', '::ffff:127.0.0.1',
    '64:ff9b::7f00:1', '2002:7f00:1::', '224.0.0.1', '127.0.0.1', '0.0.0.0', '255.255.255.255', '::1', 'ff02::1'])('denies %s', (to) => {
    const { guest, host } = setUp({ policy: natPolicy() })
    const connection = guest.connect(to, 80)
    expect(host.streams).toHaveLength(0)
    expect(connection.state).toBe('syn-sent')
  })

  it.each(['93.184.216.34', '2606:2800:21f::1', '64:ff9b::5db8:d822'])('allows %s', (to) => {
    const { guest, host } = setUp({ policy: natPolicy() })
    guest.connect(to, 80)
    expect(host.streams).toHaveLength(1)
  })

  it('opens what it is told to, and the host only by name', () => {
    const { guest, host } = setUp({ policy: natPolicy({ public: false, networks: ['192.168.1.0/24', '198.51.100.0/24'] }) })
    for (const to of ['192.168.1.1', '192.168.2.1', '198.51.100.7', '93.184.216.34', '10.0.2.2']) guest.connect(to, 80)
    expect(host.streams.map((stream) => stream.to.address)).toEqual(['192.168.1.1'])
  })
})
