import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createSocket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { connectLink, datagramLink, listenLink } from '../../src/links/index.ts'
import { nodeSockets as sockets } from '../../src/node/index.ts'
import { hostClock, until } from '../support/clock.ts'
import { ALL, BROADCAST, frame, Station } from '../support/devices.ts'

const clock = hostClock()
const ADDRESS = '127.0.0.1'
const children: ChildProcess[] = []
const closing: (() => void)[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const close of closing.splice(0)) close()
})

function keep<T extends { close(): void }>(link: T): T {
  closing.push(() => link.close())
  return link
}

/** A UDP port nobody has now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, ADDRESS, resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

/** Sends until it arrives: what carries UDP may lose the first frames while the other side starts. */
async function talk(from: Station, to: Station, what: string): Promise<void> {
  await until(() => {
    if (to.texts().includes(what)) return true
    from.say(to.mac, what)
    return false
  })
}

describe('TCP', () => {
  it('carries frames both ways, unfinished ones finished', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const a = new Station(server.port, 2)
    expect(server.port.linkUp).toBe(false)
    const client = keep(connectLink({ sockets, clock, to: { address: ADDRESS, port: server.localPort } }))
    const b = new Station(client.port, 4, ALL)
    await until(() => server.port.linkUp && client.port.linkUp)
    expect([a.links, b.links]).toEqual([[true], [true]])
    for (let index = 0; index < 100; index++) a.say(4, `${index}`, { length: 1000 })
    a.port.send(frame(4, 2, '', { length: 100 }), { checksum: { start: 34, offset: 16 }, segmentation: undefined })
    b.say(2, 'back')
    await until(() => b.got.length === 101 && a.got.length === 1)
    expect(b.got[100]!.unfinished).toBeUndefined()
    expect([...b.got[100]!.frame.subarray(50, 52)]).toEqual([0xff, 0xff])
    expect(b.texts().slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, index) => `${index}`))
    expect(a.texts()).toEqual(['back'])
    expect([server.counters.sent, client.counters.received]).toEqual([101, 101])
  })
  it('turns others away while one is connected, takes the next when it has gone', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const first = connectLink({ sockets, clock, to: { address: ADDRESS, port: server.localPort } })
    await until(() => server.port.linkUp)
    const second = keep(connectLink({ sockets, clock, to: { address: ADDRESS, port: server.localPort }, reconnectSeconds: 0.01 }))
    const [a, b, c] = [new Station(server.port, 2), new Station(first.port, 4), new Station(second.port, 6)]
    await new Promise((resolve) => setTimeout(resolve, 50))
    await talk(b, a, 'still here')
    expect(second.port.linkUp).toBe(false)
    first.close()
    await talk(c, a, 'at last')
  })
  it('a peer that sends no frames is dropped, and costs no more memory than one frame', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const rogue = connect(server.localPort, ADDRESS)
    rogue.on('error', () => undefined)
    rogue.write('GET / HTTP/1.1\r\n\r\n')
    await until(() => rogue.closed)
    expect(server.port.linkUp).toBe(false)
  })
  it('a device that has no room holds the peer back; nothing of it is lost', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const slow = new Station(server.port, 2)
    slow.room = 0
    const rogue = connect(server.localPort, ADDRESS)
    const one = frame(BROADCAST, 4, 'x', { length: 1000 })
    const chunk = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.concat([Buffer.from([0, 0, 3, 0xe8]), one])))
    for (let index = 0; index < 20; index++) rogue.write(chunk)
    await until(() => server.counters.received === 0 && rogue.writableLength > 0 && server.port.linkUp)
    slow.room = Infinity
    server.port.resume()
    await until(() => slow.got.length === 20_000)
    expect(server.counters.dropped).toBe(0)
    rogue.destroy()
  })
  it('nobody listening is a link that stays down', async () => {
    const server = createServer().listen(0, ADDRESS)
    await until(() => server.listening)
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const link = connectLink({ sockets, clock, to: { address: ADDRESS, port } })
    new Station(link.port, 2).say(4, 'x')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect([link.port.linkUp, link.counters.dropped]).toEqual([false, 1])
    link.close()
  })
  it('a port that is taken is a coded error', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    await expect(listenLink({ sockets, clock, address: ADDRESS, port: server.localPort })).rejects.toMatchObject({ code: 'network-listen' })
  })
})

describe('UDP', () => {
  it('carries a frame in each datagram, from the other end only', async () => {
    const [one, two] = [await freePort(), await freePort()]
    const left = keep(await datagramLink({ sockets, clock, local: { address: ADDRESS, port: one }, remote: { address: ADDRESS, port: two } }))
    const right = keep(await datagramLink({ sockets, clock, local: { address: ADDRESS, port: two }, remote: { address: ADDRESS, port: one } }))
    const a = new Station(left.port, 2)
    const b = new Station(right.port, 4)
    await talk(a, b, 'hello')
    await talk(b, a, 'hi')
    const stranger = createSocket('udp4')
    stranger.send(frame(2, 6, 'forged'), one, ADDRESS)
    await until(() => left.counters.dropped === 1)
    expect(a.texts()).toEqual([])
    stranger.close()
  })
})

describe('two processes', () => {
  it('a switch in another process joins a TCP and a UDP link of ours', async () => {
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const [one, two] = [await freePort(), await freePort()]
    const udp = keep(await datagramLink({ sockets, clock, local: { address: ADDRESS, port: one }, remote: { address: ADDRESS, port: two } }))
    const child = spawn(process.execPath, [fileURLToPath(new URL('peer.ts', import.meta.url)), String(server.localPort), String(two), String(one)], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const a = new Station(server.port, 2)
    const b = new Station(udp.port, 4)
    await until(() => server.port.linkUp)
    await talk(a, b, 'out')
    await talk(b, a, 'back')
    child.kill()
    await until(() => !server.port.linkUp)
  })
})

describe('QEMU', () => {
  const qemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0

  /** A QEMU without a machine, whose hub joins two of its links. */
  function hub(...netdevs: string[]): void {
    const ports = netdevs.flatMap((netdev, index) => ['-netdev', `${netdev},id=n${index}`, '-netdev', `hubport,hubid=0,id=h${index},netdev=n${index}`])
    children.push(spawn('qemu-system-x86_64', ['-M', 'none', '-display', 'none', '-monitor', 'none', ...ports], { stdio: 'ignore' }))
  }

  it.for([
    ['socket', (port: number) => `socket,connect=${ADDRESS}:${port}`, (local: number, remote: number) => `socket,udp=${ADDRESS}:${remote},localaddr=${ADDRESS}:${local}`],
    ['stream and dgram', (port: number) => `stream,addr.type=inet,addr.host=${ADDRESS},addr.port=${port}`,
      (local: number, remote: number) => `dgram,local.type=inet,local.host=${ADDRESS},local.port=${local},remote.type=inet,remote.host=${ADDRESS},remote.port=${remote}`]
  ] as const)('-netdev %s speaks as we do', async ([, tcp, udpNetdev], ctx) => {
    ctx.skip(!qemu, 'qemu-system-x86_64 is not installed')
    const server = keep(await listenLink({ sockets, clock, address: ADDRESS, port: 0 }))
    const [one, two] = [await freePort(), await freePort()]
    const udp = keep(await datagramLink({ sockets, clock, local: { address: ADDRESS, port: one }, remote: { address: ADDRESS, port: two } }))
    hub(tcp(server.localPort), udpNetdev(two, one))
    const a = new Station(server.port, 2)
    const b = new Station(udp.port, 4)
    await until(() => server.port.linkUp)
    await talk(a, b, 'through QEMU')
    await talk(b, a, 'and back')
  })
  it('-netdev socket,listen takes our connection', async (ctx) => {
    ctx.skip(!qemu, 'qemu-system-x86_64 is not installed')
    const [tcp, one, two] = [await freePort(), await freePort(), await freePort()]
    hub(`socket,listen=${ADDRESS}:${tcp}`, `socket,udp=${ADDRESS}:${one},localaddr=${ADDRESS}:${two}`)
    const link = keep(connectLink({ sockets, clock, to: { address: ADDRESS, port: tcp }, reconnectSeconds: 0.05 }))
    const udp = keep(await datagramLink({ sockets, clock, local: { address: ADDRESS, port: one }, remote: { address: ADDRESS, port: two } }))
    const a = new Station(link.port, 2)
    const b = new Station(udp.port, 4)
    await talk(a, b, 'through QEMU')
    await talk(b, a, 'and back')
  })
})
