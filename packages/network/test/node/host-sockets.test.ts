import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { once } from 'node:events'
import type { Clock } from '@entresol/interfaces'
import { afterEach, describe, expect, it } from 'vitest'
import { UserNat, natPolicy, openPolicy } from '../../src/index.ts'
import { nodeSockets } from '../../src/node/index.ts'
import { bytes } from '../nat/set-up.ts'
import { ALL, TinyGuest } from '../nat/tiny-guest.ts'

const hostClock: Clock = {
  now: () => performance.now() * 1e6,
  wallClock: () => Date.now(),
  schedule: (at, call) => {
    const timer = setTimeout(call, Math.max(0, at / 1e6 - performance.now()))
    return { cancel: () => clearTimeout(timer) }
  },
}

const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const each of cleanUp.splice(0)) await each()
})

function network() {
  const nat = new UserNat({ clock: hostClock, random: { nextU32: () => 12345 }, sockets: nodeSockets, policy: openPolicy })
  cleanUp.push(() => nat.close())
  return { nat, guest: new TinyGuest(nat.port, hostClock, ALL) }
}

async function server(handle: (socket: Socket) => void): Promise<number> {
  const listening: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    handle(socket)
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  cleanUp.push(() => listening.close())
  return (listening.address() as AddressInfo).port
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('sockets of Node', () => {
  it('carry a connection both ways, with its half-closed ends', async () => {
    const { nat, guest } = network()
    const port = await server((socket) => socket.pipe(socket))
    const connection = guest.connect('10.0.2.2', port, { scale: 5 })
    await until(() => connection.state === 'established')
    const data = bytes(2_000_000)
    connection.write(data)
    connection.end()
    await until(() => connection.finReceived)
    expect(Buffer.compare(connection.bytes, data)).toBe(0)
    await until(() => nat.statistics.connections === 0)
    expect(nat.statistics.memory).toBe(0)
  })

  it('tell refusals and resets', async () => {
    const { guest } = network()
    const gone = await server(() => undefined)
    await cleanUp.pop()!()
    const refused = guest.connect('10.0.2.2', gone)
    await until(() => refused.state === 'reset')
    let peer: Socket | undefined
    const port = await server((socket) => (peer = socket))
    const connection = guest.connect('10.0.2.2', port)
    await until(() => peer !== undefined && connection.state === 'established')
    peer!.resetAndDestroy()
    await until(() => connection.state === 'reset')
    peer = undefined
    const other = guest.connect('10.0.2.2', port)
    await until(() => peer !== undefined && other.state === 'established')
    let failure: string | undefined
    peer!.on('error', (error: NodeJS.ErrnoException) => (failure = error.code))
    peer!.resume()
    other.reset()
    await until(() => failure !== undefined)
    expect(failure).toBe('ECONNRESET')
  })

  it('stop reading while the guest has no room', async () => {
    const { nat, guest } = network()
    const port = await server((socket) => socket.end(bytes(20_000_000)))
    const connection = guest.connect('10.0.2.2', port, { buffer: 10_000, slow: true })
    await until(() => nat.statistics.memory > 500_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(nat.statistics.memory).toBeLessThanOrEqual(2 << 20)
    expect(connection.received.length).toBeLessThanOrEqual(10_000)
  })

  it('bring connections from outside to the guest', async () => {
    const { nat, guest } = network()
    const listener = await nat.forwardToGuest({ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestAddress: undefined, guestPort: 22 })
    const inside = guest.listen(22, { scale: 2 })
    const outside = connect({ port: listener.port, host: '127.0.0.1' })
    cleanUp.push(() => outside.destroy())
    const chunks: Buffer[] = []
    outside.on('data', (chunk: Buffer) => chunks.push(chunk))
    outside.end(bytes(300_000))
    await until(() => inside.finReceived)
    expect(Buffer.compare(inside.bytes, bytes(300_000))).toBe(0)
    inside.write(bytes(100_000, 2))
    inside.end()
    await once(outside, 'close')
    expect(Buffer.compare(Buffer.concat(chunks), bytes(100_000, 2))).toBe(0)
    listener.close()
  })

  it('say with a code when a port cannot be had', async () => {
    const { nat } = network()
    const taken = await server(() => undefined)
    const forward = { hostAddress: '127.0.0.1', guestAddress: undefined, guestPort: 22 }
    await expect(nat.forwardToGuest({ protocol: 'tcp', hostPort: taken, ...forward })).rejects.toMatchObject({ code: 'network-listen' })
    const busy = createSocket('udp4').bind(0, '127.0.0.1')
    await once(busy, 'listening')
    cleanUp.push(() => busy.close())
    await expect(nat.forwardToGuest({ protocol: 'udp', hostPort: busy.address().port, ...forward })).rejects.toMatchObject({ code: 'network-listen' })
  })

  it('carry datagrams', async () => {
    const { nat, guest } = network()
    const echo = createSocket('udp4', (message, from) => echo.send(message, from.port, from.address)).bind(0, '127.0.0.1')
    await once(echo, 'listening')
    cleanUp.push(() => echo.close())
    guest.udp('10.0.2.2', echo.address().port, bytes(1000))
    await until(() => guest.datagrams.length === 1)
    expect(guest.datagrams[0]).toMatchObject({ source: '10.0.2.2', sourcePort: echo.address().port, port: 1111, payload: bytes(1000) })
    const forward = await nat.forwardToGuest({ protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 0, guestAddress: undefined, guestPort: 99 })
    echo.send('hello', forward.port, '127.0.0.1')
    await until(() => guest.datagrams.length === 2)
    expect(guest.datagrams[1]).toMatchObject({ port: 99, source: '10.0.2.2' })
    forward.close()
  })

  it('survive datagrams and connections that lead nowhere', async () => {
    const { guest } = network()
    guest.udp('10.0.2.2', 1, bytes(10))
    guest.udp('fec0::2', 1, bytes(10))
    guest.udp('2001:db8::1', 1, bytes(10))
    const connection = guest.connect('fec0::2', 1)
    await until(() => connection.state === 'reset' || guest.icmp.length > 0)
  })

  it('know the host by all its addresses', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', '0.0.0.0'].every((address) => nodeSockets.isOwn(address))).toBe(true)
    expect(nodeSockets.isOwn('192.0.2.1')).toBe(false)
    const policy = natPolicy()
    expect(policy({ protocol: 'tcp', address: '127.0.0.1', port: 22, host: nodeSockets.isOwn('127.0.0.1') })).toBe(false)
    for (const { address, port } of nodeSockets.nameservers()) expect([address === '', port > 0]).toEqual([false, true])
  })
})
